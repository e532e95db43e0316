# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""NATS operators, accounts and users: issues and verifies their JWTs, writes their creds files, and explains any of these.

    operator = Operator.create("ACME")
    app = operator.account("APP", limits={"connections": 100})
    worker = app.user("worker", permissions={"publish": {"allow": ["orders.>"]}}, expires_in="90d")
    print(worker.creds)

    claims = verify(worker.jwt, [operator.jwt, app.jwt])

Claims have the option names of the collection's modules and documents, and describe the whole JWT: an omitted claim has its default. Every
problem with an option, a key or a JWT raises a NatsSecurityError. The functions of this package read and write no files.
"""

from .core.base.errors import NatsSecurityError
from .core.claims import Claims
from .core.keys import nkey
from .core.keys.nkey import KeyPair
from .entities import Account, Operator, User, creds, verify
from .explaining import explain

__all__ = [
    "Account",
    "Claims",
    "KeyPair",
    "NatsSecurityError",
    "Operator",
    "User",
    "creds",
    "explain",
    "nkey",
    "verify",
]
