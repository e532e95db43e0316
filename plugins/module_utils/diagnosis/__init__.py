# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Why servers refuse a user: the one answer that a server never gives.

A server answers `Authorization Violation` whatever the reason is. So the user is connected for real, to each server of a list, and what is known is
compared in the order in which nats-server 2.15 checks it (processClientOrLeafAuthentication in auth.go). The first thing that it has to refuse is the cause.

    creds       what creds show by themselves, before anything is sent
    attempts    one connection to each server, and other services that listen on a port
    evidence    what servers hold of the account, over the system account
    reasons     from all this to a cause, a sentence and an advice. Pure
    abilities   what the user may not do once it is connected, for subjects that are asked about. Pure

A cause is as certain as its basis says: `creds`, `server` (the server holds or answers it), `store` (by what is in the store, which the server may not
have), or `none`.
"""

from __future__ import annotations
