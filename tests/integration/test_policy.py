# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""nats_policy on documents without a key, stores, tokens and a live cluster; its reports; when it fails."""

from __future__ import annotations

import copy
import datetime
import json
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from checkout import ROOT
from junitparser import JUnitXml
from sarif_pydantic import Sarif
from support.fleets import FULL, Fleet, Realm

from ansible_collections.natsops.security.plugins.module_utils.claims import Account

if TYPE_CHECKING:
    from support.plays import Play
    from support.sites import Site

DEFINITION: dict[str, Any] = {
    "operator": {"name": "ACME", "system_account": "SYS"},
    "accounts": [
        {"name": "SYS"},
        {
            "name": "APP",
            "limits": {"connections": 10},
            "users": [
                {"name": "web", "permissions": {"publish": {"allow": ["orders.*"]}}},
                {"name": "job", "expires_in": "30d", "permissions": {"publish": {"allow": ["orders.*"]}}},
            ],
        },
    ],
}
WAIVER = {"rule": "user-expiry", "owner": "jana", "reason": "agreed", "until": "2099-12-31"}
MESSAGE = "user APP/web: never expires; it has to expire within 90d."


def _messages(result: dict[str, Any]) -> list[str]:
    return [finding["message"] for finding in result["findings"]]


@pytest.fixture
def store(site: Site) -> str:
    """Issue the document. Returns the folder of stores."""
    options = {"stores_dir": site / "stores", "keys_dir": site / "keys"}
    assert not site.start("store", {"definition": DEFINITION, **options}).get("failed")
    return options["stores_dir"]


# ---- sources, and when the task fails


def test_document_without_a_key(site: Site) -> None:
    result = site.start("policy", {"definition": DEFINITION})
    assert result["failed"]
    place = "definition: accounts[1] (APP).users[0] (web).expires_at"
    assert result["msg"] == f"The policy has 1 finding:\n{place}: {MESSAGE} (user-expiry, level 1)"
    assert not result["passed"]
    assert not result["changed"]
    (finding,) = result["findings"]
    assert (finding["path"], finding["place"]) == ("accounts[1] (APP).users[0] (web).expires_at", "definition")
    assert (finding["about"], finding["level"], finding["kind"]) == (["user APP/web"], 1, "user-expiry")
    assert finding["reason"]
    assert finding["reference"]


@pytest.mark.parametrize(("asserted", "noted"), [("2.10.0", True), ("2.11.0", False), (None, False)])
def test_claims_that_not_every_server_enforces_are_noted(site: Site, asserted: str | None, noted: bool) -> None:
    definition = copy.deepcopy(DEFINITION)
    definition["accounts"][1]["trace"] = {"destination": "traces"}
    if asserted:
        definition["operator"]["assert_server_version"] = asserted
    notes = site.start("policy", {"definition": definition, "fail_on": "none"})["notes"]
    expected = (
        f"assert_server_version of the operator ACME is {asserted}, which allows servers that do not enforce trace of account APP: "
        "servers enforce it since nats-server 2.11.0. Set it to 2.11.0 or later, or do not rely on that claim."
    )
    assert notes == ([expected] if noted else [])


@pytest.mark.parametrize(
    ("fail_on", "level", "fails"),
    [("none", 2, False), (1, 2, False), (2, 2, True), ("2", 1, False), ("none", 0, False)],
)
def test_levels_that_fail(site: Site, fail_on: Any, level: int, fails: bool) -> None:
    result = site.start(
        "policy", {"definition": DEFINITION, "level": level, "fail_on": fail_on, "exceptions": [WAIVER]}
    )
    assert result.get("failed", False) is fails
    assert result["passed"] is not fails
    if level == 2:
        assert "no-identity-signatures" in {finding["rule"] for finding in result["findings"]}
    if level:
        assert result["excepted"][0]["exception"] == {
            "owner": "jana",
            "reason": "agreed",
            "until": "2099-12-31",
            "path": "exceptions[0]",
        }


def test_store_and_its_tokens_have_the_findings_of_their_document(site: Site, store: str) -> None:
    result = site.keep("policy", stores_dir=store, fail_on="none")
    assert _messages(result) == [MESSAGE]
    assert result["findings"][0]["place"] == store + "/ACME/accounts/APP/users/web.jwt"
    assert result["problems"] == []
    folder = pathlib.Path(store) / "ACME"
    tokens = [str(path) for path in sorted(folder.rglob("*.jwt"))]
    assert _messages(site.keep("policy", jwt_paths=tokens, fail_on="none")) == [MESSAGE]


def test_store_with_problems_does_not_pass(site: Site, store: str) -> None:
    path = site.write("stores/ACME/accounts/APP/users/web.jwt", "nothing")
    result = site.start("policy", {"stores_dir": store})
    assert result["failed"]
    assert [finding["rule"] for finding in result["findings"]] == ["source-complete"]
    assert path in result["findings"][0]["message"]
    assert result["problems"] == _messages(result)
    assert path in str(result["warnings"])
    # An exception may cover the finding, or its level may be changed.
    waiver = {**WAIVER, "rule": "source-complete"}
    assert site.run("policy", stores_dir=store, exceptions=[waiver])["problems"] == result["problems"]
    site.run("policy", stores_dir=store, rules=[{"rule": "source-complete", "level": 2}], fail_on=1)


def test_expired_exception_is_loud(site: Site) -> None:
    waiver = {**WAIVER, "until": "2026-01-01"}
    result = site.start("policy", {"definition": DEFINITION, "exceptions": [waiver]})
    loud = "the exception of jana from user-expiry ended on 2026-01-01 (agreed); remove it, or agree on a new date."
    assert _messages(result) == [MESSAGE, loud]
    assert loud in str(result["warnings"])
    # The time in `at` decides whether an exception has ended.
    options = {"definition": DEFINITION, "exceptions": [waiver], "at": "2025-12-31T23:59:59Z"}
    assert not any(finding["rule"] == "expired-exception" for finding in site.start("policy", options)["findings"])


def test_keys_that_do_not_exist_are_named_in_words(site: Site) -> None:
    definition = copy.deepcopy(DEFINITION)
    definition["accounts"][1]["signing_keys"] = [{"role": "plain"}]
    rules = [{"rule": "only", "publish": "x", "allowed": ["SYS"]}, {"rule": "scoped-signing-keys"}]
    result = site.keep("policy", definition=definition, rules=rules, level=0, fail_on="none", return_reports=["sarif"])
    assert "has the signing key (a new account key: APP/signing_keys/plain) without a scope" in _messages(result)[0]
    assert "(a new account key: APP/signing_keys/plain)" in result["sarif"]


# ---- the policy from a file


def test_policy_from_a_file(site: Site) -> None:
    path = site.write(
        "policy.yml",
        "rules:\n- {rule: user-expiry, within: 7d}\n"
        "exceptions:\n- {rule: user-expiry, owner: o, reason: r, until: 2099-12-31, applies_to: {users: [APP/web]}}\n",
    )
    result = site.start("policy", {"definition": DEFINITION, "policy_path": path})
    (message,) = _messages(result)
    assert message == "user APP/job: expires 30d after it is issued; it has to expire within 7d."
    assert [one["about"] for one in result["excepted"]] == [["user APP/web"]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- x", "PATH: expected a dictionary with rules and exceptions, not ['x']."),
        ("", "PATH: expected a dictionary with rules and exceptions, not None."),
        ("rules: [", "policy_path: PATH is not YAML at line"),
        ("rules: []\nrules: []", "policy_path: PATH has 'rules' at line 1 and again in the same dictionary at line 2"),
        ("rules: [{rule: x}]", "PATH: rules[0].rule: there is no rule x"),
        ("exceptions: [{rule: user-expiry, owner: o, reason: r, until: 2099-13-31}]", "policy_path: PATH at line 1: "),
        ("exceptions: [{rule: user-expiry, owner: o, reason: r, until: 31.12.2099}]", "PATH: exceptions[0].until: "),
    ],
)
def test_file_that_is_no_policy(site: Site, text: str, message: str) -> None:
    path = site.write("policy.yml", text)
    found = site.refuse("policy", definition=DEFINITION, policy_path=path)
    assert found.startswith(message.replace("PATH", path)), found


def test_file_with_a_seed_is_refused_and_not_shown(site: Site) -> None:
    seed = site.make_key("user.nk", "user").seed
    path = site.write("policy.yml", f"rules: [{{rule: naming, pattern: x, reason: {seed}}}]")
    message = site.refuse("policy", definition=DEFINITION, policy_path=path)
    assert "there is a seed at rules[0].reason" in message
    assert seed not in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one of the following is required: definition, src, store, servers"),
        ({"level": 3}, "value of level must be one of: 0, 1, 2, got: 3"),
        ({"fail_on": "3"}, "value of fail_on must be one of: none, 1, 2, got: 3"),
        ({"rules": ["x"]}, "dict"),
        ({"rules": [{"rule": "user-expiry", "within": "9"}]}, "rules[0].within: '9' is not a duration"),
        ({"policy_path": "/nonexistent.yml"}, "policy_path: there is no file /nonexistent.yml."),
        ({"definition": {"accounts": []}}, "operator.name"),
        ({"at": "soon"}, "at: 'soon' is not a time"),
        (
            {"rules": [{"rule": "only", "receive": "a", "account": "NONE", "allowed": ["APP"]}]},
            "rules[0].account: There is no account NONE; the accounts are APP, SYS.",
        ),
    ],
)
def test_what_is_wrong_gets_one_message(site: Site, options: dict[str, Any], message: str) -> None:
    given = {"definition": DEFINITION, **options} if options else {}
    assert message in site.refuse("policy", **given)


# ---- reports


def test_reports_are_written_once(site: Site) -> None:
    options = {
        "definition": DEFINITION,
        "junit_path": site / "policy.xml",
        "sarif_path": site / "policy.sarif",
        "fail_on": "none",
    }
    result = site.run("policy", **options, return_reports=["junit", "sarif"])
    assert result["changed"]
    assert site.text("policy.xml") == result["junit"]
    assert site.text("policy.sarif") == result["sarif"]
    assert site.mode("policy.xml") == "0644"
    site.keep("policy", **options)
    # A new exception changes the reports.
    waiver = {**WAIVER, "reason": "new"}
    assert site.run("policy", **options, exceptions=[waiver])["changed"]
    assert "Excepted until 2099-12-31 by jana: new" in site.text("policy.xml")


def test_reports_are_written_where_the_task_fails(site: Site) -> None:
    options = {"definition": DEFINITION, "junit_path": site / "policy.xml"}
    checked = site.start("policy", options, check=True)
    assert not (site.folder / "policy.xml").exists()
    result = site.start("policy", options)
    for one in (checked, result):
        assert (one["failed"], one["changed"], one["passed"]) == (True, True, False)
    assert checked["diff"] == result["diff"]
    assert MESSAGE in site.text("policy.xml")
    again = site.start("policy", options)
    assert (again["failed"], again["changed"]) == (True, False)


def test_junit_is_read_by_junitparser(site: Site) -> None:
    path = site / "policy.xml"
    site.start("policy", {"definition": DEFINITION, "level": 2, "fail_on": 1, "junit_path": path})
    report = JUnitXml.fromfile(path)
    said = (report.tests, report.failures, report.errors, report.skipped)
    report.update_statistics()
    assert (report.tests, report.failures, report.errors, report.skipped) == said
    failures = [result.message for suite in report for case in suite for result in case.result if case.is_failure]
    assert failures == [MESSAGE]


def _lost(written: Any, read: Any, path: str = "") -> list[str]:
    """The paths of values that a reader dropped or changed."""
    if isinstance(written, dict) and isinstance(read, dict):
        lost = [f"{path}.{name}" for name in written if name not in read]
        return [
            *lost,
            *(one for name in read if name in written for one in _lost(written[name], read[name], f"{path}.{name}")),
        ]
    if isinstance(written, list) and isinstance(read, list) and len(written) == len(read):
        return [one for pair in zip(written, read, strict=True) for one in _lost(*pair, f"{path}[]")]
    return [] if written == read else [path]


def test_sarif_is_read_by_sarif_pydantic(site: Site) -> None:
    definition = site.write("acme file.json", json.dumps(DEFINITION))
    given = {"src": definition, "level": 2, "fail_on": "none", "exceptions": [WAIVER], "return_reports": ["sarif"]}
    text = site.start("policy", given)["sarif"]
    report = Sarif.model_validate_json(text)
    (run,) = report.runs
    levels = [result.level.value for result in run.results]
    assert (levels.count("error"), levels.count("warning")) == (1, 8)
    place = run.results[0].locations[0].physical_location.artifact_location
    assert place.uri == "file://" + definition.replace(" ", "%20")
    assert _lost(json.loads(text), report.model_dump(by_alias=True, exclude_none=True, mode="json")) == []


def test_reports_show_no_secret_of_a_name(site: Site) -> None:
    account, user = site.make_key("a.nk", "account"), site.make_key("u.nk", "user")
    token = site.make_jwt("u.jwt", "user", user.public_key, account, name=f"x {user.seed}")
    paths = {"junit_path": site / "policy.xml", "sarif_path": site / "policy.sarif"}
    result = site.start("policy", {"jwts": [token], "return_reports": ["junit", "sarif"], **paths})
    assert result["findings"]
    for text in (site.text("policy.xml"), site.text("policy.sarif"), result["junit"], result["sarif"]):
        assert user.seed not in text
        assert "never expires" in text


@pytest.mark.parametrize(
    ("name", "text"),
    [("junit", "notes"), ("junit", "<html/>"), ("sarif", "{}"), ("sarif", '{"a": 1'), ("sarif", "SEED")],
)
def test_file_that_is_no_report_stays(site: Site, name: str, text: str) -> None:
    path = site.write("taken", text if text != "SEED" else site.make_key("user.nk", "user").seed)
    message = site.refuse("policy", definition=DEFINITION, **{f"{name}_path": path})
    assert message == f"{name}_path: {path} is left unchanged: it holds content other than a report; move it away."


def test_one_bad_path_leaves_the_other_report_alone(site: Site) -> None:
    site.write("taken", "notes")
    site.refuse("policy", definition=DEFINITION, junit_path=site / "policy.xml", sarif_path=site / "taken")


def test_two_reports_in_one_file_are_refused(site: Site) -> None:
    message = site.refuse("policy", definition=DEFINITION, junit_path=site / "one", sarif_path=site / "one")
    assert "junit_path and sarif_path are one file" in message


# ---- in a play


def _blocks(path: pathlib.Path) -> list[Any]:
    """The YAML of a guide."""
    return [yaml.safe_load(block.partition("```")[0]) for block in path.read_text().split("```yaml\n")[1:]]


@pytest.mark.playbook
def test_guide_runs(site: Site, play: Play) -> None:
    (task,), policy = _blocks(ROOT / "docs/policy.md")
    definition = copy.deepcopy(DEFINITION)
    definition["accounts"] += [{"name": "BILLING", "users": [{"name": "biller"}]}, {"name": "AUDIT"}]
    options = task["natsops.security.nats_policy"]
    files = {"src": json.dumps(definition), "policy_path": yaml.safe_dump(policy)}
    for name, text in files.items():
        options[name] = site.write(options[name], text)
    for name in ("junit_path", "sarif_path"):
        options[name] = site / options[name]
    # Ansible reads an unquoted date in YAML as a date.
    expired = {**WAIVER, "rule": "ci-expiry", "until": datetime.date(2026, 1, 31)}
    options["exceptions"] = [expired]
    played = play([{**task, "ignore_errors": True}])
    assert played.returncode == 0, played.output
    result = played.tasks[task["name"]]
    assert result["failed"]
    found = {finding["rule"] for finding in result["findings"]}
    assert {"user-expiry", "required-tags", "expired-exception", "no-identity-signatures"} <= found
    assert "billing-readers" not in found
    assert "ended on 2026-01-31 (agreed)" in played.output
    assert JUnitXml.fromfile(options["junit_path"]).failures


# ---- a live cluster


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two servers."""
    with Fleet(tmp_path_factory.mktemp("fleet"), Realm(), [FULL] * 2) as started:
        yield started


@pytest.mark.server
def test_live_cluster(site: Site, fleet: Fleet) -> None:
    _key, app = fleet.realm.new_account("APP", Account())
    assert not site.start("resolver", fleet.task(jwts=[app])).get("failed")
    result = site.start("policy", {**fleet.task(), "fail_on": "none"})
    assert "account APP: has no limit limits.connections; set it." in _messages(result)
    # Servers do not store the JWTs of users, so the rule checks nothing.
    by_id = {rule["id"]: rule for rule in result["rules"]}
    assert by_id["user-expiry"]["checked"] == 0

    # With one of two servers down, a task that expects both fails.
    fleet.nodes[1].stop()
    message = site.refuse("policy", **fleet.task(expected_servers=["n1", "n2"]))
    assert message == "expected_servers: n2 did not answer; n1 did."


@pytest.mark.server
def test_servers_that_keep_no_accounts_do_not_pass(site: Site, tmp_path: pathlib.Path) -> None:
    fleet = Fleet(tmp_path / "memory", Realm(), ["MEMORY"])
    try:
        fleet.start()
        result = site.start("policy", fleet.task(level=0))
    finally:
        fleet.stop()
    assert result["failed"]
    assert {finding["rule"] for finding in result["findings"]} == {"source-complete"}
    assert any("n1 has no resolver that lists its accounts" in message for message in _messages(result))
