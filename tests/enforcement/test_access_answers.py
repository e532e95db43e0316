# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The answers of the access layer about random operators, each verified by clients of a real nats-server.

NATSOPS_ACCESS_QUESTIONS is the number of questions (make access-nightly asks 10,000), NATSOPS_ACCESS_SEED the number of the first operator.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import os
import pathlib
import random
from collections.abc import Iterator
from typing import Any

import pytest
from clients import Client, Login, Node, RefusedError
from support.ports import free_ports
from support.servers import running, server_version
from worlds import Maker, Person, World

from ansible_collections.natsops.security.plugins.module_utils.access import permissions, replies, routes
from ansible_collections.natsops.security.plugins.module_utils.access.mappings import unmapped_set
from ansible_collections.natsops.security.plugins.module_utils.access.permissions import access_of
from ansible_collections.natsops.security.plugins.module_utils.access.routes import Arrival
from ansible_collections.natsops.security.plugins.module_utils.access.subject_sets import (
    describe,
    intersection,
    is_in,
    pattern,
    union_of,
)

pytestmark = [
    pytest.mark.server,
    # Older servers map imports differently, and accept users of accounts with such mappings differently.
    pytest.mark.skipif(server_version() < (2, 15, 1), reason="the answers are about nats-server 2.15.1 and later"),
]

QUESTIONS = int(os.environ.get("NATSOPS_ACCESS_QUESTIONS", "1000"))
SEED = int(os.environ.get("NATSOPS_ACCESS_SEED", "1"))
#: Number of questions about one operator.
EACH = 250
#: Number of attempts where the server chooses at random.
TRIES = 12


@dataclasses.dataclass
class Subscription:
    """A subscription of a client."""

    person: Person
    subject: str
    queue: str
    sid: str


@dataclasses.dataclass
class Session:
    """The clients of a world on a server, with the number of questions and the differences found."""

    world: World
    maker: Maker
    clients: dict[int, Client]
    subscriptions: list[Subscription] = dataclasses.field(default_factory=list)
    asked: int = 0
    differences: list[str] = dataclasses.field(default_factory=list)

    @property
    def random(self) -> random.Random:
        return self.maker.random

    def compare(self, question: str, answer: Any, seen: Any) -> None:
        """Count a question, and record a difference between the answer and the behaviour of the server."""
        self.asked += 1
        if answer != seen:
            self.differences.append(f"{question}\n  answer {answer}\n  server {seen}")

    def client(self, person: Person) -> Client:
        return self.clients[id(person)]

    def title(self, person: Person) -> str:
        return self.world.tree.title_of(person.entry)

    def account(self, person: Person) -> str:
        account = self.world.tree.account_of(person.entry)
        assert account is not None
        return account.key

    def described(self, ways: list[Way]) -> str:
        """The arrivals of the ways, abbreviated."""
        return "; ".join(
            f"{self.world.tree.account_title(arrival.account)} {arrival.kind} "
            + " > ".join(
                f"{self.world.tree.account_title(hop.account)} {hop.subject} by {(hop.link or hop.mapping).origin.path}"  # type: ignore[union-attr]
                for hop in arrival.hops
            )
            for way in ways
            for arrival in way.arrivals
        )

    @property
    def present(self) -> list[Person]:
        return [person for person in self.world.people if id(person) in self.clients]

    def collect(self) -> dict[bytes, list[tuple[Person, Any]]]:
        """All messages since the last call, by payload."""
        found: dict[bytes, list[tuple[Person, Any]]] = collections.defaultdict(list)
        for person in self.present:
            client = self.client(person)
            assert client.flush() == []
            messages, client.messages = client.messages, []
            for message in messages:
                found[message.payload].append((person, message))
        return found


@contextlib.contextmanager
def _server(folder: pathlib.Path, world: World) -> Iterator[Node]:
    port, route = free_ports(2)
    system = world.tree.system_account
    preload = "\n".join(f"  {key}: {token}" for key, token in world.account_tokens.items())
    config = folder / "access.conf"
    config.write_text(f"""
listen: 127.0.0.1:{port}
operator: {world.operator_token}
system_account: {system}
resolver: MEMORY
resolver_preload {{
{preload}
}}
cluster {{ name: here, listen: "127.0.0.1:{route}" }}
""")
    with running(config, port):
        yield Node("127.0.0.1", port, 0, 0, 0)


# ---- questions


def _ask_connections(session: Session, node: Node, stack: contextlib.ExitStack) -> None:
    for person in session.world.people:
        access = access_of(session.world.tree, person.entry)
        if any("limit of subscriptions is 0" in reason for reason in access.refusals):
            continue  # the server accepts the connection, and closes it a moment later
        try:
            session.clients[id(person)] = stack.enter_context(Client(node, Login(person.token, person.key)))
            seen = "let in"
        except RefusedError as error:
            seen = str(error)
        answer = "Authorization Violation" if access.refusals else "let in"
        session.compare(f"connect {session.title(person)} {access.refusals}", answer, seen)


def _ask_subscriptions(session: Session) -> None:
    for person in session.present:
        access = access_of(session.world.tree, person.entry)
        subjects = [">"] if person.is_probe else _subjects_for(session, person)
        for subject in subjects:
            base = session.random.choice(("", "", "", "v1", "v2", "v1.x"))
            queue = f"{base}.{len(session.subscriptions)}" if base and not person.is_probe else ""
            if queue and session.random.randrange(2):
                queue = session.random.choice(("v1.x", "v2.y", "*.x"))
            client = session.client(person)
            sid = client.subscribe(subject, queue)
            errors = client.flush()
            answer = permissions.may_subscribe(access, subject, queue)
            what = f"subscribe {session.title(person)} {subject} {queue} {answer.reason}"
            session.compare(what, answer.allowed, not errors)
            if not errors and queue in ("v1.x", "v2.y", "*.x"):
                client.unsubscribe(sid)  # a message would reach only one member of the group
                assert client.flush() == []
            elif not errors:
                session.subscriptions.append(Subscription(person, subject, queue, sid))


def _subjects_for(session: Session, person: Person) -> list[str]:
    maker, access = session.maker, access_of(session.world.tree, person.entry)
    rules = [*(access.lists.subscribe_allow or ()), *access.lists.subscribe_deny]
    found = [maker.pattern() for _unused in range(2)]
    for rule in rules:
        found += [rule.subject, maker.filled(rule.subject), maker.narrowed(rule.subject)]
        if rule.subject.endswith("*"):
            found.append(rule.subject[:-1] + ">")
    return found


def _subject_to_publish(session: Session, person: Person) -> str:
    maker, access, tree = session.maker, access_of(session.world.tree, person.entry), session.world.tree
    account = session.account(person)
    links = [*routes.links_into(tree, account), *routes.links_out_of(tree, account)]
    mappings = tree.accounts[account].claims.body.mappings
    candidates = [
        *(rule.subject for rule in access.lists.publish_allow or ()),
        *(rule.subject for rule in access.lists.publish_deny),
        *(".".join(link.local if link.importer == account else link.remote) for link in links if not link.implicit),
        *mappings,
    ]
    if candidates and maker.chance(80):
        return maker.filled(session.random.choice(candidates))
    return maker.literal()


Delivery = tuple[str, str, str]  # the user, the subscription, the subject


def _deliveries(session: Session, arrivals: list[Arrival]) -> list[list[Delivery]]:
    """The deliveries of the arrivals. One delivery of each list takes place: a queue group receives a message once, through any of its imports."""
    found: list[list[Delivery]] = []
    for subscription in session.subscriptions:
        access = access_of(session.world.tree, subscription.person.entry)
        imported: dict[str, list[Delivery]] = {}
        for arrival in arrivals:
            if (
                arrival.account == session.account(subscription.person)
                and routes.is_received(arrival, pattern(subscription.subject))
                and is_in(pattern(arrival.subject), permissions.receive_set(access, subscription.queue))
            ):
                delivery = (session.title(subscription.person), subscription.sid, arrival.subject)
                if subscription.queue and arrival.kind == routes.STREAM:
                    imported.setdefault(arrival.links[-1].exporter, []).append(delivery)
                else:
                    found.append([delivery])
        found += imported.values()
    return found


@dataclasses.dataclass
class Way:
    """A possible outcome of a message: whether it is refused, the certain deliveries, and the possible ones."""

    verdict: str
    certain: list[list[Delivery]]
    possible: list[list[Delivery]]
    arrivals: list[Arrival] = dataclasses.field(repr=False)

    def is_seen(self, seen: tuple[str, list[Delivery]]) -> bool:
        """Whether the behaviour of the server matches this outcome."""
        verdict, deliveries = seen
        return verdict == self.verdict and _fits(deliveries, self.certain, self.possible)


def _fits(deliveries: list[Delivery], certain: list[list[Delivery]], possible: list[list[Delivery]]) -> bool:
    """Whether one delivery of each certain list took place, and all others belong to a possible list."""
    left = collections.Counter(deliveries)
    for choices in sorted(certain, key=len):
        one = next((delivery for delivery in choices if left[delivery]), None)
        if one is None:
            return False
        left[one] -= 1
    more = list(possible)
    for choices in certain:
        more.remove(choices)
    return not +left - collections.Counter(delivery for choices in more for delivery in choices)


def _ways(session: Session, person: Person, subject: str) -> list[Way]:
    tree, access = session.world.tree, access_of(session.world.tree, person.entry)
    found = []
    for outcome, hops in routes.mapped_hops(tree, session.account(person), subject):
        if not outcome.subject:
            found.append(Way("refused" if access.lists.publish_allow is not None else "accepted", [], [], []))
        elif permissions.may_publish(tree, access, outcome.subject).allowed:
            arrivals = routes.deliver(tree, session.account(person), outcome.subject, hops)
            certain = [arrival for arrival in arrivals if arrival.certain]
            found.append(Way("accepted", _deliveries(session, certain), _deliveries(session, arrivals), arrivals))
        else:
            found.append(Way("refused", [], [], []))
    return found


def _ask_to_publish(session: Session, count: int) -> None:
    for number in range(count):
        person = session.random.choice(session.present)
        subject = _subject_to_publish(session, person)
        ways = _ways(session, person, subject)
        is_certain = len(ways) == 1 and ways[0].certain == ways[0].possible
        seen = [
            _publish(session, person, subject, b"%d.%d" % (number, attempt))
            for attempt in range(1 if is_certain else TRIES)
        ]
        unexpected = [one for one in seen if not any(way.is_seen(one) for way in ways)]
        what = f"publish {session.title(person)} {subject}" + (
            f", one of {ways}, in {session.described(ways)}" if unexpected else ""
        )
        session.compare(what, [], unexpected)
        _ask_sets(session, person, subject, [verdict for verdict, _deliveries in seen], seen)


def _publish(session: Session, person: Person, subject: str, payload: bytes) -> tuple[str, list[Delivery]]:
    client = session.client(person)
    client.publish(subject, payload)
    errors = client.flush()
    assert all(error.startswith("Permissions Violation for Publish") for error in errors), errors
    found = session.collect().get(payload, [])
    return "refused" if errors else "accepted", sorted(
        (session.title(receiver), message.sid, message.subject) for receiver, message in found
    )


def _ask_sets(
    session: Session, person: Person, subject: str, verdicts: list[str], seen: list[tuple[str, list[Delivery]]]
) -> None:
    """Compare the sets of subjects that a user may publish, and of those that reach an account, with what this subject did."""
    tree, access = session.world.tree, access_of(session.world.tree, person.entry)
    own = tree.accounts[session.account(person)]
    allowed = permissions.publish_set(tree, access)
    tokens = pattern(subject)
    may = unmapped_set(tree, own, allowed, when_lost=access.lists.publish_allow is None)
    what = f"set of subjects that {session.title(person)} may publish, and {subject}"
    bounds = (is_in(tokens, may.certain), is_in(tokens, may.possible))
    session.compare(what, True, bounds in {(True, True), (False, True), (False, False)})
    if bounds[0] == bounds[1]:
        session.compare(what, {"accepted" if bounds[0] else "refused"}, set(verdicts))
    expected: list[tuple[str, bool]] = []
    seen_there: list[tuple[str, bool]] = []
    probes = {session.title(one): session.account(one) for one in session.present if one.is_probe}
    for account in tree.accounts:
        if account not in probes.values():
            continue
        wanted = union_of([pattern(session.maker.pattern() if session.maker.chance(50) else ">")])
        flows = [flow for flow in routes.sources(tree, account, wanted) if flow.account == own.key]
        reached = [unmapped_set(tree, own, intersection(flow.subjects, allowed)) for flow in flows]
        possible = any(is_in(tokens, one.possible) for one in reached)
        exact = all(flow.exact for flow in flows)
        certain = exact and any(is_in(tokens, one.certain) for one in reached)
        arrived = [
            any(probes.get(title) == account and is_in(pattern(there), wanted) for title, _sid, there in deliveries)
            for _verdict, deliveries in seen
        ]
        what = f"{tree.account_title(account)} as one of {describe(wanted)}"
        if certain or not possible:
            expected += [(what, certain)] * len(arrived)
            seen_there += [(what, one) for one in arrived]
    session.compare(f"reaches: {subject} of {session.title(person)}", expected, seen_there)


def _ask_requests(session: Session, count: int) -> None:
    tree = session.world.tree
    for number in range(count):
        person = session.random.choice(session.present)
        subject, inbox = _subject_to_publish(session, person), session.maker.literal() + f".inbox{number}"
        ways = _ways(session, person, subject)
        if len(ways) != 1 or ways[0].verdict == "refused":
            continue
        client = session.client(person)
        sid = client.subscribe(inbox)
        if client.flush():
            session.compare(
                f"inbox {session.title(person)} {inbox}",
                permissions.may_subscribe(access_of(tree, person.entry), inbox).allowed,
                False,
            )
            continue
        client.publish(subject, b"request", inbox)
        assert client.flush() == []
        requests = session.collect().get(b"request", [])
        if requests:
            _ask_reply(session, (person, inbox, sid), ways[0].arrivals, requests)
        client.unsubscribe(sid)


def _ask_reply(
    session: Session, requestor: tuple[Person, str, str], arrivals: list[Arrival], requests: list[tuple[Person, Any]]
) -> None:
    """One receiver of the request answers three times."""
    tree = session.world.tree
    person, inbox, sid = requestor
    responder, message = session.random.choice(requests)
    copies = sum(one is responder and other.reply == message.reply for one, other in requests)
    access = access_of(tree, responder.entry)
    possible = [
        arrival
        for arrival in arrivals
        if arrival.account == session.account(responder)
        and arrival.subject == message.subject
        and (arrival.kind == routes.SERVICE) == message.reply.startswith("_R_.")
    ]
    answers = [replies.reply_to(tree, access, arrival, session.account(person), inbox) for arrival in possible]
    if len({(answer.comes, answer.many) for answer in answers}) != 1 or answers[0].comes == replies.PERHAPS:
        return
    client = session.client(responder)
    for payload in (b"first", b"second", b"third"):
        client.publish(message.reply, payload)
        client.flush()
    found = session.collect()
    seen = [
        sum(receiver is person and one.sid == sid for receiver, one in found.get(payload, []))
        for payload in (b"first", b"second", b"third")
    ]
    answer = answers[0]
    expected = 0
    if answer.comes == replies.YES:
        expected = 3 if answer.many else 1
        if answer.by_response_permission and access.lists.response_messages > 0:
            expected = min(expected, _answers_left(access.lists.response_messages, copies))
    what = f"request {session.title(person)} {message} answered by {session.title(responder)} {possible}: {answer}"
    session.compare(what, [1] * expected + [0] * (3 - expected), [min(one, 1) for one in seen])


def _answers_left(most: int, copies: int) -> int:
    """How many of the `most` responses of a response permission remain to a client that received the request in several copies, by as many subscriptions.

    With each further copy, a server checks whether the client may answer, and counts this check as a response (deliverMsg, responseAllowed).
    """
    return most - (copies - 1) % (most + 1)


def _ask_world(seed: int, folder: pathlib.Path, questions: int) -> Session:
    maker = Maker(seed)
    session = Session(maker.world(), maker, {})
    with _server(folder, session.world) as node, contextlib.ExitStack() as stack:
        _ask_connections(session, node, stack)
        _ask_subscriptions(session)
        while session.asked < questions and not session.differences:
            _ask_to_publish(session, 10)
            _ask_requests(session, 10)
    return session


def test_server_does_what_the_answers_say(tmp_path: pathlib.Path) -> None:
    asked, seed = 0, SEED
    while asked < QUESTIONS:
        session = _ask_world(seed, tmp_path, min(EACH, QUESTIONS - asked))
        assert not session.differences, f"NATSOPS_ACCESS_SEED={seed}:\n" + "\n".join(session.differences[:5])
        asked, seed = asked + session.asked, seed + 1
