# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Issues that validation finds in claims. The golden vectors compare them with the Go library; the server's rules were observed on a server."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.claims import (
    Account,
    Activation,
    Claims,
    Export,
    ExternalAuthorization,
    Generic,
    Import,
    JetStreamLimits,
    MessageTrace,
    NatsLimits,
    Operator,
    OperatorLimits,
    Permission,
    Permissions,
    ResponsePermission,
    ScopeTemplate,
    ServiceLatency,
    SigningKey,
    TemplateLimits,
    TimeRange,
    User,
    UserAccess,
    WeightedMapping,
    no_access,
)
from ansible_collections.natsops.security.plugins.module_utils.claims.authorization import (
    AuthorizationRequest,
    AuthorizationResponse,
)
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.rules import (
    Issue,
    allowed_issuers_of_operator,
    did_sign,
    has_wildcards,
    import_issues,
    import_time_issues,
    is_revoked,
    issues_between,
    library_issues,
    server_issues,
    subject_is_contained,
    token_issues,
    user_issues,
)
from ansible_collections.natsops.security.plugins.module_utils.rules.transforms import mapping_problem
from ansible_collections.natsops.security.plugins.module_utils.token import codec

NOW = 1_700_000_000


def _pair(key_type: str, number: int) -> nkey.KeyPair:
    return nkey.from_raw_seed(key_type, bytes([number]) * 32)


OPERATOR, OPERATOR_SIGNER = _pair("operator", 1), _pair("operator", 2)
ACCOUNT, SIGNER, OTHER = _pair("account", 1), _pair("account", 2), _pair("account", 3)
USER, SERVER, CURVE = _pair("user", 1), _pair("server", 1), _pair("curve", 1)
SUBJECTS = {Operator: OPERATOR, Account: ACCOUNT, User: USER, Activation: OTHER}


def _claims(body: Any, **members: Any) -> Claims:
    members.setdefault("subject", SUBJECTS[type(body)].public_key if type(body) in SUBJECTS else "x")
    return Claims(body=body, **members)


def _lines(issues: list[Issue]) -> list[str]:
    """Return the issues as text, each with the letter of its kind in front: Blocking, Warning or Time."""
    return [f"{'B' if issue.blocking else 'T' if issue.time_check else 'W'} {issue}" for issue in issues]


def _paths(issues: list[Issue]) -> list[str]:
    return [line.split(": ")[0] for line in _lines(issues)]


def _publish(*allow: str, deny: tuple[str, ...] = ()) -> Permissions:
    return Permissions(publish=Permission(allow=list(allow), deny=list(deny)))


def _subscribe(*allow: str, deny: tuple[str, ...] = ()) -> Permissions:
    return Permissions(subscribe=Permission(allow=list(allow), deny=list(deny)))


def _user(**access: Any) -> User:
    return User(access=UserAccess(**access))


def _export(subject: str = "orders", type: str = "service", **members: Any) -> Export:  # noqa: A002
    return Export(subject=subject, type=type, **members)


def _import(subject: str = "orders", type: str = "service", **members: Any) -> Import:  # noqa: A002
    return Import(subject=subject, type=type, **{"account": OTHER.public_key, **members})


def _scope(**template: Any) -> Account:
    return Account(signing_keys=[SigningKey(SIGNER.public_key, "r", ScopeTemplate(**template))])


def _limits(**limits: Any) -> Account:
    return Account(limits=OperatorLimits(**limits))


# ---- issues


def test_an_issue_prints_its_path_and_what_would_be_right() -> None:
    issue = library_issues(_claims(Account(exports=[_export("a..b")])), NOW)[0]
    assert str(issue) == "exports[0].subject: 'a..b' has nothing between two dots; write a token there, or one dot."
    assert (issue.source, issue.blocking, issue.time_check) == ("library", True, False)


def test_an_issue_of_the_whole_token_prints_without_a_path() -> None:
    assert str(Issue("server", "", "it is revoked.", True, False)) == "it is revoked."


@pytest.mark.parametrize("body", [Operator(), Account(), User(), _user(permissions=_publish("a.*.b", ">"))])
def test_claims_as_they_begin_have_no_issues(body: Any) -> None:
    claims = _claims(body)
    assert library_issues(claims, NOW) == server_issues(claims) == []


@pytest.mark.parametrize("body", [Generic({}), Operator(), Account(), User()])
def test_times_of_every_claim_type_are_held_against_the_given_time(body: Any) -> None:
    assert _lines(library_issues(_claims(body, expires=NOW - 1, not_before=NOW + 1), NOW)) == [
        "T expires: expired at 2023-11-14T22:13:19Z; it has to be issued again.",
        "T not_before: is not valid before 2023-11-14T22:13:21Z; omit it to be valid at once.",
    ]
    assert library_issues(_claims(body, expires=NOW, not_before=NOW), NOW) == []


# ---- the Go library's rules

LIBRARY = [
    (Operator(account_server_url="example.com/jwt"), ["B account_server_url"]),
    (Operator(account_server_url="http://[::1"), ["B account_server_url"]),
    (
        Operator(operator_service_urls=["nats://a:4222", "http://a", "tls://a/b", "tls://u:p@a", ""]),
        ["B operator_service_urls[1]", "B operator_service_urls[2]", "B operator_service_urls[3]"],
    ),
    (Operator(signing_keys=[OPERATOR.public_key, ACCOUNT.public_key]), ["B signing_keys[1]"]),
    (Operator(system_account="A"), ["B system_account"]),
    (Operator(operator_service_urls=["nats://[a"]), ["B operator_service_urls[0]"]),
    (Operator(assert_server_version="2.10.x"), ["B assert_server_version"]),
    (Operator(assert_server_version="2.10"), ["B assert_server_version"]),
    (Operator(assert_server_version="2.10.-1"), ["B assert_server_version"]),
    (_user(permissions=_publish("a b")), ["B permissions.publish.allow[0]"]),
    (
        _user(permissions=_publish("a", deny=("", ".a"))),
        ["B permissions.publish.deny[0]", "B permissions.publish.deny[1]"],
    ),
    (_user(permissions=_subscribe("a q")), []),
    (_user(permissions=_subscribe("a q r")), ["B permissions.subscribe.allow[0]"]),
    (_user(source_networks=["10.0.0.0/8", "10.0.0.1"]), ["B source_networks[1]"]),
    (_user(times=[TimeRange("8:00:00", "25:00:00")]), ["B times[0].end"]),
    (_user(times=[TimeRange()]), ["B times[0].start", "B times[0].end"]),
    (_user(times_location="Europe/Praha"), ["B times_location"]),
    (User(issuer_account=USER.public_key), ["B issuer_account"]),
    (Activation(import_subject="a"), ["B import_type"]),
    (Activation(import_subject="", import_type="stream", issuer_account="x"), ["B import_subject", "B issuer_account"]),
    (AuthorizationRequest(), ["B user_nkey"]),
    (AuthorizationResponse(), ["B subject", "B audience", "B jwt"]),
    (
        AuthorizationResponse(jwt="x", error="y", issuer_account="z"),
        ["B subject", "B audience", "B error", "B issuer_account"],
    ),
    (Account(default_permissions=_publish("a..b")), ["B default_permissions.publish.allow[0]"]),
    (Account(description="x" * 8193), ["B description"]),
    (Account(description="é" * 4097), ["B description"]),
    (Account(info_url="example.com"), ["B info_url"]),
    (Account(info_url="https://example.com/" + "x" * 8192), ["B info_url"]),
    (Account(info_url="https://[::1"), ["B info_url"]),
    (Account(cluster_traffic="mine"), ["B cluster_traffic"]),
    (Account(trace=MessageTrace("a.*", 101)), ["B trace.destination", "B trace.sampling"]),
    (Account(signing_keys=[SigningKey(USER.public_key)]), ["B signing_keys[0].key"]),
    (Account(signing_keys=[SigningKey(SIGNER.public_key), SigningKey(SIGNER.public_key)]), ["B signing_keys[1].key"]),
    (
        _limits(jetstream=JetStreamLimits(streams=1), jetstream_tiers={"": JetStreamLimits()}),
        ["B limits.jetstream", "B limits.jetstream_tiers"],
    ),
    (Account(mappings={"a..b": [WeightedMapping("c.")]}), ["B mappings.a..b", "B mappings.a..b[0].subject"]),
    (Account(mappings={"a.b": [WeightedMapping("c"), WeightedMapping("d", 1)]}), ["B mappings.a.b"]),
    (
        Account(
            mappings={
                "a": [WeightedMapping("c", 60, "x"), WeightedMapping("d", 60, "x"), WeightedMapping("e", 60, "y")]
            }
        ),
        ["B mappings.a[1].weight"],
    ),
    (Account(mappings={"a": [WeightedMapping("c", 200)]}), ["B mappings.a[0].weight", "B mappings.a"]),
    (Account(authorization=ExternalAuthorization(allowed_accounts=["*"])), ["B authorization.auth_users"]),
    (
        Account(authorization=ExternalAuthorization([USER.public_key, "x"], ["*", "y"], "z")),
        [
            "B authorization.auth_users[1]",
            "B authorization.allowed_accounts[0]",
            "B authorization.allowed_accounts[1]",
            "B authorization.xkey",
        ],
    ),
    # exports
    (Account(exports=[None]), ["B exports[0]"]),  # type: ignore[list-item]
    (Account(exports=[_export(type="")]), ["B exports[0].type"]),
    (Account(exports=[_export(response_type="Many")]), ["B exports[0].response_type"]),
    (
        Account(exports=[_export(type="stream", response_type="Stream", allow_trace=True, response_threshold=1)]),
        ["B exports[0].response_type", "B exports[0].allow_trace", "B exports[0].response_threshold"],
    ),
    (Account(exports=[_export(response_threshold=-1)]), ["B exports[0].response_threshold"]),
    (
        Account(exports=[_export(type="stream", latency=ServiceLatency(101, "a.*"))]),
        ["B exports[0].latency", "B exports[0].latency.sampling", "B exports[0].latency.results"],
    ),
    (Account(exports=[_export(account_token_position=1)]), ["B exports[0].account_token_position"]),
    (Account(exports=[_export("a.*", account_token_position=1)]), ["B exports[0].account_token_position"]),
    (Account(exports=[_export("a.*", account_token_position=3)]), ["B exports[0].account_token_position"]),
    (Account(exports=[_export("a.*", account_token_position=2)]), []),
    (Account(exports=[_export("a.>"), _export("a.b"), _export("a.c", "stream")]), ["B exports[1].subject"]),
    (Account(exports=[_export("a"), _export("a")]), ["B exports[1].subject"]),
    (Account(exports=[_export("a.*"), _export("*.b")]), []),
    (Account(exports=[_export("a"), _export("b")], limits=OperatorLimits(exports=1)), ["B exports"]),
    (
        Account(exports=[_export("a.*")], limits=OperatorLimits(exports=5, wildcard_exports=False)),
        ["B exports[0].subject"],
    ),
    (Account(exports=[_export("a.*")], limits=OperatorLimits(wildcard_exports=False)), []),
    # imports
    (Account(imports=[None]), ["B imports[0]"]),  # type: ignore[list-item]
    (Account(imports=[_import()], limits=OperatorLimits(imports=0)), ["B imports"]),
    (
        Account(imports=[_import(type="", account="", subject="")]),
        ["B imports[0].type", "B imports[0].account", "B imports[0].subject"],
    ),
    (Account(imports=[_import(allow_trace=True)]), ["B imports[0].allow_trace"]),
    (Account(imports=[_import(type="stream", share=True)]), ["B imports[0].share"]),
    (Account(imports=[_import(to="x")]), ["W imports[0].to"]),
    (Account(imports=[_import(to="x", local_subject="y")]), ["W imports[0].to", "B imports[0].local_subject"]),
    (Account(imports=[_import("a.>", local_subject="b")]), ["B imports[0].local_subject"]),
    (Account(imports=[_import("a.*", local_subject="b.$2")]), ["B imports[0].local_subject"] * 2),
    (Account(imports=[_import("a.*.*", local_subject="b.$2.$1")]), []),
    (Account(imports=[_import("a.*"), _import("a.b")]), ["B imports[1]"]),
    (Account(imports=[_import("a"), _import("b", local_subject="a")]), ["B imports[1]", "B imports[1]"]),
    (Account(imports=[_import("a"), _import("a", account=SIGNER.public_key)]), []),
    (Account(imports=[_import(token="not.a.token")]), ["B imports[0].token"]),
]


@pytest.mark.parametrize(("body", "paths"), LIBRARY)
def test_library_issues_name_the_field(body: Any, paths: list[str]) -> None:
    assert _paths(library_issues(_claims(body), NOW)) == paths


def test_an_account_that_signs_itself_is_told_that_limits_come_from_an_operator() -> None:
    assert _paths(library_issues(_claims(Account(), issuer=ACCOUNT.public_key), NOW)) == ["W limits"]
    assert library_issues(_claims(Account(), issuer=OPERATOR.public_key), NOW) == []


def test_a_problem_is_told_once() -> None:
    claims = _claims(Account(imports=[_import("", local_subject="a b")]))
    lines = _lines(library_issues(claims, NOW))
    assert len(lines) == len(set(lines))


@pytest.mark.parametrize("pair", [_pair("operator", 9), _pair("account", 9), _pair("user", 9), CURVE])
def test_no_issue_shows_a_seed_that_stands_where_a_public_key_is_wanted(pair: nkey.KeyPair) -> None:
    seed = pair.seed
    accounts = Account(
        imports=[_import(account=seed)],
        exports=[_export(token_required=True, revocations={seed: 1})],
        signing_keys=[SigningKey(seed), SigningKey(seed)],
        revocations={seed: 1},
        authorization=ExternalAuthorization([seed], [seed], seed),
    )
    for claims in (
        _claims(Operator(signing_keys=[seed], system_account=seed)),
        _claims(accounts),
        _claims(User(issuer_account=seed), issuer=seed),
        _claims(Activation("a", "stream", seed)),
        _claims(AuthorizationRequest(user_nkey=seed)),
        _claims(AuthorizationResponse(issuer_account=seed), subject=seed, audience=seed),
    ):
        found = library_issues(claims, NOW) + server_issues(claims)
        if claims.kind == "user":
            found += user_issues(_claims(Account()), claims, NOW)
        assert found
        assert seed not in str(found)
        assert seed not in " ".join(map(str, found))


def test_no_issue_shows_a_password_in_a_url() -> None:
    claims = _claims(Operator(operator_service_urls=["tls://u:secret@a"], account_server_url="http://u:secret@[a"))
    assert "secret" not in " ".join(_lines(library_issues(claims, NOW)))


# ---- activation tokens in imports


def _activation(
    signer: nkey.KeyPair = OTHER, importer: nkey.KeyPair = ACCOUNT, issued_at: int = NOW, **members: Any
) -> str:
    outer = {name: members.pop(name) for name in ("expires", "not_before") if name in members}
    body = Activation(**{"import_subject": "orders.*", "import_type": "stream", **members})
    return codec.encode(Claims(subject=importer.public_key, body=body, **outer), signer, issued_at)


def _importing(activation: str, **members: Any) -> Claims:
    return _claims(Account(imports=[_import("orders.new", "stream", token=activation, **members)]))


def _exporting(**members: Any) -> Claims:
    export = _export(**{"subject": "orders.*", "type": "stream", "token_required": True, **members})
    return _claims(Account(exports=[export]), subject=OTHER.public_key, name="seller")


@pytest.mark.parametrize(
    ("activation", "reason"),
    [
        (_activation(signer=SIGNER), "was issued by the account"),
        (_activation(importer=SIGNER), "is for the account"),
        (_activation(import_type="service"), "is for a service, not for a stream"),
        (_activation(import_subject="other.*"), "allows 'other.*', which does not cover 'orders.new'"),
        (codec.encode(_claims(User()), ACCOUNT, NOW), "cannot be read as an activation: It is a token of user claims."),
    ],
)
def test_a_token_that_is_not_for_its_import_is_told_by_library_and_import_issues(activation: str, reason: str) -> None:
    importer = _importing(activation)
    found = library_issues(importer, NOW)
    assert [issue.path for issue in found] == ["imports[0].token"]
    assert reason in found[0].message
    assert import_issues(importer, _exporting()) == found


def test_a_token_that_is_for_its_import_is_no_issue() -> None:
    importer = _importing(_activation())
    assert library_issues(importer, NOW) == import_issues(importer, _exporting()) == []


# ---- the server's own rules

SERVER_RULES = [
    # operators
    (Operator(strict_signing_key_usage=True), ["B signing_keys"]),
    (Operator(strict_signing_key_usage=True, signing_keys=[OPERATOR.public_key]), ["W signing_keys[0]"]),
    (Operator(strict_signing_key_usage=True, signing_keys=[OPERATOR_SIGNER.public_key]), []),
    # subjects
    (_user(permissions=_publish("a.>.b")), ["B permissions.publish.allow[0]"]),
    (_user(permissions=_publish(">a")), ["W permissions.publish.allow[0]"]),
    (
        _user(permissions=_publish("a*", deny=("a.*b.c",))),
        ["W permissions.publish.allow[0]", "W permissions.publish.deny[0]"],
    ),
    (_user(permissions=_publish("a\tb")), ["B permissions.publish.allow[0]"]),
    (_user(permissions=_publish("u.{{name()}}")), ["W permissions.publish.allow[0]"]),
    (_user(permissions=_subscribe("a.> q.*", "*")), []),
    (_user(permissions=_subscribe("a\tq")), ["W permissions.subscribe.allow[0]"]),
    (_user(permissions=_subscribe("a\tq r")), ["B permissions.subscribe.allow[0]"]),
    (_user(permissions=_subscribe("a\u00a0q r")), ["B permissions.subscribe.allow[0]"]),
    (_user(permissions=_subscribe("a\x1fq r")), []),
    (_user(permissions=_subscribe("\t")), ["B permissions.subscribe.allow[0]"]),
    (_user(permissions=_subscribe("a.>.b q")), ["B permissions.subscribe.allow[0]"]),
    (_user(permissions=_publish("a..b")), []),  # reported by the library's rules
    (Account(default_permissions=_publish("a.>.b")), ["B default_permissions.publish.allow[0]"]),
    (Activation(import_subject="a.>.b", import_type="stream"), ["B import_subject"]),
    (Activation(import_subject="a.b*", import_type="stream"), ["W import_subject"]),
    (Account(trace=MessageTrace("a.>.b")), ["B trace.destination"]),
    # users
    (_user(limits=NatsLimits(subscriptions=0)), ["W limits.subscriptions"]),
    (
        _user(limits=NatsLimits(subscriptions=-5, payload=-2, data=7)),
        ["W limits.subscriptions", "W limits.payload", "W limits.data"],
    ),
    (User(access=no_access()), []),  # a scoped user
    (_user(allowed_connection_types=["standard", "MQTT"]), []),
    (_user(allowed_connection_types=["TCP"]), ["B allowed_connection_types"]),
    (_user(allowed_connection_types=["STANDARD", "TCP"]), ["W allowed_connection_types[1]"]),
    (_user(times=[TimeRange("8:00:00", "08:00:00.5")]), ["B times[0]"]),
    (_user(times=[TimeRange("08:00:00", "08:00:00"), TimeRange("22:00:00", "06:00:00")]), ["W times[0]"]),
    (_user(times_location="UTC"), ["W times_location"]),
    (User(tags=["dept:A"]), ["W tags[0]"]),
    # scopes
    (_scope(permissions=_publish("u.{{name()}}.{{ Account-Name() }}.{{tag(x)}}.{{account-tag(y)}}", "a")), []),
    (_scope(permissions=_publish("u.{{nope()}}")), ["B signing_keys[0].template.permissions.publish.allow[0]"]),
    (
        _scope(permissions=_publish("u.{{{name()}}}")),
        ["B signing_keys[0].template.permissions.publish.allow[0]"],
    ),
    (
        _scope(permissions=_publish("u.{{Tag(x)}}", "{{tag( x )}}")),
        [
            "W signing_keys[0].template.permissions.publish.allow[0]",
            "W signing_keys[0].template.permissions.publish.allow[1]",
        ],
    ),
    (
        _scope(permissions=_publish(deny=("u.{{Tag(x)}}",))),
        ["B signing_keys[0].template.permissions.publish.deny[0]"],
    ),
    (
        _scope(permissions=_publish("u.{{name()}", "{{name()}}")),
        ["W signing_keys[0].template.permissions.publish.allow[0]"],
    ),
    (
        _scope(permissions=_subscribe("{{name()}}", "a q", deny=("a q",))),
        ["B signing_keys[0].template.permissions.subscribe.allow[1]"],
    ),
    (
        _scope(permissions=_subscribe(deny=("{{name()}}", "a q"))),
        ["B signing_keys[0].template.permissions.subscribe.deny[1]"],
    ),
    (
        _scope(permissions=_publish("a..b", "c*")),
        [
            "B signing_keys[0].template.permissions.publish.allow[0]",
            "W signing_keys[0].template.permissions.publish.allow[1]",
        ],
    ),
    (_scope(source_networks=["10.0.0.1"]), ["B signing_keys[0].template.source_networks[0]"]),
    (
        _scope(times=[TimeRange("8", "09:00:00")], times_location="Europe/Praha"),
        ["B signing_keys[0].template.times[0].start", "B signing_keys[0].template.times_location"],
    ),
    (_scope(times_location="Europe/Praha"), ["W signing_keys[0].template.times_location"]),
    (_scope(allowed_connection_types=["TCP"]), ["B signing_keys[0].template.allowed_connection_types"]),
    (
        _scope(limits=TemplateLimits(payload=1 << 53), permissions=Permissions(response=ResponsePermission(1 << 60))),
        ["B signing_keys[0].template.limits.payload", "B signing_keys[0].template.permissions.response.max_messages"],
    ),
    (
        _scope(limits=TemplateLimits(payload=-2, data=1)),
        ["W signing_keys[0].template.limits.payload", "W signing_keys[0].template.limits.data"],
    ),
    (
        Account(
            signing_keys=[SigningKey(SIGNER.public_key, "r", ScopeTemplate(bearer_token=True))],
            limits=OperatorLimits(disallow_bearer=True),
        ),
        ["B signing_keys[0].template.bearer_token"],
    ),
    (Account(signing_keys=[SigningKey(ACCOUNT.public_key, "r", ScopeTemplate())]), ["W signing_keys[0].key"]),
    # limits
    (
        _limits(subscriptions=0, connections=-2, leaf_nodes=-2, data=3),
        ["W limits.subscriptions", "W limits.connections", "W limits.leaf_nodes", "W limits.data"],
    ),
    (_limits(jetstream=JetStreamLimits(streams=5)), ["W limits.jetstream"]),
    (_limits(jetstream=JetStreamLimits(streams=-1)), []),
    (
        _limits(jetstream_tiers={"R1": JetStreamLimits(1), "gold": JetStreamLimits(1)}),
        ["W limits.jetstream_tiers.gold"],
    ),
    (_limits(jetstream_tiers={"R1": JetStreamLimits()}), ["W limits.jetstream_tiers"]),
    # the rest of an account
    (Account(revocations={"*": 1, USER.public_key: 1}), []),
    (Account(revocations={ACCOUNT.public_key: 1}), [f"W revocations.{ACCOUNT.public_key}"]),
    (Account(authorization=ExternalAuthorization(xkey=CURVE.public_key)), ["W authorization.xkey"]),
    # exports
    (Account(exports=[_export("a.>.b")]), ["W exports[0].subject"]),
    (Account(exports=[_export("a\tb")]), ["B exports[0].subject"]),
    (Account(exports=[_export("a.*", account_token_position=2, token_required=True)]), ["W exports[0].token_required"]),
    (Account(exports=[_export(revocations={"*": 1})]), ["W exports[0].revocations"]),
    (Account(exports=[_export(token_required=True, revocations={"x": 1})]), ["W exports[0].revocations.x"]),
    (Account(exports=[_export(latency=ServiceLatency(100, "lat"), response_type="Chunked")]), ["B exports[0].latency"]),
    (Account(exports=[_export("a.>", latency=ServiceLatency(100, "a.lat"))]), ["B exports[0].latency.results"]),
    (Account(exports=[_export("a", latency=ServiceLatency(100, "z.lat")), _export("z.>")]), []),
    # imports
    (Account(imports=[_import(account="x")]), ["B imports[0].account"]),
    (Account(imports=[_import(account=ACCOUNT.public_key)]), ["W imports[0].account"]),
    (Account(imports=[_import("a.>.b")]), ["B imports[0].subject"]),
    (Account(imports=[_import("a", "stream"), _import("a", "stream", local_subject="b")]), ["B imports[1].subject"]),
    (Account(imports=[_import("a.*", local_subject="b.*.{{partition(3,1)}}")]), ["B imports[0].local_subject"]),
    (Account(imports=[_import("a.*.*", local_subject="b.$1.*")]), ["W imports[0].local_subject"]),
    (Account(imports=[_import("a.*", "stream", local_subject="b.$0")]), ["W imports[0].local_subject"]),
    (Account(imports=[_import("a", local_subject="b.>.c")]), ["B imports[0].local_subject"]),
    # mappings
    (
        Account(
            mappings={"a.*": [WeightedMapping("b.$1", 50), WeightedMapping("c.{{wildcard(1)}}.{{partition(3,1)}}", 50)]}
        ),
        [],
    ),
    (Account(mappings={"a.*": [WeightedMapping("b.*")]}), ["B mappings.a.*[0].subject"]),
    (Account(mappings={"a.*": [WeightedMapping("b.$2")]}), ["B mappings.a.*[0].subject"]),
    (Account(mappings={"a": [WeightedMapping("b.$1")]}), ["B mappings.a[0].subject"]),
    (Account(mappings={"a.>": [WeightedMapping("b")]}), ["B mappings.a.>[0].subject"]),
    (Account(mappings={"a.>.b": [WeightedMapping("b")]}), ["B mappings.a.>.b"]),
    (Account(mappings={"a.*": [WeightedMapping("b.{{nope(1)}}")]}), ["B mappings.a.*[0].subject"]),
    (Account(mappings={"a.*": [WeightedMapping("b.{{split(1)}}")]}), ["B mappings.a.*[0].subject"]),
    (Account(mappings={"a.*": [WeightedMapping("b.{{partition(x,1)}}")]}), ["B mappings.a.*[0].subject"]),
    (Account(mappings={"a.*": [WeightedMapping("b.$0")]}), ["W mappings.a.*[0].subject"]),
    (
        Account(mappings={"a": [WeightedMapping("b", 100, "x"), WeightedMapping("b", 100, "y")]}),
        ["B mappings.a[1].subject"],
    ),
    (Account(mappings={"a": []}), ["W mappings.a"]),
]


@pytest.mark.parametrize(("body", "paths"), SERVER_RULES)
def test_server_issues_name_the_field(body: Any, paths: list[str]) -> None:
    found = server_issues(_claims(body))
    assert _paths(found) == paths
    assert {issue.source for issue in found} <= {"server"}


# Results of validateAccountClaimMappings of nats-server 2.15.2.
MAPPINGS = [
    ("a.*", "b.{{wildcard(1)}}", True),
    ("a.*", "b.{{ Wildcard( 1 ) }}", True),
    ("a.*", "b.{{wildcard()}}", False),
    ("a.*", "b.{{wildcard(1,1)}}", False),
    ("a.*", "b.{{wildcard(x)}}", False),
    ("a.*", "b.{{wildcard(2)}}", False),
    ("a.*", "b.{{partition(3)}}", True),
    ("a", "b.{{partition(3)}}", True),
    ("a.*", "b.{{partition(3,1)}}", True),
    ("a.*", "b.{{partition(3,2)}}", False),
    ("a.*", "b.{{partition()}}", False),
    ("a.*", "b.{{partition(2147483648,1)}}", False),
    ("a.*", "b.{{split(1,-)}}", True),
    ("a.*", "b.{{split(1)}}", False),
    ("a.*", "b.{{split(1,-,2)}}", False),
    ("a.*", "b.{{SplitFromLeft(1,2)}}", True),
    ("a.*", "b.{{splitfromright(1,x)}}", False),
    ("a.*", "b.{{SliceFromLeft(1, 2)}}", True),
    ("a.*", "b.{{slicefromright(1,2,3)}}", False),
    ("a.*", "b.{{left(1,2147483648)}}", False),
    ("a.*", "b.{{right(1,-1)}}", True),
    ("a.*", "b.{{random(5)}}", True),
    ("a", "b.{{random(5)}}", True),
    ("a.*", "b.{{random(5,1)}}", False),
    ("a.*", "b.{{nope(1)}}", False),
    ("a.*", "b.{{}}", True),
    ("a.*", "b.$x", True),
    ("a.*", "b.$1.$1", True),
    ("a.*.>", "b.$1.>", True),
    ("a.*.>", "b.$1", False),
    (">", "b.>", True),
    ("a", "b.*", False),
    ("a", "b.$1", False),
]


@pytest.mark.parametrize(("source", "destination", "accepted"), MAPPINGS)
def test_a_mapping_is_accepted_where_the_server_accepts_it(source: str, destination: str, accepted: bool) -> None:
    assert (mapping_problem(source, destination) == "") is accepted


def test_times_of_an_operator_have_no_effect_on_servers() -> None:
    assert _paths(server_issues(_claims(Operator(), expires=NOW, not_before=NOW))) == ["W expires", "W not_before"]


def test_an_account_that_signs_itself_is_not_told_that_it_has_no_limits() -> None:
    limits = OperatorLimits(subscriptions=0)
    assert server_issues(_claims(Account(limits=limits), issuer=ACCOUNT.public_key)) == []


@pytest.mark.parametrize(
    ("kind", "size", "count"),
    [("user", 3500, 0), ("user", 3501, 1), ("account", 65536, 0), ("account", 65537, 1), ("operator", 1 << 20, 0)],
)
def test_a_token_that_outgrows_a_default_of_servers_is_warned_about(kind: str, size: int, count: int) -> None:
    found = token_issues(kind, "x" * size)
    assert len(found) == count
    assert not any(issue.blocking for issue in found)


# ---- an operator and its accounts


def _operator(**members: Any) -> Claims:
    return _claims(Operator(signing_keys=[OPERATOR_SIGNER.public_key], **members), name="ACME")


def test_a_strict_operator_signs_with_its_signing_keys_only() -> None:
    assert allowed_issuers_of_operator(_operator()) == {OPERATOR.public_key, OPERATOR_SIGNER.public_key}
    strict = _operator(strict_signing_key_usage=True)
    assert allowed_issuers_of_operator(strict) == {OPERATOR_SIGNER.public_key}


@pytest.mark.parametrize(
    ("issuer", "strict", "words"),
    [
        (OPERATOR, False, None),
        (OPERATOR_SIGNER, True, None),
        (OPERATOR, True, "is the own key of the operator ACME, which has strict_signing_key_usage"),
        (_pair("operator", 3), False, "which is not a key of the operator ACME"),
        (ACCOUNT, False, "is the account itself"),
    ],
)
def test_an_account_is_refused_unless_a_key_of_its_operator_signed_it(
    issuer: nkey.KeyPair, strict: bool, words: str | None
) -> None:
    account = _claims(Account(signing_keys=[SigningKey(SIGNER.public_key)]), issuer=issuer.public_key)
    found = _lines(issues_between(_operator(strict_signing_key_usage=strict), account))
    assert [line[:9] for line in found] == ([] if words is None else ["B issuer:"])
    assert words is None or words in found[0]


def test_an_account_that_is_to_be_signed_has_no_wrong_issuer() -> None:
    assert issues_between(_operator(), _claims(Account())) == []


def test_an_account_of_a_strict_operator_needs_signing_keys_for_its_users() -> None:
    assert _paths(issues_between(_operator(strict_signing_key_usage=True), _claims(Account()))) == ["W signing_keys"]


@pytest.mark.parametrize(
    ("limits", "paths"),
    [
        (OperatorLimits(), []),
        (OperatorLimits(jetstream=JetStreamLimits(streams=1)), []),
        (OperatorLimits(jetstream=JetStreamLimits(disk_storage=-1)), ["B limits.jetstream"]),
        (OperatorLimits(jetstream_tiers={"R1": JetStreamLimits(memory_storage=1)}), ["B limits.jetstream_tiers"]),
    ],
)
def test_the_system_account_has_no_jetstream(limits: OperatorLimits, paths: list[str]) -> None:
    operator = _operator(system_account=ACCOUNT.public_key)
    assert _paths(issues_between(operator, _claims(Account(limits=limits)))) == paths
    assert issues_between(operator, _claims(Account(limits=limits), subject=OTHER.public_key)) == []


# ---- an account and its users


def _account(template: ScopeTemplate | None = None, **members: Any) -> Claims:
    keys = [SigningKey(SIGNER.public_key, "reader", template)]
    return _claims(Account(signing_keys=keys, **members), name="shop")


def _signed(body: User, issuer: nkey.KeyPair = ACCOUNT, **members: Any) -> Claims:
    return _claims(body, issuer=issuer.public_key, **{"name": "ann", "issued_at": NOW, **members})


IN_ACCOUNT = ACCOUNT.public_key


@pytest.mark.parametrize(
    ("user", "strict", "paths"),
    [
        (_signed(User()), False, []),
        (_signed(User(issuer_account=IN_ACCOUNT)), False, []),
        (_signed(User()), True, ["B issuer"]),
        (_signed(User(issuer_account=IN_ACCOUNT), SIGNER), True, []),
        (_signed(User(), SIGNER), False, ["B issuer_account"]),
        (_signed(User(issuer_account=OTHER.public_key), SIGNER), False, ["B issuer_account"]),
        (_signed(User(issuer_account=IN_ACCOUNT), OTHER), False, ["B issuer"]),
        (_claims(User()), True, []),
    ],
)
def test_a_user_is_refused_unless_a_key_of_its_account_signed_it(user: Claims, strict: bool, paths: list[str]) -> None:
    assert _paths(user_issues(_account(), user, NOW, strict)) == paths


def test_a_scoped_user_that_has_its_own_access_is_told_what_to_leave_out() -> None:
    user = _signed(User(UserAccess(permissions=_publish("a")), issuer_account=IN_ACCOUNT), SIGNER)
    assert _lines(user_issues(_account(ScopeTemplate()), user, NOW)) == [
        "B the user has its own permissions, limits, and the scope reader of the key that signs it has to have all of them; omit them."
    ]
    assert user_issues(_account(ScopeTemplate()), _signed(User(no_access(), IN_ACCOUNT), SIGNER), NOW) == []


def test_a_user_without_any_access_needs_a_scope() -> None:
    assert _paths(user_issues(_account(), _signed(User(no_access(), IN_ACCOUNT), SIGNER), NOW)) == ["W limits"]


@pytest.mark.parametrize(
    ("permissions", "paths"),
    [
        (_publish("u.{{name()}}", "{{tag(team)}}.>"), []),
        (_publish("u.{{name()}}", "{{tag(none)}}.>"), ["W permissions.publish.allow"]),
        (_publish("{{tag(none)}}.>"), ["W permissions.publish.allow"] * 2),
        (_publish(deny=("{{tag(none)}}.>",)), ["B permissions.publish.deny"]),
        (_subscribe(deny=("{{account-tag(area)}}.{{account-name()}}.{{subject()}}",)), []),
        (_publish("{{tag(many)}}." * 3 + "x"), ["B permissions.publish.allow"]),
        (_publish("{{name()}}", deny=("{{tag(many)}}." * 3 + "x",)), ["B permissions.publish.deny"]),
        (_publish("plain", "{{TAG(team)}}"), ["W permissions.publish.allow"]),
    ],
)
def test_the_functions_of_a_scope_need_a_value_for_the_user(permissions: Permissions, paths: list[str]) -> None:
    account = _account(ScopeTemplate(permissions=permissions), tags=["area:eu"])
    tags = ["team:a", "team:b", *(f"many:{number}" for number in range(20))]
    user = _signed(User(no_access(), IN_ACCOUNT, tags), SIGNER)
    assert _paths(user_issues(account, user, NOW)) == paths


@pytest.mark.parametrize(
    ("template", "user"),
    [
        (None, _signed(_user(bearer_token=True))),
        (ScopeTemplate(bearer_token=True), _signed(User(no_access(), IN_ACCOUNT), SIGNER)),
    ],
)
def test_a_bearer_is_refused_where_the_account_disallows_it(template: ScopeTemplate | None, user: Claims) -> None:
    assert user_issues(_account(template), user, NOW) == []
    account = _account(template, limits=OperatorLimits(disallow_bearer=True))
    assert _paths(user_issues(account, user, NOW)) == ["B bearer_token"]


@pytest.mark.parametrize(
    ("revocations", "revoked"),
    [
        ({}, False),
        ({USER.public_key: NOW}, True),
        ({USER.public_key: NOW - 1}, False),
        ({"*": NOW, USER.public_key: 1}, True),
        ({ACCOUNT.public_key: NOW}, False),
    ],
)
def test_a_user_is_revoked_up_to_and_with_the_second_of_its_revocation(
    revocations: dict[str, int], revoked: bool
) -> None:
    assert is_revoked(revocations, USER.public_key, NOW) == revoked
    found = _lines(user_issues(_account(revocations=revocations), _signed(User()), NOW))
    assert [line[:21] for line in found] == (["B the user is revoked"] if revoked else [])


def test_a_user_does_not_outlive_its_account() -> None:
    account = _account()
    account.expires = NOW
    assert _lines(user_issues(account, _signed(User()), NOW)) == [
        "T the account shop expired at 2023-11-14T22:13:20Z; issue a new one."
    ]


# ---- imports and their exports


@pytest.mark.parametrize(
    ("item", "export", "lines"),
    [
        (_import("a.b"), _export("a.*"), []),
        (_import("a.*", "stream"), _export("a.>", "stream"), []),
        (_import("a"), _export("b"), ["B imports[0].subject: 'a' is not exported"]),
        (_import("a.>"), _export("a.*"), ["B imports[0].subject: 'a.>' is not exported"]),
        (
            _import("a", "stream"),
            _export("a"),
            ["B imports[0].type: is stream, and the account seller exports 'a' as a service."],
        ),
        (_import("a"), _export("a", token_required=True), ["B imports[0].token: is missing"]),
        (_import(f"a.{ACCOUNT.public_key}"), _export("a.*", account_token_position=2, token_required=True), []),
        (
            _import("a.*"),
            _export("a.*", account_token_position=2),
            ["B imports[0].subject: 'a.*' does not have the importing account's public key as token 2"],
        ),
        (_import(f"a.{OTHER.public_key}"), _export("a.*", account_token_position=2), ["B imports[0].subject"]),
        (_import("a", account=SIGNER.public_key), _export("b"), []),
    ],
)
def test_an_import_has_to_be_one_that_its_account_exports_to_the_importer(
    item: Import, export: Export, lines: list[str]
) -> None:
    exporter = _claims(Account(exports=[export]), subject=OTHER.public_key, name="seller")
    found = _lines(import_issues(_claims(Account(imports=[item])), exporter))
    assert len(found) == len(lines)
    assert [line[: len(expected)] for line, expected in zip(found, lines, strict=True)] == lines


def test_an_activation_is_signed_with_a_key_that_its_account_still_has() -> None:
    importer = _importing(_activation(SIGNER, issuer_account=OTHER.public_key))
    exporter = _exporting()
    assert "was signed by" in _lines(import_issues(importer, exporter))[0]
    exporter.body.signing_keys = [SigningKey(SIGNER.public_key)]
    assert import_issues(importer, exporter) == []


def test_a_revoked_activation_closes_its_import() -> None:
    importer = _importing(_activation())
    assert "is revoked" in _lines(import_issues(importer, _exporting(revocations={ACCOUNT.public_key: NOW})))[0]
    assert import_issues(importer, _exporting(revocations={ACCOUNT.public_key: NOW - 1})) == []


def test_an_activation_holds_at_its_times() -> None:
    importer = _importing(_activation(expires=NOW + 10, not_before=NOW))
    assert import_time_issues(importer, NOW) == []
    assert _paths(import_time_issues(importer, NOW + 10)) == ["T imports[0].token"]
    assert _paths(import_time_issues(importer, NOW - 1)) == ["T imports[0].token"]


# ---- predicates


@pytest.mark.parametrize(
    ("parent", "child", "signed"),
    [
        (_operator(), _claims(Account(), issuer=OPERATOR.public_key), True),
        (_operator(), _claims(Account(), issuer=OPERATOR_SIGNER.public_key), True),
        (_operator(), _claims(Account(), issuer=ACCOUNT.public_key), False),
        (_operator(strict_signing_key_usage=True), _claims(Account(), issuer=OPERATOR.public_key), False),
        (_operator(strict_signing_key_usage=True), _claims(Operator(), issuer=OPERATOR.public_key), True),
        (_account(), _signed(User()), True),
        (_account(), _signed(User(issuer_account=IN_ACCOUNT), SIGNER), True),
        (_account(), _signed(User(), SIGNER), False),
        (_account(), _signed(User(issuer_account=IN_ACCOUNT), OTHER), False),
        (_account(), _claims(Activation("a", "stream", IN_ACCOUNT), issuer=SIGNER.public_key), True),
        (_account(), _claims(Generic({}), issuer=SIGNER.public_key), False),
        (_claims(User()), _claims(User(), issuer=USER.public_key), False),
    ],
)
def test_a_parent_signed_what_one_of_its_keys_issued(parent: Claims, child: Claims, signed: bool) -> None:
    assert did_sign(parent, child) is signed


@pytest.mark.parametrize(
    ("subject", "other", "contained"),
    [
        ("a.b", "a.*", True),
        ("a.b", "a.>", True),
        ("a", "a.>", False),
        ("a.*", "a.b", False),
        ("a.b.c", "a.*", False),
        ("a.>", ">", True),
    ],
)
def test_a_subject_is_contained_in_a_wider_one(subject: str, other: str, contained: bool) -> None:
    assert subject_is_contained(subject, other) is contained


@pytest.mark.parametrize(
    ("subject", "found"),
    [("*", True), (">", True), ("a.*", True), ("*.a", True), ("a.*.b", True), ("a*", False), ("a.>b", False)],
)
def test_wildcards_are_whole_tokens(subject: str, found: bool) -> None:
    assert has_wildcards(subject) is found
