# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The event source on a nats-server: refused connections, clients that connect and disconnect, account updates, server restarts, and upcoming expiry."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from support.events import Events, source
from support.fleets import FULL, Fleet, Realm, client

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.base.recognition import questionable_in
from ansible_collections.natsops.security.plugins.module_utils.claims import Account, Claims, User
from ansible_collections.natsops.security.plugins.module_utils.events import source as sources
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.tasks import events as tasks
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

if TYPE_CHECKING:
    import pathlib

    from support.sites import Site

pytestmark = pytest.mark.server

SERVER = nkey.create("server").public_key


def connect_message(number: int) -> tuple[str, bytes]:
    """The subject and payload that a server publishes when a client connects."""
    said = {"id": str(number), "server": {"id": SERVER, "name": "n9"}, "client": {"acc": "APP", "id": number}}
    return "$SYS.ACCOUNT.APP.CONNECT", json.dumps(said).encode()


def numbers_in(events: list[dict[str, Any]]) -> list[int]:
    """The numbers of the clients in events from `connect_message`."""
    return [event["client"]["connection"] for event in events if event.get("server", {}).get("name") == "n9"]


class Place:
    """A server with the account APP."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.realm = Realm()
        self.fleet = Fleet(folder, self.realm, [FULL])
        self.account, self.jwt = self.realm.new_account("APP")
        (folder / "n1").mkdir(parents=True)
        (folder / "n1" / f"{self.account.public_key}.jwt").write_text(self.jwt)

    @property
    def url(self) -> str:
        return self.fleet.nodes[0].url

    def user(self, name: str = "orders", signer: Any = None, expires: int = 0) -> tuple[str, str]:
        """A user of the account: its public key, and its creds."""
        key = nkey.create("user")
        body = User(issuer_account="" if signer is None else self.account.public_key)
        claims = Claims(name=name, subject=key.public_key, body=body, expires=expires)
        token = codec.encode(claims, signer or self.account, int(time.time()) - 10)
        return key.public_key, decorated.format_creds(token, key)

    def source(self, **more: Any) -> Any:
        """An event source on this server, with the creds of a system account user by default."""
        login = {} if "system_signer_seed" in more else {"creds": self.realm.creds()}
        return source(servers=[self.url], **login, **more)

    async def refuse(self, creds: str) -> None:
        with pytest.raises(Exception, match=r"(?i)authorization"):
            await client(self.url, creds)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server with an account."""
    made = Place(tmp_path_factory.mktemp("events"))
    try:
        made.fleet.start()
        yield made
    finally:
        made.fleet.stop()


def test_a_burst_of_refused_connections_is_one_event_each(place: Place) -> None:
    foreign = nkey.create("account")

    async def run() -> list[dict[str, Any]]:
        async with place.source(system_signer_seed=place.realm.system.seed) as events:
            await events.next("connected")
            key, creds = place.user(signer=foreign)
            for _unused in range(20):
                await place.refuse(creds)
            found = [await events.next("auth_error") for _unused in range(20)]
            assert {event["client"]["user"] for event in found} == {key}
            return found

    found = asyncio.run(run())
    one = found[0]
    assert len({event["id"] for event in found}) == 20
    assert one["reason"] == "Authentication Failure"
    assert one["server"]["name"] == "n1"
    assert one["client"]["user_name"] == "orders"
    assert one["client"]["account"] == place.account.public_key
    assert one["client"]["issuer"] == foreign.public_key
    assert not questionable_in(json.dumps(found))


def test_only_events_that_are_wanted_come(place: Place) -> None:
    async def run() -> Events:
        wanted = {"events": ["connect", "disconnect"], "users": ["orders"], "accounts": [place.account.public_key]}
        async with place.source(**wanted) as events:
            await events.next("connected")
            _unused, other = place.user("other")
            await (await client(place.url, other)).close()
            key, creds = place.user("orders")
            connected = await client(place.url, creds)
            came = await events.next("connect", "disconnect")
            await connected.close()
            went = await events.next("connect", "disconnect")
        assert (came["type"], went["type"]) == ("connect", "disconnect")
        assert came["client"]["user"] == went["client"]["user"] == key
        assert went["reason"] == "Client Closed"
        return events

    assert [event["type"] for event in asyncio.run(run()).seen] == ["connected", "connect", "disconnect"]


def test_a_client_does_not_get_a_template_into_a_playbook(place: Place) -> None:
    async def run() -> dict[str, Any]:
        async with place.source(events=["connect"], accounts=["{% x %}"]) as events:
            await events.next("connected")
            system = await client(place.url, place.realm.creds())
            about = {"acc": "{% x %}", "name": "{{{ lookup('pipe', 'id') }}", "host": "{# x", "lang": "{ {x}"}
            said = {"server": {"id": SERVER, "name": "{{ x }}"}, "client": about}
            await system.publish("$SYS.ACCOUNT.APP.CONNECT", json.dumps(said).encode())
            await system.close()
            return await events.next("connect")

    event = asyncio.run(run())
    assert event["client"]["name"] == "{ { { lookup('pipe', 'id') }}"
    assert event["client"]["library"] == "{ {x}"
    for start in ("{{", "{%", "{#"):
        assert start not in json.dumps([event["client"], event["server"]])[1:].replace('{"', "")


def test_a_blocked_rulebook_holds_nothing_up(place: Place) -> None:
    """A server allows two seconds for a login, and ansible-rulebook blocks its event loop while it starts Java."""

    async def run() -> None:
        async with place.source() as events:
            connected = asyncio.ensure_future(events.next("connected"))
            while not connected.done():
                time.sleep(0.4)
                await asyncio.sleep(0)

    asyncio.run(run())
    assert "Authentication Timeout" not in place.fleet.nodes[0].log.read_text()


def test_an_update_of_an_account_and_what_is_none_are_events(place: Place, site: Site) -> None:
    revoked, _unused = place.user()

    async def run() -> None:
        async with place.source() as events:
            await events.next("connected")
            system = await client(place.url, place.realm.creds())
            await system.publish("$SYS.REQ.CLAIMS.UPDATE", b"eyJ no JWT")
            await system.publish("$SYS.SERVER.X.CLIENT.AUTH.ERR", b'{"server": 1, "client": "SUA')
            await system.publish("$SYS.SERVER.X.LAMEDUCK", b"")
            await system.publish("$SYS.SERVER.X.CLIENT.AUTH.ERR", b'{"server": {"id": "eyJhbGciOi"}}')
            await system.flush()
            problems = [await events.next("unreadable") for _unused in range(4)]
            await system.close()
            assert problems[0]["problem"] == "the message is not a JWT that verifies"
            assert problems[1]["problem"] == "the message is not JSON"
            assert "eyJ" not in json.dumps(problems)
            body = Account(revocations={revoked: int(time.time())})
            jwt = place.realm.account(place.account, "APP", body, age=0)
            task = place.fleet.task(jwts=[jwt])
            result = await asyncio.to_thread(site.start, "resolver", task)
            assert result["changed"], result
            update = await events.next("account_update")
            assert update["claims"]["account"] == place.account.public_key
            assert update["claims"]["account_name"] == "APP"
            assert update["claims"]["issuer"] == place.realm.signing.public_key

    asyncio.run(run())


def test_a_restarted_server_is_listened_to_again(place: Place) -> None:
    node = place.fleet.nodes[0]

    async def run() -> None:
        async with place.source() as events:
            await events.next("connected")
            await asyncio.to_thread(node.stop)
            shut_down = await events.next("server_shutdown")
            assert shut_down["server"]["name"] == "n1"
            lost = await events.next("disconnected")
            assert lost["reason"]
            await asyncio.to_thread(node.start)
            again = await events.next("connected")
            assert again["server"]["name"] == "n1"
            assert again["gap_seconds"] > 0
            started = [event for event in events.seen if event["type"] == "server_start"]
            started = started or [await events.next("server_start")]
            assert [event["server"]["id"] for event in started] == [again["server"]["id"]]
            _unused, creds = place.user(signer=nkey.create("account"))
            await place.refuse(creds)
            await events.next("auth_error")

    asyncio.run(run())


def test_a_user_that_is_replaced_misses_nothing_and_counts_nothing_twice(place: Place) -> None:
    """The user's JWT is valid for eight seconds, so the user is replaced after six, which leaves a busy machine two seconds to do so."""

    async def run() -> list[dict[str, Any]]:
        events = Events()
        args = {"servers": [place.url], "system_signer_seed": place.realm.system.seed, "events": ["connect"]}
        task = asyncio.ensure_future(sources.run(tasks.read_source(args, lifetime=8), events.queue.put))
        try:
            await events.next("connected")
            system = await client(place.url, place.realm.creds())
            sent, replaced = 0, 0
            while replaced < 2:
                await system.publish(*connect_message(sent))
                sent += 1
                event = await events.next("connect")
                while not numbers_in([event]):
                    replaced += event["client"]["name"] == "natsops.security"
                    event = await events.next("connect")
                await asyncio.sleep(0.002)
            await system.publish(*connect_message(sent))
            await events.next("connect", that=lambda event: numbers_in([event]) == [sent])
            await system.close()
        finally:
            task.cancel()
        return events.seen

    seen = asyncio.run(run())
    numbers = numbers_in(seen)
    assert numbers == list(range(len(numbers)))
    assert "disconnected" not in {event["type"] for event in seen}


def test_what_ends_soon_is_one_event_a_look(place: Place, tmp_path: pathlib.Path) -> None:
    now = int(time.time())
    for name, days in (("soon", 2), ("later", 30), ("over", -1)):
        (tmp_path / f"{name}.creds").write_text(place.user(name, expires=now + days * 86400)[1])
    (tmp_path / "none.creds").write_text("nothing")

    async def run() -> None:
        args = {"watched_creds_paths": [str(tmp_path)], "expires_within": "7d", "look_every": "1s"}
        async with source(**args) as events:
            due = await events.next("expiring")
            assert due["count"] == 2
            assert [one["name"] for one in due["entities"]] == ["over", "soon"]
            assert due["entities"][1]["account"] == place.account.public_key
            assert [event["where"] for event in events.seen if event["type"] == "unreadable"] == [
                str(tmp_path / "none.creds")
            ]
            # Users are reported again until they are renewed or removed.
            (tmp_path / "over.creds").unlink()
            await events.next("expiring", that=lambda event: event["count"] == 1)

    asyncio.run(run())


def test_events_without_room_are_counted_and_the_others_stay_in_order(place: Place) -> None:
    async def run() -> list[dict[str, Any]]:
        async with place.source(size=1, held_events=10, events=["connect"], accounts=["APP"]) as events:
            await events.next("connected")
            system = await client(place.url, place.realm.creds())
            for number in range(200):
                await system.publish(*connect_message(number))
            await system.close()
            dropped = await events.next("dropped")
            while len(numbers_in(events.seen)) + dropped["total"] < 200:
                dropped = await events.next("dropped", "connect", that=lambda event: True)
                dropped = next(event for event in reversed(events.seen) if event["type"] == "dropped")
        return events.seen

    seen = asyncio.run(run())
    numbers = numbers_in(seen)
    assert numbers == sorted(numbers)
    assert len(numbers) >= 10
    counted = [event["by_type"]["connect"] for event in seen if event["type"] == "dropped"]
    assert sum(counted) + len(numbers) == 200


def test_a_store_is_watched_also_one_with_problems(site: Site) -> None:
    users = [{"name": "orders", "expires_in": "3d"}, {"name": "later", "expires_in": "90d"}, {"name": "ever"}]
    document = {"operator": {"name": "ACME"}, "accounts": [{"name": "APP", "users": users}]}
    site.run("store", definition=document, stores_dir=site / "stores", keys_dir=site / "keys")
    args = {"store_path": site / "stores/ACME", "expires_within": "7d", "look_every": "1s"}
    broken = site.folder / "stores/ACME/accounts/APP/users/later.jwt"

    async def run() -> None:
        async with source(**args) as events:
            due = await events.next("expiring")
            assert [(one["kind"], one["account"], one["name"]) for one in due["entities"]] == [
                ("user", "APP", "orders")
            ]
            assert not questionable_in(json.dumps(due))
            broken.write_text("no JWT")
            problem = await events.next("unreadable")
            assert problem["where"].endswith("users/later.jwt")
            await events.next("expiring")

    asyncio.run(run())


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "one of the following is required: servers, expires_within"),
        ({"servers": ["nats://127.0.0.1:1"], "creds": "x"}, "creds: these are not the creds of a user"),
        ({"servers": ["nats://127.0.0.1:1"], "event": ["connect"]}, "event. Supported parameters include"),
        ({"servers": ["nats://127.0.0.1:1"], "events": ["login"]}, "value of events must be one or more of"),
        ({"expires_within": "7d"}, "expires_within: store_path or watched_creds_paths is needed as well"),
        ({"expires_within": "soon", "watched_creds_paths": ["/x"]}, "expires_within: 'soon' is not a duration"),
        ({"watched_creds_paths": ["/x"], "servers": ["nats://h"]}, "watched_creds_paths: expires_within is needed"),
    ],
)
def test_what_is_wrong_with_the_options_is_named(args: dict[str, Any], message: str) -> None:
    with pytest.raises(NatsSecurityError, match=message):
        tasks.read_source(args)


def test_who_may_not_listen_is_an_error_at_the_start(place: Place) -> None:
    with pytest.raises(NatsSecurityError, match="this user is not one of the system account"):
        asyncio.run(tried(place, place.user()[1]))
    with pytest.raises(NatsSecurityError, match="authorization violation"):
        asyncio.run(tried(place, Realm("OTHER").creds()))


async def tried(place: Place, creds: str) -> None:
    args = {"servers": [place.url], "creds": creds}
    await asyncio.wait_for(sources.run(tasks.read_source(args), Events().queue.put), 60)
