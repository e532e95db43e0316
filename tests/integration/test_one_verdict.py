# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The module of an entity and nats_store report the same problems and warnings of the entity, in the same words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from support.sites import Site

DESCRIPTION = "x" * 9000

OPERATORS: dict[str, dict[str, Any]] = {
    "account_server_url without a scheme": {"account_server_url": "accounts.example.com"},
    "service URL of another scheme": {"operator_service_urls": ["http://example.com:4222"]},
    "service URL with a password": {"operator_service_urls": ["nats://u:p@example.com:4222"]},
    "service URL with a path": {"operator_service_urls": ["nats://example.com/path"]},
    "server version that is none": {"assert_server_version": "2.x"},
    "server version with a negative part": {"assert_server_version": "2.-1.0"},
    "renewal without a life": {"renew_before": "3d"},
    "renewal longer than the life": {"expires_in": "3d", "renew_before": "4d"},
    "life that is none": {"expires_in": "soon"},
    "end that is not a time": {"expires_at": "tomorrow"},
    "start that is not a time": {"not_before": "2020-13-45"},
    "strict without a signing key": {"strict_signing_key_usage": True},
}

ACCOUNTS: dict[str, dict[str, Any]] = {
    "export of two words": {"exports": [{"subject": "a b", "type": "stream"}]},
    "export of nothing": {"exports": [{"subject": "", "type": "stream"}]},
    "export that begins with a dot": {"exports": [{"subject": ".a", "type": "stream"}]},
    "export that ends with a dot": {"exports": [{"subject": "a.", "type": "service"}]},
    "export with an empty token": {"exports": [{"subject": "a..b", "type": "service"}]},
    "exports that overlap": {"exports": [{"subject": "a.>", "type": "stream"}, {"subject": "a.b", "type": "stream"}]},
    "export twice": {"exports": [{"subject": "a", "type": "service"}, {"subject": "a", "type": "service"}]},
    "response type of a stream": {"exports": [{"subject": "a", "type": "stream", "response_type": "Stream"}]},
    "threshold of a stream": {"exports": [{"subject": "a", "type": "stream", "response_threshold": "1s"}]},
    "latency of a stream": {
        "exports": [{"subject": "a", "type": "stream", "latency": {"sampling": 10, "results": "l"}}]
    },
    "latency with too much sampling": {
        "exports": [{"subject": "a", "type": "service", "latency": {"sampling": 101, "results": "l"}}]
    },
    "latency to a wildcard": {
        "exports": [{"subject": "a", "type": "service", "latency": {"sampling": 10, "results": "l.*"}}]
    },
    "token position without a wildcard": {
        "exports": [{"subject": "a.b", "type": "service", "account_token_position": 2}]
    },
    "token position beyond the subject": {
        "exports": [{"subject": "a.*", "type": "service", "account_token_position": 5}]
    },
    "trace of a stream export": {"exports": [{"subject": "a", "type": "stream", "allow_trace": True}]},
    "export with a URL that is none": {"exports": [{"subject": "a", "type": "stream", "info_url": "nowhere"}]},
    "import of two words": {"imports": [{"account": "OTHER", "subject": "a b", "type": "stream"}]},
    "import with another local subject": {
        "imports": [{"account": "OTHER", "subject": "a.*", "type": "stream", "local_subject": "b.$2"}]
    },
    "import that renames fewer wildcards": {
        "imports": [{"account": "OTHER", "subject": "a.*.*", "type": "stream", "local_subject": "b.$1"}]
    },
    "import that shares a stream": {"imports": [{"account": "OTHER", "subject": "a", "type": "stream", "share": True}]},
    "trace of a service import": {
        "imports": [{"account": "OTHER", "subject": "a", "type": "service", "allow_trace": True}]
    },
    "import with a token that is none": {
        "imports": [{"account": "OTHER", "subject": "a", "type": "service", "token": "nonsense"}]
    },
    "imports under one local subject": {
        "imports": [
            {"account": "OTHER", "subject": "a", "type": "service", "local_subject": "x"},
            {"account": "OTHER", "subject": "b", "type": "service", "local_subject": "x"},
        ]
    },
    "export with a tab": {"exports": [{"subject": "a\tb", "type": "service"}]},
    "latency of several responses": {
        "exports": [
            {"subject": "a", "type": "service", "response_type": "Stream", "latency": {"sampling": 10, "results": "l"}}
        ]
    },
    "latency to another export": {
        "exports": [
            {"subject": "a", "type": "service"},
            {"subject": "b", "type": "service", "latency": {"sampling": 10, "results": "a"}},
        ]
    },
    "import under an empty token": {
        "imports": [{"account": "OTHER", "subject": "a", "type": "service", "local_subject": "b..c"}]
    },
    "import under a function that is none": {
        "imports": [{"account": "OTHER", "subject": "a.*", "type": "service", "local_subject": "b.{{nothing(1)}}"}]
    },
    "import twice": {
        "imports": [
            {"account": "OTHER", "subject": "a", "type": "stream", "local_subject": name} for name in ("b", "c")
        ]
    },
    "more exports than the limit": {
        "limits": {"exports": 1},
        "exports": [{"subject": "a", "type": "stream"}, {"subject": "b", "type": "stream"}],
    },
    "more imports than the limit": {
        "limits": {"imports": 0},
        "imports": [{"account": "OTHER", "subject": "a", "type": "stream"}],
    },
    "wildcard exports that are forbidden": {
        "limits": {"exports": 5, "wildcard_exports": False},
        "exports": [{"subject": "a.*", "type": "stream"}],
    },
    "limits that are none": {"limits": {"connections": "many"}},
    "limits below unlimited": {"limits": {"payload": "-2"}},
    "tiers beside a global limit": {
        "limits": {"jetstream": {"disk_storage": "1GiB"}, "jetstream_tiers": {"R1": {"disk_storage": "1GiB"}}}
    },
    "blank tier": {"limits": {"jetstream_tiers": {"": {"disk_storage": "1GiB"}}}},
    "mapping of too much weight": {"mappings": {"a": [{"subject": "b", "weight": 101}]}},
    "mappings of too much weight in all": {
        "mappings": {"a": [{"subject": "b", "weight": 60}, {"subject": "c", "weight": 60}]}
    },
    "mapping from two words": {"mappings": {"a b": [{"subject": "c"}]}},
    "mapping to a wildcard that is not there": {"mappings": {"a.*": [{"subject": "b.$2"}]}},
    "mapping to a function that is none": {"mappings": {"a.*": [{"subject": "b.{{nothing(1)}}"}]}},
    "mappings as texts": {"mappings": {"a": "b"}},
    "mapping twice to one subject": {"mappings": {"a": [{"subject": "b", "weight": 1}, {"subject": "b", "weight": 2}]}},
    "default permissions of two words": {"default_permissions": {"publish": {"allow": ["two words"]}}},
    "default permissions with a queue group of three words": {
        "default_permissions": {"subscribe": {"allow": ["a b c"]}}
    },
    "default permissions with a queue group of two words": {
        "default_permissions": {"subscribe": {"allow": ["a b\tc"]}}
    },
    "external authorization without users": {"authorization": {"allowed_accounts": ["*"]}},
    "external authorization with a curve key that is none": {"authorization": {"xkey": "XABC"}},
    "trace to a wildcard": {"trace": {"destination": "a.*"}},
    "trace with too much sampling": {"trace": {"destination": "a", "sampling": 101}},
    "description that is too long": {"description": DESCRIPTION},
    "URL without a host": {"info_url": "https://"},
    "account with renewal and no life": {"renew_before": "3d"},
    "account with an end in a far century": {"expires_at": "2999-12-31T00:00:00Z"},
    "revocation at a time that is none": {"revocations": {"*": "soon"}},
    "revocation of a key that is none": {"revocations": {"U" + "A" * 55: "now"}},
    "revocation of an export at a time that is none": {
        "exports": [{"subject": "a", "type": "stream", "token_required": True, "revocations": {"*": "soon"}}]
    },
}


def scope(role: str = "dev", **template: Any) -> dict[str, Any]:
    """A signing key with a scope."""
    return {"role": role, "template": template}


SIGNING_KEYS: dict[str, dict[str, Any]] = {
    "scope that publishes to two words": {"signing_keys": [scope(permissions={"publish": {"allow": ["two words"]}})]},
    "scope with a function that is none": {"signing_keys": [scope(permissions={"publish": {"allow": ["{{none()}}"]}})]},
    "scope with a network that is none": {"signing_keys": [scope(source_networks=["10.0.0.0/33"])]},
    "scope with a time of day that is none": {
        "signing_keys": [scope(times=[{"start": "25:00:00", "end": "26:00:00"}])]
    },
    "scope with a connection type that is none": {"signing_keys": [scope(allowed_connection_types=["PIGEON"])]},
    "scope of bearer users where they are forbidden": {
        "limits": {"disallow_bearer": True},
        "signing_keys": [scope(bearer_token=True)],
    },
    "scope with an empty token": {"signing_keys": [scope(permissions={"publish": {"deny": ["a..b"]}})]},
    "scope with an empty token beside a function": {
        "signing_keys": [scope(permissions={"publish": {"allow": ["a..{{name()}}"]}})]
    },
    "scope with a limit below unlimited": {"signing_keys": [scope(limits={"payload": "-5"})]},
    "scope with a network of too many bits": {"signing_keys": [scope(source_networks=["::/129"])]},
    "scope without subscriptions": {"signing_keys": [scope(limits={"subscriptions": 0})]},
    "scope with limits that are none": {"signing_keys": [scope(limits={"payload": "big"})]},
}
#: What a server inserts into subjects, and must not have another meaning there.
MISLEADING = {"dot": "a.b", "wildcard": "*", "wildcard of many tokens": ">", "blank": "a b", "braces": "a{{b}}"}
for _title, _value in MISLEADING.items():
    SIGNING_KEYS[f"{_title} in the name of an account"] = {
        "name": _value,
        "signing_keys": [scope(permissions={"publish": {"allow": ["u.{{account-name()}}.>"]}})],
    }
    SIGNING_KEYS[f"{_title} in the tag of an account"] = {
        "tags": [f"team:{_value}"],
        "signing_keys": [scope(permissions={"publish": {"allow": ["u.{{account-tag(team)}}.>"]}})],
    }
TEMPLATE: dict[str, Any] = {
    "permissions": {"publish": {"allow": ["u.{{name()}}.>"]}, "subscribe": {"allow": ["u.{{tag(team)}}.>"]}}
}
SCOPED_USERS: dict[str, dict[str, Any]] = {
    **{f"{title} in the name": {"name": value, "tags": ["team:a"]} for title, value in MISLEADING.items()},
    **{f"{title} in a tag": {"name": "u", "tags": [f"team:{value}"]} for title, value in MISLEADING.items()},
    "no tag of that name": {"name": "u"},
    "permissions of its own": {"name": "u", "tags": ["team:a"], "permissions": {"publish": {"allow": ["a"]}}},
}

ACTIVATIONS: dict[str, dict[str, Any]] = {
    "life that is none": {"expires_in": "soon"},
    "end that is not a time": {"expires_at": "tomorrow"},
    "renewal without a life": {"renew_before": "3d"},
    "renewal longer than the life": {"expires_in": "3d", "renew_before": "4d"},
    "end in a far century": {"expires_at": "2999-12-31T00:00:00Z"},
}

CREDS: dict[str, str] = {"notes": "my notes", "creds of another user": "OTHER", "half a seed": "SUAB"}

USERS: dict[str, dict[str, Any]] = {
    "publish to two words": {"permissions": {"publish": {"allow": ["two words"]}}},
    "publish to nothing": {"permissions": {"publish": {"allow": [""]}}},
    "deny of an empty token": {"permissions": {"publish": {"deny": ["a..b"]}}},
    "subscribe to three words": {"permissions": {"subscribe": {"allow": ["a b c"]}}},
    "subscribe with > in the middle": {"permissions": {"subscribe": {"deny": ["a.>.b"]}}},
    "network that is none": {"source_networks": ["10.0.0.0/33"]},
    "time of day that is none": {"times": [{"start": "25:00:00", "end": "26:00:00"}]},
    "place that is none": {"times": [{"start": "08:00:00", "end": "18:00:00"}], "times_location": "Nowhere/None"},
    "end before 1970": {"expires_at": "1960-01-01T00:00:00Z"},
    "start in a far century": {"not_before": "2999-12-31T00:00:00Z"},
    "end that is over": {"expires_at": "2020-01-01T00:00:00Z"},
    "connection type that is none": {"allowed_connection_types": ["CARRIER_PIGEON"]},
    "no subscriptions": {"limits": {"subscriptions": 0}},
    "MQTT without bearer": {"allowed_connection_types": ["MQTT"]},
    "limits of a user that are none": {"limits": {"payload": "big"}},
    "user with an end in a far century": {"expires_at": "2999-12-31T00:00:00Z"},
    "user with a start that is not a time": {"not_before": "never"},
    "user with renewal and no life": {"renew_before": "1h"},
}


def told(result: dict[str, Any], place: str) -> tuple[bool, str, list[str]]:
    """Whether a task is refused, its problems, and its warnings, without the place in a document."""
    if result.get("problems"):
        problems = [": ".join(filter(None, (one["path"], one["message"]))) for one in result["problems"]]
    else:
        problems = [result["msg"]] if result.get("failed") else []
    return bool(result.get("failed")), " ".join(_bare(text, place) for text in problems), _warnings(result, place)


def _warnings(result: dict[str, Any], place: str) -> list[str]:
    texts = [one["event"]["msg"] if isinstance(one, dict) else one for one in result.get("warnings") or ()]
    return sorted(_bare(text, place) for text in texts)


def _bare(text: str, place: str) -> str:
    bare = re.sub(rf"^{place}(\.|: )", "", text)
    is_option = "_" in bare.partition(" ")[0] or ":" in bare.partition(" ")[0]
    return re.sub(r"\b[OAU][A-Z2-7]{55}\b|\(a new [^)]*\)", "KEY", bare if is_option else bare[:1].upper() + bare[1:])


def stored(site: Site, definition: dict[str, Any]) -> dict[str, Any]:
    """The result of nats_store for a document in check mode."""
    folders = {"stores_dir": site / "stores", "keys_dir": site / "keys"}
    return site.start("store", {"definition": definition, **folders}, check=True)


def same(name: str, alone: dict[str, Any], document: dict[str, Any], place: str) -> None:
    """Check that the single module and nats_store have the same verdict, problems and warnings about a mistake, without the place in the document. A
    name or tag that is misleading has to be refused."""
    failed, problems, warnings = told(alone, place)
    assert (failed, problems, warnings) == told(document, place), (alone, document)
    assert problems or warnings, "nothing is wrong with this"
    assert failed or name.partition(" in ")[0] not in MISLEADING


@pytest.mark.parametrize("name", OPERATORS)
def test_operator(site: Site, name: str) -> None:
    options = OPERATORS[name]
    site.make_key("o.nk", "operator")
    alone = site.start(
        "operator", {"name": "O", "key_path": site / "o.nk", "jwt_path": site / "o.jwt", **options}, check=True
    )
    document = stored(site, {"operator": {"name": "O", **options}, "accounts": []})
    same(name, alone, document, "operator")


@pytest.mark.parametrize("name", ACCOUNTS)
def test_account(site: Site, name: str) -> None:
    options = ACCOUNTS[name]
    operator, other = site.make_key("o.nk", "operator"), site.make_key("other.nk", "account")
    site.make_key("a.nk", "account")
    site.make_jwt("o.jwt", "operator", operator.public_key, operator)

    def with_key(value: Any) -> Any:
        if isinstance(value, dict):
            return {word: with_key(item) for word, item in value.items()}
        if isinstance(value, list):
            return [with_key(item) for item in value]
        return other.public_key if value == "OTHER" else value

    options = with_key(options)
    common = {"key_path": site / "a.nk", "jwt_path": site / "a.jwt", "signer_path": site / "o.nk"}
    alone = site.start("account", {"name": "A", "operator_jwt_path": site / "o.jwt", **common, **options}, check=True)
    document = stored(site, {"operator": {"name": "O"}, "accounts": [{"name": "A", **options}]})
    same(name, alone, document, r"accounts\[0\] \(A\)")


@pytest.mark.parametrize("name", SIGNING_KEYS)
def test_signing_key(site: Site, name: str) -> None:
    options = {"name": "A", **SIGNING_KEYS[name]}
    operator = site.make_key("o.nk", "operator")
    site.make_jwt("o.jwt", "operator", operator.public_key, operator)
    site.make_key("a.nk", "account")
    keys = [{**one, "path": site / f"s{index}.nk"} for index, one in enumerate(options["signing_keys"])]
    common = {"key_path": site / "a.nk", "jwt_path": site / "a.jwt", "signer_path": site / "o.nk"}
    alone = site.start(
        "account", {"operator_jwt_path": site / "o.jwt", **common, **options, "signing_keys": keys}, check=True
    )
    document = stored(site, {"operator": {"name": "O"}, "accounts": [options]})
    place = rf"accounts\[0\] \({re.escape(options['name'])}\)"
    same(name, alone, document, place)


@pytest.mark.parametrize("name", SCOPED_USERS)
def test_scoped_user(site: Site, name: str) -> None:
    options = SCOPED_USERS[name]
    operator, account, signer = (
        site.make_key(file, kind) for file, kind in (("o.nk", "operator"), ("a.nk", "account"), ("s.nk", "account"))
    )
    site.make_jwt("o.jwt", "operator", operator.public_key, operator)
    keys = [{"public_key": signer.public_key, **scope(**TEMPLATE)}]
    body = {"signing_keys": [{"key": signer.public_key, **scope(**TEMPLATE)}]}
    site.make_jwt("a.jwt", "account", account.public_key, operator, body)
    common = {"key_path": site / "u.nk", "jwt_path": site / "u.jwt", "signer_path": site / "s.nk"}
    user = {**options, "signing_key_role": "dev"}
    alone = site.start("user", {"account_jwt_path": site / "a.jwt", **common, **user}, check=True)
    site.write(f"keys/keys/A/{signer.public_key[1:3]}/{signer.public_key}.nk", site.text("s.nk"))
    document = stored(
        site, {"operator": {"name": "O"}, "accounts": [{"name": "A", "signing_keys": keys, "users": [user]}]}
    )
    place = rf"accounts\[0\] \(A\)\.users\[0\] \({re.escape(options['name'])}\)"
    same(name, alone, document, place)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(site: Site, name: str) -> None:
    options = ACTIVATIONS[name]
    operator, account, other = (
        site.make_key(file, kind) for file, kind in (("o.nk", "operator"), ("a.nk", "account"), ("b.nk", "account"))
    )
    exports = [{"subject": "a", "type": "stream", "token_required": True}]
    site.make_jwt("a.jwt", "account", account.public_key, operator, {"exports": exports})
    common = {"jwt_path": site / "act.jwt", "signer_path": site / "a.nk", "account_jwt_path": site / "a.jwt"}
    importing = {"importer": other.public_key, "import_subject": "a", "import_type": "stream"}
    alone = site.start("activation", {**common, **importing, **options}, check=True)
    imports = [{"account": "A", "subject": "a", "type": "stream", "activation": options}]
    accounts = [{"name": "A", "exports": exports}, {"name": "B", "imports": imports}]
    document = stored(site, {"operator": {"name": "O"}, "accounts": accounts})
    place = r"accounts\[1\] \(B\)\.imports\[0\]\.activation"
    same(name, alone, document, place)


@pytest.mark.parametrize("name", CREDS)
def test_creds(site: Site, name: str) -> None:
    """nats_creds and nats_store leave the same files unchanged, for the same reason."""
    definition = {"operator": {"name": "O"}, "accounts": [{"name": "A", "users": [{"name": "u"}]}]}
    folders = {"stores_dir": site / "stores", "keys_dir": site / "keys"}
    site.run("store", definition=definition, **folders)
    jwt, file = site / "stores/O/accounts/A/users/u.jwt", "keys/creds/O/A/u.creds"
    seed = site.key(file).seed
    site.make_key("other.nk", "user")
    site.write("u.nk", seed)
    site.write(file, site.text("other.nk") if CREDS[name] == "OTHER" else CREDS[name])
    alone = site.start("creds", {"path": site / file, "jwt_path": jwt, "key_path": site / "u.nk"}, check=True)
    (problem,) = stored(site, definition)["problems"]
    assert alone["msg"] == f"path {site / file}: {problem['message']}"


@pytest.mark.parametrize("name", USERS)
def test_user(site: Site, name: str) -> None:
    options = USERS[name]
    operator, account = site.make_key("o.nk", "operator"), site.make_key("a.nk", "account")
    site.make_jwt("o.jwt", "operator", operator.public_key, operator)
    site.make_jwt("a.jwt", "account", account.public_key, operator)
    common = {"key_path": site / "u.nk", "jwt_path": site / "u.jwt", "signer_path": site / "a.nk"}
    alone = site.start("user", {"name": "u", "account_jwt_path": site / "a.jwt", **common, **options}, check=True)
    document = stored(
        site, {"operator": {"name": "O"}, "accounts": [{"name": "A", "users": [{"name": "u", **options}]}]}
    )
    place = r"accounts\[0\] \(A\)\.users\[0\] \(u\)"
    same(name, alone, document, place)


def test_there_are_many_mistakes() -> None:
    assert len(OPERATORS) + len(ACCOUNTS) + len(SIGNING_KEYS) + len(USERS) + len(SCOPED_USERS) + len(ACTIVATIONS) >= 60
