# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Policy rules: the findings of each kind of rule in a document, exceptions and their expiry, refused policies, and reports in standard formats."""

from __future__ import annotations

import copy
import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest
import yaml

from ansible_collections.natsops.security.plugins.module_utils.access.tree import Entry, Servers, Tree
from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.claims import (
    Account,
    Activation,
    Claims,
    Import,
    Operator,
    SigningKey,
    User,
)
from ansible_collections.natsops.security.plugins.module_utils.policy.builtin import BUILTIN
from ansible_collections.natsops.security.plugins.module_utils.policy.checking import check
from ansible_collections.natsops.security.plugins.module_utils.policy.findings import Finding, Results
from ansible_collections.natsops.security.plugins.module_utils.policy.junit import junit
from ansible_collections.natsops.security.plugins.module_utils.policy.kinds import KINDS
from ansible_collections.natsops.security.plugins.module_utils.policy.reading import Part, part_of, read_policy
from ansible_collections.natsops.security.plugins.module_utils.policy.sarif import sarif
from ansible_collections.natsops.security.plugins.module_utils.tasks import access_sources
from ansible_collections.natsops.security.plugins.module_utils.token import codec
from ansible_collections.natsops.security.tests.unit.raw_tokens import ACCOUNT, OPERATOR, USER, key

NOW = 1_800_000_000  # 2027-01-15T08:00:00Z
DAY = 86400

#: A document that complies with every rule of level 2 except those about identity keys.
CLEAN = yaml.safe_load("""
operator: {name: ACME, system_account: SYS, strict_signing_key_usage: true, signing_keys: [{role: signing}]}
accounts:
  - name: SYS
    limits: {disallow_bearer: true}
    signing_keys: [{role: admin, template: {permissions: {publish: {allow: ["$SYS.>"]}, subscribe: {allow: [">"]}}}}]
    users: [{name: sys, signing_key_role: admin, expires_at: "2027-02-01T00:00:00Z"}]
  - name: SHOP
    tags: ["team:shop"]
    limits: {connections: 10, disallow_bearer: true, jetstream: {disk_storage: 1GiB, streams: 10, consumers: 10}}
    signing_keys: [{role: web, template: {permissions: {publish: {allow: ["orders.>"]}, subscribe: {allow: ["_INBOX.>"]}}}}]
    exports: [{subject: "orders.>", type: stream}]
    users: [{name: web, signing_key_role: web, expires_at: "2027-02-01T00:00:00Z"}]
  - name: BILLING
    limits: {connections: 10, disallow_bearer: true}
    signing_keys: [{role: reader, template: {permissions: {publish: {allow: [billing.new]}, subscribe: {allow: ["orders.>"]}}}}]
    imports: [{account: SHOP, subject: "orders.>", type: stream}]
    users: [{name: biller, signing_key_role: reader, expires_at: "2027-02-01T00:00:00Z", tags: ["team:billing"]}]
""")


def checked(document: Any, rules: Any = None, exceptions: Any = None, level: int = 2, now: int = NOW) -> Results:
    source = access_sources.of_document(copy.deepcopy(document), "acme.yml")
    return check(source.tree(Servers(now)), read_policy([Part("", rules, exceptions)], level))


def found(document: Any, rule: Any = None, **how: Any) -> list[Finding]:
    """Return the findings of the built-in rules, or of one custom rule if given."""
    if rule is None:
        return checked(document, **how).findings
    return checked(document, rules=[rule], level=0, **how).findings


def account(document: Any, name: str) -> Any:
    return next(one for one in document["accounts"] if one["name"] == name)


def changed(name: str, **members: Any) -> Any:
    """Return CLEAN with changed members of one account."""
    document = copy.deepcopy(CLEAN)
    account(document, name).update(members)
    return document


def user(document: Any, name: str, number: int = 0) -> Any:
    return account(document, name)["users"][number]


def refused(rules: Any = None, exceptions: Any = None) -> list[str]:
    with pytest.raises(NatsSecurityError) as error:
        read_policy([Part("", rules, exceptions)], 2)
    return str(error.value).splitlines()


def waiver(**members: Any) -> dict[str, Any]:
    return {"rule": "user-expiry", "owner": "jana", "reason": "agreed", "until": "2027-01-31", **members}


# ---- the rules of the collection


def test_clean_system_has_no_finding() -> None:
    assert found(CLEAN) == []


def test_every_built_in_rule_has_a_level_a_reason_and_a_reference() -> None:
    for rule in BUILTIN:
        assert rule.level in (1, 2)
        assert rule.reason
        assert "NIST" in rule.reference
    assert {rule.id for rule in BUILTIN} == set(KINDS) - {"only", "required-tags", "naming"}


def test_levels() -> None:
    document = changed("BILLING", limits={})
    assert [one.rule for one in found(document, level=1)] == ["connection-limits"]
    assert [one.rule for one in found(document, level=2)] == ["connection-limits", "bearer-forbidden"]
    assert found(document, level=0) == []


def test_users_expire_in_time() -> None:
    document = copy.deepcopy(CLEAN)
    user(document, "SHOP")["expires_at"] = "2028-01-01T00:00:00Z"
    del user(document, "BILLING")["expires_at"]
    late, never = found(document, level=1)
    assert late.message == "user SHOP/web: expires at 2028-01-01T00:00:00Z; it has to expire within 90d."
    assert (late.claim, late.place) == ("user SHOP/web", "acme.yml")
    assert late.path == "accounts[1] (SHOP).users[0] (web).expires_at"
    assert never.message == "user BILLING/biller: never expires; it has to expire within 90d."
    # The limit is exact to the second.
    end = NOW + 90 * DAY
    tree = _tree(Claims(name="u", subject=USER.public_key, issuer=ACCOUNT.public_key, expires=end, body=User()))
    rule = {"rule": "user-expiry"}
    assert check(tree, read_policy([Part("", [rule])], 0)).findings == []
    tree.users[0].claims.expires += 1
    assert len(check(tree, read_policy([Part("", [rule])], 0)).findings) == 1


def test_user_that_expires_some_time_after_its_issue() -> None:
    document = copy.deepcopy(CLEAN)
    del user(document, "SHOP")["expires_at"]
    user(document, "SHOP")["expires_in"] = "3650d"
    (late,) = found(document, level=1)
    assert late.message == "user SHOP/web: expires 3650d after it is issued; it has to expire within 90d."


def test_bearers_by_themselves_and_by_a_scope() -> None:
    document = copy.deepcopy(CLEAN)
    account(document, "BILLING")["users"][0] = {"name": "b", "bearer_token": True}
    account(document, "SHOP")["signing_keys"][0]["template"]["bearer_token"] = True
    document["operator"]["strict_signing_key_usage"] = False
    first, second = found(document, {"rule": "no-bearer-users"})
    assert first.about == ["account SHOP", "user SHOP/web"]
    assert first.path == "accounts[1] (SHOP).signing_keys[0].template.bearer_token"
    assert second.about == ["user BILLING/b"]
    assert second.path == "accounts[2] (BILLING).users[0] (b).bearer_token"


@pytest.mark.parametrize(
    ("permissions", "wildcards", "path"),
    [
        ({}, "leading", ""),
        ({"publish": {"allow": [">"]}}, "leading", ".publish.allow[0]"),
        ({"publish": {"allow": ["orders.new", "*.new"]}}, "leading", ".publish.allow[1]"),
        ({"publish": {"allow": ["orders.>"]}}, "leading", None),
        ({"publish": {"allow": ["orders.>"]}}, "any", ".publish.allow[0]"),
        ({"publish": {"allow": ["orders.*.x"]}}, "any", ".publish.allow[0]"),
        ({"publish": {"allow": ["orders.new"]}}, "any", None),
        ({"publish": {"allow": ["a*", "orders.>x"]}}, "any", None),  # no wildcards: a wildcard is a whole token
        ({"publish": {"deny": [">"]}}, "leading", None),
        ({"publish": {"deny": ["secret.>"]}}, "leading", ""),
        ({"publish": {"allow": [">"], "deny": ["*", "*.>"]}}, "leading", None),
        ({"response": {"max_messages": 1}}, "leading", None),
        ({"subscribe": {"allow": ["x"]}}, "leading", ""),
    ],
)
def test_wildcards_to_publish(permissions: Any, wildcards: str, path: str | None) -> None:
    document = changed("SHOP", signing_keys=[], users=[{"name": "web", "permissions": permissions}])
    document["operator"]["strict_signing_key_usage"] = False
    rule = {"rule": "no-wildcard-publish", "wildcards": wildcards, "applies_to": {"accounts": ["SHOP"]}}
    paths = [one.path for one in found(document, rule)]
    assert paths == ([] if path is None else [f"accounts[1] (SHOP).users[0] (web).permissions{path}"])


def test_wildcards_of_the_system_account_count_where_the_rule_says_so() -> None:
    (one,) = found(CLEAN, {"rule": "no-wildcard-subscribe", "system_account": True})
    assert one.claim == "account SYS"
    assert one.path == "accounts[0] (SYS).signing_keys[0].template.permissions.subscribe.allow[0]"


def test_wildcards_of_default_permissions_and_of_queue_groups() -> None:
    document = changed("SHOP", signing_keys=[], users=[{"name": "a"}, {"name": "b"}])
    document["operator"]["strict_signing_key_usage"] = False
    account(document, "SHOP")["default_permissions"] = {
        "publish": {"allow": [">"]},
        "subscribe": {"allow": ["> workers"]},
    }
    for name in ("publish", "subscribe"):
        (one,) = found(document, {"rule": f"no-wildcard-{name}"})
        assert one.path == f"accounts[1] (SHOP).default_permissions.{name}.allow[0]"
        assert one.about == ["user SHOP/a", "user SHOP/b"]


def test_finding_about_a_thousand_users_of_a_scope_is_one() -> None:
    document = copy.deepcopy(CLEAN)
    account(document, "SHOP")["signing_keys"][0]["template"]["permissions"]["publish"]["allow"] = ["*.>"]
    account(document, "SHOP")["users"] = [
        {"name": f"u{number}", "signing_key_role": "web", "expires_at": "2027-02-01T00:00:00Z"}
        for number in range(1000)
    ]
    (one,) = found(document)
    assert len(one.about) == 1000
    assert one.message.startswith("user SHOP/u0, user SHOP/u1, user SHOP/u2, user SHOP/u3, user SHOP/u4 and 995 more: ")


def test_keys_without_a_scope_and_signatures_of_identity_keys() -> None:
    document = copy.deepcopy(CLEAN)
    document["operator"] = {"name": "ACME", "system_account": "SYS"}
    account(document, "SHOP")["signing_keys"].append({"role": "plain"})
    account(document, "SHOP")["users"].append({"name": "own"})
    (scope,) = found(document, {"rule": "scoped-signing-keys"})
    assert (scope.about, scope.path) == (["account SHOP"], "accounts[1] (SHOP).signing_keys[1]")
    assert scope.message.endswith(" without a scope; give it a template.")
    signed = found(document, {"rule": "no-identity-signatures"})
    assert [one.about[0] for one in signed] == ["account SYS", "account SHOP", "account BILLING", "user SHOP/own"]
    assert [one.rule for one in found(document, {"rule": "strict-signing-keys"})] == ["strict-signing-keys"]
    assert found(CLEAN, {"rule": "no-identity-signatures"}) == []


def test_activations_that_an_identity_key_signed() -> None:
    importer = key("account", 3).public_key
    activation = Claims(name="x", subject=importer, body=Activation(import_subject="orders.>", import_type="stream"))
    tokens = [codec.encode(activation, pair, NOW) for pair in (ACCOUNT, key("account", 2))]
    items = [Import(subject="orders.>", account=ACCOUNT.public_key, type="stream", token=token) for token in tokens]
    body = Account(imports=[*items, Import(subject="x", account=ACCOUNT.public_key, type="stream", token="none")])
    claims = Claims(name="BILLING", subject=importer, issuer=OPERATOR.public_key, body=body)
    tree = Tree(None, [Entry(claims, "b.jwt")], [], Servers(NOW))
    (one,) = check(tree, read_policy([Part("", [{"rule": "no-identity-signatures"}])], 0)).findings
    assert one.message.startswith(
        "account BILLING: imports orders.> with an activation that is signed by the identity key"
    )
    assert one.path == "imports[0].token"


def test_system_account_is_named() -> None:
    document = copy.deepcopy(CLEAN)
    del document["operator"]["system_account"]
    (one,) = found(document, {"rule": "system-account"})
    assert one.message == "operator ACME: names no system account; set system_account."


@pytest.mark.parametrize(
    ("jetstream", "missing"),
    [
        ({}, []),
        ({"disk_storage": "1GiB"}, ["streams", "consumers"]),
        ({"disk_storage": "unlimited", "streams": 1, "consumers": 1}, ["disk_storage"]),
        ({"memory_storage": "1GiB", "streams": 1, "consumers": "unlimited"}, ["consumers"]),
        ({"memory_storage": "1GiB", "streams": 1, "consumers": 1}, []),
    ],
)
def test_limits_of_jetstream(jetstream: Any, missing: list[str]) -> None:
    document = changed("BILLING", limits={"connections": 1, "disallow_bearer": True, "jetstream": jetstream})
    assert [one.path.rpartition(".")[2] for one in found(document)] == missing
    tiers = {"connections": 1, "disallow_bearer": True, "jetstream_tiers": {"R3": jetstream}}
    assert [one.path for one in found(changed("BILLING", limits=tiers))] == [
        f"accounts[2] (BILLING).limits.jetstream_tiers.R3.{name}" for name in missing
    ]


def test_limits_of_connections() -> None:
    rule = {"rule": "connection-limits", "limits": ["connections", "payload"]}
    document = changed("BILLING", limits={"connections": 0, "payload": "1MB"})
    assert [one.about for one in found(document, rule)] == [["account SHOP"]]  # its payload is unlimited
    assert [one.about for one in found(document, {**rule, "system_account": True})].count(["account SYS"]) == 2


def test_imports_work_and_exports_are_used() -> None:
    document = copy.deepcopy(CLEAN)
    account(document, "SHOP")["exports"][0]["subject"] = "sales.>"
    dead, unused = found(document)
    assert dead.rule == "live-imports"
    assert dead.message == (
        "account BILLING: has an import of the stream orders.> of SHOP that does not work: "
        "the account SHOP does not export orders.> as a stream."
    )
    assert dead.path == "accounts[2] (BILLING).imports[0]"
    assert (unused.rule, unused.path) == ("unused-exports", "accounts[1] (SHOP).exports[0]")


def test_permissions_without_an_effect() -> None:
    document = copy.deepcopy(CLEAN)
    account(document, "SHOP")["signing_keys"][0]["template"]["permissions"]["publish"]["deny"] = ["nothing.>"]
    (dead,) = found(document)
    assert dead.rule == "dead-permissions"
    assert "has the permission nothing.> without effect: it denies only subjects that are not allowed." in dead.message


def _tree(*users: Claims, account_age: int = 0, operator_age: int = 0) -> Tree:
    signing = SigningKey(key=OPERATOR.public_key.replace("O", "A", 1), role="s")
    top = Claims(
        name="ACME",
        subject=OPERATOR.public_key,
        issuer=OPERATOR.public_key,
        issued_at=NOW - operator_age * DAY,
        body=Operator(),
    )
    shop = Claims(
        name="SHOP",
        subject=ACCOUNT.public_key,
        issuer=OPERATOR.public_key,
        issued_at=NOW - account_age * DAY,
        body=Account(signing_keys=[signing]),
    )
    return Tree(Entry(top, "o.jwt"), [Entry(shop, "a.jwt")], [Entry(one, "u.jwt") for one in users], Servers(NOW))


@pytest.mark.parametrize(
    ("account_age", "operator_age", "user_age", "about"),
    [
        (0, 0, 0, []),
        (365, 365, 365, []),
        (366, 0, 0, ["operator ACME", "account SHOP", "account SHOP"]),  # the operator signed it
        (0, 400, 0, ["operator ACME"]),
        (0, 0, 400, ["account SHOP", "user SHOP/u"]),
    ],
)
def test_age_of_keys(account_age: int, operator_age: int, user_age: int, about: list[str]) -> None:
    claims = Claims(name="u", subject=USER.public_key, issuer=ACCOUNT.public_key, body=User())
    claims.issued_at = NOW - user_age * DAY
    tree = _tree(claims, account_age=account_age, operator_age=operator_age)
    results = check(tree, read_policy([Part("", [{"rule": "key-age", "older_than": "365d"}])], 0))
    assert [name for one in results.findings for name in one.about] == about


def test_age_of_keys_of_a_document_is_unknown() -> None:
    results = checked(CLEAN, rules=[{"rule": "key-age"}], level=0)
    assert next((one.rule.id, one.count) for one in results.checked) == ("key-age", 0)


# ---- rules about who may access what


def test_only_some_may_receive_what_an_account_publishes() -> None:
    rule = {"rule": "only", "receive": "orders.>", "account": "SHOP", "allowed": ["SHOP"]}
    (one,) = found(CLEAN, rule)
    assert (
        one.message
        == "user BILLING/biller: may receive orders.> in the account SHOP, by an import of the stream; only SHOP may."
    )
    for allowed in (["SHOP", "BILLING"], ["BILLING/biller"], ["*/bill*"], ["B*"]):
        assert found(CLEAN, {**rule, "allowed": allowed}) == []


def test_only_some_may_publish_in_part() -> None:
    rule = {"rule": "only", "publish": "*.new", "allowed": ["SYS"]}
    first, second = found(CLEAN, rule)
    assert first.message == "user SHOP/web: may publish *.new (of it orders.new); only SYS may."
    assert second.about == ["user BILLING/biller"]


def test_account_without_users_that_an_import_leads_to() -> None:
    rule = {"rule": "only", "receive": "orders.>", "account": "SHOP", "allowed": ["SHOP"]}
    (one,) = found(changed("BILLING", users=[]), rule)
    assert one.about == ["account BILLING"]
    assert one.path == "accounts[2] (BILLING).imports[0]"


def test_accounts_that_are_not_there_are_refused_at_once() -> None:
    rules = [
        {"rule": "only", "id": name, "receive": "orders.>", "account": name, "allowed": ["SHOP"]}
        for name in ("NONE", "SHOP", "OTHER")
    ]
    with pytest.raises(NatsSecurityError) as error:
        checked(CLEAN, rules=rules)
    assert str(error.value).splitlines() == [
        "rules[0] (NONE).account: There is no account NONE; the accounts are BILLING, SHOP, SYS.",
        "rules[2] (OTHER).account: There is no account OTHER; the accounts are BILLING, SHOP, SYS.",
    ]


# ---- tags, names, selections


def test_tags_and_names() -> None:
    tags = found(CLEAN, {"rule": "required-tags", "tags": ["TEAM:*"], "of": ["accounts", "users"]})
    assert [one.about[0] for one in tags] == ["account SYS", "account BILLING", "user SYS/sys", "user SHOP/web"]
    both = found(
        changed("SHOP", tags=[]), {"rule": "required-tags", "tags": ["a", "b"], "applies_to": {"accounts": ["SHOP"]}}
    )
    assert [one.message for one in both] == ["account SHOP: has no tag a.", "account SHOP: has no tag b."]
    names = found(CLEAN, {"rule": "naming", "pattern": "[A-Z]{4,6}"})
    assert [one.about[0] for one in names] == ["account SYS", "account BILLING"]
    assert found(CLEAN, {"rule": "naming", "pattern": "ACME", "of": ["operator"]}) == []


@pytest.mark.parametrize(
    ("applies_to", "leaves_out", "users"),
    [
        (None, None, ["SYS/sys", "SHOP/web", "BILLING/biller"]),
        ({"accounts": ["S*"]}, None, ["SYS/sys", "SHOP/web"]),
        ({"users": ["*/web", "BILLING/*"]}, None, ["SHOP/web", "BILLING/biller"]),
        ({"tags": ["team:*"]}, None, ["SHOP/web", "BILLING/biller"]),  # web through the tags of its account
        ({"tags": ["team:*"], "accounts": ["SHOP"]}, None, ["SHOP/web"]),
        (None, {"accounts": ["SYS"]}, ["SHOP/web", "BILLING/biller"]),
        ({"accounts": ["S*"]}, {"users": ["SYS/sys"]}, ["SHOP/web"]),
    ],
)
def test_what_a_rule_applies_to(applies_to: Any, leaves_out: Any, users: list[str]) -> None:
    rule = {"rule": "user-expiry", "within": "1d", "applies_to": applies_to, "leaves_out": leaves_out}
    assert [name for one in found(CLEAN, rule) for name in one.about] == [f"user {name}" for name in users]


def test_own_rule_takes_the_place_of_a_built_in_one() -> None:
    rules = [
        {"rule": "user-expiry", "within": "1d", "level": 2},
        {"rule": "user-expiry", "id": "short", "within": "2d"},
    ]
    results = checked(CLEAN, rules=rules, level=1)
    assert [(one.rule.id, one.rule.level) for one in results.checked if one.findings] == [
        ("user-expiry", 2),
        ("short", 1),
    ]
    assert results.findings[0].reason.startswith("Creds that were copied")


# ---- exceptions


def test_exception_covers_until_the_end_of_its_last_day() -> None:
    document = copy.deepcopy(CLEAN)
    del user(document, "SHOP")["expires_at"]
    del user(document, "BILLING")["expires_at"]
    exceptions = [waiver(applies_to={"users": ["SHOP/*"]})]
    last = 1_801_440_000 - 1  # 2027-01-31T23:59:59Z
    results = checked(document, exceptions=exceptions, now=last, level=1)
    assert [one.about for one in results.findings] == [["user BILLING/biller"]]
    assert [(one.about, one.waiver.owner) for one in results.excepted if one.waiver] == [(["user SHOP/web"], "jana")]
    assert results.notes == ["exceptions[0]: the exception of jana from user-expiry ends on 2027-01-31."]

    results = checked(document, exceptions=exceptions, now=last + 1, level=1)
    expiry = [one for one in results.findings if one.rule == "user-expiry"]
    assert {name for one in expiry for name in one.about} >= {"user SHOP/web", "user BILLING/biller"}
    (expired,) = (one for one in results.findings if one.rule == "expired-exception")
    assert expired.message == (
        "the exception of jana from user-expiry ended on 2027-01-31 (agreed); remove it, or agree on a new date."
    )
    assert (expired.level, expired.path) == (1, "exceptions[0]")
    assert results.excepted == []


def test_expired_exception_has_the_level_of_its_rule_and_is_found_at_every_level() -> None:
    exceptions = [waiver(rule="key-age", until="2026-01-01")]
    for level in (0, 1, 2):
        (one,) = found(CLEAN, exceptions=exceptions, level=level)
        assert (one.rule, one.level) == ("expired-exception", 2)


def test_exception_that_covers_nothing_and_selection_that_selects_nothing_are_noted() -> None:
    rules = [{"rule": "naming", "pattern": ".*", "applies_to": {"accounts": ["SHOPP"]}}]
    exceptions = [waiver(until="2030-01-01")]
    results = checked(CLEAN, rules=rules, exceptions=exceptions)
    assert results.findings == []
    assert results.notes == [
        "exceptions[0]: the exception of jana from user-expiry covers no finding; remove it.",
        "rules[0].applies_to: it selects nothing.",
    ]


def test_source_that_could_not_be_read_is_a_finding() -> None:
    source = access_sources.of_document(copy.deepcopy(CLEAN), "acme.yml")
    source.problems.append("x.jwt: it holds no JWT.")
    for rules, level in ((None, 1), ([{"rule": "source-complete", "level": 2}], 2)):
        results = check(source.tree(Servers(NOW)), read_policy([Part("", rules)], 1))
        assert [(one.rule, one.level, one.message) for one in results.findings] == [
            ("source-complete", level, "x.jwt: it holds no JWT.")
        ]


# ---- refused policies


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("user-expiry", "rules[0]: expected a dictionary, not 'user-expiry'."),
        ({}, "rules[0].rule: this is required."),
        ({"rule": "user-expire"}, "rules[0].rule: there is no rule user-expire; did you mean user-expiry?"),
        ({"rule": ["x"]}, "rules[0].rule: expected a text, not ['x']."),
        (
            {"rule": "user-expiry", "whithin": "9d"},
            "rules[0].whithin: there is no parameter of user-expiry called whithin; did you mean within?",
        ),
        (
            {"rule": "user-expiry", "within": 90},
            "rules[0].within: 90 is not a duration: write a number with its unit, such as 90d, 12h, 30m, 15s or 500ms.",
        ),
        ({"rule": "user-expiry", "within": True}, "rules[0].within: True is not a duration"),
        ({"rule": "user-expiry", "level": 3}, "rules[0].level: expected 1 or 2, not 3."),
        ({"rule": "user-expiry", "level": True}, "rules[0].level: expected 1 or 2, not True."),
        ({"rule": "user-expiry", "level": "1"}, "rules[0].level: expected 1 or 2, not '1'."),
        ({"rule": "user-expiry", "id": "a b"}, "rules[0] (a b).id: 'a b' is not an id"),
        (
            {"rule": "naming", "pattern": "x", "id": "key-age"},
            "rules[0] (key-age).id: key-age is the name of another rule",
        ),
        (
            {"rule": "naming", "pattern": "x", "id": "expired-exception"},
            "rules[0] (expired-exception).id: expired-exception is the name",
        ),
        ({"rule": "naming"}, "rules[0].pattern: this is required by naming."),
        ({"rule": "naming", "pattern": "("}, "rules[0].pattern: '(' is not a regular expression"),
        (
            {"rule": "naming", "pattern": "x", "of": ["people"]},
            "rules[0].of: expected one of operator, accounts, users",
        ),
        ({"rule": "required-tags", "tags": "x"}, "rules[0].tags: expected a list of texts, not 'x'."),
        ({"rule": "required-tags", "tags": []}, "rules[0].tags: expected a list of texts, not []."),
        ({"rule": "required-tags", "tags": ["a", "a"]}, "rules[0].tags: 'a' is listed twice."),
        ({"rule": "required-tags", "tags": [1]}, "rules[0].tags: expected a text, not 1."),
        (
            {"rule": "connection-limits", "limits": ["conns"]},
            "rules[0].limits: expected one of connections, leaf_nodes",
        ),
        ({"rule": "no-wildcard-publish", "wildcards": "some"}, "rules[0].wildcards: expected one of leading, any"),
        ({"rule": "no-wildcard-publish", "system_account": "no"}, "rules[0].system_account: expected true or false"),
        (
            {"rule": "only", "allowed": ["A"]},
            "rules[0]: only requires one of publish, subscribe, receive, request, and",
        ),
        (
            {"rule": "only", "allowed": ["A"], "publish": "a", "receive": "b"},
            "rules[0]: only requires one of publish, subscribe, receive, request, and this has publish and receive.",
        ),
        ({"rule": "only", "publish": "a"}, "rules[0].allowed: this is required by only."),
        (
            {"rule": "only", "publish": "a..b", "allowed": ["A"]},
            "rules[0].publish: expected a subject such as orders.new",
        ),
        (
            {"rule": "user-expiry", "applies_to": []},
            "rules[0].applies_to: expected a dictionary with accounts, users, tags",
        ),
        (
            {"rule": "user-expiry", "applies_to": {}},
            "rules[0].applies_to: expected a dictionary with accounts, users, tags",
        ),
        (
            {"rule": "user-expiry", "applies_to": {"user": ["x"]}},
            "rules[0].applies_to.user: there is no selection user",
        ),
        (
            {"rule": "user-expiry", "applies_to": {"users": "A/b"}},
            "rules[0].applies_to.users: expected a list of texts",
        ),
        ({"rule": "user-expiry", "applies_to": {"users": ["b"]}}, "rules[0].applies_to.users[0]: 'b' is not a user"),
        ({"rule": "live-imports", "applies_to": {"users": ["A/b"]}}, "rules[0].applies_to.users: this rule applies to"),
        ({"rule": "system-account", "applies_to": {"tags": ["a"]}}, "rules[0].applies_to: this rule applies to the"),
        ({"rule": "source-complete", "id": "x"}, "rules[0] (x).id: source-complete supports only level."),
        ({"rule": "expired-exception"}, "rules[0].rule: there is no rule expired-exception"),
    ],
)
def test_rule_that_is_wrong(rule: Any, message: str) -> None:
    (line,) = refused([rule])
    assert line.startswith(message)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"owner": None}, "exceptions[0].owner: this is required of an exception."),
        ({"owner": " "}, "exceptions[0].owner: expected a text, not ' '."),
        ({"reason": None}, "exceptions[0].reason: this is required of an exception."),
        ({"until": None}, "exceptions[0].until: this is required of an exception."),
        ({"until": "31.01.2027"}, "exceptions[0].until: '31.01.2027' is not a date: write the last day, such as"),
        ({"until": "2027-02-30"}, "exceptions[0].until: '2027-02-30' is not a date: day is out of range for month."),
        ({"until": "2027-01-31T00:00:00Z"}, "exceptions[0].until: '2027-01-31T00:00:00Z' is not a date"),
        ({"until": "never"}, "exceptions[0].until: 'never' is not a date"),
        ({"until": 20270131}, "exceptions[0].until: '20270131' is not a date"),
        ({"rule": "user-expirey"}, "exceptions[0].rule: there is no rule user-expirey; did you mean user-expiry?"),
        ({"rule": "expired-exception"}, "exceptions[0].rule: there is no rule expired-exception"),
        ({"rule": "naming"}, "exceptions[0].rule: there is no rule naming"),  # no rule of this kind is configured
        ({"untill": "x"}, "exceptions[0].untill: there is no member untill; did you mean until?"),
        ({"applies_to": {"users": ["x"]}}, "exceptions[0].applies_to.users[0]: 'x' is not a user"),
    ],
)
def test_exception_that_is_wrong(members: Any, message: str) -> None:
    (line,) = refused(exceptions=[waiver(**members)])
    assert line.startswith(message)


def test_date_as_yaml_reads_it() -> None:
    document = yaml.safe_load("exceptions: [{rule: user-expiry, owner: o, reason: r, until: 2027-01-31}]")
    policy = read_policy([part_of("p.yml", document)], 1)
    assert policy.waivers[0].until.day == "2027-01-31"
    document = yaml.safe_load("exceptions: [{rule: user-expiry, owner: o, reason: r, until: 2027-01-31T01:00:00Z}]")
    with pytest.raises(NatsSecurityError, match="2027-01-31 01:00:00"):
        read_policy([part_of("p.yml", document)], 1)


def test_the_same_said_twice() -> None:
    one = {"rule": "user-expiry", "within": "9d"}
    assert refused([one, one]) == ["rules[1]: the id user-expiry is that of rules[0] too; give each an id of its own."]
    assert refused([{**one, "id": "a"}, {**one, "id": "b"}]) == [
        "rules[1] (b): this is the same as rules[0] (a); remove it."
    ]
    assert refused(exceptions=[waiver(), waiver(owner="petr")]) == [
        "exceptions[1]: exceptions[0] is already an exception from user-expiry for the same; remove one of them."
    ]
    # A different ID, order or unit does not make a different rule.
    tags = {"rule": "required-tags", "tags": ["a", "b"]}
    others = [{**tags, "id": "t", "tags": ["b", "a"]}, {"rule": "user-expiry", "id": "x", "within": "2160h"}]
    assert refused([tags, *others]) == [
        "rules[1] (t): this is the same as rules[0]; remove it.",
        "rules[2] (x): this is the same as the built-in rule user-expiry; remove it.",
    ]
    first, second = (waiver(applies_to={"accounts": names}) for names in (["A", "B"], ["B", "A"]))
    assert len(refused(exceptions=[first, second])) == 1
    parts = [Part("", [one]), Part("p.yml", [one])]
    with pytest.raises(NatsSecurityError, match=r"^p.yml: rules\[0\]: the id user-expiry is that of rules\[0\] too"):
        read_policy(parts, 1)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    lines = refused([{"rule": "x"}, {"rule": "naming"}], [{"rule": "y"}])
    assert [line.partition(":")[0] for line in lines] == [
        "rules[0].rule",
        "rules[1].pattern",
        "exceptions[0].owner",
        "exceptions[0].reason",
        "exceptions[0].until",
        "exceptions[0].rule",
    ]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "p.yml: expected a dictionary with rules and exceptions, not []."),
        (None, "p.yml: expected a dictionary with rules and exceptions, not None."),
        ({"rule": []}, "p.yml: there is no member rule; did you mean rules?"),
    ],
)
def test_file_that_is_no_policy(document: Any, message: str) -> None:
    with pytest.raises(NatsSecurityError) as error:
        part_of("p.yml", document)
    assert str(error.value) == message


def test_rules_that_are_no_list() -> None:
    assert refused({"rule": "x"}) == ["rules: expected a list, not {'rule': 'x'}."]


# ---- reports


def results_of_all() -> Results:
    document = copy.deepcopy(CLEAN)
    del user(document, "SHOP")["expires_at"]
    user(document, "BILLING")["name"] = 'b<&>"é'
    account(document, "BILLING")["limits"] = {}
    rule = {"rule": "naming", "pattern": "[a-z]+", "of": ["users"]}
    return checked(document, rules=[rule], exceptions=[waiver()])


def test_junit_is_read_by_others() -> None:
    results = results_of_all()
    suites = ET.fromstring(junit(results, 1))
    assert [suite.get("name") for suite in suites] == [one.rule.id for one in results.checked]
    cases = suites.findall(".//testcase")
    failures = suites.findall(".//failure")
    assert [failure.get("type") for failure in failures] == ["level 1", "level 1"]
    assert [str(failure.get("message")).partition(":")[0] for failure in failures] == [
        "account BILLING",
        'user BILLING/b<&>"é',
    ]
    assert suites.get("failures") == "2"
    assert suites.get("tests") == str(len(cases))
    assert suites.get("skipped") == str(len(suites.findall(".//skipped")))
    skipped = [str(one.get("message")) for one in suites.findall(".//skipped")]
    assert "Excepted until 2027-01-31 by jana: agreed" in skipped
    assert "The rule applies to nothing that was checked." in skipped  # key-age does not apply to documents
    assert ET.fromstring(junit(results, 0)).get("failures") == "0"


def test_characters_that_xml_has_no_way_to_write() -> None:
    results = results_of_all()
    results.findings[0].text = "a\x00b\x1bc\ud800d"
    assert "a\ufffdb\ufffdc\ufffdd" in ET.tostring(ET.fromstring(junit(results, 1)), encoding="unicode")


def test_sarif_names_rules_places_and_exceptions() -> None:
    results = results_of_all()
    (run,) = json.loads(sarif(results))["runs"]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    by_rule = {result["ruleId"]: result for result in run["results"]}
    excepted = by_rule["user-expiry"]
    assert excepted["suppressions"][0]["justification"] == "agreed (jana, until 2027-01-31)"
    assert excepted["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "acme.yml"
    assert by_rule["connection-limits"]["level"] == "error"
    assert by_rule["bearer-forbidden"]["level"] == "warning"
    fingerprints = [result["partialFingerprints"]["finding/v1"] for result in run["results"]]
    assert len(set(fingerprints)) == len(fingerprints)


def test_reports_of_the_same_results_are_the_same() -> None:
    assert sarif(results_of_all()) == sarif(results_of_all())
    assert junit(results_of_all(), 2) == junit(results_of_all(), 2)
