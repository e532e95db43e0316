# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The claims that a version of nats-server does not enforce, and the warnings about them. tests/enforcement tests real servers."""

from __future__ import annotations

import re
from typing import Any

import pytest
from checkout import ROOT

from ansible_collections.natsops.security.plugins.module_utils.claims import (
    Account,
    Claims,
    Operator,
    SigningKey,
    User,
)
from ansible_collections.natsops.security.plugins.module_utils.claims.declaration import versions_in_words
from ansible_collections.natsops.security.plugins.module_utils.claims.options import documentation, read_options
from ansible_collections.natsops.security.plugins.module_utils.rules.server_versions import (
    is_enforced,
    newer_claims,
    newest_version,
    not_enforced,
    not_enforced_by_all,
    read_version,
)

TEMPLATE = {
    "proxy_required": True,
    "allowed_connection_types": ["standard", "in_process"],
    "permissions": {
        "publish": {"allow": ["a.x-{{name()}}"], "deny": ["b.{{name()}}-{{tag(x)}}"]},
        "subscribe": {"allow": ["{{name()}}x.c"], "deny": ["*.{{subject()}}y"]},
    },
}
#: All claims that require a server newer than 2.10.0.
ACCOUNT = {
    "trace": {"destination": "traces"},
    "cluster_traffic": "owner",
    "exports": [{"subject": "a", "type": "service", "allow_trace": True}, {"subject": "b", "type": "service"}],
    "imports": [{"subject": "a", "account": "A", "type": "stream", "allow_trace": True}],
    "default_permissions": {"subscribe": {"deny": ["private.>"]}},
    "limits": {"jetstream_tiers": {"R1": {"disk_storage": 1, "streams": 1}}},
    "signing_keys": [{"key": "K", "template": TEMPLATE}],
}
USER = {
    "proxy_required": True,
    "allowed_connection_types": ["IN_PROCESS"],
    "permissions": {"subscribe": {"deny": ["*.secret"]}},
}
SINCE_2_11 = {"trace", "cluster_traffic", "exports[].allow_trace", "imports[].allow_trace"}


def _claims(cls: type, options: dict[str, Any]) -> Claims:
    problems: list[Any] = []
    options = dict(options)
    keys = options.pop("signing_keys", [])
    body = read_options(cls, options, "", problems)
    assert problems == []
    if cls is Account:
        body.signing_keys = [read_options(SigningKey, key, "", problems) for key in keys]
        assert problems == []
    return Claims(name="x", subject="x", body=body)


def _found(cls: type, options: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    return {claim.path: claim.since for claim in newer_claims(_claims(cls, options))}


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2.9.0", False),
        ("2.13.9", False),
        ("2.14.7", False),
        ("2.14.8", True),
        ("2.14.10", True),
        ("2.15.0", False),
        ("2.15.1", True),
        ("2.15.1-RC.2", True),
        ("v2.16.0", True),
        ("3.0.0", True),
    ],
)
def test_version_enforces_what_its_minor_version_has_since_a_patch_release(version: str, expected: bool) -> None:
    read = read_version(version)
    assert read is not None
    assert is_enforced(("2.14.8", "2.15.1"), read) is expected


@pytest.mark.parametrize("text", ["", "2.15", "two", "2.15.1.4", "2.x.1"])
def test_what_is_no_version_is_not_read_as_one(text: str) -> None:
    assert read_version(text) is None


def test_newer_claims_are_found_wherever_they_are() -> None:
    account = _found(Account, ACCOUNT)
    assert set(account) >= SINCE_2_11
    assert {account[path] for path in SINCE_2_11} == {("2.11.0",)}
    template = "signing_keys[].template"
    assert account[f"{template}.proxy_required"] == ("2.14.8", "2.15.1")
    assert account[f"{template}.allowed_connection_types"] == ("2.10.19",)
    assert account[f"{template}.allowed_connection_types (IN_PROCESS)"] == ("2.11.0",)
    for name in ("publish.allow", "publish.deny", "subscribe.allow", "subscribe.deny"):
        assert account[f"{template}.permissions.{name} (for templates within a token)"] == ("2.11.0",)
    overlapping = "subscribe.deny (for subscriptions that overlap it)"
    assert account[f"{template}.permissions.{overlapping}"] == account[f"default_permissions.{overlapping}"]
    assert account["limits.jetstream_tiers.NAME.streams (for streams without num_replicas)"] == ("2.12.5",)
    assert _found(User, USER) == {
        "proxy_required": ("2.12.0",),
        "allowed_connection_types (IN_PROCESS)": ("2.11.0",),
        f"permissions.{overlapping}": ("2.11.16", "2.12.7"),
    }


@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (Operator, {"assert_server_version": "2.10.0"}),
        (Account, {}),
        (Account, {"cluster_traffic": "system"}),
        (Account, {"limits": {"jetstream_tiers": {"R1": {"disk_storage": 1}}}}),
        (Account, {"default_permissions": {"subscribe": {"deny": ["a.b", ">", "*"]}, "publish": {"deny": ["a.*"]}}}),
        (Account, {"signing_keys": [{"key": "K", "template": {}}, {"key": "L"}]}),
        (
            Account,
            {"signing_keys": [{"key": "K", "template": {"permissions": {"publish": {"deny": ["{{tag(x)}}.a"]}}}}]},
        ),
        (User, {"allowed_connection_types": ["STANDARD"], "permissions": {"publish": {"allow": ["a.x-{{name()}}"]}}}),
        (User, {"proxy_required": False, "permissions": {"subscribe": {"allow": ["a.*"], "deny": ["jobs workers.*"]}}}),
    ],
)
def test_what_every_server_enforces_is_not_found(cls: type, options: dict[str, Any]) -> None:
    assert _found(cls, options) == {}


def test_page_names_every_newer_claim_with_its_version() -> None:
    page = (ROOT / "docs/server-versions.md").read_text()
    rows = set(re.findall(r"^\| (\w+) `([^`]+)` \| ([^|]+?) \|", page, re.MULTILINE))
    found = {
        (kind, path, versions_in_words(since))
        for kind, claims in (("account", _found(Account, ACCOUNT)), ("user", _found(User, USER)))
        for path, since in claims.items()
    }
    assert rows == found


def test_newest_version_is_that_of_the_newest_claim() -> None:
    claims = (*newer_claims(_claims(Account, ACCOUNT)), *newer_claims(_claims(User, USER)))
    last = max(version for version in (read_version(claim.since[-1]) for claim in claims) if version is not None)
    assert newest_version() == last


def test_documentation_says_since_when_a_field_is_enforced() -> None:
    described = " ".join(documentation(User)["proxy_required"]["description"])
    assert "Enforced since nats-server 2.12.0. Older servers ignore it." in described


def test_one_sentence_names_a_claim_its_accounts_and_the_servers_behind() -> None:
    traced = _claims(Account, {"trace": {"destination": "traces"}})
    servers = {"n1": "2.10.26", "n2": "2.11.0", "n3": "2.10.26", "n4": "", "n5": "2.10.1"}
    (sentence,) = not_enforced([("account A", traced), ("account B", traced)], servers)
    assert sentence == (
        "trace of account A and account B is not enforced by n1 and n3 (nats-server 2.10.26) and n5 (nats-server 2.10.1): servers enforce it since "
        "nats-server 2.11.0. Upgrade those servers, or do not rely on it."
    )
    assert not_enforced([("account A", traced)], {"n2": "2.11.0", "n4": ""}) == []


def test_many_accounts_are_counted() -> None:
    traced = _claims(Account, {"trace": {"destination": "traces"}})
    (sentence,) = not_enforced([(f"account A{number}", traced) for number in range(10_000)], {"n1": "2.10.0"})
    assert sentence.startswith("trace of account A0, account A1, account A2, account A3, account A4 and 9,995 more is")


@pytest.mark.parametrize(
    ("asserted", "count"),
    [("2.10.0", 1), ("2.14.7", 1), ("2.14.8", 1), ("2.15.0", 1), ("2.15.1", 0), ("2.16.0", 0), ("", 0), ("x", 0)],
)
def test_asserted_version_has_to_leave_out_every_server_that_does_not_enforce_a_claim(
    asserted: str, count: int
) -> None:
    # 2.14.8 enforces the claim, but 2.15.0, which this assertion also allows, does not.
    scoped = _claims(Account, {"signing_keys": [{"key": "K", "template": {"proxy_required": True}}]})
    found = not_enforced_by_all([("account A", scoped)], asserted)
    assert len(found) == count
    assert all("Set it to 2.15.1 or later" in sentence for sentence in found)
