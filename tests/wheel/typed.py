# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A program of a user's, which mypy reads in strict mode: every name on top has types."""

from __future__ import annotations

import datetime

from natsops_jwt import Account, Claims, KeyPair, NatsSecurityError, Operator, User, creds, explain, nkey, verify


def issue(name: str) -> str:
    """A whole tree."""
    key: KeyPair = nkey.create("operator")
    operator: Operator = Operator.create(name, key=key)
    account: Account = operator.account("APP", limits={"connections": 1})
    user: User = account.user("u", expires_in=datetime.timedelta(days=1))
    seed: str = user.key.seed
    try:
        claims: Claims = verify(user.jwt, [operator.jwt, account.jwt], at=datetime.datetime.now(datetime.timezone.utc))
    except NatsSecurityError as error:
        return str(error)
    lines: list[str] = [line.text for line in explain(user.creds).lines]
    return claims.name + creds(user.jwt, seed) + "".join(lines) + Operator.load(operator.jwt, key).with_key(key).name
