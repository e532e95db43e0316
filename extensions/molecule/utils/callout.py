# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Answers the auth callout of the account AUTH: callout.py STORE KEYS CREDS FOLDER URL KEY[,KEY]

STORE is the operator's folder of an nsc store, KEYS its keystore, CREDS the creds of the service, and KEY the public curve keys whose seeds the service has.
It puts every client into the account APP with all permissions. It creates FOLDER/started when it answers, and ends when FOLDER/stop exists.
"""

import asyncio
import pathlib
import sys
import time
from typing import Any

import nats

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "tests"))
import checkout

checkout.make_importable()

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError  # noqa: E402 (importable only now)
from ansible_collections.natsops.security.plugins.module_utils.claims import Claims, User  # noqa: E402 (importable only now)
from ansible_collections.natsops.security.plugins.module_utils.claims.authorization import (  # noqa: E402 (importable only now)
    AuthorizationRequest,
    AuthorizationResponse,
)
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey  # noqa: E402 (importable only now)
from ansible_collections.natsops.security.plugins.module_utils.token import codec  # noqa: E402 (importable only now)
from ansible_collections.natsops.security.tests.support.callouts import Callout  # noqa: E402 (importable only now)


class OpenCallout(Callout):
    """Puts everybody into the account APP."""

    def _decide(self, request: AuthorizationRequest) -> Claims:
        user = Claims(name="placed", subject=request.user_nkey, body=User(issuer_account=self.public_key("APP")))
        token = codec.encode(user, self.signing_key("APP"), int(time.time()))
        body = AuthorizationResponse(jwt=token, issuer_account=self.public_key(self.account))
        return Claims(subject=request.user_nkey, audience=request.server.id, body=body)


async def main(
    store: pathlib.Path, keys: pathlib.Path, creds: str, folder: pathlib.Path, url: str, curve_keys: str
) -> None:
    """Answer until the file `stop` is there."""

    def account(name: str) -> Claims:
        return codec.decode((store / f"accounts/{name}/{name}.jwt").read_text())

    def pair(key: str) -> Any:
        return nkey.from_seed((keys / f"keys/{key[0]}/{key[1:3]}/{key}.nk").read_text())

    service = OpenCallout(
        "AUTH", lambda name: account(name).subject, lambda name: pair(account(name).body.signing_keys[0].key)
    )
    service.curve_keys = [pair(key) for key in curve_keys.split(",")]
    client = await nats.connect(url, user_credentials=creds, max_reconnect_attempts=-1, reconnect_time_wait=0.1)

    async def answer(message: Any) -> None:
        try:
            answered = service.answer(message.data, message.headers["Nats-Server-Xkey"])
        except NatsSecurityError:
            return  # sealed for a key that only another instance of the service has
        await message.respond(answered)

    await client.subscribe("$SYS.REQ.USER.AUTH", cb=answer)
    await client.flush()
    (folder / "started").touch()
    while not (folder / "stop").exists():
        await asyncio.sleep(0.1)
    await client.drain()


if __name__ == "__main__":
    _store, _keys, _creds, _folder, _url, _curve_keys = sys.argv[1:]
    asyncio.run(main(pathlib.Path(_store), pathlib.Path(_keys), _creds, pathlib.Path(_folder), _url, _curve_keys))
