# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""nats_resolver and nats_resolver_info against nats-server: one, three of them, and with every kind of resolver."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import http.server
import json
import pathlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from support.elsewhere import PROGRAM
from support.fleets import FULL, Fleet, Realm, client, lets_in, make_certificates, tls_config
from support.ports import free_ports
from support.servers import server_version

from ansible_collections.natsops.security.plugins.module_utils.base import units
from ansible_collections.natsops.security.plugins.module_utils.claims import (
    Account,
    Claims,
    Export,
    Import,
    MessageTrace,
    Permission,
    Permissions,
    ScopeTemplate,
    SigningKey,
    User,
    UserAccess,
)
from ansible_collections.natsops.security.plugins.module_utils.cluster import cluster_accounts, plan, system_connection
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

if TYPE_CHECKING:
    from support.plays import Play
    from support.sites import Site

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A server that allows deletions and has JetStream."""
    folder = tmp_path_factory.mktemp("one")
    fleet = Fleet(folder, Realm(), [FULL + ", allow_delete: true"], 'jetstream { store_dir: "{folder}/js" }')
    try:
        yield fleet.start()
    finally:
        fleet.stop()


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Three servers that allow deletions."""
    fleet = Fleet(tmp_path_factory.mktemp("three"), Realm(), [FULL + ", allow_delete: true"] * 3)
    try:
        yield fleet.start()
    finally:
        fleet.stop()


@pytest.fixture
def start(tmp_path: pathlib.Path) -> Iterator[Any]:
    """Starts servers for one test: `start(realm, resolvers, extra)`."""
    started: list[Fleet] = []

    def start_one(realm: Realm, resolvers: list[str], extra: str = "") -> Fleet:
        started.append(Fleet(tmp_path / f"fleet{len(started)}", realm, resolvers, extra))
        return started[-1].start()

    yield start_one
    for fleet in started:
        fleet.stop()


@contextlib.contextmanager
def _connected(url: str, creds: str, work: Any = None) -> Iterator[None]:
    """A client that stays connected in its own thread after awaiting `work`."""
    ready, done = threading.Event(), threading.Event()

    async def stay() -> None:
        connected = await client(url, creds)
        if work is not None:
            await work(connected)
        ready.set()
        while not done.is_set():
            await asyncio.sleep(0.02)
        await connected.close()

    thread = threading.Thread(target=lambda: asyncio.run(stay()))
    thread.start()
    assert ready.wait(60)
    try:
        yield
    finally:
        done.set()
        thread.join()


def _wait_until_unused(site: Site, task: dict[str, Any]) -> None:
    """Wait until the servers count no connection of the accounts that a task removes. They notice after a while that a client is gone."""
    deadline = time.monotonic() + 60
    while " open connections to " in site.start("resolver", task, check=True).get("msg", ""):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _remove(site: Site, task: dict[str, Any]) -> dict[str, Any]:
    """Remove accounts that had connections, and return the result."""
    _wait_until_unused(site, task)
    return site.run("resolver", **task)


def _account(result: dict[str, Any], key: Any) -> dict[str, Any]:
    return next(found for found in result["accounts"] if found["public_key"] == key.public_key)


# ---- pushing


def test_pushed_account_lets_its_users_in_and_is_not_pushed_again(site: Site, one: Fleet) -> None:
    key, jwt = one.realm.new_account("app")
    result = site.run("resolver", **one.task(jwts=[jwt]))
    assert _account(result, key) == {
        "public_key": key.public_key,
        "name": "app",
        "action": "pushed",
        "reasons": ["n1 does not have it"],
        "servers": {"n1": "updated"},
    }
    assert result["diff"]["before"] == {key.public_key: {}}
    assert result["diff"]["after"][key.public_key]["name"] == "app"
    assert lets_in(one.nodes[0].url, one.realm.creds(key))
    again = site.keep("resolver", **one.task(jwts=[jwt]))
    assert _account(again, key)["action"] == "unchanged"
    assert _account(again, key)["servers"] == {"n1": "held"}
    (server,) = again["servers"]
    assert (server["name"], server["resolver"], server["version"][:2]) == ("n1", "full", "2.")


def test_check_mode_pushes_nothing(site: Site, one: Fleet) -> None:
    key, jwt = one.realm.new_account("app")
    assert site.check("resolver", **one.task(jwts=[jwt]))["changed"]
    assert one.nodes[0].stored(key) is None


def test_changed_account_is_pushed_with_the_reasons(site: Site, one: Fleet) -> None:
    key, jwt = one.realm.new_account("app")
    site.run("resolver", **one.task(jwts=[jwt]))
    body = Account()
    body.limits.connections = 20
    newer = one.realm.account(key, "app", body, age=50)
    result = site.run("resolver", **one.task(jwt_paths=[site.write("app.jwt", newer)]))
    assert _account(result, key)["reasons"] == ["limits.connections: unlimited -> 20"]
    assert result["diff"]["after"][key.public_key]["limits"] == {"connections": 20}
    assert one.nodes[0].stored(key) == newer


def test_older_token_is_never_pushed_over_a_newer_one(site: Site, one: Fleet) -> None:
    key, newer = one.realm.new_account("app", age=10)
    site.run("resolver", **one.task(jwts=[newer]))
    message = site.refuse("resolver", **one.task(jwts=[one.realm.account(key, "app", age=50)], force=True))
    assert f"account app ({key.public_key}) is newer on the cluster: n1 holds" in message
    assert one.nodes[0].stored(key) == newer


def test_all_accounts_of_a_store_are_pushed_with_keys_from_its_keystore(site: Site, one: Fleet) -> None:
    realm = one.realm
    keys = [nkey.create("account") for _unused in range(3)]
    site.write("stores/ACME/.nsc", "{}")
    site.write("stores/ACME/ACME.jwt", realm.operator_jwt)
    site.write("stores/ACME/accounts/SYS/SYS.jwt", realm.system_jwt)
    for index, key in enumerate(keys):
        site.write(f"stores/ACME/accounts/A{index}/A{index}.jwt", realm.account(key, f"A{index}"))
    public = realm.system.public_key
    site.write(f"keys/keys/A/{public[1:3]}/{public}.nk", realm.system.seed, 0o600)
    task = {"servers": one.urls, "store_path": site / "stores/ACME", "system_signer_path": site / "keys"}
    result = site.run("resolver", **task)
    assert [_account(result, key)["action"] for key in keys] == ["pushed"] * 3
    assert _account(result, realm.system)["action"] == "unchanged"
    site.keep("resolver", **task)
    compared = site.run("resolver_info", **task)
    assert compared["differences"] == []


def test_claims_that_the_server_is_too_old_to_enforce_are_warned_of(site: Site, one: Fleet) -> None:
    realm, key = one.realm, nkey.create("account")
    site.write("stores/ACME/.nsc", "{}")
    site.write("stores/ACME/ACME.jwt", realm.operator_jwt)
    body = Account(trace=MessageTrace(destination="traces"))
    site.write("stores/ACME/accounts/APP/APP.jwt", realm.account(key, "APP", body))
    for name, access in (("behind", UserAccess(proxy_required=True)), ("open", UserAccess())):
        claims = Claims(name=name, subject=nkey.create("user").public_key, body=User(access=access))
        site.write(f"stores/ACME/accounts/APP/users/{name}.jwt", codec.encode(claims, key, int(time.time())))
    task = one.task(store_path=site / "stores/ACME")
    running = ".".join(map(str, server_version()))
    expected = [
        f"{claim} is not enforced by n1 (nats-server {running})"
        for claim, since in (("trace of account APP", (2, 11, 0)), ("proxy_required of user APP/behind", (2, 12, 0)))
        if server_version() < since
    ]
    for result in (site.check("resolver", **task), site.run("resolver", **task), site.run("resolver", **task)):
        warned = [str(warning) for warning in result.get("warnings", [])]
        assert len(warned) == len(expected)
        assert all(any(text in warning for warning in warned) for text in expected)
    absent = site.run("resolver", **task, state="absent", signer_seed=realm.operator.seed)
    assert absent.get("warnings", []) == []


@pytest.mark.parametrize("count", [10, 3000])
def test_accounts_are_pushed_and_all_looked_up_again(one: Fleet, count: int) -> None:
    wanted = [plan.read_wanted(one.realm.new_account(f"a{index}")[1], "test") for index in range(count)]
    task = cluster_accounts.Task("present", wanted)
    outcome = one.do(lambda connection: cluster_accounts.bring_in_line(connection, task))
    assert {account.action for account in outcome.accounts} == {"pushed"}
    stored = one.do(lambda connection: cluster_accounts.look_up(connection, [item.subject for item in wanted], 1))
    assert stored == {item.subject: [item.token] for item in wanted}
    outcome = one.do(lambda connection: cluster_accounts.bring_in_line(connection, task))
    assert {account.action for account in outcome.accounts} == {"unchanged"}


def test_file_lost_behind_a_running_server_is_written_again(site: Site, one: Fleet) -> None:
    key, jwt = one.realm.new_account("app")
    site.run("resolver", **one.task(jwts=[jwt]))
    (one.nodes[0].config.parent / "n1" / f"{key.public_key}.jwt").unlink()
    result = site.run("resolver", **one.task(jwts=[jwt]))
    assert _account(result, key)["reasons"] == ["n1 does not have it"]
    assert _account(result, key)["servers"] == {"n1": "updated"}
    assert one.nodes[0].stored(key) == jwt
    site.keep("resolver", **one.task(jwts=[jwt]))


def test_deleted_account_that_comes_back_lets_its_users_in(site: Site, one: Fleet) -> None:
    key, jwt = one.realm.new_account("app")
    creds, url = one.realm.creds(key), one.nodes[0].url
    site.run("resolver", **one.task(jwts=[jwt]))
    assert lets_in(url, creds)
    _remove(site, one.task(jwts=[jwt], state="absent", signer_seed=one.realm.signing.seed))
    assert not lets_in(url, creds)
    site.run("resolver", **one.task(jwts=[jwt]))
    assert lets_in(url, creds)
    assert one.nodes[0].stored(key) == jwt
    site.keep("resolver", **one.task(jwts=[jwt]))


def test_deletion_is_signed_by_a_key_elsewhere_and_not_in_check_mode(
    site: Site, one: Fleet, tmp_path: pathlib.Path
) -> None:
    key, jwt = one.realm.new_account("app")
    site.run("resolver", **one.task(jwts=[jwt]))
    (tmp_path / "signing.nk").write_text(one.realm.signing.seed)
    argv = [sys.executable, str(PROGRAM), str(tmp_path / "signing.nk")]
    signer = {"type": "command", "argv": argv, "public_key": one.realm.signing.public_key}
    task = one.task(jwts=[jwt], state="absent")
    silent = {**signer, "argv": ["/bin/false"]}
    assert site.check("resolver", **task, signers=[silent])["changed"]
    assert "the program exited with 1" in site.refuse("resolver", **task, signers=[silent])
    other = {**signer, "public_key": nkey.create("operator").public_key}
    assert "can't sign the removal of accounts" in site.refuse("resolver", {"check": True}, **task, signers=[other])
    assert site.run("resolver", **task, signers=[signer])["changed"]
    assert one.nodes[0].stored(key) is None


def test_account_that_a_server_has_loaded_as_expired_is_loaded_again(site: Site, one: Fleet) -> None:
    key, jwt = one.realm.new_account("app")
    creds, url = one.realm.creds(key), one.nodes[0].url
    site.run("resolver", **one.task(jwts=[jwt]))
    assert lets_in(url, creds)
    _remove(site, one.task(jwts=[jwt], state="absent", signer_seed=one.realm.signing.seed))

    async def push_as_others_do(connection: Any) -> Any:
        request = (cluster_accounts.UPDATE.format(key.public_key), jwt.encode())
        return await connection.ask_many([request], lambda *_unused: True, 5)

    one.do(push_as_others_do)
    assert one.nodes[0].stored(key) == jwt
    assert not lets_in(url, creds)
    found = site.run("resolver_info", **one.task(public_keys=[key.public_key]))
    assert found["differences"] == [f"account app ({key.public_key}): n1 has it loaded as expired: push it again"]
    result = site.run("resolver", **one.task(jwts=[jwt]))
    assert _account(result, key)["reasons"] == ["n1 has loaded it as expired"]
    assert lets_in(url, creds)
    site.keep("resolver", **one.task(jwts=[jwt]))


def test_imports_that_servers_drop_are_warned_of(site: Site, one: Fleet) -> None:
    realm = one.realm
    exporter = nkey.create("account")
    unknown = nkey.create("account").public_key
    exports = Account(
        exports=[Export(subject="given", type="stream"), Export(subject="paid", type="stream", token_required=True)]
    )
    exporting = realm.account(exporter, "exporter", exports)
    wanted = [
        ("given", exporter.public_key),
        ("taken", exporter.public_key),
        ("paid", exporter.public_key),
        ("x", unknown),
    ]
    imports = [
        Import(subject=subject, account=account, type="stream", local_subject=f"l.{subject}")
        for subject, account in wanted
    ]
    key, importing = realm.new_account("importer", Account(imports=imports))
    site.run("resolver", **one.task(jwts=[exporting]))
    told = site.check("resolver", **one.task(jwts=[importing]))
    result = site.run("resolver", **one.task(jwts=[importing]))
    assert told["warnings"] == result["warnings"]
    warned = [str(warning) for warning in result["warnings"]]
    assert [f"imports[{index}]" for index in range(4) if any(f"imports[{index}]" in text for text in warned)] == [
        "imports[1]",
        "imports[2]",
        "imports[3]",
    ]
    assert all(f"The account importer ({key.public_key}): " in text for text in warned)
    assert lets_in(one.nodes[0].url, realm.creds(key))  # makes the server load the account

    async def installed(connection: Any) -> Any:
        (answers,) = await connection.ask_servers(
            [(f"$SYS.REQ.ACCOUNT.{key.public_key}.INFO", b"")], lambda _unused, found: len(found) >= 1, 5
        )
        return [item["subject"] for item in answers[0].data.value["imports"] if item["type"] == "stream"]

    assert one.do(installed) == ["given"]
    # A removed export causes a warning about its import even if only the exporter is pushed again.
    fewer = realm.account(exporter, "exporter", Account(), age=50)
    result = site.run("resolver", **one.task(jwts=[fewer, importing]))
    assert "imports[0].subject: 'given' is not exported by the account exporter" in json.dumps(result["warnings"])


def test_imports_that_form_a_cycle_are_warned_of(site: Site, one: Fleet) -> None:
    realm = one.realm
    keys = [nkey.create("account") for _unused in range(3)]
    exports = [Export(subject="x", type="service")]

    def member(number: int) -> str:
        imports = [Import(subject="x", account=keys[number - 1].public_key, type="service")]
        return realm.account(keys[number], f"member{number}", Account(exports=exports, imports=imports))

    first, second, third = map(member, range(3))
    site.run("resolver", **one.task(jwts=[first, second]))
    result = site.run("resolver", **one.task(jwts=[third]))  # the others are on the server only
    (warning,) = [str(warning) for warning in result["warnings"]]
    assert f"The account member2 ({keys[2].public_key}): imports[0]: this import forms a cycle" in warning
    own = nkey.create("account")
    imports = [Import(subject="x", account=own.public_key, type="service")]
    alone = realm.account(own, "alone", Account(exports=exports, imports=imports))
    warned = site.check("resolver", **one.task(jwts=[alone]))["warnings"]
    assert "imports[0]: this import forms a cycle" in str(warned)


def test_times_that_servers_take_for_the_past_are_warned_of_at_every_run(site: Site, one: Fleet) -> None:
    far = units.parse_time("3000-01-01T00:00:00Z")
    key, jwt = one.realm.new_account("app", expires=far)
    warned = f"The account app ({key.public_key}): expires: 3000-01-01T00:00:00Z is more than 292 years from now"
    late, jwt_of_late = one.realm.new_account("late", not_before=far)
    warned_of_late = (
        f"The account late ({late.public_key}): not_before: 3000-01-01T00:00:00Z is more than 292 years from now"
    )
    result = site.run("resolver", **one.task(jwts=[jwt, jwt_of_late]))
    assert str(result["warnings"]).count(warned) == 1
    assert str(result["warnings"]).count(warned_of_late) == 1
    lets_in(one.nodes[0].url, one.realm.creds(key))  # makes the server load the account, which then expires at once
    again = site.keep("resolver", **one.task(jwts=[jwt, jwt_of_late]))
    assert warned in str(again["warnings"])
    assert warned_of_late in str(again["warnings"])


# ---- JWTs that must not be pushed


def test_token_of_another_operator_is_refused(site: Site, one: Fleet) -> None:
    other = Realm("OTHER")
    key, jwt = other.new_account("app")
    message = site.refuse("resolver", **one.task(jwts=[jwt]))
    assert f"The account app ({key.public_key}) is signed by {other.signing.public_key}, which the server n1" in message
    assert "does not trust" in message
    task = {"servers": one.urls, "creds": one.realm.creds(), "jwts": [jwt]}
    assert site.refuse("resolver", **task, operator_jwt=other.operator_jwt).startswith(
        f"The server n1 trusts the operator ACME ({one.realm.operator.public_key}), not OTHER ({other.operator.public_key})."
    )
    assert one.nodes[0].stored(key) is None


def test_identity_key_of_a_strict_operator_is_refused(site: Site, start: Any) -> None:
    fleet = start(Realm(strict_signing_key_usage=True), [FULL])
    realm = fleet.realm
    _unused, jwt = realm.new_account("app", signer=realm.operator)
    task = {"servers": fleet.urls, "jwts": [jwt], "system_account_jwt": realm.system_jwt}
    message = site.refuse("resolver", **task, system_signer_seed=realm.system_signing.seed)
    assert "the identity key of the operator ACME, which is strict" in message
    message = site.refuse("resolver", **task, system_signer_seed=realm.system.seed, operator_jwt=realm.operator_jwt)
    assert "is the identity key of the system account, and its operator is strict" in message


def test_tampered_expired_self_signed_and_foreign_tokens_are_refused(site: Site, one: Fleet) -> None:
    realm = one.realm
    key, jwt = realm.new_account("app")
    header, payload, signature = jwt.split(".")
    changed = base64.urlsafe_b64encode(base64.urlsafe_b64decode(payload + "==").replace(b"app", b"apq"))
    tampered = f"{header}.{changed.decode().rstrip('=')}.{signature}"
    expired = realm.account(key, "app", expires=int(time.time()) - 5)
    refused = {
        tampered: "jwts[0]: The token's signature is not that of its issuer",
        expired: f"The account app ({key.public_key}) expired at ",
        realm.account(key, "app", signer=key): f"is signed by {key.public_key}, its own key",
        realm.operator_jwt: "jwts[0]: this is a JWT of operator claims, expected one of an account.",
        "nonsense": "jwts[0]: Not a token",
    }
    for token, words in refused.items():
        assert words in site.refuse("resolver", **one.task(jwts=[token]))
    assert one.nodes[0].stored(key) is None


def test_two_different_tokens_of_one_account_are_refused(site: Site, one: Fleet) -> None:
    key, jwt = one.realm.new_account("app")
    message = site.refuse("resolver", **one.task(jwts=[jwt, one.realm.account(key, "app", age=50)]))
    assert message.startswith("jwts[0] and jwts[1] are different JWTs of the same account app")


def test_tampered_token_in_the_place_of_one_that_is_held_is_refused(one: Fleet) -> None:
    _unused, jwt = one.realm.new_account("app")
    wanted = plan.read_wanted(jwt[:-4] + ("AAAA" if jwt[-4:] != "AAAA" else "BBBB"), "test")
    assert plan.signature_problems([wanted]) != []


# ---- the user that connects


def test_creds_connect_by_path_and_by_content(site: Site, one: Fleet) -> None:
    creds = one.realm.creds()
    for task in ({"creds": creds}, {"creds_path": site.write("sys.creds", creds, 0o600)}):
        found = site.run("resolver_info", servers=one.urls, public_keys=[one.realm.system.public_key], **task)
        assert [account["name"] for account in found["accounts"]] == ["SYS"]
        assert decorated.find_token(creds) not in json.dumps(found)


def test_user_outside_the_system_account_is_told_so(site: Site, one: Fleet) -> None:
    key, jwt = one.realm.new_account("app")
    site.run("resolver", **one.task(jwts=[jwt]))
    message = site.refuse("resolver_info", servers=one.urls, creds=one.realm.creds(key))
    assert message.startswith("No server answered a request to the system account: ")
    assert (
        f"there are no responders for $SYS.REQ.SERVER.PING, because the user belongs to another account, {key.public_key}."
        in message
    )


def test_user_without_the_permission_is_told_so(site: Site, one: Fleet) -> None:
    access = UserAccess(permissions=Permissions(publish=Permission(deny=["$SYS.REQ.ACCOUNT.*.CLAIMS.UPDATE"])))
    _unused, jwt = one.realm.new_account("app")
    message = site.refuse("resolver", servers=one.urls, creds=one.realm.creds(access=access), jwts=[jwt])
    assert message.startswith("The server denies this to the user")
    assert "CLAIMS.UPDATE" in message
    assert site.refuse("resolver", {"check": True}, servers=one.urls, creds=one.realm.creds(access=access), jwts=[jwt])


def test_check_mode_fails_where_the_permissions_of_a_scope_do_not_suffice(site: Site, start: Any) -> None:
    realm, role = Realm(), nkey.create("account")
    template = ScopeTemplate(permissions=Permissions(publish=Permission(deny=["$SYS.REQ.ACCOUNT.*.CLAIMS.UPDATE"])))
    signing_keys = [SigningKey(realm.system_signing.public_key), SigningKey(role.public_key, "reads", template)]
    realm.system_jwt = realm.account(realm.system, "SYS", Account(signing_keys=signing_keys))
    key, jwt = realm.new_account("app")
    fleet = start(realm, [FULL])
    task = {"servers": fleet.urls, "system_signer_seed": role.seed, "jwts": [jwt]}
    foreseen = site.refuse("resolver", {"check": True}, **task, system_account_jwt=realm.system_jwt)
    assert foreseen == site.refuse("resolver", **task, system_account_jwt=realm.system_jwt)
    assert f"publish to $SYS.REQ.ACCOUNT.{key.public_key}.CLAIMS.UPDATE. Nothing was changed." in foreseen
    assert fleet.nodes[0].stored(key) is None


def test_system_account_with_jetstream_is_not_pushed_as_no_server_would_start_again(site: Site, one: Fleet) -> None:
    before = one.nodes[0].stored(one.realm.system)
    body = Account()
    body.limits.jetstream.disk_storage = 1 << 20
    task = one.task(jwts=[one.realm.account(one.realm.system, "SYS", body, age=5)])
    message = site.refuse("resolver", {"check": True}, **task)
    assert message == site.refuse("resolver", **task)
    assert "limits.jetstream: enable JetStream, which the system account cannot have; omit them." in message
    assert one.nodes[0].stored(one.realm.system) == before


def test_creds_that_allow_answers_under_a_prefix_of_their_own_name_it(site: Site, one: Fleet) -> None:
    access = UserAccess(permissions=Permissions(subscribe=Permission(["_Inbox_Sys.>"])))
    task = {"servers": one.urls, "creds": one.realm.creds(access=access)}
    message = site.refuse("resolver_info", **task)
    assert message.startswith('The server denies this to the user: Permissions Violation for Subscription to "_INBOX.')
    assert "set it as inbox_prefix" in message
    site.run("resolver_info", **task, inbox_prefix="_Inbox_Sys")
    message = site.refuse("resolver_info", **task, inbox_prefix="Other.Prefix")
    assert 'Subscription to "Other.Prefix.' in message
    for prefix in ("_INBOX.*", "a b", "a..b", "", ".", ">", "a\r\nPUB x 0"):
        assert site.refuse("resolver_info", **task, inbox_prefix=prefix).startswith("inbox_prefix: ")


def test_temporary_user_may_subscribe_under_the_prefix_of_the_task(site: Site, one: Fleet) -> None:
    assert site.run("resolver_info", **one.task(inbox_prefix="_MINE.>"))["servers"][0]["name"] == "n1"


def test_unreachable_and_unwilling_servers_are_named(site: Site, one: Fleet) -> None:
    (port,) = free_ports(1)
    foreign = Realm("OTHER")
    message = site.refuse(
        "resolver_info", servers=[f"127.0.0.1:{port}", *one.urls], system_signer_seed=foreign.system.seed
    )
    assert f"nats://127.0.0.1:{port}: Connection refused." in message
    assert f"{one.urls[0]}: it refuses this user (authorization violation)" in message


def test_expired_creds_are_refused_before_connecting(site: Site, one: Fleet) -> None:
    creds = one.realm.creds(expires=int(time.time()) - 10)
    assert "creds: the user u expired at" in site.refuse("resolver_info", servers=one.urls, creds=creds)


def test_signing_keys_of_the_system_account_connect(site: Site, start: Any) -> None:
    realm = Realm()
    plain, scoped = realm.system_signing, nkey.create("account")
    template = ScopeTemplate(permissions=Permissions(publish=Permission(["$SYS.REQ.>"])))
    realm.system_jwt = realm.account(
        realm.system,
        "SYS",
        Account(
            signing_keys=[
                SigningKey(key=plain.public_key),
                SigningKey(key=scoped.public_key, role="pusher", template=template),
            ]
        ),
    )
    fleet = start(realm, [FULL])
    for key in (plain, scoped):
        _unused, jwt = realm.new_account("app")
        task = {"servers": fleet.urls, "system_signer_seed": key.seed, "system_account_jwt": realm.system_jwt}
        assert site.run("resolver", jwts=[jwt], **task)["changed"]
    message = site.refuse(
        "resolver",
        servers=fleet.urls,
        system_signer_seed=nkey.create("account").seed,
        system_account_jwt=realm.system_jwt,
    )
    assert "is not a key of the system account" in message


def test_temporary_user_may_do_no_more_than_it_has_to(one: Fleet) -> None:
    options = one.options()
    before = int(time.time())
    login = system_connection.TemporaryUser(
        one.realm.system, one.realm.system.public_key, False, options.inbox, cluster_accounts.READING
    )()
    after = int(time.time())
    claims = codec.decode(login.jwt)
    access = claims.body.access
    assert access.permissions.publish.allow == list(cluster_accounts.READING)
    assert access.permissions.subscribe.allow == [options.inbox + ".>"]
    assert not any("UPDATE" in subject or "DELETE" in subject for subject in access.permissions.publish.allow)
    assert before + 120 <= claims.expires <= after + 120
    assert login.pair.seed not in repr(login) + repr(options)
    read_only = dataclasses.replace(options, login=lambda: login)
    request = [(cluster_accounts.UPDATE.format(one.realm.system.public_key), b"x")]
    with pytest.raises(Exception, match="denies this to the user"):
        system_connection.run(read_only, lambda connection: connection.ask_many(request, lambda *_unused: True, 5))


def test_temporary_user_is_renewed_when_the_work_outlives_it(one: Fleet) -> None:
    key, jwt = one.realm.new_account("app")
    wanted = plan.read_wanted(jwt, "test")

    async def long_work(connection: Any) -> tuple[int, set[int]]:
        await cluster_accounts.bring_in_line(connection, cluster_accounts.Task("present", [wanted]))
        until = time.monotonic() + 60
        answers = set()
        while connection.renewals < 2 and time.monotonic() < until:
            found = await cluster_accounts.look_up(connection, [key.public_key] * 50, 1)
            answers.add(len(found[key.public_key]))
            await asyncio.sleep(0.2)
        return connection.renewals, answers

    renewals, answers = one.do(long_work, lifetime=8)
    assert renewals >= 2
    assert answers == {1}


def test_lost_connection_is_made_anew_and_the_work_goes_on(start: Any) -> None:
    fleet = start(Realm(), [FULL])

    async def interrupted(connection: Any) -> Any:
        keys = [fleet.realm.system.public_key] * 5
        before = await cluster_accounts.look_up(connection, keys, 1)
        fleet.nodes[0].stop(signal.SIGKILL)
        fleet.nodes[0].start()
        return before == await cluster_accounts.look_up(connection, keys, 1) and connection.renewals

    assert fleet.do(interrupted) == 1


# ---- removing


def test_absent_account_is_removed_and_stays_so(site: Site, one: Fleet) -> None:
    realm = one.realm
    key, jwt = realm.new_account("app")
    site.run("resolver", **one.task(jwts=[jwt]))
    creds = realm.creds(key)
    assert lets_in(one.nodes[0].url, creds)
    task = one.task(state="absent", public_keys=[key.public_key], signer_seed=realm.signing.seed)
    result = _remove(site, task)
    assert _account(result, key)["action"] == "removed"
    assert _account(result, key)["servers"] == {"n1": "removed"}
    assert result["diff"]["before"][key.public_key]["name"] == "app"
    assert not lets_in(one.nodes[0].url, creds)
    again = site.keep("resolver", **task)
    assert _account(again, key)["action"] == "absent"


def test_account_with_connections_is_removed_only_by_force(site: Site, one: Fleet) -> None:
    realm = one.realm
    key, jwt = realm.new_account("app")
    site.run("resolver", **one.task(jwts=[jwt]))
    task = one.task(state="absent", jwts=[jwt], signer_path=site / "op.nk")
    site.write("op.nk", realm.operator.seed, 0o600)
    with _connected(one.nodes[0].url, realm.creds(key)):
        message = site.refuse("resolver", **task)
        assert f"({key.public_key}) has open connections to n1: 1." in message
        assert "force=true" in message
        assert one.nodes[0].stored(key) == jwt
        assert site.run("resolver", **task, force=True)["changed"]


def test_account_with_jetstream_data_is_removed_only_by_force(site: Site, one: Fleet) -> None:
    realm = one.realm
    body = Account()
    body.limits.jetstream.disk_storage = 1_000_000
    key, jwt = realm.new_account("app", body)
    site.run("resolver", **one.task(jwts=[jwt]))

    async def store(client: Any) -> None:
        await client.jetstream().add_stream(name="S", subjects=["s"])
        await client.jetstream().publish("s", b"x")

    with _connected(one.nodes[0].url, realm.creds(key), store):
        pass
    task = one.task(state="absent", jwts=[jwt], signer_seed=realm.signing.seed)
    _wait_until_unused(site, task)
    message = site.refuse("resolver", **task)
    assert f"({key.public_key}) has JetStream data on n1, in streams: 1" in message
    assert site.run("resolver", **task, force=True)["changed"]


def test_system_account_is_never_removed(site: Site, one: Fleet) -> None:
    realm = one.realm
    task = one.task(signer_seed=realm.signing.seed, force=True)
    message = site.refuse("resolver", **task, state="absent", public_keys=[realm.system.public_key])
    assert message == f"The account {realm.system.public_key} is the system account: it is never removed."


def test_removal_by_a_key_that_servers_do_not_trust_is_refused(site: Site, one: Fleet) -> None:
    key, jwt = one.realm.new_account("app")
    site.run("resolver", **one.task(jwts=[jwt]))
    foreign = nkey.create("operator")
    message = site.refuse("resolver", **one.task(state="absent", jwts=[jwt], signer_seed=foreign.seed))
    assert f"The signer {foreign.public_key} can't sign the removal of accounts" in message
    message = site.refuse("resolver", **one.task(state="absent", jwts=[jwt]))
    assert "set signer_path, signer_seed or signers" in message
    assert one.nodes[0].stored(key) == jwt


def test_server_that_forbids_deletion_is_named_and_nothing_is_pushed_before(site: Site, start: Any) -> None:
    fleet = start(Realm(), [FULL])
    old, old_jwt = fleet.realm.new_account("old")
    new, new_jwt = fleet.realm.new_account("new")
    site.run("resolver", **fleet.task(jwts=[old_jwt]))
    task = fleet.task(jwts=[new_jwt], state="exact", signer_seed=fleet.realm.signing.seed)
    for how in ({}, {"check": True}):
        message = site.refuse("resolver", how, **task)
        assert message == "The server n1 does not allow deleting accounts: its resolver needs allow_delete: true."
    assert (fleet.nodes[0].stored(old), fleet.nodes[0].stored(new)) == (old_jwt, None)


def test_exact_removes_what_the_task_does_not_have_but_the_system_account(site: Site, start: Any) -> None:
    fleet = start(Realm(), [FULL + ", allow_delete: true"])
    realm, node = fleet.realm, fleet.nodes[0]
    accounts = [realm.new_account(f"a{index}") for index in range(4)]
    site.run("resolver", **fleet.task(jwts=[jwt for _unused, jwt in accounts[:3]]))
    wanted = [jwt for _unused, jwt in accounts[2:]]
    task = fleet.task(jwts=wanted, state="exact", signer_seed=realm.signing.seed)
    result = site.run("resolver", **task)
    actions = [_account(result, key)["action"] for key, _unused in accounts]
    assert actions == ["removed", "removed", "unchanged", "pushed"]
    assert [node.stored(key) is not None for key, _unused in accounts] == [False, False, True, True]
    assert node.stored(realm.system) == realm.system_jwt
    site.keep("resolver", **task)
    message = site.refuse("resolver", **fleet.task(state="exact", signer_seed=realm.signing.seed))
    assert "so state=exact would remove all accounts" in message


# ---- several servers


def test_every_server_of_three_has_its_own_result(site: Site, three: Fleet) -> None:
    key, jwt = three.realm.new_account("app")
    task = three.task(jwts=[jwt], expected_servers=["n1", "n2", "n3"])
    result = site.run("resolver", **task)
    assert _account(result, key)["servers"] == {"n1": "updated", "n2": "updated", "n3": "updated"}
    assert _account(result, key)["reasons"] == ["n1, n2 and n3 do not have it"]
    assert [node.stored(key) for node in three.nodes] == [jwt] * 3
    site.keep("resolver", **task)
    info = site.run("resolver_info", **three.task(public_keys=[key.public_key]))
    issued = codec.decode(jwt).issued_at
    shown = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(issued))
    assert _account(info, key)["servers"] == {"n1": shown, "n2": shown, "n3": shown}
    assert (_account(info, key)["claims"]["name"], _account(info, key)["jwt"]) == ("app", jwt)


def test_server_that_is_away_is_named_and_gets_the_account_when_it_is_back(site: Site, three: Fleet) -> None:
    key, jwt = three.realm.new_account("app")
    away = three.nodes[2]
    away.stop()
    try:
        task = three.task(jwts=[jwt])
        message = site.refuse("resolver", **task, expected_servers=["n1", "n2", "n3"])
        assert message == "expected_servers: n3 did not answer; n1, n2 did."
        assert [node.stored(key) for node in three.nodes] == [None, None, None]
        result = site.run("resolver", **task)
        assert _account(result, key)["servers"] == {"n1": "updated", "n2": "updated"}
    finally:
        away.start()
        three.wait_until_whole()
    deadline = time.monotonic() + 60
    while away.stored(key) is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert away.stored(key) == jwt
    compared = site.run("resolver_info", **three.task(jwts=[jwt]))
    assert compared["differences"] == []


def test_server_that_lags_is_told_from_the_others_and_brought_up(site: Site, start: Any) -> None:
    realm = Realm()
    fleet = start(realm, ['type: full, dir: "{dir}", interval: "10m"'] * 3)
    key, old = realm.new_account("app")
    new = realm.account(key, "app", Account(description="newer"), age=50)
    site.run("resolver", **fleet.task(jwts=[old]))
    fleet.nodes[1].stop()
    site.run("resolver", **fleet.task(jwts=[new]))
    fleet.nodes[1].start()
    fleet.wait_until_whole()
    found = _account(site.run("resolver_info", **fleet.task(jwts=[new])), key)
    assert found["differences"] == ["n2: description: none -> newer"]
    assert found["servers"]["n1"] == found["servers"]["n3"] > found["servers"]["n2"]
    result = site.run("resolver", **fleet.task(jwts=[new]))
    assert _account(result, key)["reasons"] == ["description: none -> newer"]
    assert [node.stored(key) for node in fleet.nodes] == [new] * 3
    site.keep("resolver", **fleet.task(jwts=[new]))


def test_removal_reaches_all_three(site: Site, three: Fleet) -> None:
    key, jwt = three.realm.new_account("app")
    site.run("resolver", **three.task(jwts=[jwt]))
    result = site.run("resolver", **three.task(jwts=[jwt], state="absent", signer_seed=three.realm.signing.seed))
    assert _account(result, key)["servers"] == {"n1": "removed", "n2": "removed", "n3": "removed"}
    assert [node.stored(key) for node in three.nodes] == [None] * 3


def test_server_that_refuses_is_named_with_the_account(site: Site, start: Any) -> None:
    fleet = start(Realm(), [FULL, FULL + ", limit: 1"])
    key, jwt = fleet.realm.new_account("app")
    result = site.start("resolver", fleet.task(jwts=[jwt]))
    assert result["failed"]
    assert f"The server n2 refuses the account app ({key.public_key}): jwt update resulted in error" in result["msg"]
    states = _account(result, key)["servers"]
    assert states["n1"] == "updated"
    assert "jwt store is full" in states["n2"]
    compared = site.run("resolver_info", **fleet.task(jwts=[jwt]))
    assert compared["differences"] == [f"account app ({key.public_key}): n2 does not have it"]


def test_server_that_falls_silent_is_named_with_the_account(three: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    key, jwt = three.realm.new_account("app")
    silent = three.nodes[2].process
    assert silent is not None
    discover = cluster_accounts.discover

    async def discover_then_freeze(*arguments: Any) -> Any:
        found = await discover(*arguments)
        silent.send_signal(signal.SIGSTOP)
        return found

    monkeypatch.setattr(cluster_accounts, "discover", discover_then_freeze)
    task = cluster_accounts.Task("present", [plan.read_wanted(jwt, "test")])
    try:
        with pytest.raises(cluster_accounts.ClusterError) as error:
            three.do(lambda connection: cluster_accounts.bring_in_line(connection, task), timeout=5)
    finally:
        silent.send_signal(signal.SIGCONT)
    assert f"account app ({key.public_key})" in str(error.value)
    assert "n3" in str(error.value)
    assert "n2" not in str(error.value)
    three.wait_until_whole()


# ---- other resolvers


def test_memory_resolver_is_detected_and_told(site: Site, start: Any) -> None:
    fleet = start(Realm(), ["MEMORY"])
    _unused, jwt = fleet.realm.new_account("app")
    message = site.refuse("resolver", **fleet.task(jwts=[jwt]))
    assert message.startswith("Not every server keeps accounts that are pushed: n1 has a memory or URL resolver.")
    assert "resolver_preload" in message
    found = site.run("resolver_info", **fleet.task())
    assert [(server["name"], server["resolver"]) for server in found["servers"]] == [("n1", "memory or url")]


def test_server_with_a_memory_resolver_is_left_out_when_others_are_expected(site: Site, start: Any) -> None:
    fleet = start(Realm(), [FULL, "MEMORY"])
    key, jwt = fleet.realm.new_account("app")
    assert "n2 has a memory or URL resolver" in site.refuse("resolver", **fleet.task(jwts=[jwt]))
    result = site.run("resolver", **fleet.task(jwts=[jwt], expected_servers=["n1"]))
    assert _account(result, key)["servers"] == {"n1": "updated"}
    assert "n2 has a memory or URL resolver, and is ignored" in json.dumps(result["warnings"])
    site.keep("resolver", **fleet.task(jwts=[jwt], expected_servers=["n1"]))


def test_cache_resolver_fetches_on_demand(site: Site, start: Any) -> None:
    fleet = start(Realm(), [FULL, 'type: cache, dir: "{dir}", ttl: "1h", timeout: "1s"'])
    key, jwt = fleet.realm.new_account("app")
    result = site.run("resolver", **fleet.task(jwts=[jwt]))
    assert _account(result, key)["servers"] == {"n1": "updated", "n2": "on demand"}
    assert lets_in(fleet.nodes[1].url, fleet.realm.creds(key))
    newer = fleet.realm.account(key, "app", Account(description="x"), age=50)
    site.run("resolver", **fleet.task(jwts=[newer]))
    site.keep("resolver", **fleet.task(jwts=[newer]))
    assert fleet.nodes[1].stored(key) == newer


class _AccountServer(http.server.BaseHTTPRequestHandler):
    """Keeps accounts as nats-account-server does, unless `mode` makes it forget or refuse them."""

    accounts: dict[str, str] = {}
    mode = "keep"

    def do_GET(self) -> None:
        found = self.accounts.get(self.path.rpartition("/")[2])
        self._answer(200 if found else 404, found or "not found")

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.mode == "refuse":
            self._answer(400, "bad account")
            return
        if self.mode == "keep":
            self.accounts[self.path.rpartition("/")[2]] = text
        self._answer(200, "")

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_unused: Any) -> None:
        pass


def test_account_server_is_read_and_pushed_to(site: Site) -> None:
    realm = Realm()
    key, jwt = realm.new_account("app")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _AccountServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/jwt/v1"
        task = {"account_server_url": url, "jwts": [jwt], "operator_jwt": realm.operator_jwt}
        _AccountServer.mode = "refuse"
        assert "returns the status 400 when" in site.refuse("resolver", **task)
        _AccountServer.mode = "forget"
        assert "but does not return it afterwards" in site.refuse("resolver", **task)
        _AccountServer.mode = "keep"
        result = site.run("resolver", **task)
        assert _account(result, key)["servers"] == {url: "updated"}
        site.keep("resolver", **task)
        older = realm.account(key, "app", age=500)
        assert "is newer on the cluster" in site.refuse("resolver", **dict(task, jwts=[older]))
        foreign = Realm("OTHER").account(key, "app", age=10)
        assert "not a key of the operator" in site.refuse("resolver", **dict(task, jwts=[foreign]))
        found = site.run("resolver_info", account_server_url=url, public_keys=[key.public_key])
        assert _account(found, key)["jwt"] == jwt
        assert "can't remove accounts" in site.refuse("resolver", **dict(task, state="absent"))
        server.shutdown()


# ---- TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A certificate authority, a certificate for nats.test and one for a client."""
    return make_certificates(tmp_path_factory.mktemp("tls"), "DNS:nats.test")


@pytest.mark.parametrize("first", [False, True])
def test_tls_with_client_certificate_and_server_name(site: Site, certificates: pathlib.Path, first: bool) -> None:
    tls = tls_config(certificates, "verify: true", f"handshake_first: {str(first).lower()}")
    realm = Realm()
    fleet = Fleet(site.folder.parent / "tls", realm, [FULL], tls)
    try:
        fleet.nodes[0].start()
        urls = [fleet.nodes[0].url.replace("nats://", "tls://")]
        _unused, jwt = realm.new_account("app")
        task = dict(
            fleet.task(jwts=[jwt]),
            servers=urls,
            tls_ca_path=str(certificates / "ca.pem"),
            tls_certificate_path=str(certificates / "client.pem"),
            tls_key_path=str(certificates / "client.key"),
            tls_server_name="nats.test",
            tls_handshake_first=first,
        )
        assert site.run("resolver", **task)["changed"]
        site.keep("resolver", **task)
        assert "TLS failed" in site.refuse("resolver", **dict(task, tls_server_name="other.test"))
        assert "TLS failed" in site.refuse("resolver", **{k: v for k, v in task.items() if k != "tls_ca_path"})
        message = site.refuse("resolver", **dict(task, tls_ca_path=str(certificates / "missing.pem")))
        assert message.startswith(f"tls_ca_path: {certificates}/missing.pem does not hold certificates")
    finally:
        fleet.stop()


# ---- websockets


def test_websocket_does_as_well(site: Site, start: Any) -> None:
    (port,) = free_ports(1)
    fleet = start(Realm(), [FULL], f"websocket {{ listen: 127.0.0.1:{port}, no_tls: true }}")
    key, jwt = fleet.realm.new_account("app")
    task = fleet.task(jwts=[jwt], servers=[f"ws://127.0.0.1:{port}"])
    assert site.run("resolver", **task)["changed"]
    assert fleet.nodes[0].stored(key) == jwt
    site.keep("resolver", **task)
    told = site.run("resolver_info", **{**task, "jwts": [], "public_keys": [key.public_key]})
    assert told["accounts"][0]["jwt"] == jwt


# ---- playbooks


def test_playbook_pushes_looks_and_removes(play: Play, start: Any) -> None:
    fleet = start(Realm(), [FULL + ", allow_delete: true"])
    key, jwt = fleet.realm.new_account("app")
    push = {"name": "Push", "natsops.security.nats_resolver": {"jwts": [jwt]}}
    tasks = [
        dict(push),
        dict(push, name="Push again"),
        {"name": "Look", "natsops.security.nats_resolver_info": {"public_keys": [key.public_key]}},
        {
            "name": "Remove",
            "natsops.security.nats_resolver": {
                "state": "absent",
                "public_keys": [key.public_key],
                "signer_seed": fleet.realm.signing.seed,
            },
        },
    ]
    defaults = {"servers": fleet.urls, "system_signer_seed": fleet.realm.system.seed}
    for task in tasks:
        name = next(name for name in task if name.startswith("natsops"))
        task[name] = {**defaults, **task[name]}
    played = play(tasks, "-vvv", "--diff")
    assert played.returncode == 0, played.output
    assert played.changed == {"Push": True, "Push again": False, "Look": False, "Remove": True}
    for seed in (fleet.realm.system.seed, fleet.realm.signing.seed):
        assert seed not in played.output
