# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What the quickstart tries on its nats-server, as the users whose creds files it is given. The server's URL is in NATS_URL.

Every command prints one sentence on what happened, and fails when that is not what should happen.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import pathlib
import re
import sys
from collections.abc import AsyncIterator
from typing import Any

try:
    import nats.errors
    from nats.aio.client import Client
    from nats.aio.msg import Msg
except ImportError:
    sys.exit(f"nats-py is not installed for {sys.executable}: pip install 'nats-py>=2.16'.")

# Maximum seconds until a message or an answer arrives.
PATIENCE = 10


class Unexpected(Exception):
    """The server did not behave as expected."""


class Connection:
    """A user's connection, with the errors that the server reported on it."""

    def __init__(self, name: str, client: Client, objections: list[str]) -> None:
        self.name = name
        self.client = client
        self.objections = objections

    async def wait_for_server(self) -> None:
        """Wait until the server has processed everything that was sent, and its errors have arrived."""
        # nats-py sends the ping of a flush before pending data: only the second flush comes after all of it.
        await self.client.flush(PATIENCE)
        await self.client.flush(PATIENCE)

    async def settle(self) -> None:
        """Wait until the server has processed everything that was sent. Raise Unexpected if it reported an error."""
        await self.wait_for_server()
        if self.objections:
            raise Unexpected(f"{self.name}: {self.objections[-1]}")

    def failure(self, what: str, error: Exception) -> Unexpected:
        """An error of the client, with the errors that the server reported before."""
        return Unexpected("; ".join([f"{self.name}, {what}: {str(error).removeprefix('nats: ')}", *self.objections]))


@contextlib.asynccontextmanager
async def connected(path: pathlib.Path, jwt_alone: bool = False) -> AsyncIterator[Connection]:
    """Connect as the user of a creds file, or with the JWT in the file and without a signature. Raise Unexpected if the server refuses."""
    objections: list[str] = []

    async def note(error: Exception) -> None:
        objections.append(str(error).removeprefix("nats: "))

    if jwt_alone:
        token = bytearray(find_jwt(path.read_text()).encode())
        proof: dict[str, Any] = {"user_jwt_cb": lambda: token, "signature_cb": lambda nonce: b""}
    else:
        proof = {"user_credentials": str(path)}
    client = Client()
    try:
        await client.connect(
            os.environ["NATS_URL"],
            name=path.stem,
            allow_reconnect=False,
            connect_timeout=PATIENCE,
            error_cb=note,
            **proof,
        )
    except (nats.errors.Error, OSError, asyncio.TimeoutError) as error:
        raise Unexpected(f"{path.stem} cannot connect: {str(error).removeprefix('nats: ') or repr(error)}") from None
    try:
        yield Connection(path.stem, client, objections)
    finally:
        await client.close()


def find_jwt(text: str) -> str:
    """The JWT in a JWT file or creds file."""
    found = re.search(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", text)
    if found is None:
        raise Unexpected("There is no JWT in the file.")
    return found.group()


async def ask(connection: Connection, subject: str, text: str) -> str:
    """The answer to a request. Raise Unexpected if there is none."""
    try:
        reply = await connection.client.request(subject, text.encode(), PATIENCE)
    except (nats.errors.NoRespondersError, nats.errors.TimeoutError) as error:
        raise connection.failure(f"request to {subject}", error) from None
    return str(reply.data.decode())


async def deliver(publisher: pathlib.Path, subscribers: list[pathlib.Path], subject: str) -> str:
    """Publish a message that every subscriber must receive."""
    text = b"deliver " + os.urandom(8).hex().encode()
    async with contextlib.AsyncExitStack() as stack:
        receivers = []
        for path in subscribers:
            receiver = await stack.enter_async_context(connected(path))
            receivers.append((receiver, await receiver.client.subscribe(subject)))
            await receiver.settle()
        sender = await stack.enter_async_context(connected(publisher))
        await sender.client.publish(subject, text)
        await sender.settle()
        for receiver, subscription in receivers:
            try:
                message = await subscription.next_msg(PATIENCE)
            except nats.errors.TimeoutError:
                raise Unexpected(f"{receiver.name} received nothing on {subject}.") from None
            if message.data != text:
                raise Unexpected(f"{receiver.name} received another message on {subject}.")
    names = " and ".join(receiver.name for receiver, subscription in receivers)
    return f"{sender.name} published to {subject}, {names} received it"


async def request(requester: pathlib.Path, subject: str, service: pathlib.Path, served: str) -> str:
    """Send a request that the service must answer. `served` is the subject in the account of the service."""
    text = os.urandom(8).hex()
    async with connected(service) as answering, connected(requester) as asking:

        async def answer(message: Msg) -> None:
            await message.respond(b"done: " + message.data)

        await answering.client.subscribe(served, cb=answer)
        await answering.settle()
        reply = await ask(asking, subject, text)
        await answering.settle()
    if reply != f"done: {text}":
        raise Unexpected(f"{asking.name} got another answer on {subject}.")
    return f"{asking.name} sent a request to {subject}, {answering.name} answered it on {served}"


async def deny(user: pathlib.Path, publish: list[str], subscribe: list[str]) -> str:
    """Publish and subscribe to subjects. The server must refuse each of them."""
    async with connected(user) as connection:
        for action, subjects in (("publish", publish), ("subscription", subscribe)):
            for subject in subjects:
                connection.objections.clear()
                if action == "publish":
                    await connection.client.publish(subject, b"forbidden")
                else:
                    await connection.client.subscribe(subject)
                await connection.wait_for_server()
                wanted = f'permissions violation for {action} to "{subject.lower()}"'
                if not any(wanted in objection.lower() for objection in connection.objections):
                    raise Unexpected(f"{connection.name} is not refused {action} to {subject}.")
    refused = [
        f"to {verb} to {' and '.join(subjects)}"
        for verb, subjects in (("publish", publish), ("subscribe", subscribe))
        if subjects
    ]
    return f"{connection.name} was refused {' and '.join(refused)}: permissions violation"


async def accept(user: pathlib.Path, jwt_alone: bool) -> str:
    """Connect. The server must accept the user."""
    async with connected(user, jwt_alone) as connection:
        await connection.settle()
    return f"{connection.name} was accepted{' with its JWT alone' if jwt_alone else ''}"


async def refuse(user: pathlib.Path, jwt_alone: bool) -> str:
    """Connect. The server must refuse the user."""
    try:
        await accept(user, jwt_alone)
    except Unexpected as refusal:
        if "authorization violation" not in str(refusal).lower():
            raise
        return f"{user.stem} was refused{' with its JWT alone' if jwt_alone else ''}: authorization violation"
    raise Unexpected(f"{user.stem} was accepted{' with its JWT alone' if jwt_alone else ''}.")


async def store(user: pathlib.Path, stream: str, filter_subject: str, subject: str) -> str:
    """Publish a message to a stream, which is created if missing, and read it back."""
    text = os.urandom(8).hex().encode()
    async with connected(user) as connection:
        jetstream = connection.client.jetstream(timeout=PATIENCE)
        try:
            await jetstream.add_stream(name=stream, subjects=[filter_subject], max_msgs=100)
            stored = await jetstream.publish(subject, text)
            message = await jetstream.get_msg(stream, stored.seq)
        except nats.errors.Error as error:
            raise connection.failure(f"stream {stream}", error) from None
        await connection.settle()
    if message.data != text:
        raise Unexpected(f"The stream {stream} returned another message.")
    return f"{connection.name} stored a message in the stream {stream} and read it back"


def parse_arguments() -> argparse.Namespace:
    """The command line arguments. Users are given by the paths of their creds files, never by the content."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)

    def command(run: Any, *arguments: tuple[str, dict[str, Any]]) -> None:
        added = commands.add_parser(run.__name__)
        for name, options in arguments:
            added.add_argument(name, **options)
        added.set_defaults(run=run)

    path: dict[str, Any] = {"type": pathlib.Path}
    command(deliver, ("publisher", path), ("subject", {}), ("subscribers", {**path, "nargs": "+"}))
    command(request, ("requester", path), ("subject", {}), ("service", path), ("served", {}))
    several: dict[str, Any] = {"action": "append", "default": []}
    command(deny, ("user", path), ("--publish", several), ("--subscribe", several))
    jwt_alone: dict[str, Any] = {"action": "store_true"}
    command(accept, ("user", path), ("--jwt-alone", jwt_alone))
    command(refuse, ("user", path), ("--jwt-alone", jwt_alone))
    command(store, ("user", path), ("stream", {}), ("filter_subject", {}), ("subject", {}))
    return parser.parse_args()


def main() -> None:
    """Run the command. Exit with one message if the outcome is not the expected one."""
    arguments = vars(parse_arguments())
    run = arguments.pop("run")
    try:
        sys.stdout.write(asyncio.run(run(**arguments)) + "\n")
    except (Unexpected, nats.errors.Error, OSError, asyncio.TimeoutError) as error:
        sys.exit(str(error) or repr(error))


if __name__ == "__main__":
    main()
