# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Many users signed by a transit key of OpenBao, by SoftHSM and by a program, against a seed. `make signers` installs their requirements."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from measure import Row, interleaved

from ansible_collections.natsops.security.plugins.module_utils.claims import (
    Claims,
    Permission,
    Permissions,
    User,
    UserAccess,
)
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.keys.nkey import KeyPair
from ansible_collections.natsops.security.plugins.module_utils.keys.signers import Signer
from ansible_collections.natsops.security.plugins.module_utils.keys.signers.options import signer_of
from ansible_collections.natsops.security.plugins.module_utils.token import codec

TESTS = Path(__file__).resolve().parents[1] / "tests"
COUNT = 10_000
ROUNDS = 5
WHAT = f"{COUNT:,} user keys + claims + tokens"


def rows(scratch: Path) -> Iterator[Row]:
    """In wall-clock time, because other processes do the work."""
    sys.path.insert(1, str(TESTS))
    from support import vaults

    pair = nkey.create("account")
    seed = pair._raw_seed or b""
    if vaults.BAO.exists():
        with vaults.openbao(scratch) as bao:
            bao.import_key("app", seed)
            yield _row("transit key, OpenBao", pair, signer_of(bao.signer("app", public_key=pair.public_key)), 3)
    else:
        yield Row(WHAT, "", "transit key: skipped, no OpenBao (make signers)")
    missing = vaults.softhsm_is_missing()
    if missing or not vaults.BAO.exists():
        yield Row(WHAT, "", f"PKCS#11: skipped, {missing or 'make signers'}")
    else:
        hsm = vaults.softhsm(scratch / "hsm")
        hsm.import_keys({"app": (seed, pair._public)})
        os.environ.update(hsm.environment)
        yield _row("PKCS#11, SoftHSM", pair, signer_of(hsm.signer("app", public_key=pair.public_key)), 5)
    (scratch / "app.nk").write_text(pair.seed)
    argv = [sys.executable, str(TESTS / "support" / "sign_program.py"), str(scratch / "app.nk")]
    described = {"type": "command", "argv": argv, "batch": True, "public_key": pair.public_key}
    yield _row("program, batch", pair, signer_of(described), None)


def _row(name: str, pair: KeyPair, signer: Signer, at_most: float | None) -> Row:
    contenders: dict[str, Callable[[], list[float]]] = {
        "ours": lambda: [_seconds(signer)],
        "seed": lambda: [_seconds(pair)],
    }
    each = {by: medians[0] for by, medians in interleaved(contenders, ROUNDS).items()}
    ratio = each["ours"] / each["seed"]
    return Row(WHAT, f"{name} {each['ours']:.2f} s", f"seed {each['seed']:.2f} s", ratio, at_most=at_most)


def _seconds(signer: Signer) -> float:
    start = time.perf_counter()
    now = int(time.time())
    codec.encode_all([(_user(number, signer.public_key), signer, now) for number in range(COUNT)])
    return time.perf_counter() - start


def _user(number: int, account: str) -> Claims:
    pair = nkey.create("user")
    permissions = Permissions(publish=Permission(["orders.>", "metrics.*"]), subscribe=Permission(["_INBOX.>"]))
    body = User(access=UserAccess(permissions), issuer_account=account)
    return Claims(name=f"user-{number}", subject=pair.public_key, body=body)
