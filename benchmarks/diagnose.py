# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A diagnosis of three servers with a store of 1,000 accounts and access to the system account. In wall-clock time, including the start of ansible-playbook."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from measure import Row

from ansible_collections.natsops.security.plugins.module_utils.claims import Account, Claims, User
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated
from ansible_collections.natsops.security.tests.support.fleets import FULL, Fleet, Realm
from ansible_collections.natsops.security.tests.support.plays import Play

ACCOUNTS = 1_000
RUNS = 5
AIM = 2.0


def rows(scratch: Path) -> list[Row]:
    """How long the diagnosis of a refused user and that of an accepted user take."""
    folder = scratch / "diagnose"
    folder.mkdir()
    realm = Realm()
    pair, key = nkey.create("user"), nkey.create("account")
    revoked = realm.account(key, "APP", Account(revocations={pair.public_key: int(time.time()) - 60}), age=60)
    store = _store(folder, realm, revoked)
    fleet = Fleet(folder / "fleet", realm, [FULL] * 3).start()
    try:
        fleet.do(lambda connection: _push(connection, key.public_key, revoked))
        play = Play(folder, Path(os.environ["ANSIBLE_COLLECTIONS_PATH"]))
        measured = {
            cause: min(_seconds(play, fleet, store, creds, cause) for _unused in range(RUNS))
            for cause, creds in {"revoked": _creds(key, pair, 3600), "connected": _creds(key, pair, 0)}.items()
        }
    finally:
        fleet.stop()
    what = f"nats_diagnose on three servers, {ACCOUNTS:,} accounts in the store"
    return [
        Row(f"{what}, a user that is {cause}", f"{seconds:.2f} s", f"aim {AIM:g} s", seconds / AIM, at_most=1)
        for cause, seconds in measured.items()
    ]


def _store(folder: Path, realm: Realm, jwt: str) -> Path:
    """Create a store in nsc's layout, and return its path."""
    store = folder / "stores/ACME"
    tokens = {"SYS": realm.system_jwt, "APP": jwt}
    tokens.update((f"A{number}", realm.new_account(f"A{number}")[1]) for number in range(ACCOUNTS - len(tokens)))
    for name, token in tokens.items():
        path = store / "accounts" / name
        path.mkdir(parents=True)
        (path / f"{name}.jwt").write_text(token)
    (store / ".nsc").write_text(json.dumps({"managed": False, "name": "ACME", "kind": "operator", "version": "1"}))
    (store / "ACME.jwt").write_text(realm.operator_jwt)
    return store


def _creds(account: Any, pair: Any, age: int) -> str:
    claims = Claims(name="orders", subject=pair.public_key, body=User())
    return decorated.format_creds(codec.encode(claims, account, int(time.time()) - age), pair)


async def _push(connection: Any, account: str, jwt: str) -> None:
    subject = f"$SYS.REQ.ACCOUNT.{account}.CLAIMS.UPDATE"
    await connection.ask(subject, jwt.encode(), lambda found: len(found) >= 3, 10)


def _seconds(play: Play, fleet: Fleet, store: Path, creds: str, cause: str) -> float:
    options = {"user_creds": creds, "servers": fleet.urls, "store_path": str(store)}
    signer = {"system_signer_seed": fleet.realm.system.seed}
    task = {"name": "Diagnose", "natsops.security.nats_diagnose": {**options, **signer}}
    start = time.perf_counter()
    played = play([task])
    seconds = time.perf_counter() - start
    found = [one["cause"] for one in played.tasks["Diagnose"]["servers"]]
    if found != [cause] * 3:
        raise RuntimeError(f"{cause} is diagnosed as {found}")
    return seconds
