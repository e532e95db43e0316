# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Attacks of those who sit on the network: TLS that is stripped, commands in subjects, and answers that are not what they should be."""

from __future__ import annotations

import base64
import dataclasses
import json
import pathlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from support.fleets import FULL, Fleet, Realm, make_certificates, tls_config
from support.network import Pretender, answers, as_json, relay, says, stranger, without_tls
from support.ports import free_ports

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.cluster import accounts as clusters
from ansible_collections.natsops.security.plugins.module_utils.cluster import addresses, channel, info, plan, servers
from ansible_collections.natsops.security.plugins.module_utils.cluster import connection as connections
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey

if TYPE_CHECKING:
    from support.sites import Site

pytestmark = pytest.mark.server


# ---- TLS that is stripped


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Certificates for 127.0.0.1."""
    return make_certificates(tmp_path_factory.mktemp("tls"), "IP:127.0.0.1", "DNS:nats.test")


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, certificates: pathlib.Path) -> Iterator[Fleet]:
    """A server that insists on TLS, with a websocket that does too."""
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
    """The options of a look at the system account."""
    task = fleet.task(servers=servers, public_keys=[fleet.realm.system.public_key], timeout="2s", connect_timeout="2s")
    if certificates is not None:
        task["tls_ca_path"] = str(certificates / "ca.pem")
    return {**task, **more}


def _sent_nothing(received: bytes) -> bool:
    """Whether no user was named: a TLS handshake may have begun, which names none."""
    return b"CONNECT" not in received and b"eyJ" not in received


@pytest.mark.parametrize("scheme", ["tls", "nats"])
def test_server_whose_tls_is_stripped_is_sent_nothing(
    site: Site, secure: Fleet, certificates: pathlib.Path, scheme: str
) -> None:
    with stranger(relay(secure.nodes[0].port, without_tls)) as between:
        url = f"{scheme}://127.0.0.1:{between.port}"
        message = site.refuse("resolver_info", **_look(secure, [url], certificates))
        assert f"{url}: it offers no TLS, which the task wants: nothing was sent to it." in message
        assert between.received == b""


def test_server_behind_an_honest_relay_is_reached(site: Site, secure: Fleet, certificates: pathlib.Path) -> None:
    with stranger(relay(secure.nodes[0].port, lambda data: data)) as between:
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
    with stranger(Pretender(secure.realm)) as plain:
        url = f"nats://127.0.0.1:{plain.port}"
        assert f"{url}: " in site.refuse("resolver_info", **_look(secure, [url], **option))
        assert _sent_nothing(plain.received)


@pytest.mark.parametrize("order", [1, -1])
def test_where_one_url_asks_for_tls_no_other_server_is_connected_to_without(
    site: Site, secure: Fleet, order: int
) -> None:
    (closed,) = free_ports(1)
    with stranger(Pretender(secure.realm)) as plain:
        urls = [f"tls://127.0.0.1:{closed}", f"nats://127.0.0.1:{plain.port}"][::order]
        message = site.refuse("resolver_info", **_look(secure, urls))
        assert f"tls://127.0.0.1:{closed}: Connection refused." in message
        assert f"nats://127.0.0.1:{plain.port}: it offers no TLS, which the task wants" in message
        assert plain.received == b""


def test_bytes_in_the_clear_before_tls_are_not_taken_for_answers(
    site: Site, secure: Fleet, certificates: pathlib.Path
) -> None:
    def add(data: bytes) -> bytes:
        return data + b"PONG\r\n" if data.startswith(b"INFO") else data

    with stranger(relay(secure.nodes[0].port, add)) as between:
        message = site.refuse("resolver_info", **_look(secure, [f"tls://127.0.0.1:{between.port}"], certificates))
        assert "it sends more than its INFO in the clear" in message
        assert between.received == b""


@pytest.mark.parametrize(
    ("host", "more"), [("localhost", {}), ("127.0.0.1", {"tls_server_name": "other.test"})], ids=["url", "option"]
)
def test_host_name_is_verified(
    site: Site, secure: Fleet, certificates: pathlib.Path, host: str, more: dict[str, Any]
) -> None:
    with stranger(relay(secure.nodes[0].port, lambda data: data)) as between:
        task = _look(secure, [f"tls://{host}:{between.port}"], certificates, **more)
        assert "TLS failed" in site.refuse("resolver_info", **task)
        assert _sent_nothing(between.received)


def test_addresses_in_info_are_not_learned(site: Site, secure: Fleet, certificates: pathlib.Path) -> None:
    with stranger(Pretender(secure.realm)) as other:

        def advertise(data: bytes) -> bytes:
            urls = json.dumps([f"127.0.0.1:{other.port}"]).encode()
            return data.replace(b"INFO {", b'INFO {"connect_urls":' + urls + b",", 1)

        with stranger(relay(secure.nodes[0].port, advertise)) as between:
            task = _look(secure, [f"tls://127.0.0.1:{between.port}"], certificates)
            assert site.run("resolver_info", **task)["accounts"][0]["name"] == "SYS"
            assert other.clients == []


def test_connection_made_anew_is_encrypted_too(secure: Fleet, certificates: pathlib.Path) -> None:
    """The relay strips TLS from the second connection on."""
    seen: list[int] = []

    def strip_later(data: bytes) -> bytes:
        if data.startswith(b"INFO"):
            seen.append(1)
        return without_tls(data) if len(seen) > 1 else data

    with stranger(relay(secure.nodes[0].port, strip_later)) as between:
        context = channel.default_context(str(certificates / "ca.pem"))
        options = secure.options(timeout=1)
        options = dataclasses.replace(
            options, servers=(f"nats://127.0.0.1:{between.port}",), tls=context, connect_timeout=2
        )

        async def interrupted(connection: Any) -> Any:
            key = secure.realm.system.public_key
            assert await clusters.look_up(connection, [key], 1) == {key: [secure.realm.system_jwt]}
            between.clients[0].connection.shutdown(2)
            return await clusters.look_up(connection, [key], 1)

        with pytest.raises(NatsSecurityError, match=r"was lost.*offers no TLS"):
            connections.run(options, interrupted)
        assert len(between.clients) > 1
        assert all(_sent_nothing(bytes(client.received)) for client in between.clients[1:])


# ---- websockets


def test_websocket_without_tls_is_refused_where_tls_is_wanted(site: Site, secure: Fleet) -> None:
    with stranger(says(b"")) as plain:
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
    with stranger(Pretender(secure.realm)) as other:
        moved = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{other.port}/\r\nContent-Length: 0\r\n\r\n"
        with stranger(says(moved.encode())) as server:
            message = site.refuse("resolver_info", **_look(secure, [f"ws://127.0.0.1:{server.port}"]))
            assert "it answers to the websocket handshake with 'HTTP/1.1 302 Found'" in message
        assert other.clients == []


# ---- commands in subjects


def _unsigned(subject: Any, **more: Any) -> str:
    """The JWT of an account that nobody signed, with whatever subject."""
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
    with stranger(Pretender(realm)) as server, stranger(says(b"HTTP/1.1 404 Not Found\r\n\r\n")) as account_server:
        where = {"servers": [f"nats://127.0.0.1:{server.port}"], "system_signer_seed": realm.system.seed}
        for task in (where, {"account_server_url": f"http://127.0.0.1:{account_server.port}/jwt/v1"}):
            for module in ("resolver", "resolver_info"):
                assert site.refuse(module, **task, jwts=[token]).startswith("jwts[0]: ")
        assert server.clients + account_server.clients == []


@pytest.mark.parametrize("subject", [name for name in _SUBJECTS if isinstance(_SUBJECTS[name], str)])
@pytest.mark.parametrize("kind", ["LIST", "PING", "VARZ", "STATZ"])
def test_what_servers_list_is_parsed_before_it_is_asked_for(kind: str, subject: str) -> None:
    text = _SUBJECTS[subject]

    def twist(answer: Any) -> list[bytes]:
        places = {"LIST": answer.get("data"), "STATZ": answer.get("data")}
        if kind == "LIST":
            answer["data"].append(text)
        elif kind == "PING":
            answer["server"]["id"] = text
        elif kind == "VARZ":
            answer["data"]["system_account"] = text
        else:
            places["STATZ"]["account_statz"].append({"acc": text, "conns": 1})
        return as_json(answer)

    realm = Realm()
    pretender = Pretender(realm, {kind: twist}, accounts={_KEY: realm.account(nkey.from_public_key(_KEY), "old")})
    _everything(pretender, expect="cannot be")
    assert all(set(subject.replace("$", "")) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567.") for subject in pretender.asked)


# ---- answers that are not what they should be


def _everything(pretender: Pretender, expect: str = "", timeout: float = 0.3) -> str:
    """Push, remove and look with a server. What was said about it: errors, warnings and reasons."""
    realm = pretender.realm
    _unused, token = realm.new_account("app")
    said = []
    with stranger(pretender) as server:
        inbox = connections.new_inbox()
        user = connections.TemporaryUser(
            realm.system, realm.system.public_key, False, inbox, clusters.SUBJECTS_OF["exact"]
        )
        options = connections.Options((f"nats://127.0.0.1:{server.port}",), user, inbox, 5, timeout)
        wanted = [plan.read_wanted(token, "test")]
        task = clusters.Task("exact", wanted, signer=lambda allowed: realm.signing)

        async def push(connection: Any) -> None:
            outcome = await clusters.bring_in_line(connection, task)
            said.extend([*outcome.warnings, *(reason for account in outcome.accounts for reason in account.reasons)])

        async def look(connection: Any) -> None:
            said.extend((await info.look_at(connection, [], wanted, None, [], True))["differences"])

        for work in (push, look):
            try:
                connections.run(options, work)
            except NatsSecurityError as error:
                said.extend([str(error), *(error.outcome.warnings if isinstance(error, clusters.ClusterError) else ())])
    text = "\n".join(said)
    assert expect in text
    assert "\r" not in text
    return text


def _with(place: str, value: Any) -> Any:
    """An answer with something else at a place such as `server.id`."""

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
    "an id that is no key": _with("server.id", "n1"),
    "an id of a user": _with("server.id", nkey.create("user").public_key),
    "a name that is none": _with("server.name", {"x": 1}),
    "a name of two lines": _with("server.name", "n1\r\nfatal: x"),
    "an error of text": _with("error", "x"),
    "an error of numbers": _with("error", [5]),
    "an error without words": _with("error", {"account": "unknown", "code": "x"}),
    "an error with words of numbers": _with("error", {"description": 5}),
}


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not linger for further servers: there is one."""
    monkeypatch.setattr(servers, "_LINGER", 0)


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("malformed", _MALFORMED)
@pytest.mark.parametrize("kind", ["PING", "VARZ", "SUBSZ", "LIST", "UPDATE", "STATZ", "JSZ", "DELETE"])
def test_malformed_answer_is_named(capfd: pytest.CaptureFixture[str], kind: str, malformed: str) -> None:
    realm = Realm()
    pretender = Pretender(
        realm, {kind: _MALFORMED[malformed]}, accounts={_KEY: realm.account(nkey.from_public_key(_KEY), "old")}
    )
    said = _everything(pretender)
    assert any(words in said for words in ("cannot be", "error", "refuses")), said
    assert capfd.readouterr().err == ""


# ---- URLs


@pytest.mark.parametrize(
    "password", ["hunter2secret", "hunter2/secret", "hunter2@secret", "hunter2%40secret", "hun:ter2#secret"]
)
def test_password_in_a_url_is_shown_nowhere(site: Site, password: str) -> None:
    parts = {password, unquote(password), *re.split("[^a-z0-9]", password)}
    _unused, token = Realm().new_account("app")
    with stranger(says(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")) as account_server:
        where = f"{password}@127.0.0.1:{account_server.port}"
        for module, task in (
            ("resolver_info", {"servers": [f"nats://user:{where}"]}),
            ("resolver_info", {"servers": f"tls://127.0.0.1:1,:{where}"}),
            ("resolver_info", {"account_server_url": f"http://user:{where}/jwt/v1"}),
            ("resolver", {"account_server_url": f"http://user:{where}/jwt/v1"}),
            ("resolver", {"account_server_url": where}),
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
    with stranger(answers(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")) as server:
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
    assert message.startswith("servers[0]: there is a seed")
    message = site.refuse("resolver_info", account_server_url=f"http://h/{seed}", public_keys=[_KEY])
    assert message.startswith("account_server_url: there is a seed")


def test_wanted_tls_rules_out_an_account_server_without(site: Site, certificates: pathlib.Path) -> None:
    with stranger(says(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")) as plain:
        url = f"http://127.0.0.1:{plain.port}"
        for more in (
            {"tls_ca_path": str(certificates / "ca.pem")},
            {"tls_server_name": "x"},
            {"tls_handshake_first": True},
        ):
            message = site.refuse("resolver_info", account_server_url=url, public_keys=[_KEY], **more)
            assert message.startswith(f"account_server_url: {url} is never encrypted, and ")
        assert plain.clients == []
