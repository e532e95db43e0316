# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What hosts ask for in credentials_users, and what is wrong with it."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.natsops.security.plugins.filter.nats_credentials_order import nats_credentials_order
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
    assert str(refused.value) == f"h1: credentials_users[0] (APP/orders).claims.{said}"


BASE = {"operator": {"name": "ACME", "state": "existing"}, "accounts": []}


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"expires_in": "soon"}, ".expires_in: 'soon' is not a duration"),
        ({"permissions": {"publish": {"allow": ["a..b"]}}}, ".permissions.publish.allow[0]: "),
        ({"renew_before": "1d"}, ": renew_before needs expires_in"),
        ({"audience": {}}, ".audience: "),
        ({"permissions": {"publish": {"allow": ["a", 7]}}}, ".permissions.publish.allow: expected a text"),
        ({"exprires_in": "90d"}, ".exprires_in: unsupported option; did you mean expires_in?"),
    ],
)
def test_wrong_claims_are_named_by_host_and_entry(claims: dict[str, Any], said: str) -> None:
    right = {"account": "APP", "name": "web", "path": "/etc/web.creds", "claims": {"expires_in": "90d"}}
    wrong = {"account": "APP", "name": "orders", "path": "/etc/orders.creds", "claims": claims}
    with pytest.raises(AnsibleFilterError) as refused:
        nats_credentials_order({"h1": [right], "h2": [right, wrong]}, BASE)
    assert f"h2: credentials_users[1] (APP/orders).claims{said}" in str(refused.value)


def test_claims_are_read_as_the_module_receives_them_and_not_for_absent_users() -> None:
    end = datetime.datetime(2036, 1, 31, 12, tzinfo=datetime.timezone.utc)
    user = {"account": "APP", "name": "web", "path": "/etc/web.creds", "claims": {"expires_at": end, "tags": ("a",)}}
    gone = {"account": "APP", "name": "old", "path": "/etc/old.creds", "state": "absent", "claims": {"x": 1}}
    order = nats_credentials_order({"h1": [user, gone]}, BASE)
    assert order["definition"]["accounts"][0]["users"][0]["expires_at"] == end


def test_an_entry_whose_user_cannot_be_read_is_named_by_its_place_alone() -> None:
    for item, said in (
        (7, ": expected a dictionary"),
        ({"account": "APP", "path": "/a"}, ".name: "),
        ({"account": "APP", "name": "a/../b", "path": "/a"}, ".name: "),
    ):
        with pytest.raises(NatsSecurityError) as refused:
            read_requests({"h1": [item]})
        assert str(refused.value).startswith(f"h1: credentials_users[0]{said}")
