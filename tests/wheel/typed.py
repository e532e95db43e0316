# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A program that uses every public name of the wheel, for mypy in strict mode."""

from __future__ import annotations

import datetime

from natsops_jwt import Account, Claims, KeyPair, NatsSecurityError, Operator, User, creds, explain, nkey, verify


def issue(name: str) -> str:
    """Issue an operator, an account and a user, and return a text made of their parts."""
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
