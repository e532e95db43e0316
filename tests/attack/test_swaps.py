# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Every JWT file of a store exchanged for every other one, for older ones, for forged ones, and removed: an attacker gains nothing.

If the next run succeeds, exactly the same keys are trusted for the same subjects as before, and what was revoked or removed stays revoked or removed. If
the run refuses, it names the file and writes nothing.
"""

from __future__ import annotations

import copy
import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.claims import Account, Operator, User
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.keys.keyring import Keyring
from ansible_collections.natsops.security.plugins.module_utils.reconcile.wanted import How
from ansible_collections.natsops.security.plugins.module_utils.store import apply, layout, report
from ansible_collections.natsops.security.plugins.module_utils.store.document import read_document
from ansible_collections.natsops.security.plugins.module_utils.token import codec

NOW = 1_800_000_000
DOCUMENT: dict[str, Any] = {
    "operator": {"name": "ACME", "signing_keys": ["main"], "system_account": "SYS"},
    "accounts": [
        {"name": "SYS", "users": [{"name": "sys"}]},
        {
            "name": "APP",
            "signing_keys": [{"role": "main"}, {"role": "r", "template": {}}],
            "users": [{"name": "one"}, {"name": "two", "signing_key_role": "r"}, {"name": "gone"}],
        },
        {"name": "OLD", "users": [{"name": "one"}]},
    ],
}


def _later() -> dict[str, Any]:
    """The document with another signing key, and without a user, an account and the earlier signing key."""
    wanted = copy.deepcopy(DOCUMENT)
    app = wanted["accounts"][1]
    app.update(signing_keys=[{"role": "r", "template": {}}], remove_signing_keys=["main"])
    del app["users"][2], wanted["accounts"][2]
    return wanted


def _run(folder: pathlib.Path, document: dict[str, Any], now: int, check: bool = False) -> list[str]:
    """Apply a document. Return the message of the problems or of the error, or an empty list."""
    wanted, problems = read_document(document)
    assert problems == []
    where = layout.Layout(str(folder / "stores"), str(folder / "keys"), "ACME")
    how = How(now, prune=True, cut_off=True)
    run = apply.Run(check, 60, "a test")
    try:
        plan = apply.run(wanted, where, lambda: Keyring((), [where.keys_dir]), how, run).plan
    except NatsSecurityError as error:
        return [str(error)]
    return [report.problem_message(plan.problems, where.root)] if plan.problems else []


def _files(folder: pathlib.Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in (folder / "stores").rglob("*.jwt"))


def _trusted(folder: pathlib.Path) -> set[tuple[str, ...]]:
    """The subject, signing keys and revocations of each file, as tuples that begin with the file. Users whose account has no JWT are not trusted."""
    found: set[tuple[str, ...]] = set()
    for file in _files(folder):
        if "/users/" in file and not list((folder / file).parent.parent.glob("*.jwt")):
            continue
        claims = codec.decode((folder / file).read_text())
        found.add((file, "is", claims.subject))
        body = claims.body
        if isinstance(body, Operator):
            found.update((file, "signs", key) for key in body.signing_keys)
            found.add((file, "system", body.system_account))
        elif isinstance(body, Account):
            found.update((file, "signs", key.key) for key in body.signing_keys)
            found.add((file, "revokes", *sorted(body.revocations)))
        elif isinstance(body, User):
            found.add((file, "may", body.issuer_account, claims.issuer))
    return found


def _contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Made:
    """A store after later runs, with the texts that its files had after the first run."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder, self.document = folder, copy.deepcopy(DOCUMENT)
        assert _run(folder, DOCUMENT, NOW) == []
        self.old = {file: (folder / file).read_text() for file in _files(folder)}
        self.document = _later()
        one = codec.decode(self.old["stores/ACME/accounts/APP/users/one.jwt"]).subject
        revoking = copy.deepcopy(self.document)
        revoking["accounts"][1]["revocations"] = {one: "now"}
        assert _run(folder, revoking, NOW + 100) == []
        assert _run(folder, self.document, NOW + 200) == []
        self.texts = {file: (folder / file).read_text() for file in _files(folder)}
        self.trusted = _trusted(folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("made"))


def _forged(made: Made, file: str) -> Iterator[tuple[str, str]]:
    """Pairs of a name and a forged text: tokens about the file's subject, and about a subject of the attacker's, made without the keys of the store."""
    text = made.texts[file]
    claims = codec.decode(text)
    mine = {kind: nkey.from_raw_seed(kind, bytes([9]) * 32) for kind in ("operator", "account", "user")}
    for signer in (mine["operator"], mine["account"]):
        for subject in (claims.subject, mine[claims.kind].public_key):
            for at in (claims.issued_at + 1000, 1):
                forged = copy.deepcopy(claims)
                forged.subject = subject
                if isinstance(forged.body, Account):
                    forged.body.signing_keys.clear()
                    forged.body.revocations = {}
                try:
                    yield f"{signer.type} {subject == claims.subject} {at}", codec.encode(forged, signer, at)
                except NatsSecurityError:
                    continue
    header, payload, signature = text.split(".")
    yield "without signature", f"{header}.{payload}."
    yield "other signature", f"{header}.{payload}.{signature[::-1]}"


def _write(file: str, text: str) -> Callable[[pathlib.Path], Any]:
    def write(folder: pathlib.Path) -> None:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)

    return write


def _remove(file: str) -> Callable[[pathlib.Path], Any]:
    return lambda folder: (folder / file).unlink()


def _try(made: Made, folder: pathlib.Path, change: Callable[[pathlib.Path], Any], name: str) -> None:
    """Change a copy of the store, run, and compare what is trusted afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made.folder, folder)
    change(folder)
    before = _contents(folder)
    foreseen = _run(folder, made.document, NOW + 1000, check=True)
    assert _contents(folder) == before, name
    problems = _run(folder, made.document, NOW + 1000)
    assert problems == foreseen, name
    if problems:
        assert not any(word in problems[0] for word in ("Traceback", "fault of")), f"{name}: {problems}"
        assert "/" in problems[0], f"{name}: {problems}"
        assert _contents(folder) == before, name
        return
    assert _trusted(folder) == made.trusted, name
    assert _run(folder, made.document, NOW + 2000, check=True) == []


def test_every_file_exchanged_for_every_other(made: Made, memory: pathlib.Path) -> None:
    for file in made.texts:
        for other, text in made.texts.items():
            if other != file:
                _try(made, memory / "s", _write(file, text), f"{other} as {file}")


def test_every_file_exchanged_for_every_older_one(made: Made, memory: pathlib.Path) -> None:
    for file in made.texts:
        for other, text in made.old.items():
            _try(made, memory / "s", _write(file, text), f"old {other} as {file}")


def test_every_older_file_comes_back(made: Made, memory: pathlib.Path) -> None:
    def all_of(folder: pathlib.Path) -> None:
        for file, text in made.old.items():
            _write(file, text)(folder)

    _try(made, memory / "s", all_of, "all of them")
    for file, text in made.old.items():
        _try(made, memory / "s", _write(file, text), f"old {file}")


def test_every_file_exchanged_for_forged_ones(made: Made, memory: pathlib.Path) -> None:
    for file in made.texts:
        for name, text in _forged(made, file):
            _try(made, memory / "s", _write(file, text), f"{name} as {file}")


def test_every_file_removed(made: Made, memory: pathlib.Path) -> None:
    for file in made.texts:
        if "/users/" not in file:  # a user whose JWT was removed gets a new key
            _try(made, memory / "s", _remove(file), f"no {file}")
