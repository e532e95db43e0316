# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Why servers refuse a user, which servers do not report.

A server answers `Authorization Violation` for every reason. The user is therefore really connected to each server of a list, and what is known is checked in
the order in which nats-server 2.15 checks it (processClientOrLeafAuthentication in auth.go). The first check that fails is the cause.

    creds       what the creds show by themselves, before anything is sent
    attempts    one connection to each server, and other services that listen on a port
    evidence    what servers hold of the account, over the system account
    reasons     the cause, a message and advice, derived from all of this. Pure
    abilities   what the user may not do once it is connected, for the actions that a task lists. Pure

The basis of a cause shows how certain it is: `creds`, `server` (the server holds or reports it), `store` (the store has it, and the server may not),
or `none`.
"""

from __future__ import annotations
