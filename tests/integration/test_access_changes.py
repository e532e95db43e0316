# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A change that grants or ends access in a way that its author may overlook is refused, or causes a warning with the number of entities affected."""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from support.sites import Site


def _document(account: dict[str, Any], *others: dict[str, Any]) -> dict[str, Any]:
    accounts = [{"name": "SYS", "users": [{"name": "sys"}]}, {"name": "A", "users": [{"name": "u"}], **account}]
    return {"operator": {"name": "O", "system_account": "SYS"}, "accounts": [*accounts, *others]}


def _options(site: Site, definition: Any) -> dict[str, Any]:
    return {"definition": definition, "stores_dir": site / "stores", "keys_dir": site / "keys"}


def _run(site: Site, account: dict[str, Any], *others: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The result of nats_store. Check mode predicts its warnings."""
    options = {**_options(site, _document(account, *others)), **more}
    predicted = site.check("store", **options)
    result = site.run("store", **options)
    assert _warnings(predicted) == _warnings(result)
    return result


def _refused(site: Site, account: dict[str, Any], **more: Any) -> str:
    """The message of a task that fails, and changes nothing."""
    return site.refuse("store", **_options(site, _document(account)), **more)


def _warnings(result: dict[str, Any]) -> list[str]:
    return [one["event"]["msg"] if isinstance(one, dict) else one for one in result.get("warnings") or ()]


# ---- removed signing keys

_SCOPE = {"template": {"permissions": {"publish": {"allow": ["x"]}}}}
_USERS = ["u", "v"]


@pytest.mark.parametrize(
    ("old", "new", "role"),
    [("main", "new", ""), ({"role": "dev", **_SCOPE}, {"role": "ops", **_SCOPE}, "dev")],
    ids=["plain", "scoped"],
)
def test_signing_key_replaced_in_one_edit_says_how_many_users_it_cuts_off(
    site: Site, old: Any, new: Any, role: str
) -> None:
    def account(key: Any, **more: Any) -> dict[str, Any]:
        named = {"signing_key_role": key["role"]} if isinstance(key, dict) else {}
        return {"signing_keys": [key], "users": [{"name": user, **named} for user in _USERS], **more}

    assert _warnings(_run(site, account(old))) == []
    gone = site.claims("stores/O/accounts/A/A.jwt").body.signing_keys[0].key
    edited = account(new, remove_signing_keys=[role or "main"])
    for wanted, more in ((edited, {}), (account(new), {"prune": True})):
        message = _refused(site, wanted, **more)
        assert f"accounts[1] (A).signing_keys: {gone}" in message
        assert "cuts off 2 users" in message
        assert "natsops.security.rotate" in message
        assert "cut_off: true" in message
    result = _run(site, edited, cut_off=True)
    (warning,) = _warnings(result)
    assert warning.startswith(f"accounts[1] (A).signing_keys: {gone}")
    assert "cuts off 2 users" in warning
    for user in _USERS:
        before, after = (result["diff"][side][f"accounts.A.users.{user}"]["issuer"] for side in ("before", "after"))
        assert gone in before
        assert gone not in after
        assert after


def _operator(site: Site, *roles: str, accounts: str = "main", **more: Any) -> dict[str, Any]:
    """The options of a task whose operator has signing keys, one of which signs the accounts."""
    document = _document({"signing_key_role": accounts})
    document["operator"].update(signing_keys=list(roles), **more)
    document["accounts"][0]["signing_key_role"] = accounts
    return _options(site, document)


def test_operator_key_replaced_in_one_edit_says_how_many_accounts_it_cuts_off(site: Site) -> None:
    site.run("store", **_operator(site, "main"))
    (gone,) = site.claims("stores/O/O.jwt").body.signing_keys
    edited = _operator(site, "next", accounts="next", remove_signing_keys=["main"])
    pruned = {**_operator(site, "next", accounts="next"), "prune": True}
    by_key = _operator(site, "next", accounts="next", remove_signing_keys=[gone])
    for options in (edited, pruned, by_key):
        message = site.refuse("store", **options)
        assert f"operator.signing_keys: {gone} (main) is removed, which cuts off 2 accounts that it signed" in message
        assert "natsops.security.rotate" in message
        assert "cut_off: true" in message
    # The same applies if the other key was already trusted: a restarted server still has the accounts that the removed key signed.
    site.run("store", **_operator(site, "main", "next"))
    assert "cuts off 2 accounts" in site.refuse("store", **edited)
    predicted = site.check("store", **edited, cut_off=True)
    result = site.run("store", **edited, cut_off=True)
    (warning,) = _warnings(result)
    assert _warnings(predicted) == [warning]
    assert warning.startswith(f"operator.signing_keys: {gone} (main) is removed, which cuts off 2 accounts")
    assert gone not in site.claims("stores/O/O.jwt").body.signing_keys
    assert site.claims("stores/O/accounts/A/A.jwt").issuer != gone
    site.keep("store", **edited)


def test_operator_key_that_signs_no_account_any_more_goes_without_a_warning(site: Site) -> None:
    site.run("store", **_operator(site, "main"))
    site.run("store", **_operator(site, "main", "next", accounts="next"))
    result = site.run("store", **_operator(site, "next", accounts="next", remove_signing_keys=["main"]))
    assert _warnings(result) == []
    # Accounts that are removed in the same run are not counted.
    only_system = _operator(site, "third", accounts="third", remove_signing_keys=["next"])
    only_system["definition"]["accounts"][1] = {"name": "A", "state": "absent"}
    assert "cuts off 1 account that" in site.refuse("store", **only_system)


def test_operator_alone_warns_that_accounts_of_a_removed_signing_key_are_cut_off(acme: Site) -> None:
    key = acme.key("acme-signing.nk").public_key
    result = acme.run(
        "operator", name="ACME", key_path=acme / "acme.nk", jwt_path=acme / "acme.jwt", remove_signing_keys=[key]
    )
    assert any(f"{key} is removed, which cuts off the accounts" in warning for warning in _warnings(result))


def test_signing_key_that_signed_nobody_any_more_goes_without_a_warning(site: Site) -> None:
    _run(site, {"signing_keys": ["main"]})
    _run(site, {"signing_keys": ["main", "new"], "users": [{"name": "u", "signing_key_role": "new"}]})
    last = {"signing_keys": ["new"], "users": [{"name": "u", "signing_key_role": "new"}]}
    assert _warnings(_run(site, {**last, "remove_signing_keys": ["main"]})) == []


def test_account_alone_warns_that_users_of_a_removed_signing_key_are_cut_off(acme: Site) -> None:
    account = acme.claims("app.jwt")
    key = account.body.signing_keys[0].key
    others = {"signer_path": acme / "acme-signing.nk", "operator_jwt_path": acme / "acme.jwt"}
    paths = {"key_path": acme / "app.nk", "jwt_path": acme / "app.jwt"}
    result = acme.run("account", name=account.name, remove_signing_keys=[key], **paths, **others)
    assert any(key in warning and "cuts off the users" in warning for warning in _warnings(result))


# ---- revocations


@pytest.mark.parametrize("who", ["*", "u"])
def test_jwt_dated_in_the_future_because_of_a_revocation_is_warned_of(site: Site, who: str) -> None:
    until = "2090-06-01T00:00:00Z"
    warnings = _warnings(_run(site, {"revocations": {who: until}}))
    assert any(f"The revocation ends at {until}, which is in the future" in warning for warning in warnings)
    assert _warnings(_run(site, {"revocations": {who: until}})) != warnings


def test_importer_that_is_revoked_and_still_imports_is_warned_of(site: Site) -> None:
    assert _warnings(_import(site)) == []
    (warning,) = _warnings(_import(site, revocations={"A": "now"}))
    assert warning.startswith("accounts[1] (A).imports[0].activation: It is revoked, and issued again")
    assert "remove the import" in warning
    assert _warnings(_import(site, revocations={"A": "now"})) == []


def _import(site: Site, **export: Any) -> dict[str, Any]:
    exports = [{"subject": "x", "type": "service", "token_required": True, **export}]
    imports = {"imports": [{"account": "B", "subject": "x", "type": "service"}]}
    options = _options(site, _document(imports, {"name": "B", "exports": exports, "users": [{"name": "b"}]}))
    return site.start("store", options)


# ---- ways to connect


@pytest.mark.parametrize("name", ["MQTT", "mqtt", "Mqtt_Ws"])
def test_mqtt_without_bearer_is_warned_of_in_the_spellings_that_servers_read(site: Site, name: str) -> None:
    (warning,) = _warnings(_run(site, {"users": [{"name": "u", "allowed_connection_types": [name]}]}))
    assert "bearer_token" in warning
    bearer = {"users": [{"name": "u", "allowed_connection_types": [name], "bearer_token": True}]}
    assert _warnings(_run(site, bearer)) == []


# ---- duplicate keys in files of the store


def test_file_of_roles_that_names_a_key_twice_is_left_as_it_is(site: Site) -> None:
    document = {"signing_keys": ["main"]}
    _run(site, document)
    file = "stores/O/.natsops/roles.json"
    owner, roles = next(iter(json.loads(site.text(file)).items()))
    site.write(file, f'{{"{owner}": {{}}, "{owner}": {json.dumps(roles)}}}', 0o600)
    message = site.refuse("store", **_options(site, _document(document)))
    assert "roles.json" in message
    assert f"it has '{owner}' twice in one object" in message


# ---- one message for one mistake


@pytest.mark.parametrize(
    ("account", "place"),
    [
        ({"users": [{"name": "u", "times": [{"start": 1080, "end": "19:00:00"}]}]}, "users[0] (u).times[0].start"),
        ({"users": [{"name": "u", "times": [{"start": 10.5, "end": "19:00:00"}]}]}, "users[0] (u).times[0].start"),
        ({"exports": [{"subject": ["a"], "type": "stream"}]}, "exports[0].subject"),
        ({"trace": {"destination": 5.5}}, "trace.destination"),
    ],
)
def test_value_that_cannot_be_read_is_not_judged_by_its_default_as_well(
    site: Site, account: dict[str, Any], place: str
) -> None:
    result = site.start("store", _options(site, _document(account)))
    assert [problem["path"] for problem in result["problems"]] == [f"accounts[1] (A).{place}"], json.dumps(result)
    assert not pathlib.Path(site / "stores").exists()
