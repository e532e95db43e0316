# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""nats-server in operator mode on one host: its configuration, what the server refuses when it starts with it, and the service that runs it.

`configuration` makes files from options, `startup` looks for what would keep a server from starting, `language` and `reading` know NATS's
configuration language, `secrets` what of it is never shown; all of these are pure. `program` asks the installed nats-server for its verdict,
`running` asks and directs the one that runs. Only the standard library is needed here: hosts of servers have no other.
"""
