# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A backup of a store with many users, created and restored, against tar, which does not encrypt or verify. Ours is synced to disk when it is restored."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from measure import Row, interleaved

from ansible_collections.natsops.security.plugins.module_utils.backup.bundle import Keys, read_bundle, write_sealed
from ansible_collections.natsops.security.plugins.module_utils.backup.gather import gather
from ansible_collections.natsops.security.plugins.module_utils.claims import Account, Claims, Operator, User
from ansible_collections.natsops.security.plugins.module_utils.disk.batch import Write, write_all
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.store.layout import Layout
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

ACCOUNTS, USERS_EACH = 20, 500
ROUNDS = 3


def rows(scratch: Path) -> list[Row]:
    """In wall-clock time."""
    layout = Layout(str(scratch / "nsc" / "stores"), str(scratch / "nsc" / "keys"), "ACME")
    _make(layout)
    pair = nkey.create("curve")
    contenders: dict[str, Callable[[], list[float]]] = {
        "taken": lambda: _seconds(lambda: _take(layout, pair, scratch / "acme.backup")),
        "tar -c": lambda: _seconds(lambda: _tar("-cf", scratch / "acme.tar", "-C", scratch / "nsc", ".")),
        "put back": lambda: _put_back(pair, scratch),
        "tar -x": lambda: _untar(scratch),
    }
    seconds = {name: medians[0] for name, medians in interleaved(contenders, ROUNDS).items()}
    what = f"backup of {ACCOUNTS * USERS_EACH:,} users"
    return [
        Row(
            f"{what}, {ours}",
            f"{seconds[ours]:.2f} s",
            f"{peer} {seconds[peer]:.2f} s",
            seconds[ours] / seconds[peer],
            at_most=2,
        )
        for ours, peer in (("taken", "tar -c"), ("put back", "tar -x"))
    ]


def _take(layout: Layout, pair: nkey.KeyPair, path: Path) -> None:
    path.write_text(write_sealed(gather(layout), [pair.public_key], int(time.time())))


def _put_back(pair: nkey.KeyPair, scratch: Path) -> list[float]:
    target = scratch / "restored"

    def put_back() -> None:
        found = read_bundle((scratch / "acme.backup").read_text(), Keys([pair]))
        write_all([Write(str(target / path), text, None) for path, text in found.contents.files.items()])

    seconds = _seconds(put_back)
    shutil.rmtree(target)
    return seconds


def _untar(scratch: Path) -> list[float]:
    target = scratch / "unpacked"
    target.mkdir()
    seconds = _seconds(lambda: _tar("-xf", scratch / "acme.tar", "-C", target))
    shutil.rmtree(target)
    return seconds


def _tar(*arguments: object) -> None:
    subprocess.run(["tar", *map(str, arguments)], check=True)


def _seconds(run: Callable[[], object]) -> list[float]:
    start = time.perf_counter()
    run()
    return [time.perf_counter() - start]


def _make(layout: Layout) -> None:
    """Create a store of an operator with accounts and users, with all seeds and creds."""
    operator = nkey.create("operator")
    files = {
        layout.marker: '{"managed":false,"name":"ACME","kind":"operator","version":"1"}',
        layout.operator_jwt: codec.encode(
            Claims(name="ACME", subject=operator.public_key, body=Operator()), operator, 1
        ),
        layout.key(operator.public_key): operator.seed,
    }
    for number in range(ACCOUNTS):
        account, name = nkey.create("account"), f"account-{number}"
        token = codec.encode(Claims(name=name, subject=account.public_key, body=Account()), operator, 1)
        files.update({layout.account_jwt(name): token, layout.key(account.public_key): account.seed})
        for index in range(USERS_EACH):
            user, user_name = nkey.create("user"), f"user-{index}"
            token = codec.encode(Claims(name=user_name, subject=user.public_key, body=User()), account, 1)
            files[layout.user_jwt(name, user_name)] = token
            files[layout.key(user.public_key)] = user.seed
            files[layout.creds(name, user_name)] = decorated.creds_text(token, user.seed)
    for path, text in files.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
