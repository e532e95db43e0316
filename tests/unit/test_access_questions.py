# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Questions about access in a small document: the answers and their wording. tests/enforcement compares the answers with real servers."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from ansible_collections.natsops.security.plugins.module_utils.access.answers import answers
from ansible_collections.natsops.security.plugins.module_utils.access.questions import read_questions
from ansible_collections.natsops.security.plugins.module_utils.access.tree import Servers
from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.tasks import access_sources

NOW = 1_800_000_000

DOCUMENT = yaml.safe_load("""
operator: {name: ACME, system_account: SYS}
accounts:
  - {name: SYS, users: [{name: sys}]}
  - name: SHOP
    tags: ["region:eu"]
    signing_keys:
      - role: sensor
        template:
          permissions:
            publish: {allow: ["measured.{{tag(site)}}.{{account-tag(region)}}", "{{tag(none)}}.x"], deny: ["measured.secret.>"]}
            subscribe: {allow: ["told.{{name()}}"]}
    default_permissions: {publish: {allow: ["public.>"]}}
    mappings:
      "orders.new": [{subject: orders.v2.new}]
      "lots.*": [{subject: "lots.a.$1", weight: 40}]
    exports:
      - {subject: "orders.>", type: stream}
      - {subject: "private.>", type: stream, token_required: true}
      - {subject: "unused.>", type: service}
    imports:
      - {account: BILLING, subject: billing.invoice, type: service, local_subject: invoice}
      - {account: BILLING, subject: "billing.nothing", type: service}
    users:
      - {name: web, permissions: {publish: {allow: ["orders.>", "lots.*"], deny: [orders.secret]}, subscribe: {allow: ["_INBOX.>", "orders.*"]}}}
      - {name: bare}
      - {name: roof, signing_key_role: sensor, tags: ["site:praha", "site:brno"]}
      - {name: gone, expires_at: "2020-01-01T00:00:00Z"}
  - name: BILLING
    exports:
      - {subject: billing.invoice, type: service, response_type: Stream}
    imports:
      - {account: SHOP, subject: "orders.>", type: stream, local_subject: "shop.orders.>"}
      - {account: SHOP, subject: private.x, type: stream}
    users:
      - {name: biller, permissions: {subscribe: {allow: ["billing.> workers", "shop.>"]}, response: {max_messages: 3}}}
      - {name: mute, permissions: {publish: {deny: [">"]}, subscribe: {allow: ["billing.*", "nothing.*"], deny: ["nothing.>", "else"]}}}
""")


def ask(*questions: Any, document: Any = DOCUMENT) -> list[dict[str, Any]]:
    source = access_sources.of_document(copy.deepcopy(document), "acme.yml")
    tree = source.tree(Servers(NOW))
    shown: list[dict[str, Any]] = source.readable(answers(tree, read_questions(tree, list(questions))))
    return shown


def one(question: Any, document: Any = DOCUMENT) -> dict[str, Any]:
    (answer,) = ask(question, document=document)
    return answer


def named(document: Any, name: str) -> Any:
    return next(account for account in document["accounts"] if account["name"] == name)


# ---- may


def test_each_step_names_the_claim_that_decides() -> None:
    answer = one({"may": {"user": "SHOP/web", "publish": "orders.old"}})
    assert (answer["allowed"], answer["certain"]) == (True, True)
    assert answer["steps"] == [
        {
            "claim": "user SHOP/web",
            "path": "accounts[1] (SHOP).users[0] (web).permissions.publish.allow[0]",
            "place": "acme.yml",
            "effect": "allows",
            "text": "publish orders.old: orders.> is allowed",
        }
    ]


def test_a_permission_that_denies_is_the_reason() -> None:
    answer = one({"may": {"user": "SHOP/web", "publish": "orders.secret"}})
    assert not answer["allowed"]
    assert answer["reason"] == "SHOP/web may not publish orders.secret: orders.secret is denied"
    assert answer["steps"][0]["path"].endswith("publish.deny[0]")


def test_permissions_count_for_what_a_mapping_makes_of_a_subject() -> None:
    answer = one({"may": {"user": "SHOP/web", "publish": "orders.new"}})
    assert answer["allowed"]
    assert [step["text"] for step in answer["steps"]] == [
        "a mapping of SHOP changes the subject to orders.v2.new",
        "publish orders.v2.new: orders.> is allowed",
    ]


def test_chance_is_not_certain() -> None:
    answer = one({"may": {"user": "SHOP/web", "publish": "lots.x"}})
    assert (answer["allowed"], answer["certain"]) == (True, False)
    assert "may in some cases" in answer["reason"]


def test_a_part_of_a_set_is_described_exactly() -> None:
    answer = one({"may": {"user": "SHOP/web", "publish": "orders.>"}})
    assert (answer["allowed"], answer["how_much"]) == (False, "some")
    assert answer["part"] == [{"subject": "orders.>", "except": ["orders.secret"]}]


def test_a_star_at_the_end_of_a_permission_is_odd() -> None:
    answer = one({"may": {"user": "SHOP/web", "subscribe": "orders.>"}})
    assert answer["allowed"]
    assert answer["oddities"] == ["servers allow a user that may subscribe to orders.* to subscribe to orders.>"]
    assert one({"may": {"user": "SHOP/web", "subscribe": "orders.*"}})["oddities"] == []


@pytest.mark.parametrize(
    ("queue", "allowed", "reason"),
    [
        ({}, False, "it is allowed in the queue group workers only"),
        ({"queue": "workers"}, True, "billing.> workers is allowed"),
        ({"queue": "others"}, False, "it is allowed in other queue groups, workers"),
    ],
)
def test_queue_groups_count(queue: dict[str, str], allowed: bool, reason: str) -> None:
    answer = one({"may": {"user": "BILLING/biller", "subscribe": "billing.invoice", **queue}})
    assert answer["allowed"] is allowed
    assert answer["reason"].endswith(reason)


def test_who_cannot_connect_may_nothing() -> None:
    answer = one({"may": {"user": "SHOP/gone", "publish": "public.x"}})
    assert not answer["allowed"]
    assert "expired at 2020-01-01T00:00:00Z" in answer["reason"]
    assert one({"may": {"user": "SHOP/bare", "connect": True}})["allowed"]


def test_a_denial_that_cannot_be_filled_in_keeps_a_user_out() -> None:
    document = copy.deepcopy(DOCUMENT)
    template = named(document, "SHOP")["signing_keys"][0]["template"]
    template["permissions"] = {"publish": {"deny": ["secret.{{tag(none)}}"]}}
    answer = one({"may": {"user": "SHOP/roof", "connect": True}}, document)
    assert not answer["allowed"]
    assert "'secret.{{tag(none)}}' cannot be filled in: '{{tag(none)}}' has no value" in answer["reason"]


# ---- effective


def test_templates_are_filled_in() -> None:
    (shown,) = one({"effective": {"user": "SHOP/roof"}})["users"]
    assert [rule["subject"] for rule in shown["publish"]["allow"]] == ["measured.praha.eu", "measured.brno.eu"]
    assert [rule["subject"] for rule in shown["subscribe"]["allow"]] == ["told.roof"]
    assert (shown["scope"], shown["permissions_from"]) == ("sensor", "scope")
    assert [(one["subject"], one["reason"]) for one in shown["ignored"]] == [
        ("{{tag(none)}}.x", "'{{tag(none)}}' has no value")
    ]


def test_users_without_permissions_have_those_of_the_account() -> None:
    (shown,) = one({"effective": {"user": "SHOP/bare"}})["users"]
    assert shown["permissions_from"] == "default_permissions"
    assert shown["publish"]["allow"][0]["path"] == "accounts[1] (SHOP).default_permissions.publish.allow[0]"


def test_a_response_permission_alone_allows_nothing_else() -> None:
    (shown,) = one({"effective": {"user": "BILLING/biller"}})["users"]
    assert shown["publish"]["allow"] == []
    assert (shown["response"]["max_messages"], shown["response"]["expires"]) == (3, "2m")


def test_all_users_are_shown() -> None:
    assert len(one({"effective": True})["users"]) == 7
    assert [shown["user"] for shown in one({"effective": {"account": "BILLING"}})["users"]] == [
        "BILLING/biller",
        "BILLING/mute",
    ]


# ---- paths


def test_a_stream_leads_to_another_account() -> None:
    answer = one({"path": {"user": "SHOP/web", "publish": "orders.old"}})
    assert [(there["account"], there["subject"], there["by"]) for there in answer["arrivals"]] == [
        ("SHOP", "orders.old", "own"),
        ("BILLING", "shop.orders.old", "stream"),
    ]
    assert answer["arrivals"][1]["receivers"] == ["BILLING/biller"]
    assert [step["path"] for step in answer["arrivals"][1]["steps"]] == [
        "accounts[2] (BILLING).imports[0]",
        "accounts[1] (SHOP).exports[0]",
    ]


def test_a_request_leads_to_who_may_answer() -> None:
    document = copy.deepcopy(DOCUMENT)
    named(document, "SHOP")["users"][0]["permissions"]["publish"]["allow"].append("invoice")
    answer = one({"path": {"user": "SHOP/web", "request": "invoice"}}, document)
    there = answer["arrivals"][1]
    assert (there["account"], there["subject"]) == ("BILLING", "billing.invoice")
    responders = {responder["user"]: (responder["answers"], responder["many"]) for responder in there["responders"]}
    assert responders == {"BILLING/biller": ("yes", True), "BILLING/mute": ("no", True)}


def test_an_import_that_does_not_work_is_named_with_the_reason() -> None:
    answer = one({"path": {"user": "SHOP/bare", "publish": "public.x"}})
    assert answer["closed"] == []
    document = copy.deepcopy(DOCUMENT)
    del named(document, "SHOP")["default_permissions"]
    (closed,) = one({"path": {"user": "SHOP/bare", "publish": "billing.nothing"}}, document)["closed"]
    assert closed["path"] == "accounts[1] (SHOP).imports[1]"
    assert closed["reasons"] == ["the account BILLING does not export billing.nothing as a service"]


def test_an_activation_that_nats_store_makes_counts_as_made() -> None:
    document = copy.deepcopy(DOCUMENT)
    del named(document, "SHOP")["default_permissions"]
    answer = one({"path": {"user": "SHOP/bare", "publish": "private.x"}}, document)
    assert [there["account"] for there in answer["arrivals"]] == ["SHOP", "BILLING"]


# ---- who_may, reaches


def test_all_who_may_publish_are_found() -> None:
    answer = one({"who_may": {"publish": "orders.>"}})
    assert answer["some"] == ["SHOP/web", "SYS/sys"]
    assert answer["all"] == ["SYS/sys"]


def test_messages_may_come_from_other_accounts() -> None:
    answer = one({"who_may": {"publish": "shop.orders.x", "account": "BILLING"}})
    assert answer["some"] == ["SHOP/web"]
    (way,) = answer["users"][0]["ways"]
    assert (way["by"], way["how_much"]) == ("stream", "all")
    assert way["part"] == [{"subject": "orders.x", "except": []}]


def test_messages_may_go_to_other_accounts() -> None:
    answer = one({"who_may": {"receive": "orders.>", "account": "SHOP"}})
    assert answer["some"] == ["BILLING/biller", "SHOP/bare", "SHOP/web"]
    notes = [note for user in answer["users"] for way in user["ways"] for note in way["notes"]]
    assert notes == ["Servers treat * at the end of a permission to subscribe as > too, which adds orders.*.>."]


def test_what_reaches_an_account_is_listed() -> None:
    ways = one({"reaches": {"account": "BILLING"}})["ways"]
    found = [(way["kind"], way["from"], way["here"][0]["subject"]) for way in ways if not way["implicit"]]
    assert found == [
        ("request", "SHOP", "billing.invoice"),
        ("stream", "SHOP", "shop.orders.>"),
        ("stream", "SHOP", "private.x"),
    ]


def test_unused_exports_are_found() -> None:
    found = one({"unused_exports": True})["exports"]
    assert [(export["account"], export["subject"]) for export in found] == [("SHOP", "unused.>")]
    document = copy.deepcopy(DOCUMENT)
    named(document, "BILLING")["imports"][1]["token"] = "x"
    assert "private.>" in [export["subject"] for export in one({"unused_exports": True}, document)["exports"]]


def test_dead_permissions_are_found() -> None:
    found = {one["subject"]: one["reason"] for one in one({"dead_permissions": {"account": "BILLING"}})["permissions"]}
    assert found == {
        "nothing.*": "nothing.> denies all of it",
        "else": "it denies only subjects that are not allowed",
    }
    document = copy.deepcopy(DOCUMENT)
    named(document, "SHOP")["users"][0]["permissions"]["publish"]["allow"] = ["orders.new", "x"]
    (dead,) = one({"dead_permissions": {"user": "SHOP/web"}}, document)["permissions"][:1]
    assert (dead["subject"], dead["reason"]) == (
        "orders.new",
        "mappings change every subject that it allows to another one",
    )


def test_the_users_of_the_jetstream_api_are_found() -> None:
    document = copy.deepcopy(DOCUMENT)
    shop = named(document, "SHOP")
    shop["limits"] = {"jetstream": {"disk_storage": "1GiB"}}
    shop["exports"].append({"subject": "$JS.API.>", "type": "service"})
    shop["users"].append({"name": "js", "permissions": {"publish": {"allow": ["$JS.API.STREAM.MSG.GET.ORDERS"]}}})
    named(document, "BILLING")["imports"].append(
        {"account": "SHOP", "subject": "$JS.API.>", "type": "service", "local_subject": "js.>"}
    )
    named(document, "BILLING")["users"].append({"name": "free", "permissions": {"publish": {"allow": ["js.INFO"]}}})
    found = {user["user"]: user["rights"] for user in one({"jetstream": {"account": "SHOP"}}, document)["users"]}
    assert found["SHOP/js"] == {"read messages": [{"subject": "$JS.API.STREAM.MSG.GET.ORDERS", "except": []}]}
    assert found["BILLING/free"] == {"account information": [{"subject": "$JS.API.INFO", "except": []}]}
    assert "SHOP/bare" not in found


# ---- problems


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("x", "questions[0]: expected a dictionary with one of may, path, who_may, reaches, effective"),
        ({}, "questions[0]: a question has one of may, path, who_may"),
        ({"may": {}, "path": {}}, "and this one has may, path."),
        ({"can": {}}, "and this one has can."),
        ({"may": True}, "questions[0].may: expected a dictionary with user, connect, publish"),
        ({"may": {"publish": "a"}}, "questions[0].may.user: this is required."),
        ({"may": {"user": "SHOP/web"}}, "expected one of connect, publish, subscribe, request, and this has none."),
        ({"may": {"user": "SHOP/web", "publish": "a", "request": "a"}}, "and this has publish and request."),
        ({"may": {"user": "SHOP/web", "publish": "a", "why": 1}}, "questions[0].may.why: unsupported key"),
        (
            {"may": {"user": "SHOP/nobody", "publish": "a"}},
            "There is no user nobody in the account SHOP; the users are bare, gone, roof, web.",
        ),
        (
            {"may": {"user": "NONE/web", "publish": "a"}},
            "There is no account NONE; the accounts are BILLING, SHOP, SYS.",
        ),
        (
            {"may": {"user": "web", "publish": "a"}},
            "'web' is not a user: write ACCOUNT/USER, or the public key of a user.",
        ),
        ({"may": {"user": 5, "publish": "a"}}, "expected ACCOUNT/USER, or the public key of a user, not 5."),
        (
            {"may": {"user": "SHOP/web", "publish": "a..b"}},
            "'a..b' is not a subject: there is nothing before, after or between dots.",
        ),
        ({"may": {"user": "SHOP/web", "publish": "a b"}}, "'a b' is not a subject: it has white space."),
        ({"may": {"user": "SHOP/web", "publish": "a.>.b"}}, "'a.>.b' is not a subject: > is before its end."),
        ({"may": {"user": "SHOP/web", "publish": ""}}, "'' is not a subject: it is empty."),
        ({"may": {"user": "SHOP/web", "publish": "a", "queue": "q"}}, "only a subscription has a queue group."),
        ({"may": {"user": "SHOP/web", "subscribe": "a", "queue": ""}}, "'' is not a queue group"),
        ({"may": {"user": "SHOP/web", "connect": "x"}}, "expected true, not 'x'."),
        ({"may": {"user": "SHOP/web", "publish": "a", "inbox": "b"}}, "only a request has an inbox."),
        ({"effective": {"user": "SHOP/web", "account": "SHOP"}}, "user and account are mutually exclusive."),
        ({"path": {"user": "SHOP/web", "publish": "a.*"}}, "path.publish: 'a.*' has wildcards; write one subject"),
    ],
)
def test_a_wrong_question_is_refused_with_one_message(question: Any, message: str) -> None:
    with pytest.raises(NatsSecurityError) as caught:
        ask(question)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(NatsSecurityError) as caught:
        ask({"reaches": {"account": "X"}}, {"may": {"user": "SHOP/web", "publish": "a..b"}})
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "questions[0].reaches.account",
        "questions[1].may.publish",
    ]


def test_a_cycle_of_imports_is_not_certain() -> None:
    document = copy.deepcopy(DOCUMENT)
    del named(document, "SHOP")["default_permissions"]
    named(document, "SHOP")["exports"].append({"subject": "around", "type": "service"})
    named(document, "BILLING")["exports"].append({"subject": "around", "type": "service"})
    named(document, "SHOP")["imports"].append({"account": "BILLING", "subject": "around", "type": "service"})
    named(document, "BILLING")["imports"].append({"account": "SHOP", "subject": "around", "type": "service"})
    answer = one({"path": {"user": "SHOP/bare", "request": "around"}}, document)
    there = next(one for one in answer["arrivals"] if one["account"] == "BILLING")
    assert not there["certain"]
    assert any("forms a cycle" in note for note in there["notes"])


def test_a_document_with_mistakes_is_refused_with_all_of_them() -> None:
    document = copy.deepcopy(DOCUMENT)
    named(document, "SHOP")["users"][2]["signing_key_role"] = "nosuch"
    named(document, "SHOP")["exports"][0]["type"] = "flow"
    with pytest.raises(NatsSecurityError) as caught:
        ask({"unused_exports": True}, document=document)
    assert "signing_key_role: SHOP has no signing key with the role nosuch" in str(caught.value)
    assert "exports[0].type" in str(caught.value)


def test_keys_that_do_not_exist_are_named_wherever_they_stand() -> None:
    source = access_sources.of_document(copy.deepcopy(DOCUMENT), "acme.yml")
    key, word = next(iter(source.words.items()))
    other = "U" + "A" * 55
    for text in (f"for.{key}.x", f"A{key}", f"{key}7", key + key, f"{other} {key}"):
        assert source.readable({text: [text]}) == {text.replace(key, word): [text.replace(key, word)]}
    assert source.readable(other) == other
