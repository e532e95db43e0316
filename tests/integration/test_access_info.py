# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""nats_access_info on every kind of source, and the filter of the same name in a play."""

from __future__ import annotations

import copy
import json
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from support.fleets import FULL, Fleet, Realm

from ansible_collections.natsops.security.plugins.module_utils.claims import Account, Export, Import

if TYPE_CHECKING:
    from support.plays import Play
    from support.sites import Site

DEFINITION: dict[str, Any] = {
    "operator": {"name": "ACME", "system_account": "SYS"},
    "accounts": [
        {"name": "SYS"},
        {
            "name": "APP",
            "exports": [{"subject": "orders.>", "type": "stream", "token_required": True}],
            "users": [{"name": "web", "permissions": {"publish": {"allow": ["orders.*"]}}}],
        },
        {
            "name": "BILLING",
            "imports": [{"account": "APP", "subject": "orders.>", "type": "stream"}],
            "users": [{"name": "biller"}],
        },
    ],
}
QUESTIONS = [
    {"name": "way", "path": {"user": "APP/web", "publish": "orders.new"}},
    {"who_may": {"publish": "orders.>", "account": "BILLING"}},
]


def _ask(site: Site, questions: list[Any] | None = None, **options: Any) -> tuple[list[Any], list[str]]:
    result = site.keep("access_info", questions=QUESTIONS if questions is None else questions, **options)
    return result["answers"], result["problems"]


def _ways(answers: list[Any]) -> list[tuple[str, str]]:
    return [(there["account"], there["subject"]) for there in answers[0]["arrivals"]]


@pytest.fixture
def store(site: Site) -> dict[str, str]:
    """The options that name a store issued from the document."""
    options = {"stores_dir": site / "stores", "keys_dir": site / "keys"}
    assert not site.start("store", {"definition": DEFINITION, **options}).get("failed")
    return {"stores_dir": options["stores_dir"]}


# ---- sources


def test_document_that_was_not_issued(site: Site) -> None:
    answers, problems = _ask(site, definition=DEFINITION)
    assert problems == []
    assert answers[0]["name"] == "way"
    assert _ways(answers) == [("APP", "orders.new"), ("BILLING", "orders.new")]
    step = answers[0]["arrivals"][1]["steps"][0]
    assert (step["path"], step["place"]) == ("accounts[2] (BILLING).imports[0]", "definition")
    assert answers[1]["some"] == ["APP/web", "BILLING/biller"]
    assert answers[1]["users"][0]["how_much"] == "some"


def test_document_in_a_file(site: Site) -> None:
    path = site.write("acme.json", json.dumps(DEFINITION))
    answers, _problems = _ask(site, src=path)
    assert answers[0]["arrivals"][1]["steps"][0]["place"] == path


def test_keys_that_do_not_exist_are_named_in_words(site: Site) -> None:
    definition = copy.deepcopy(DEFINITION)
    definition["accounts"][1]["signing_keys"] = [
        {"role": "own", "template": {"permissions": {"publish": {"allow": ["for.{{subject()}}"]}}}}
    ]
    definition["accounts"][1]["users"].append({"name": "roof", "signing_key_role": "own"})
    (answer,), _problems = _ask(site, [{"effective": {"user": "APP/roof"}}], definition=definition)
    assert answer["users"][0]["publish"]["allow"][0]["subject"] == "for.(a new user key: APP/roof)"


def test_store_and_the_document_that_made_it_answer_the_same(site: Site, store: dict[str, str]) -> None:
    answers, problems = _ask(site, **store)
    assert problems == []
    from_document, _problems = _ask(site, definition=DEFINITION)
    assert _ways(answers) == _ways(from_document)
    assert answers[1]["some"] == from_document[1]["some"]
    assert answers[0]["arrivals"][1]["steps"][0]["place"].endswith("/ACME/accounts/BILLING/BILLING.jwt")


def test_store_with_problems_says_what_does_not_count(site: Site, store: dict[str, str]) -> None:
    site.write("stores/ACME/accounts/BILLING/BILLING.jwt", "nothing")
    answers, problems = _ask(site, QUESTIONS[:1], **store)
    assert _ways(answers) == [("APP", "orders.new")]
    assert any("BILLING.jwt: this is left unchanged, it does not hold a JWT" in problem for problem in problems)
    assert any("is not available, so what its users biller may do is unknown" in problem for problem in problems)


def test_loose_tokens_and_creds(site: Site, store: dict[str, str]) -> None:
    folder = pathlib.Path(store["stores_dir"]) / "ACME"
    paths = [folder / "accounts" / name / f"{name}.jwt" for name in ("APP", "BILLING")]
    creds = pathlib.Path(site / "keys") / "creds" / "ACME" / "APP" / "web.creds"
    operator = (folder / "ACME.jwt").read_text()
    answers, problems = _ask(site, QUESTIONS[:1], jwts=[operator], jwt_paths=[str(path) for path in (*paths, creds)])
    assert _ways(answers) == [("APP", "orders.new"), ("BILLING", "orders.new")]
    assert answers[0]["steps"][0]["place"] == str(creds)
    assert problems == []


def test_what_is_not_at_hand_is_said(site: Site, store: dict[str, str]) -> None:
    folder = pathlib.Path(store["stores_dir"]) / "ACME" / "accounts" / "BILLING"
    question = [{"reaches": {"account": "BILLING"}}]
    answers, problems = _ask(site, question, jwt_paths=[str(folder / "BILLING.jwt")])
    (way,) = answers[0]["ways"]
    assert not way["certain"]
    assert "so its exports are unknown" in way["notes"][0]
    assert any("The operator is not available" in problem for problem in problems)


@pytest.mark.parametrize(
    ("at", "allowed"), [("2030-01-01T00:00:00Z", True), ("2040-01-01T00:00:00Z", False), (None, True)]
)
def test_answers_hold_for_a_time(site: Site, at: str | None, allowed: bool) -> None:
    definition = copy.deepcopy(DEFINITION)
    definition["accounts"][1]["users"][0]["expires_at"] = "2035-01-01T00:00:00Z"
    question = [{"may": {"user": "APP/web", "publish": "orders.new"}}]
    answers, _problems = _ask(site, question, definition=definition, at=at)
    assert answers[0]["allowed"] is allowed


# ---- a live cluster


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Three servers with the accounts APP and BILLING."""
    with Fleet(tmp_path_factory.mktemp("fleet"), Realm(), [FULL] * 3) as started:
        yield started


@pytest.mark.server
def test_live_cluster(site: Site, fleet: Fleet) -> None:
    key, app = fleet.realm.new_account("APP", Account(exports=[Export(subject="orders.>", type="stream")]))
    item = Import(subject="orders.>", account=key.public_key, type="stream")
    billing_key, billing = fleet.realm.new_account("BILLING", Account(imports=[item]))
    assert not site.start("resolver", fleet.task(jwts=[app, billing])).get("failed")
    creds = [fleet.realm.creds(key), fleet.realm.creds(billing_key)]
    # Servers do not store the JWTs of users, so the task provides them.
    question = [{"who_may": {"publish": "orders.new", "account": "BILLING"}}]
    answers, problems = _ask(site, question, jwts=creds, **fleet.task())
    assert answers[0]["some"] == ["APP/u", "BILLING/u"]
    assert problems == []

    # One server is down, and later holds a different JWT than the others.
    node = fleet.nodes[2]
    node.stop()
    answers, problems = _ask(site, question, jwts=creds, **fleet.task())
    assert answers[0]["some"] == ["APP/u", "BILLING/u"]
    message = site.refuse("access_info", questions=question, **fleet.task(expected_servers=["n1", "n2", "n3"]))
    assert message == "expected_servers: n3 did not answer; n1, n2 did."
    changed = fleet.realm.account(key, "APP", Account(), age=50)
    (node.config.parent / "n3" / f"{key.public_key}.jwt").write_text(changed)
    node.start()
    fleet.wait_until_whole()


@pytest.mark.server
def test_servers_that_keep_no_accounts_are_said(site: Site, tmp_path: pathlib.Path) -> None:
    fleet = Fleet(tmp_path / "memory", Realm(), ["MEMORY"])
    try:
        fleet.start()
        _answers, problems = _ask(site, [{"unused_exports": True}], **fleet.task())
    finally:
        fleet.stop()
    assert any("n1 has no resolver that lists its accounts" in problem for problem in problems)


# ---- invalid input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one of the following is required: definition, src, store, servers"),
        ({"definition": {}, "src": "x"}, "parameters are mutually exclusive: definition|src"),
        ({"src": "/nonexistent.yml"}, "src: there is no file /nonexistent.yml."),
        ({"definition": {"accounts": []}}, "operator.name"),
        ({"stores_dir": "/nonexistent"}, "There is no store in /nonexistent."),
        ({"jwt_paths": ["/nonexistent.jwt"]}, "jwt_paths[0]: there is no file /nonexistent.jwt."),
        ({"jwts": ["eyJ"]}, "jwts[0]: "),
        ({"definition": DEFINITION, "at": "yesterday"}, "at: "),
        (
            {"definition": DEFINITION, "questions": [{"may": {"user": "APP/x", "publish": "a..b"}}]},
            "questions[0].may.user: ",
        ),
    ],
)
def test_bad_input_is_refused(site: Site, options: dict[str, Any], message: str) -> None:
    assert message in site.refuse("access_info", **{"questions": QUESTIONS, **options})


def test_seed_in_a_document_is_refused(site: Site) -> None:
    seed = site.make_key("app.nk", "account").seed
    path = site.write("acme.json", json.dumps({"operator": {"name": seed}}))
    assert "there is a seed at operator.name" in site.refuse("access_info", src=path, questions=QUESTIONS)


# ---- the filter


@pytest.mark.playbook
def test_filter_answers_in_assertions(play: Play) -> None:
    question = {"may": {"user": "APP/web", "publish": "orders.new"}}
    tasks = [
        {
            "name": "Assert",
            "ansible.builtin.assert": {
                "that": [
                    "(acme | natsops.security.nats_access(question)).allowed",
                    "not (acme | natsops.security.nats_access({'may': {'user': 'APP/web', 'publish': 'x'}})).allowed",
                    "(acme | natsops.security.nats_access([question, question])) | length == 2",
                    "(acme | natsops.security.nats_access(reaches)).ways | rejectattr('implicit') | length == 0",
                ]
            },
        },
        {
            "name": "Fail",
            "ansible.builtin.debug": {
                "msg": "{{ acme | natsops.security.nats_access({'reaches': {'account': 'X'}}) }}"
            },
            "ignore_errors": True,
        },
    ]
    played = play(tasks, acme=DEFINITION, question=question, reaches={"reaches": {"account": "APP"}})
    assert played.returncode == 0, played.output
    assert "questions[0].reaches.account: There is no account X; the accounts are APP, BILLING, SYS." in played.output
