# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""nats-server in operator mode on one host: its configuration, the checks of its startup, and the service that runs it.

`configuration` creates files from options, `startup` checks what would keep a server from starting, `language` writes and `reading` parses NATS's
configuration language, `secrets` hides secret values; all of these are pure. `program` tests a configuration with the installed nats-server,
`running` queries and controls the running one. Only the standard library is used, because server hosts need no other libraries.
"""
