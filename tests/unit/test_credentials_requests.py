# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What hosts ask for in credentials_users, and what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.credentials.requests import read_requests


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        (
            {"signing_key_role": "writer"},
            "signing_key_role: it is not an option of claims; set role beside claims instead.",
        ),
        ({"role": "writer"}, "role: it is not an option of claims; set role beside claims instead."),
        ({"name": "x"}, "name: it is not an option of claims; set name beside claims instead."),
        ({"public_key": "U"}, "public_key: it is not an option of claims."),
    ],
)
def test_option_that_does_not_belong_into_claims_is_named_with_the_one_to_set(
    claims: dict[str, Any], said: str
) -> None:
    user = {"account": "APP", "name": "orders", "path": "/etc/orders.creds", "claims": claims}
    with pytest.raises(NatsSecurityError) as refused:
        read_requests({"h1": [user]})
    assert str(refused.value) == f"h1: credentials_users[0].claims.{said}"
