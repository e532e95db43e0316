# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The model of reports, changes between two reports, metrics, and the text of the page. tests/browser tests the page in a browser."""

from __future__ import annotations

import copy
import html.parser
import importlib.util
import json
import pathlib
import random
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from checkout import ROOT
from prometheus_client.parser import text_string_to_metric_families
from support.organisations import SMALL

from ansible_collections.natsops.security.plugins.module_utils.access.answers import answers
from ansible_collections.natsops.security.plugins.module_utils.access.questions import read_questions
from ansible_collections.natsops.security.plugins.module_utils.access.subject_sets import (
    Subjects,
    Term,
    intersection,
    is_subset,
    pattern,
    union_of,
)
from ansible_collections.natsops.security.plugins.module_utils.access.tree import Servers, Tree
from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.policy.checking import check
from ansible_collections.natsops.security.plugins.module_utils.policy.reading import Part, read_policy
from ansible_collections.natsops.security.plugins.module_utils.report import metrics, model, page, page_sources
from ansible_collections.natsops.security.plugins.module_utils.report.comparison import read_comparison
from ansible_collections.natsops.security.plugins.module_utils.report.found_changes import changes
from ansible_collections.natsops.security.plugins.module_utils.report.layers import layers
from ansible_collections.natsops.security.plugins.module_utils.tasks import access_sources

NOW = 1_795_000_000
COMPARISON = {
    "servers": [{"id": "NCHANGES", "name": "n1", "version": "2.15.1", "resolver": "full", "account_count": 2}],
    "accounts": [
        {"public_key": "A" * 56, "name": "APP", "servers": {"n1": "absent"}, "differences": ["n1 does not have it"]},
        {"public_key": "AB" + "C" * 54, "name": "SYS", "servers": {"n1": "2026-11-24T12:00:00Z"}, "differences": []},
    ],
    "differences": ["n2 did not answer", f"account APP ({'A' * 56}): n1 does not have it"],
    "changed": False,
}


def tree_of(definition: dict[str, Any], now: int = NOW) -> tuple[Tree, access_sources.Source]:
    source = access_sources.of_document(copy.deepcopy(definition), "definition")
    return source.tree(Servers(now)), source


def model_of(definition: dict[str, Any], comparison: dict[str, Any] | None = None, now: int = NOW) -> dict[str, Any]:
    tree, source = tree_of(definition, now)
    results = check(tree, read_policy([Part("")], 2))
    compared = None if comparison is None else read_comparison(comparison, "comparison")
    return source.readable(model.make_model(tree, results, model.Beside({}, compared)))


@pytest.fixture(scope="module")
def small() -> dict[str, Any]:
    return model_of(SMALL)


def account(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in found["accounts"] if one["name"] == name)


# ---- layers


def test_importers_stand_behind_all_that_they_import_from() -> None:
    assert layers(5, [(0, 1), (1, 2), (0, 2)]) == [0, 1, 2, None, None]


def test_accounts_that_import_from_each_other_are_in_one_layer() -> None:
    # 0 -> 1 <-> 2 -> 3, and 4 imports from itself
    assert layers(5, [(0, 1), (1, 2), (2, 1), (2, 3), (4, 4)]) == [0, 1, 1, 2, 0]


def test_long_chain_of_imports() -> None:
    count = 20_000
    edges = [(number, number + 1) for number in range(count - 1)]
    random.Random(1).shuffle(edges)
    assert layers(count, edges) == list(range(count))


# ---- the model


def test_exports_imports_and_whether_they_work(small: dict[str, Any]) -> None:
    names = [one["name"] for one in small["accounts"]]
    assert names == ["ANALYTICS", "BILLING", "ORDERS", "SHOP", "SYS"]
    found = {(names[link["from"]], names[link["to"]], link["subject"]): link for link in small["links"]}
    assert found["ORDERS", "SHOP", "orders.placed.>"]["local"] == "feed.orders.>"
    assert "works" not in found["ORDERS", "SHOP", "orders.placed.>"]
    broken = found["ORDERS", "SHOP", "orders.cancel"]
    assert broken["works"] is False
    assert broken["problems"] == ["the account ORDERS does not export orders.cancel as a service"]
    assert {"type": "stream", "subject": "orders.audit.>", "private": True} in account(small, "ORDERS")["exports"]
    assert account(small, "SYS")["system"]
    assert small["operator"]["system_account"] == names.index("SYS")


def test_layer_0_is_written_and_an_account_alone_has_none(small: dict[str, Any]) -> None:
    assert [one["layer"] for one in small["accounts"]] == [1, 0, 0, 1, None]


def test_import_from_an_account_that_is_not_here() -> None:
    key = nkey.create("account").public_key
    found = model_of(
        {
            "operator": {"name": "O"},
            "accounts": [{"name": "A", "imports": [{"account": key, "subject": "x", "type": "stream"}]}],
        }
    )
    (link,) = found["links"]
    assert (link["from"], link["from_key"], link["to"], link["works"]) == (None, key, 0, None)


def test_users_by_scope_share_their_permissions(small: dict[str, Any]) -> None:
    users = [user for user in small["users"] if small["accounts"][user["account"]]["name"] == "ORDERS"]
    assert [(user["name"], user["scope"]) for user in users] == [
        ("api", "writer"),
        ("dashboard", "reader"),
        ("importer", "writer"),
        ("worker", "writer"),
    ]
    assert len({user["permissions"] for user in users}) == 2
    assert small["permissions"][users[0]["permissions"]] == {
        "publish": ["invoices.create", ["orders.>", "orders.audit.>"]],
        "receive": ["_INBOX.>", "orders.create"],
        "from": "scope",
    }


def terms(listed: list[Any]) -> Subjects:
    return tuple(
        Term(pattern(one)) if isinstance(one, str) else Term(pattern(one[0]), tuple(map(pattern, one[1:])))
        for one in listed
    )


MAPPED: dict[str, Any] = {
    "operator": {"name": "O", "system_account": "SYS"},
    "accounts": [
        {"name": "SYS"},
        {
            "name": "A",
            "mappings": {"a.*.c": [{"subject": "b.$1", "weight": 40}], "old.>": [{"subject": "orders.>"}]},
            "default_permissions": {"publish": {"deny": ["b.secret"]}},
            "users": [
                {"name": "one", "permissions": {"publish": {"allow": ["orders.*", "b.>"], "deny": ["b.x"]}}},
                {"name": "two", "permissions": {"subscribe": {"allow": ["a.*", "q.> workers"], "deny": ["a.b"]}}},
                {"name": "three"},
                {"name": "four", "permissions": {"publish": {"deny": [">"]}, "response": {"max_messages": 1}}},
            ],
        },
    ],
}


@pytest.mark.parametrize("word", ["publish", "receive"])
def test_permissions_answer_as_the_access_layer_does(word: str) -> None:
    found = model_of(MAPPED)
    tree, _source = tree_of(MAPPED)
    chance = random.Random(7)
    subjects = [
        ".".join(chance.choice(["a", "b", "c", "x", "q", "old", "orders", "secret", "*"]) for _token in range(length))
        + end
        for length in (1, 2, 3)
        for end in ("", ".>")
        for _again in range(40)
    ]
    questions = read_questions(tree, [{"who_may": {word: subject}} for subject in subjects])
    for subject, answer in zip(subjects, answers(tree, questions), strict=True):
        wanted = union_of([pattern(subject)])
        for extent in ("some", "all"):
            mine = sorted(
                f"A/{user['name']}"
                for user in found["users"]
                for set_ in (terms(found["permissions"][user["permissions"]][word]),)
                if (is_subset(wanted, set_) if extent == "all" else intersection(wanted, set_))
            )
            assert mine == answer[extent], (subject, extent)


def test_findings_in_the_same_words_are_one(small: dict[str, Any]) -> None:
    found = next(one for one in small["findings"] if one["rule"] == "bearer-forbidden")
    assert (found["count"], found["level"]) == (4, 2)
    assert [small["accounts"][number]["name"] for number in found["accounts"]] == [
        "ORDERS",
        "BILLING",
        "SHOP",
        "ANALYTICS",
    ]


def test_no_time_of_its_own(small: dict[str, Any]) -> None:
    assert model_of(SMALL, now=NOW + 3600) == small
    assert account(small, "ORDERS").get("expires") is None
    assert next(user for user in small["users"] if user["name"] == "api")["expires_in"] == 30 * 86400
    assert "expires" not in json.dumps([user for user in small["users"] if user["name"] == "mailer"])


def test_json_is_read_again_and_has_a_line_for_each_entity(small: dict[str, Any]) -> None:
    text = model.to_json(small)
    assert model.read_model(text, "x") == small
    assert model.is_model(text)
    assert sum(1 for line in text.splitlines() if '"name":"dashboard"' in line) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing", "not a report of nats_report"),
        ("[]", "not a report of nats_report"),
        ("{}", "not a report of nats_report"),
        ("[" * 100_000, "not a report of nats_report"),
        ('{"natsops_report": 99}', "the form 99"),
        ('{"natsops_report": 1}', "operator|comparison|accounts"),
        ('{"natsops_report": 1, "operator": 3}', "operator of the report"),
    ],
)
def test_what_is_no_report(text: str, message: str) -> None:
    with pytest.raises(NatsSecurityError, match=message):
        model.read_model(text, "previous_path x.json")


@pytest.mark.parametrize("name", ["accounts", "users", "links", "findings", "permissions"])
@pytest.mark.parametrize("item", [{}, 3, None, "x", {"name": 1, "key": [], "account": 99, "from": 7, "to": 99}])
def test_damaged_report_is_an_error(small: dict[str, Any], name: str, item: Any) -> None:
    damaged = {**small, name: [item]}
    if name == "permissions":
        assert changes(small, small) == []
        damaged["users"] = [{**small["users"][0], "permissions": 5}]
    with pytest.raises(NatsSecurityError, match="damaged"):
        changes(damaged, small)


# ---- changes


def _changed(edit: Any) -> list[str]:
    after = copy.deepcopy(SMALL)
    edit({one["name"]: one for one in after["accounts"]}, after)
    return sorted(map(str, changes(model_of(SMALL), model_of(after))))


def test_nothing_changed(small: dict[str, Any]) -> None:
    assert changes(small, small) == []


def test_new_account_user_and_export() -> None:
    def edit(accounts: dict[str, Any], after: dict[str, Any]) -> None:
        after["accounts"].append({"name": "NEW", "limits": {"connections": 1, "disallow_bearer": True}})
        accounts["ORDERS"]["users"].append({"name": "second", "signing_key_role": "reader", "expires_in": "1d"})
        accounts["ORDERS"]["exports"].append({"subject": "orders.cancel", "type": "service"})

    found = _changed(edit)
    assert "account NEW was added" in found
    assert "user ORDERS/second was added" in found
    assert "account ORDERS exports the service orders.cancel" in found
    assert "account SHOP imports the service orders.cancel of ORDERS, which works now" in found
    assert any(line.startswith("account SHOP no longer breaks live-imports: has an import") for line in found)
    assert len(found) == 5


def test_other_permissions_end_limits_and_scope() -> None:
    def edit(accounts: dict[str, Any], after: dict[str, Any]) -> None:
        accounts["ORDERS"]["signing_keys"][1]["template"]["permissions"]["subscribe"]["allow"] = ["orders.placed.>"]
        accounts["BILLING"]["users"][0]["expires_in"] = "61d"
        accounts["SHOP"]["limits"]["connections"] = 5
        accounts["SHOP"]["tags"] = []
        accounts["ORDERS"]["users"][0]["signing_key_role"] = "reader"
        after["operator"]["system_account"] = None
        del after["operator"]["system_account"]

    found = _changed(edit)
    assert "user ORDERS/dashboard may receive orders.placed.>, before orders.>" in found
    assert "user BILLING/ledger expires 61d after it is issued, before 60d after it is issued" in found
    assert "account SHOP has connections: 5, before 1000" in found
    assert "account SHOP has the tags nothing, before team:web" in found
    assert "user ORDERS/api has the scope reader, before writer" in found
    assert "operator ACME has the system account none, before SYS" in found


def test_everything_that_is_gone(small: dict[str, Any]) -> None:
    empty = {**small, "operator": None, "accounts": [], "users": [], "links": [], "findings": []}
    found = [*map(str, changes(small, empty))]
    assert "operator ACME was removed" in found
    assert "account SHOP was removed" in found
    assert "user SHOP/visitor-1 was removed" in found
    assert "account ANALYTICS no longer imports the stream orders.placed.> of ORDERS" in found


def test_new_difference_of_servers(small: dict[str, Any]) -> None:
    found = [*map(str, changes(small, model_of(SMALL, COMPARISON)))]
    assert found == [
        "the cluster has the new difference: n2 did not answer",
        "account APP on servers has the new difference: n1 does not have it",
    ]


# ---- servers


def test_comparison_has_what_differs_and_no_ids() -> None:
    found = read_comparison(COMPARISON, "comparison")
    assert found["differences"] == ["n2 did not answer"]
    assert [one["name"] for one in found["accounts"]] == ["APP"]
    assert found["alike"] == 1
    assert "NCHANGES" not in json.dumps(found)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"failed": True, "msg": "no servers"}, r"comparison: the task that asked the servers failed: 'no servers'\."),
        ({}, "comparison: expected the result of nats_resolver_info"),
        ({"accounts": [], "differences": "x"}, r"comparison\.differences: expected a list of sentences, not 'x'"),
        ({"accounts": {}, "differences": [1]}, r"comparison\.differences"),
        ({"accounts": "x", "differences": []}, r"comparison\.accounts: expected a list"),
        ({"accounts": [3], "differences": []}, r"comparison\.accounts\[0\]: expected a dictionary, not 3"),
        ({"accounts": [{}], "differences": []}, r"comparison\.accounts\[0\]\.public_key"),
        (
            {"accounts": [], "differences": [], "servers": [{"name": 4}]},
            r"comparison\.servers\[0\]\.name: expected str, not 4",
        ),
    ],
)
def test_what_is_no_comparison(given: dict[str, Any], message: str) -> None:
    with pytest.raises(NatsSecurityError, match=message):
        read_comparison(given, "comparison")


# ---- metrics


def _families(text: str) -> dict[str, Any]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_metrics_are_what_prometheus_reads() -> None:
    found = _families(metrics.metrics(model_of(SMALL, COMPARISON)))
    assert all(family.type == "gauge" and family.documentation for family in found.values())
    jwts = {(one.labels["kind"], one.labels["expires"]): one.value for one in found["nats_jwts"].samples}
    assert jwts == {
        ("operator", "yes"): 0,
        ("operator", "never"): 1,
        ("account", "yes"): 0,
        ("account", "never"): 5,
        ("user", "yes"): 13,
        ("user", "never"): 1,
    }
    users = {one.labels["account"]: one.value for one in found["nats_account_users"].samples}
    assert users == {"ANALYTICS": 1, "BILLING": 2, "ORDERS": 4, "SHOP": 6, "SYS": 1}
    imports = {
        one.labels["works"]: one.value
        for one in found["nats_account_imports"].samples
        if one.labels["account"] == "SHOP"
    }
    assert imports == {"yes": 2, "unknown": 0, "no": 1}
    (drift,) = found["nats_servers_differences"].samples
    assert (drift.value, drift.labels) == (2, {"operator": "ACME"})
    rules = {one.labels["rule"]: (one.labels["level"], one.value) for one in found["nats_policy_findings"].samples}
    assert rules["bearer-forbidden"] == ("2", 4)


def test_names_of_any_kind_are_labels_as_they_are() -> None:
    name = 'a"b\\n\\\n{}=,# HELP \u2028é'
    definition = {
        "operator": {"name": "O"},
        "accounts": [{"name": name, "users": [{"name": "u", "expires_at": "2030-01-01T00:00:00Z"}]}],
    }
    found = _families(
        metrics.metrics(
            {
                **model_of({"operator": {"name": "O"}, "accounts": [{**definition["accounts"][0], "name": "A"}]}),
                "accounts": [{**model_of(SMALL)["accounts"][0], "name": name}],
            }
        )
    )
    (sample,) = found["nats_account_exports"].samples
    assert sample.labels["account"] == name
    (expiry,) = found["nats_jwt_expires_timestamp_seconds"].samples
    assert (expiry.value, expiry.labels["account"], expiry.labels["name"], expiry.labels["kind"]) == (
        1893456000,
        name,
        "u",
        "user",
    )


# ---- the page


class _Scripts(html.parser.HTMLParser):
    """Collects the text of each script element and of the title."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.scripts: list[str] = []
        self.tags: list[str] = []
        self.title = ""
        self.feed(text)

    def handle_starttag(self, tag: str, _attrs: Any) -> None:
        self.tags.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] == ["script"]:
            self.scripts[-1] += data
        elif self.tags[-1:] == ["title"]:
            self.title += data


HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]>",
    "{{ script }}",
    "</title><img src=x onerror=alert(1)>",
    "&lt;b&gt;&amp;",
    "\u2028\u2029",
    "\\u003c/script>",
    "'\"`${alert(1)}",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_is_markup(small: dict[str, Any], name: str) -> None:
    accounts = [{**small["accounts"][0], "name": name, "description": name, "tags": [name]}, *small["accounts"][1:]]
    made = {**small, "operator": {**small["operator"], "name": name}, "accounts": accounts, "problems": [name]}
    text = page.page(made, [{"kind": "added", "about": name, "text": name}])
    found, plain = _Scripts(text), _Scripts(page.page(small, []))
    assert found.tags == plain.tags
    assert len(found.scripts) == 2
    assert found.scripts[1] == plain.scripts[1] == page_sources.SCRIPT
    held = json.loads(found.scripts[0])
    assert held["accounts"][0]["name"] == held["operator"]["name"] == held["changes"][0]["about"] == name
    assert found.title == f"{name}: trust and access"
    assert page.is_page(text)


def test_page_allows_no_request() -> None:
    text = page.page(model_of(SMALL), None)
    assert "default-src &#x27;none&#x27;" in text
    for word in ("http://", "https://"):
        rest = text.replace("http://www.w3.org/2000/svg", "").split('id="natsops-report"')
        assert word not in rest[0]
        assert word not in rest[1].split("</script>", 1)[1]


def test_page_is_made_of_its_files() -> None:
    spec = importlib.util.spec_from_file_location("report_page", ROOT / ".ci" / "report_page.py")
    assert spec is not None
    assert spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    assert build.sources() == build.TARGET.read_text("utf-8"), "run: make report-page"
    assert {path.name for path in build.HERE.glob("*.js")} == set(build.SCRIPTS)


def test_example_alerts_are_about_metrics_that_there_are(tmp_path: pathlib.Path) -> None:
    """The rules are also checked by promtool if it is installed."""
    path = ROOT / "examples" / "alerts" / "nats.yml"
    rules = [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]
    written = _families(metrics.metrics(model_of(SMALL, COMPARISON)))
    used = {name for rule in rules for name in re.findall(r"\bnats_\w+", rule["expr"])}
    assert used
    assert used <= set(written)
    assert all(rule["annotations"]["summary"] and rule["labels"]["severity"] for rule in rules)
    promtool = shutil.which("promtool")
    if promtool is not None:
        subprocess.run([promtool, "check", "rules", str(path)], check=True, cwd=tmp_path)
