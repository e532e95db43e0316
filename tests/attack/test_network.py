# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Attacks from the network: stripped TLS, commands in subjects, and malformed answers."""

from __future__ import annotations

import base64
import collections
import dataclasses
import gc
import itertools
import json
import pathlib
import re
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from support.fleets import FULL, Fleet, Realm, make_certificates, tls_config
from support.network import Pretender, answers, as_json, drips, hostile_server, relay, says, without_tls
from support.ports import free_ports

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.claims import Permission, Permissions, UserAccess
from ansible_collections.natsops.security.plugins.module_utils.cluster import (
    account_server,
    addresses,
    channels,
    cluster_accounts,
    info,
    plan,
    servers,
    system_connection,
)
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

if TYPE_CHECKING:
    from support.network import Talk, Twist
    from support.sites import Site

pytestmark = pytest.mark.server


# ---- stripped TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Certificates for 127.0.0.1."""
    return make_certificates(tmp_path_factory.mktemp("tls"), "IP:127.0.0.1", "DNS:nats.test")


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, certificates: pathlib.Path) -> Iterator[Fleet]:
    """A server that requires TLS, also on its websocket."""
    (port,) = free_ports(1)
    extra = f"{tls_config(certificates)}\nwebsocket {{ listen: 127.0.0.1:{port}, {tls_config(certificates)} }}"
    fleet = Fleet(tmp_path_factory.mktemp("secure"), Realm(), [FULL], extra)
    fleet.websocket = port
    try:
        fleet.nodes[0].start()
        yield fleet
    finally:
        fleet.stop()


def _look(fleet: Fleet, servers: list[str], certificates: pathlib.Path | None = None, **more: Any) -> dict[str, Any]:
    """The options of a task that looks up the system account."""
    task = fleet.task(servers=servers, public_keys=[fleet.realm.system.public_key])
    if certificates is not None:
        task["tls_ca_path"] = str(certificates / "ca.pem")
    return {**task, **more}


def _sent_nothing(received: bytes) -> bool:
    """Whether the client sent no CONNECT and no JWT. A TLS handshake may have begun: it identifies no user."""
    return b"CONNECT" not in received and b"eyJ" not in received


@pytest.mark.parametrize("scheme", ["tls", "nats"])
def test_server_whose_tls_is_stripped_is_sent_nothing(
    site: Site, secure: Fleet, certificates: pathlib.Path, scheme: str
) -> None:
    with hostile_server(relay(secure.nodes[0].port, without_tls)) as between:
        url = f"{scheme}://127.0.0.1:{between.port}"
        message = site.refuse("resolver_info", **_look(secure, [url], certificates))
        assert f"{url}: it offers no TLS, which the task requires: nothing was sent to it." in message
        assert between.received == b""


def test_server_behind_an_honest_relay_is_reached(site: Site, secure: Fleet, certificates: pathlib.Path) -> None:
    with hostile_server(relay(secure.nodes[0].port, lambda data: data)) as between:
        url = f"tls://127.0.0.1:{between.port}"
        assert site.run("resolver_info", **_look(secure, [url], certificates))["accounts"][0]["name"] == "SYS"
        assert _sent_nothing(between.received)


@pytest.mark.parametrize(
    "option",
    [
        {"tls_server_name": "127.0.0.1"},
        {"tls_handshake_first": True},
        {"tls_certificate_path": "client.pem", "tls_key_path": "client.key"},
        {"tls_ca_path": "ca.pem"},
    ],
    ids=lambda option: next(iter(option)),
)
def test_every_option_of_tls_wants_tls(
    site: Site, secure: Fleet, certificates: pathlib.Path, option: dict[str, Any]
) -> None:
    option = {name: str(certificates / value) if "path" in name else value for name, value in option.items()}
    with hostile_server(Pretender(secure.realm)) as plain:
        url = f"nats://127.0.0.1:{plain.port}"
        assert f"{url}: " in site.refuse("resolver_info", **_look(secure, [url], **option))
        assert _sent_nothing(plain.received)


@pytest.mark.parametrize("order", [1, -1])
def test_where_one_url_asks_for_tls_no_other_server_is_connected_to_without(
    site: Site, secure: Fleet, order: int
) -> None:
    (closed,) = free_ports(1)
    with hostile_server(Pretender(secure.realm)) as plain:
        urls = [f"tls://127.0.0.1:{closed}", f"nats://127.0.0.1:{plain.port}"][::order]
        message = site.refuse("resolver_info", **_look(secure, urls))
        assert f"tls://127.0.0.1:{closed}: Connection refused." in message
        assert f"nats://127.0.0.1:{plain.port}: it offers no TLS, which the task requires" in message
        assert plain.received == b""


def test_bytes_in_the_clear_before_tls_are_not_taken_for_answers(
    site: Site, secure: Fleet, certificates: pathlib.Path
) -> None:
    def add(data: bytes) -> bytes:
        return data + b"PONG\r\n" if data.startswith(b"INFO") else data

    with hostile_server(relay(secure.nodes[0].port, add)) as between:
        message = site.refuse("resolver_info", **_look(secure, [f"tls://127.0.0.1:{between.port}"], certificates))
        assert "it sends more than its INFO in the clear" in message
        assert between.received == b""


@pytest.mark.parametrize(
    ("host", "more"), [("localhost", {}), ("127.0.0.1", {"tls_server_name": "other.test"})], ids=["url", "option"]
)
def test_host_name_is_verified(
    site: Site, secure: Fleet, certificates: pathlib.Path, host: str, more: dict[str, Any]
) -> None:
    with hostile_server(relay(secure.nodes[0].port, lambda data: data)) as between:
        task = _look(secure, [f"tls://{host}:{between.port}"], certificates, **more)
        assert "TLS failed" in site.refuse("resolver_info", **task)
        assert _sent_nothing(between.received)


def test_addresses_in_info_are_not_learned(site: Site, secure: Fleet, certificates: pathlib.Path) -> None:
    with hostile_server(Pretender(secure.realm)) as other:

        def advertise(data: bytes) -> bytes:
            urls = json.dumps([f"127.0.0.1:{other.port}"]).encode()
            return data.replace(b"INFO {", b'INFO {"connect_urls":' + urls + b",", 1)

        with hostile_server(relay(secure.nodes[0].port, advertise)) as between:
            task = _look(secure, [f"tls://127.0.0.1:{between.port}"], certificates)
            assert site.run("resolver_info", **task)["accounts"][0]["name"] == "SYS"
            assert other.clients == []


def test_connection_made_anew_is_encrypted_too(secure: Fleet, certificates: pathlib.Path) -> None:
    """The relay strips TLS from the second connection onwards."""
    seen: list[int] = []

    def strip_later(data: bytes) -> bytes:
        if data.startswith(b"INFO"):
            seen.append(1)
        return without_tls(data) if len(seen) > 1 else data

    with hostile_server(relay(secure.nodes[0].port, strip_later)) as between:
        context = channels.default_context(str(certificates / "ca.pem"))
        options = secure.options(timeout=5)
        options = dataclasses.replace(
            options, servers=(f"nats://127.0.0.1:{between.port}",), tls=context, connect_timeout=60
        )

        async def interrupted(connection: Any) -> Any:
            key = secure.realm.system.public_key
            assert await cluster_accounts.look_up(connection, [key], 1) == {key: [secure.realm.system_jwt]}
            between.clients[0].connection.shutdown(2)
            return await cluster_accounts.look_up(connection, [key], 1)

        with pytest.raises(NatsSecurityError, match=r"was lost.*offers no TLS"):
            system_connection.run(options, interrupted)
        assert len(between.clients) > 1
        assert all(_sent_nothing(bytes(client.received)) for client in between.clients[1:])


# ---- websockets


def test_websocket_without_tls_is_refused_where_tls_is_wanted(site: Site, secure: Fleet) -> None:
    with hostile_server(says(b"")) as plain:
        url = f"ws://127.0.0.1:{plain.port}"
        for servers_, more in (([url], {"tls_server_name": "n"}), ([url, "wss://127.0.0.1:1"], {})):
            message = site.refuse("resolver_info", **_look(secure, servers_, **more))
            assert message.startswith(f"servers[0]: {url} is never encrypted, and ")
            assert "write wss://" in message
        assert plain.clients == []


def test_secure_websocket_is_verified(site: Site, secure: Fleet, certificates: pathlib.Path) -> None:
    port = secure.websocket
    task = _look(secure, [f"wss://127.0.0.1:{port}"], certificates)
    assert site.run("resolver_info", **task)["accounts"][0]["name"] == "SYS"
    assert site.run("resolver_info", **task, tls_server_name="nats.test")["accounts"][0]["name"] == "SYS"
    assert "TLS failed" in site.refuse("resolver_info", **task, tls_server_name="other.test")
    assert "TLS failed" in site.refuse("resolver_info", **_look(secure, [f"wss://localhost:{port}"], certificates))
    assert "TLS failed" in site.refuse("resolver_info", **_look(secure, [f"wss://127.0.0.1:{port}"]))


def test_websocket_follows_no_redirection(site: Site, secure: Fleet) -> None:
    with hostile_server(Pretender(secure.realm)) as other:
        moved = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{other.port}/\r\nContent-Length: 0\r\n\r\n"
        with hostile_server(says(moved.encode())) as server:
            message = site.refuse("resolver_info", **_look(secure, [f"ws://127.0.0.1:{server.port}"]))
            assert "it answers to the websocket handshake with 'HTTP/1.1 302 Found'" in message
        assert other.clients == []


# ---- commands in subjects


def _unsigned(subject: Any, **more: Any) -> str:
    """An account JWT with an invalid signature and the given subject."""
    payload = {
        "sub": subject,
        "iss": nkey.create("operator").public_key,
        "iat": 1,
        "nats": {"type": "account", "version": 2},
    }
    parts = [{"typ": "JWT", "alg": "ed25519-nkey"}, {**payload, **more}]
    texts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*texts, "A" * 86])


_KEY = nkey.create("account").public_key
_SUBJECTS = {
    "line end": _KEY + "\r\nPUB $SYS.REQ.SERVER.X.RELOAD 0\r\n\r\n",
    "line end alone": _KEY + "\n",
    "line end within": _KEY[:20] + "\n" + _KEY[20:],
    "blank": _KEY + " x 0",
    "path": "../../admin",
    "wildcard": "*",
    "query": _KEY + "?x=1",
    "checksum": _KEY[:-1] + ("A" if _KEY[-1] != "A" else "B"),
    "lower case": _KEY.lower(),
    "operator": nkey.create("operator").public_key,
    "number": 5,
    "nothing": None,
}


@pytest.mark.parametrize("more", [{}, {"aud": "x", "other": 1}], ids=["as Go", "with other members"])
@pytest.mark.parametrize("subject", _SUBJECTS)
def test_subject_of_a_token_is_an_account(subject: str, more: dict[str, Any]) -> None:
    with pytest.raises(NatsSecurityError, match=r"^jwts\[0\]: ") as error:
        plan.read_wanted(_unsigned(_SUBJECTS[subject], **more), "jwts[0]")
    assert str(error.value).isprintable()


@pytest.mark.parametrize("subject", ["line end", "path"])
def test_nothing_is_asked_about_a_token_of_something_else(site: Site, subject: str) -> None:
    realm = Realm()
    token = _unsigned(_SUBJECTS[subject])
    with (
        hostile_server(Pretender(realm)) as server,
        hostile_server(says(b"HTTP/1.1 404 Not Found\r\n\r\n")) as account_server,
    ):
        where = {"servers": [f"nats://127.0.0.1:{server.port}"], "system_signer_seed": realm.system.seed}
        for task in (where, {"account_server_url": f"http://127.0.0.1:{account_server.port}/jwt/v1"}):
            for module in ("resolver", "resolver_info"):
                assert site.refuse(module, **task, jwts=[token]).startswith("jwts[0]: ")
        assert server.clients + account_server.clients == []


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("subject", ["line end", "line end alone", "line end within", "blank", "wildcard", "operator"])
@pytest.mark.parametrize("kind", ["LIST", "PING", "VARZ", "STATZ"])
def test_what_servers_list_is_parsed_before_it_is_asked_for(kind: str, subject: str) -> None:
    text = _SUBJECTS[subject]

    def twist(answer: Any) -> list[bytes]:
        if kind == "LIST":
            answer["data"].append(text)
        elif kind == "PING":
            answer["server"]["id"] = text
        elif kind == "VARZ":
            answer["data"]["system_account"] = text
        else:
            answer["data"]["account_statz"].append({"acc": text, "conns": 1})
        return as_json(answer)

    realm = Realm()
    pretender = Pretender(realm, {kind: twist}, accounts={_KEY: realm.account(nkey.from_public_key(_KEY), "old")})
    _everything(pretender, expect="cannot be")
    assert all(set(subject.replace("$", "")) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567.") for subject in pretender.asked)


# ---- malformed answers


def _everything(pretender: Pretender, expect: str = "", timeout: float = 20) -> str:
    """Push to a server, remove from it and look at it. Return the errors, warnings and reasons as lines."""
    realm = pretender.realm
    _unused, token = realm.new_account("app")
    said = []
    with hostile_server(pretender) as server:
        inbox = system_connection.new_inbox()
        user = system_connection.TemporaryUser(
            realm.system, realm.system.public_key, False, inbox, cluster_accounts.SUBJECTS_OF["exact"]
        )
        options = system_connection.Options((f"nats://127.0.0.1:{server.port}",), user, inbox, 60, timeout)
        wanted = [plan.read_wanted(token, "test")]
        task = cluster_accounts.Task("exact", wanted, signer=lambda allowed: realm.signing)

        async def push(connection: Any) -> None:
            outcome = await cluster_accounts.bring_in_line(connection, task)
            said.extend([*outcome.warnings, *(reason for account in outcome.accounts for reason in account.reasons)])

        async def look(connection: Any) -> None:
            said.extend((await info.look_at(connection, [], wanted, None, [], True))["differences"])

        for work in (push, look):
            try:
                system_connection.run(options, work)
            except NatsSecurityError as error:
                said.extend(
                    [str(error), *(error.outcome.warnings if isinstance(error, cluster_accounts.ClusterError) else ())]
                )
    text = "\n".join(said)
    assert expect in text
    assert "\r" not in text
    return text


def _with(place: str, value: Any) -> Any:
    """A function that returns an answer with another value at a place such as `server.id`."""

    def twist(answer: Any) -> list[bytes]:
        *path, last = place.split(".")
        at = answer
        for name in path:
            at = at[name]
        at[last] = value
        return as_json(answer)

    return twist


_MALFORMED: dict[str, Any] = {
    "no JSON": lambda answer: [b"nonsense"],
    "empty": lambda answer: [b""],
    "not UTF-8": lambda answer: [b"\xff\xfe{}"],
    "null": lambda answer: [b"null"],
    "a number": lambda answer: [b"1"],
    "a text": lambda answer: [b'"x"'],
    "an array": lambda answer: [b"[{}]"],
    "an empty object": lambda answer: [b"{}"],
    "deep": lambda answer: [b"[" * 100_000],
    "deep in it": lambda answer: [json.dumps(answer)[:-1].encode() + b',"x":' + b"[" * 2000 + b"]" * 2000 + b"}"],
    "a huge number": lambda answer: [json.dumps(answer)[:-1].encode() + b',"x":' + b"9" * 100_000 + b"}"],
    "no number": lambda answer: [json.dumps(answer)[:-1].encode() + b',"x":NaN}'],
    "a member twice": lambda answer: [json.dumps(answer)[:-1].encode() + b',"server":{"id":"x"}}'],
    "cut off": lambda answer: [json.dumps(answer)[:-1].encode()],
    "no server": lambda answer: [json.dumps({**answer, "server": None}).encode()],
    "a server of text": _with("server", "n1"),
    "a server of numbers": _with("server", [1]),
    "no id": _with("server.id", None),
    "an id of numbers": _with("server.id", 5),
    "an id that is not a key": _with("server.id", "n1"),
    "an id of a user": _with("server.id", nkey.create("user").public_key),
    "a name that is none": _with("server.name", {"x": 1}),
    "a name of two lines": _with("server.name", "n1\r\nfatal: x"),
    "an error of text": _with("error", "x"),
    "an error of numbers": _with("error", [5]),
    "an error without words": _with("error", {"account": "unknown", "code": "x"}),
    "an error with words of numbers": _with("error", {"description": 5}),
}


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Do not wait for further servers: there is only one. Wait for it only if its answers can be read."""
    monkeypatch.setattr(servers, "_LINGER", 0)
    monkeypatch.setattr(servers, "_PATIENCE", 0.3 if kind == "PING" else 20)


#: Malformed answers for every kind of request. tests/unit/test_answers.py tries all of them, and more, for every kind.
_SOME_MALFORMED = ("no JSON", "a huge number", "deep", "no server", "an id of a user", "an error of text")


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize(
    ("kind", "malformed"),
    [
        *(("UPDATE", malformed) for malformed in _MALFORMED),
        *(
            (kind, malformed)
            for kind in ("PING", "VARZ", "SUBSZ", "LIST", "STATZ", "JSZ", "DELETE", "ACCOUNTZ", "INFO")
            for malformed in _SOME_MALFORMED
        ),
    ],
)
def test_malformed_answer_is_named(capfd: pytest.CaptureFixture[str], kind: str, malformed: str) -> None:
    realm = Realm()
    pretender = Pretender(
        realm, {kind: _MALFORMED[malformed]}, accounts={_KEY: realm.account(nkey.from_public_key(_KEY), "old")}
    )
    said = _everything(pretender)
    # Since Python 3.12, JSON may be nested deeper, so a deep answer can be read, and says nothing about the account.
    is_read = "deep" in malformed and sys.version_info >= (3, 12)
    known = ("cannot be", "error", "refuses", "It is not known", *(["does not have it"] if is_read else []))
    assert any(words in said for words in known), said
    assert capfd.readouterr().err == ""


# ---- URLs


@pytest.mark.parametrize(
    "password", ["hunter2secret", "hunter2/secret", "hunter2@secret", "hunter2%40secret", "hun:ter2#secret"]
)
def test_password_in_a_url_is_shown_nowhere(site: Site, password: str) -> None:
    parts = {password, unquote(password), *re.split("[^a-z0-9]", password)}
    _unused, token = Realm().new_account("app")
    with hostile_server(says(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")) as account_server:
        where = f"{password}@127.0.0.1:{account_server.port}"
        for module, task in (
            ("resolver_info", {"servers": [f"nats://user:{where}"]}),
            ("resolver", {"servers": f"tls://127.0.0.1:1,:{where}"}),
            ("resolver_info", {"account_server_url": f"http://user:{where}/jwt/v1"}),
            ("resolver", {"servers": [f"nats://{where}"], "no_such_option": f"nats://user:{where}"}),
        ):
            arguments = {
                **task,
                "creds": "x",
                "jwts": [token],
                "timeout": "1s",
                "_ansible_remote_tmp": str(site.collections),
            }
            if "account_server_url" in task:
                del arguments["creds"]
            text = "".join(site.modules.run(f"nats_{module}", arguments)[1:])
            assert "Traceback" not in text
            assert not [part for part in parts if part in text], text


def test_short_password_does_not_mask_words(site: Site) -> None:
    result = site.start("resolver_info", {"servers": ["nats://u:e@h"], "creds": "x"})
    assert result["failed"]
    assert result["invocation"]["module_args"]["servers"] == ["nats://********h"]


def test_account_server_gets_user_and_password(site: Site) -> None:
    with hostile_server(answers(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")) as server:
        url = f"http://user:pass%2Fword@127.0.0.1:{server.port}/jwt/v1"
        site.run("resolver_info", account_server_url=url, public_keys=[_KEY])
        assert b"Authorization: Basic " + base64.b64encode(b"user:pass/word") in server.received


_URLS = [
    "http://[::1/",
    "nats://[::1/",
    "nats://::1",
    "nats://[::g]:1",
    "nats://[]:1",
    "nats://host:port",
    "nats://host:99999",
    "nats://host:0",
    "nats://host:-1",
    "nats://host:1:2",
    "nats://",
    "nats:///x",
    "nats://:4222",
    "nats://ho st",
    "nats://host\n",
    "nats://host\0",
    "nats://host\r\nPUB x 0",
    "nats://h\u00f6st",
    "nats://a..b",
    "nats://-host",
    f"nats://{'a' * 64}",
    f"nats://{'a.' * 200}b",
    "nats://ho\\st",
    "nats://host?x=1",
    "nats://host#x",
    "nats://us%zzer@host",
    "amqp://host",
    "://host",
    "nats:host",
    "",
    " ",
    "@",
]


@pytest.mark.parametrize("url", [*_URLS, "nats://host/path", "http://host"])
def test_malformed_url_of_a_server_has_one_clear_message(url: str) -> None:
    with pytest.raises(NatsSecurityError, match=r"^servers\[1\]: ") as error:
        addresses.server_address(url, "servers[1]")
    assert str(error.value).isprintable()


@pytest.mark.parametrize("url", [*(url.replace("nats://", "http://") for url in _URLS), "nats://host"])
def test_malformed_url_of_an_account_server_has_one_clear_message(url: str) -> None:
    with pytest.raises(NatsSecurityError, match=r"^account_server_url: ") as error:
        addresses.account_server_address(url, "account_server_url")
    assert str(error.value).isprintable()


@pytest.mark.parametrize("url", ["http://[::1/", "nats://host:port", "nats://ho\0st", ""])
def test_malformed_url_is_one_clear_message_of_a_task(site: Site, url: str) -> None:
    realm = Realm()
    message = site.refuse("resolver_info", servers=["nats://127.0.0.1:1", url], creds=realm.creds())
    assert message.startswith("servers[1]: ")
    message = site.refuse("resolver_info", account_server_url=url, public_keys=[_KEY])
    assert message.startswith("account_server_url: ")


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("n1", ("nats", "n1", 4222, "")),
        ("n1:1", ("nats", "n1", 1, "")),
        ("NATS://n1.:1/", ("nats", "n1.", 1, "/")),
        ("tls://127.0.0.1", ("tls", "127.0.0.1", 4222, "")),
        ("nats://[::1]:1", ("nats", "::1", 1, "")),
        ("nats://[fe80::1%25eth0]", ("nats", "fe80::1%eth0", 4222, "")),
        ("ws://my_host/path?x=%20", ("ws", "my_host", 80, "/path?x=%20")),
        ("wss://n1:", ("wss", "n1", 443, "")),
    ],
)
def test_url_is_taken_apart(url: str, found: tuple[str, str, int, str]) -> None:
    address = addresses.server_address(url, "")
    assert (address.scheme, address.host, address.port, address.target) == found


def test_seed_in_a_url_is_refused_and_not_shown(site: Site) -> None:
    seed = nkey.create("user").seed
    message = site.refuse("resolver_info", servers=[f"nats://{seed}@h"], creds=Realm().creds())
    assert message.startswith("servers[0]: this contains a seed")
    message = site.refuse("resolver_info", account_server_url=f"http://h/{seed}", public_keys=[_KEY])
    assert message.startswith("account_server_url: this contains a seed")


def test_wanted_tls_rules_out_an_account_server_without(site: Site, certificates: pathlib.Path) -> None:
    with hostile_server(says(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")) as plain:
        url = f"http://127.0.0.1:{plain.port}"
        for more in (
            {"tls_ca_path": str(certificates / "ca.pem")},
            {"tls_server_name": "x"},
            {"tls_handshake_first": True},
        ):
            message = site.refuse("resolver_info", account_server_url=url, public_keys=[_KEY], **more)
            assert message.startswith(f"account_server_url: {url} is never encrypted, and ")
        assert plain.clients == []


# ---- time and memory


def _options(
    port: int, realm: Realm, scheme: str = "nats", timeout: float = 0.5, connect_timeout: float = 60
) -> system_connection.Options:
    inbox = system_connection.new_inbox()
    user = system_connection.TemporaryUser(
        realm.system, realm.system.public_key, False, inbox, cluster_accounts.SUBJECTS_OF["exact"]
    )
    return system_connection.Options((f"{scheme}://127.0.0.1:{port}",), user, inbox, connect_timeout, timeout)


def _failure(work: Callable[[], Any]) -> str:
    """The message of the error with which the work ends, within a minute."""
    found: list[str] = []

    def run() -> None:
        try:
            work()
        except NatsSecurityError as error:
            found.append(str(error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(60)
    assert found, "it does not end" if thread.is_alive() else "it does not fail"
    return found[0]


def _looking(options: system_connection.Options) -> Callable[[], Any]:
    return lambda: system_connection.run(options, lambda connection: info.look_at(connection, [], [], None, [], True))


_UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\n"


@pytest.mark.parametrize(
    ("scheme", "talk"),
    [
        ("nats", says(b"")),
        ("nats", says(b"INFO {")),
        ("nats", drips(b'{"', first=b"INFO ")),
        ("nats", says(Pretender(Realm()).info_line)),
        ("nats", drips(b"x", first=Pretender(Realm()).info_line + b"-ERR ")),
        ("tls", says(b"")),
        ("tls", says(Pretender(Realm(), info={"tls_required": True}).info_line)),
        ("tls", drips(b"\x16", first=Pretender(Realm(), info={"tls_required": True}).info_line)),
        ("ws", says(b"")),
        ("ws", drips(b"x", first=b"HTTP/1.1 101 ")),
        ("ws", drips(b"x: y\r\n", first=_UPGRADE, pause=0.01)),
        ("wss", drips(b"\x16", first=b"\x16")),
    ],
    ids=[
        "silent", "half a line", "INFO byte by byte", "no answer to the login", "an error byte by byte", "silent for TLS", "silent in the handshake",
        "a handshake byte by byte", "silent websocket", "status byte by byte", "headers without end", "secure websocket byte by byte",
    ],
)  # fmt: skip
def test_connecting_has_one_deadline(scheme: str, talk: Talk) -> None:
    with hostile_server(talk) as server:
        message = _failure(_looking(_options(server.port, Realm(), scheme, connect_timeout=0.5)))
        assert f"{scheme}://127.0.0.1:{server.port}: no answer for 500ms." in message or "TLS failed" in message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"x" * (channels.LONGEST_LINE + 3), "a line of more than"),
        (b"SSH-2.0-OpenSSH\r\n", "it is not a NATS server: it begins with 'SSH-2.0-OpenSSH'"),
        (b"INFO nonsense\r\n", "its INFO cannot be read: INFO is not JSON"),
        (b"INFO []\r\n", "INFO is an array, expected an object"),
        (b"INFO \xff\r\n", "INFO is not UTF-8"),
        (b"INFO " + b"[" * 100_000 + b"\r\n", "nested too deeply"),
        (b"INFO {}\r\n", "it asks for no signature (no nonce in its INFO), so it is not in operator mode"),
        (b'INFO {"nonce":5}\r\n', "INFO.nonce is 5"),
        (b'INFO {"nonce":"eyJ0.eyJ1.x"}\r\n', "INFO.nonce is"),
        (b'INFO {"nonce":"a\\r\\nPUB x 0"}\r\n', "INFO.nonce is"),
        (b'INFO {"nonce":"abc","max_payload":"x"}\r\n', "INFO.max_payload is"),
        (b'INFO {"nonce":"abc","tls_required":"no"}\r\n', "INFO.tls_required is"),
        (b'INFO {"nonce":"abc"}\r\nnonsense\r\n', "it does not follow the protocol of NATS: it sends 'nonsense'"),
        (b'INFO {"nonce":"abc"}\r\n-ERR\r\n', "does not follow the protocol"),
        (b'INFO {"nonce":"abc"}\r\n-ERR \'Authorization Violation\'\r\n', "refuses this user"),
        (b'INFO {"nonce":"abc"}\r\n-ERR \'Fatal: \x1b[31m\xff\'\r\n', "Fatal: [31m"),
        (b'INFO {"nonce":"abc"}\r\nMSG x 1 99999999999\r\n', "does not follow the protocol"),
        (b'INFO {"nonce":"abc"}\r\nMSG x 1 999999999\r\n', "a message of 999999999 bytes"),
        (b'INFO {"nonce":"abc"}\r\nHMSG x 1 5 5\r\nxxxxx\r\n', "a message with invalid headers"),
        (b'INFO {"nonce":"abc"}\r\nHMSG x 1 9 5\r\nxxxxx\r\n', "a message with invalid headers"),
        (b'INFO {"nonce":"abc"}\r\nMSG x 1 2\r\nabcd\r\n', "a message of another length than announced"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else value[:40],
)
def test_whatever_a_server_begins_with_is_one_clear_message(
    capfd: pytest.CaptureFixture[str], data: bytes, words: str
) -> None:
    with hostile_server(says(data)) as server:
        message = _failure(_looking(_options(server.port, Realm())))
        assert words in message
        assert message.isprintable()
    assert capfd.readouterr().err == ""


def _flood(data: bytes) -> Twist:
    """A function that repeats the data without end, or the answer if the data is empty."""
    return lambda answer: itertools.repeat(data or as_json(answer)[0])


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("PING", b"nonsense"),
        ("PING", b"x" * 1_000_000),
        ("VARZ", b""),
        ("LIST", b"x" * 1_000_000),
        ("LOOKUP", b""),
        ("UPDATE", b"x" * 1_000_000),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_answers_without_end_are_given_up(kind: str, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_connection, "MOST_BYTES", 4_000_000)
    monkeypatch.setattr(system_connection, "MOST_ANSWERS", 100)
    monkeypatch.setattr(servers, "_LISTING", 0.2)
    realm = Realm()
    pretender = Pretender(realm, {kind: _flood(data)}, accounts={_KEY: realm.account(nkey.from_public_key(_KEY), "x")})
    said = _everything(pretender, timeout=20 if kind == "PING" else 0.2)  # answers to PING end the work at once
    assert said
    if kind == "PING":  # for other kinds, no answer is read after that of a server
        assert "There are too many answers to $SYS.REQ.SERVER.PING: " in said


def test_requests_that_are_never_answered_end() -> None:
    with hostile_server(Pretender(Realm(), {"PING": lambda answer: []})) as server:
        message = _failure(_looking(_options(server.port, Realm())))
        assert message.startswith("No server answered a request to the system")


def test_answer_that_drips_does_not_count_as_one() -> None:
    realm = Realm()

    def drip(client: Any) -> None:
        client.send(Pretender(realm).info_line)
        client.read()
        client.send(b"PONG\r\n")
        client.read()
        client.send(b"MSG x 1 100000\r\n")
        while not client.done.wait(0.05):
            client.send(b" ")

    with hostile_server(drip) as server:
        assert "No server answered" in _failure(_looking(_options(server.port, realm)))


def test_server_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "_STALLED", 0.3)
    realm = Realm()

    def deaf(client: Any) -> None:
        client.send(Pretender(realm).info_line)
        client.read()
        client.send(b"PONG\r\n")
        client.done.wait(60)

    async def shout(connection: Any) -> Any:
        requests = [("x", b"x" * 1_000_000)] * 200
        return await connection.ask_many(requests, lambda *_unused: True, 0.5)

    with hostile_server(deaf) as server:
        message = _failure(lambda: system_connection.run(_options(server.port, realm), shout))
        assert "was lost" in message


@pytest.mark.parametrize(
    "talk",
    [
        says(b""),
        answers(b""),
        drips(b"HTTP/1.1 200 OK\r\n"),
        drips(b"x: y\r\n", first=b"HTTP/1.1 200 OK\r\n", pause=0.01),
        drips(b"x", first=b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        drips(b"x", first=b"HTTP/1.0 200 OK\r\n\r\n"),
        drips(b"1\r\nx\r\n", first=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        drips(b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.001),
        says(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000 + b"\r\n"),
        says(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n"),
        says(b"SSH-2.0-OpenSSH\r\n"),
        says(b"\xff\xff\xff\xff"),
        answers(b"HTTP/1.1 99999999999 OK\r\n\r\n"),
        answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n"),
        answers(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 3_000_000),
        answers(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n"),
        answers(b"HTTP/1.1 500 \x1b[31mNo\r\n\r\nfirst\x1b[31m\r\nsecond"),
        answers(b"HTTP/1.1 204 No Content\r\n\r\n"),
    ],
)
def test_account_server_has_one_deadline_and_one_clear_message(capfd: pytest.CaptureFixture[str], talk: Talk) -> None:
    with hostile_server(talk) as server:
        at = account_server.at_url(f"http://127.0.0.1:{server.port}", 0.5, channels.Tls())
        message = _failure(lambda: account_server.read_account(at, _KEY))
        assert message.startswith(f"http://127.0.0.1:{server.port} ")
        assert message.isprintable()
        assert len(message) < 1000
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", _unsigned(_KEY).encode()], ids=["empty", "no text", "unsigned"])
def test_what_an_account_server_holds_is_no_jwt(site: Site, data: bytes) -> None:
    realm = Realm()
    _unused, token = realm.new_account("app")
    with hostile_server(answers(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n" + data)) as server:
        task = {"account_server_url": f"http://127.0.0.1:{server.port}", "jwts": [token]}
        (difference,) = site.run("resolver_info", **task)["differences"]
        assert "is not a JWT: " in difference or "does not have it" in difference


def test_account_server_that_drips_in_the_handshake_is_given_up() -> None:
    with hostile_server(drips(b"\x16")) as server:
        at = account_server.at_url(f"https://127.0.0.1:{server.port}", 0.5, channels.Tls())
        message = _failure(lambda: account_server.read_account(at, _KEY))
        assert "has not answered within 500ms" in message or "TLS failed" in message


# ---- connections that are lost


@dataclasses.dataclass
class Fickle(Pretender):
    """A server that closes the connection after `patience` pushes, and refuses the next `refuses` connections."""

    patience: int = 100
    refuses: int = 3

    def __call__(self, client: Any) -> None:
        """Serve one connection."""
        if len([one for one in self.asked if one.endswith("UPDATE")]) < self.patience or self.refuses < 0:
            super().__call__(client)
        else:
            self.refuses -= 1

    def _reply(self, client: Any, subject: str, reply: bytes, payload: bytes) -> None:
        super()._reply(client, subject, reply, payload)
        if self.refuses >= 0 and len([one for one in self.asked if one.endswith("UPDATE")]) >= self.patience:
            raise ConnectionResetError


def _push(pretender: Pretender, count: int, timeout: float) -> cluster_accounts.Outcome:
    wanted = [plan.read_wanted(pretender.realm.new_account(f"a{index}")[1], "test") for index in range(count)]
    with hostile_server(pretender) as server:
        options = _options(server.port, pretender.realm, timeout=timeout)
        return system_connection.run(
            options,
            lambda connection: cluster_accounts.bring_in_line(connection, cluster_accounts.Task("present", wanted)),
        )


def test_push_goes_on_after_connections_that_are_refused() -> None:
    pretender = Fickle(Realm())
    outcome = _push(pretender, 200, 60)
    assert {account.action for account in outcome.accounts} == {"pushed"}
    assert pretender.accounts.keys() == {account.public_key for account in outcome.accounts}


def test_push_that_is_given_up_says_what_was_pushed_and_what_not() -> None:
    pretender = Fickle(Realm(), refuses=10**9)
    with pytest.raises(cluster_accounts.ClusterError) as error:
        _push(pretender, 1000, 1)
    found = {account.public_key: (account.action, account.servers["n1"]) for account in error.value.outcome.accounts}
    states = collections.Counter(found.values())
    assert set(states) == {("pushed", "updated"), ("unknown", "no answer"), ("not pushed", "not sent")}
    assert {key for key, state in found.items() if state[0] == "pushed"} <= set(pretender.accounts)
    assert not {key for key, state in found.items() if state[0] == "not pushed"} & set(pretender.accounts)
    message = str(error.value)
    actions = collections.Counter(action for action, _unused in found.values())
    assert (
        f"Of 1000 accounts to change, {actions['pushed']} pushed, {actions['unknown']} of unknown state, {actions['not pushed']} not pushed; "
        "still to be done: a"
    ) in message
    assert "The connection was lost" in message


def test_reset_after_a_refusal_hides_no_reason(capfd: pytest.CaptureFixture[str]) -> None:
    realm = Realm()

    def refuse(client: Any) -> None:
        client.send(Pretender(realm).info_line)
        client.read()
        client.send(b"-ERR 'Authorization Violation'\r\n")
        client.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.connection.close()

    with hostile_server(refuse) as server:
        for _unused in range(10):
            assert "authorization violation" in _failure(_looking(_options(server.port, realm)))
            gc.collect()
    assert capfd.readouterr().err == ""


def test_account_server_that_fails_meanwhile_is_pushed_to_again_or_what_was_pushed_is_said() -> None:
    """The server closes the connection at every third request, and after a number of requests at each one."""
    realm = Realm()
    held: dict[str, str] = {}
    requests = itertools.count(1)
    limit = [10**9]

    def talk(client: Any) -> None:
        request = client.read()
        number = next(requests)
        if number % 3 == 0 or number > limit[0]:
            return
        account = request.split()[1].decode().rpartition("/")[2]
        if request.startswith(b"POST"):
            body = request.partition(b"\r\n\r\n")[2]
            held[account] = (body or client.read()).decode()
        body = held.get(account, "").encode()
        client.send(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (b"200 OK" if body else b"404 No", len(body)) + body)

    tokens = [plan.read_wanted(realm.new_account(f"a{index}")[1], "test") for index in range(8)]
    with hostile_server(talk) as server:
        at = account_server.at_url(f"http://127.0.0.1:{server.port}", 5, channels.Tls())
        account_server._push(at, tokens[:4], {"accounts": [{"public_key": one.subject} for one in tokens[:4]]})
        assert held == {one.subject: one.token for one in tokens[:4]}
        limit[0] = next(requests) + 8
        result = {"accounts": [{"public_key": one.subject, "action": "pushed"} for one in tokens[4:]]}
        with pytest.raises(
            account_server.PartlyDone, match=r"of 4 accounts were pushed; still to be pushed: account a"
        ):
            account_server._push(at, tokens[4:], result)
        actions = [account["action"] for account in result["accounts"]]
        assert actions == sorted(actions, key=["pushed", "unknown", "not pushed"].index)
        assert actions[0] == "pushed"
        assert actions.count("unknown") == 1


# ---- nats-py


@pytest.mark.parametrize("version", ["2.15.0", "2.2"])
def test_older_nats_py_is_refused(site: Site, version: str) -> None:
    metadata = f"Metadata-Version: 2.1\nName: nats-py\nVersion: {version}\n"
    site.write(f"old/nats_py-{version}.dist-info/METADATA", metadata)
    path = f"PYTHONPATH={site / 'old'}:{site.collections}"
    message = site.refuse(
        "resolver_info", {"wrapped": ["env", path]}, servers=["nats://127.0.0.1:1"], creds=Realm().creds()
    )
    assert message.startswith(f"The Python library nats-py {version} is too old, nats-py>=2.16 is needed")


# ---- a token other than the requested one


def test_token_of_something_else_is_not_taken_for_that_of_the_account(site: Site) -> None:
    realm = Realm()
    key, token = realm.new_account("app")
    _unused, other = realm.new_account("other", age=0)
    user = decorated.find_token(realm.creds(key))
    operator = codec.encode(realm.operator_claims, realm.signing, realm.born)
    lines = key.public_key + "\r\nPUB $SYS.REQ.SERVER.X.RELOAD 0\r\n\r\n"
    for held, words in (
        (other, "with account claims for A"),
        (user, "with user claims for U"),
        (operator, "with operator claims for O"),
        (_unsigned(lines), "not a JWT"),
        (_unsigned(key.public_key), "not a JWT"),
        (token[:-4] + "AAAA", "not a JWT"),
        (token + "\r\n" + other, "not a JWT"),
    ):
        pretender = Pretender(
            realm, {"LOOKUP": lambda answer, held=held: [held.encode()]}, accounts={key.public_key: token}
        )
        with (
            hostile_server(pretender) as server,
            hostile_server(answers(b"HTTP/1.0 200 OK\r\n\r\n" + held.encode())) as urls,
        ):
            for where in (
                {"servers": [f"nats://127.0.0.1:{server.port}"], "system_signer_seed": realm.system.seed},
                {"account_server_url": f"http://127.0.0.1:{urls.port}"},
            ):
                result = site.start("resolver_info", {**where, "public_keys": [key.public_key]})
                (account,) = result["accounts"]
                assert (account["jwt"], account["claims"], account["name"]) == (None, None, "")
                assert list(account["servers"].values()) == ["no JWT of it"]
                assert words in json.dumps(result["differences"])
                # The same with a JWT given for the account: it is not reported as the server's, and the push is verified by a lookup.
                given = {**where, "jwts": [token]}
                (account,) = site.start("resolver_info", given)["accounts"]
                assert account["jwt"] is None
                message = site.refuse("resolver", **given, timeout="1s")
                assert key.public_key in message
                assert "\r" not in message
                assert lines not in json.dumps(message)


@pytest.mark.parametrize("module", ["resolver", "resolver_info"])
def test_what_is_given_to_be_pushed_is_of_an_account(site: Site, module: str) -> None:
    realm = Realm()
    key, token = realm.new_account("app")
    user = decorated.find_token(realm.creds(key))
    operator = codec.encode(realm.operator_claims, realm.signing, realm.born)
    with hostile_server(Pretender(realm)) as server, hostile_server(says(b"HTTP/1.1 404 Not Found\r\n\r\n")) as urls:
        where = {"servers": [f"nats://127.0.0.1:{server.port}"], "system_signer_seed": realm.system.seed}
        for task in (where, {"account_server_url": f"http://127.0.0.1:{urls.port}/jwt/v1"}):
            for wrong, words in ((user, "user"), (operator, "operator"), (token + "\n" + token, "parts")):
                message = site.refuse(module, **task, jwts=[wrong])
                assert message.startswith("jwts[0]: ")
                assert words in message
        assert server.clients + urls.clients == []


def test_operator_that_a_server_made_up_is_not_believed() -> None:
    realm, other = Realm(), nkey.create("operator")
    forged = codec.encode(dataclasses.replace(realm.operator_claims), other, realm.born)
    of_account = realm.system_jwt
    for operator, words in (
        (forged, f"is signed by {other.public_key}, which is not a key of"),
        (of_account, "a JWT of account claims"),
    ):
        pretender = Pretender(realm, {"VARZ": _with("data.trusted_operators_jwt", [operator])})
        assert words in _everything(pretender)


# ---- what servers report about themselves


def test_account_that_stays_loaded_as_expired_is_named() -> None:
    realm = Realm()
    pretender = Pretender(realm, {"INFO": _with("data.expired", True)})
    with pytest.raises(
        cluster_accounts.ClusterError, match=r"was pushed, and n1 accepted it, but has it loaded as expired: restart"
    ) as error:
        _push(pretender, 2, 1)
    assert {account.action for account in error.value.outcome.accounts} == {"pushed"}


def test_user_who_may_not_see_what_is_loaded_is_no_obstacle(site: Site) -> None:
    realm = Realm()
    fleet = Fleet(site.folder.parent / "one", realm, [FULL])
    try:
        fleet.nodes[0].start()
        access = UserAccess(permissions=Permissions(publish=Permission(deny=["$SYS.REQ.SERVER.PING.ACCOUNTZ"])))
        _unused, token = realm.new_account("app")
        task = {"servers": fleet.urls, "creds": realm.creds(access=access), "jwts": [token]}
        result = site.run("resolver", **task)
        assert "It is not known whether servers have accounts loaded as expired" in json.dumps(result["warnings"])
        assert "ACCOUNTZ" in json.dumps(result["warnings"])
        assert not site.start("resolver", task)["changed"]
    finally:
        fleet.stop()
