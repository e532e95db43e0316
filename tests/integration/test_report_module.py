# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""nats_report on a document, a store and the accounts of servers, when it is repeated, with an earlier report, and on files that are not reports."""

from __future__ import annotations

import copy
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.organisations import SMALL, sound
from support.sites import SEED

from ansible_collections.natsops.security.plugins.module_utils.base import units

if TYPE_CHECKING:
    from support.sites import Site


@pytest.fixture
def options(site: Site) -> dict[str, Any]:
    """The options for all three files, about the store of an organisation."""
    where = {"stores_dir": site / "stores", "keys_dir": site / "keys"}
    assert not site.start("store", {"definition": sound(), **where}).get("failed")
    return {**where, **files(site)}


def files(site: Site) -> dict[str, Any]:
    return {"html_path": site / "r.html", "json_path": site / "r.json", "metrics_path": site / "r.prom"}


def test_store_is_shown_once_and_not_written_again(site: Site, options: dict[str, Any]) -> None:
    result = site.run("report", level=2, **options)
    assert result["changed"]
    assert (result["accounts"], result["users"], result["differences"], result["changes"]) == (5, 14, None, [])
    assert [diff["after_header"] for diff in result["diff"]] == [
        options[f"{name}_path"] for name in ("html", "json", "metrics")
    ]
    assert {site.mode(name) for name in ("r.html", "r.json", "r.prom")} == {"0644"}
    site.keep("report", level=2, **options)
    held = json.loads(site.text("r.json"))
    assert held["operator"]["signing_keys"] == [{"key": held["accounts"][0]["signed_by"], "seed": True, "role": "main"}]
    api = next(user for user in held["users"] if user["name"] == "api")
    assert api["expires"] == api["issued"] + 30 * 86400
    # No JWT and no seed.
    for name in ("r.html", "r.json", "r.prom"):
        assert "eyJ" not in site.text(name)
        assert not SEED.search(site.text(name))


def test_document_that_is_not_issued_yet_does_not_change_with_time(site: Site) -> None:
    site.run("report", definition=SMALL, **files(site))
    site.keep("report", definition=SMALL, at=units.show_time(int(time.time()) + 3600), **files(site))
    assert "(a new account key: SHOP)" in site.text("r.json")


def test_what_changed_since_the_report_that_is_replaced_and_since_an_earlier_one(site: Site) -> None:
    site.run("report", definition=SMALL, json_path=site / "old.json")
    after = copy.deepcopy(SMALL)
    del after["accounts"][2]["users"][1]
    site.run("report", definition=SMALL, **files(site))
    result = site.run("report", definition=after, **files(site))
    assert result["changes"][0] == {"kind": "removed", "about": "user BILLING/mailer", "text": "was removed"}
    assert all(diff["prepared"].startswith("user BILLING/mailer was removed\n") for diff in result["diff"][:2])
    assert '"changes":null' in site.text("r.html")
    # The page of changes since an earlier report stays the same when the task is repeated.
    since = {"previous_path": site / "old.json", **files(site)}
    assert site.run("report", definition=after, **since)["changes"] == result["changes"]
    assert '"about":"user BILLING/mailer"' in site.text("r.html")
    assert site.keep("report", definition=after, **since)["changes"] == result["changes"]


def test_differences_of_servers(site: Site) -> None:
    comparison = {
        "servers": [{"name": "n1", "resolver": "full"}],
        "accounts": [
            {"public_key": "A" * 56, "name": "APP", "servers": {"n1": "absent"}, "differences": ["n1 does not have it"]}
        ],
        "differences": [f"account APP ({'A' * 56}): n1 does not have it"],
        "changed": False,
        "failed": False,
    }
    result = site.run("report", definition=SMALL, comparison=comparison, **files(site))
    assert result["differences"] == 1
    assert 'nats_servers_differences{operator="ACME"} 1\n' in site.text("r.prom")
    assert "servers" not in json.dumps(result["invocation"]["module_args"]["comparison"])


@pytest.mark.parametrize("name", ["html", "json", "metrics"])
@pytest.mark.parametrize("check", [False, True])
def test_other_files_are_left_as_they_are(site: Site, name: str, check: bool) -> None:
    path = site.write("mine", "mine")
    message = site.refuse("report", {"check": check}, definition=SMALL, **{**files(site), f"{name}_path": path})
    assert message == f"{name}_path: {path} is left unchanged: it holds content other than a report; move it away."


def test_damaged_report_is_replaced_and_not_compared_with(site: Site) -> None:
    path = site.write("r.json", '{"natsops_report": 1, "accounts": [')
    assert site.run("report", definition=SMALL, json_path=path)["changes"] == []
    site.write("r.json", '{"natsops_report": 1, "accounts": [')
    message = site.refuse("report", definition=SMALL, previous_path=path, html_path=site / "r.html")
    assert message == f"previous_path {path}: this is not a report of nats_report in JSON."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one of the following is required: html_path, json_path, metrics_path"),
        (
            {"json_path": "r.json", "keys_dir": "keys"},
            "keys_dir: the keystore of a store; give stores_dir or store too.",
        ),
        ({"json_path": "r.json", "previous_path": "none.json"}, "previous_path: there is no file"),
        ({"json_path": "r.json", "html_path": "r.json"}, "html_path"),
        (
            {"json_path": "r.json", "comparison": {"changed": False}},
            "comparison: expected the result of nats_resolver_info",
        ),
        ({"json_path": "r.json", "rules": [{"rule": "no-such"}]}, "no-such"),
    ],
)
def test_bad_options(site: Site, options: dict[str, Any], message: str) -> None:
    given = {name: site / value if isinstance(value, str) else value for name, value in options.items()}
    assert message in site.refuse("report", definition=SMALL, **given)


def test_no_seed_in_a_name_and_no_token_of_a_bearer(site: Site) -> None:
    """Names in claims may contain any text, so seeds are masked in every file."""
    operator, account = site.make_key("o.nk", "operator"), site.make_key("a.nk", "account")
    seed = site.make_key("x.nk", "user").seed
    site.make_jwt("o.jwt", "operator", operator.public_key, operator)
    site.make_jwt("a.jwt", "account", account.public_key, operator, {"description": seed, "tags": [seed]}, name=seed)
    user = site.make_key("u.nk", "user")
    token = site.make_jwt("u.jwt", "user", user.public_key, account, {"bearer_token": True})
    site.run("report", jwt_paths=[site / "o.jwt", site / "a.jwt", site / "u.jwt"], **files(site))
    for name in ("r.html", "r.json", "r.prom"):
        text = site.text(name)
        assert seed not in text
        assert seed.lower() not in text
        assert token not in text
    json.loads(site.text("r.json"))
