# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The tasks of nats_backup and nats_restore: write a store with its keystore to one file, and restore it where no file is newer."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Sequence

from ..backup.bundle import (
    Keys,
    is_current,
    is_current_for_nats,
    read_bundle,
    write_encrypted,
    write_for_nats,
    write_sealed,
)
from ..backup.contents import Contents, counted, look_into, refusal
from ..backup.gather import gather
from ..base import units
from ..base.errors import Missing, NatsSecurityError
from ..disk.files import FILE_MODE, read_text
from ..keys import nkey
from ..keys.nkey import KeyPair
from ..store.apply import lock
from ..store.layout import only_store
from .attributes import set_attributes
from .placing import Placing, place_of, put_store
from .stores import lock_timeout, named_store
from .task import CarefulModule, now, parse_seed
from .tokens import back_up, check_folder, read_seed_file

#: The largest backup that is read, in bytes: ten times that of 10,000 users.
_MAX_BYTES = 512 * 1024 * 1024
_SHOWN = 10


# ---- backup


def backup_task(module: CarefulModule) -> dict[str, Any]:
    """Write the backup of a store if it does not exist or is not current, and return the result."""
    params = module.params
    path, form = params["path"], _form(module)
    where = named_store(params, only_store)
    check_folder(module, path, "path")
    with lock(where, lock_timeout(params), create=False, shared=True):
        contents = gather(where)
    held = look_into(contents)
    _warn_of(module, held.problems)
    old = module.snapshot.read(path, "path: the backup", _MAX_BYTES)
    try:
        changed = old is None or not form.is_current(old, contents)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"path: {path} is left unchanged. {error}") from None
    result: dict[str, Any] = {}
    if changed:
        # Also in check mode for the format of the nats CLI, because writing fails if the store has something that this format cannot hold.
        sealed = form.write(contents) if form.is_for_nats or not module.check_mode else ""
        if params["backup"] and old is not None:
            back_up(module, path, result)
        module.snapshot.put(path, sealed, FILE_MODE)
    is_set = set_attributes(module, path, params["mode"] or "0600", written=changed)
    operator = held.operator
    result.update(
        changed=changed or is_set,
        path=path,
        store=where.name,
        operator={"name": operator.name, "public_key": operator.subject} if operator is not None else None,
        holds=counted(contents),
        missing_seeds=held.missing_seeds,
        problems=held.problems,
        diff={"before": {"backup": "" if old is None else "of something else"}, "after": {"backup": "as the store is"}}
        if changed
        else {"before": {}, "after": {}},
    )
    return result


class _Form(NamedTuple):
    """How a backup is written, and whether a text is already a backup of the same contents."""

    write: Callable[[Contents], str]
    is_current: Callable[[str, Contents], bool]
    is_for_nats: bool = False


def _form(module: CarefulModule) -> _Form:
    params = module.params
    pairs = _curve_keys(module, "nats_key")
    if pairs:
        (pair,) = pairs
        return _Form(
            lambda contents: write_for_nats(contents, pair),
            lambda text, contents: is_current_for_nats(text, contents, pair),
            True,
        )
    password, recipients = params["password"], _recipients(params["recipients"] or ())
    return _Form(
        lambda contents: (
            write_sealed(contents, recipients, now())
            if password is None
            else write_encrypted(contents, password, now())
        ),
        lambda text, contents: is_current(text, contents, recipients, password),
    )


def _curve_keys(module: CarefulModule, option: str) -> list[KeyPair]:
    """The curve keys of the options X_path and X_seed."""
    pairs, path, seed = [], module.params[f"{option}_path"], module.params[f"{option}_seed"]
    if seed is not None:
        pairs.append(parse_seed(seed, f"{option}_seed", "curve"))
    if path is not None:
        pair = read_seed_file(module, path, f"{option}_path", "curve")
        if pair is None:
            raise Missing(f"{option}_path: there is no file {path}.")
        pairs.append(pair)
    return pairs


def _recipients(given: Sequence[str]) -> list[str]:
    recipients, problems = [], []
    for index, public_key in enumerate(given):
        try:
            recipients.append(nkey.from_public_key(public_key.strip(), "curve").public_key)
        except NatsSecurityError as error:
            problems.append(f"recipients[{index}]: {error}")
    if problems:
        raise NatsSecurityError(" ".join(problems))
    return recipients


def _warn_of(module: CarefulModule, problems: Sequence[str]) -> None:
    for problem in problems[:_SHOWN]:
        module.warn(f"nats_restore accepts this only with accept_unverified=true: {problem}")
    if len(problems) > _SHOWN:
        module.warn(f"And {len(problems) - _SHOWN} more such files, see problems.")


# ---- restore


def restore_task(module: CarefulModule) -> dict[str, Any]:
    """Restore the files of a backup unless existing files are newer or different, and return the result."""
    params = module.params
    path, timeout = params["path"], lock_timeout(module.params)
    text = read_text(path, "path: the backup", _MAX_BYTES)
    if text is None:
        raise Missing(f"path: there is no file {path}.")
    archive = read_bundle(text, _keys(module), expected_operator(params["operator"]))
    held, contents = archive.held, archive.contents
    if held.problems and not params["accept_unverified"]:
        raise refusal(
            f"path: nothing is restored from {path}, because it does not verify (to restore it anyway, set accept_unverified=true):",
            held.problems,
        )
    where = named_store(params, lambda _unused: contents.name)
    if where.name != contents.name:
        raise NatsSecurityError(f"store: {path} is the backup of the store {contents.name}, not of {where.name}.")
    placing = Placing("The backup", timeout, params["force"], module.check_mode)
    owner = held.operator.subject if held.operator is not None else ""
    _unused, comparison = put_store(where, owner, placing, lambda: contents)
    written = [*comparison.to_write, *comparison.conflicts]
    return {
        "changed": bool(written),
        "store": contents.name,
        "store_path": where.root,
        "keys_path": where.keys_dir,
        "created": units.show_time(archive.created),
        "operator": {"name": held.operator.name, "public_key": held.operator.subject}
        if held.operator is not None
        else None,
        "holds": counted(contents),
        "restored": counted(Contents(contents.name, dict.fromkeys(written, ""))),
        "replaced": [place_of(where, one) for one in comparison.conflicts],
        "missing_seeds": held.missing_seeds,
        "problems": held.problems,
        "diff": {
            "before": {one: comparison.states[one] for one in written},
            "after": dict.fromkeys(written, "as in the backup"),
        },
    }


def _keys(module: CarefulModule) -> Keys:
    return Keys(_curve_keys(module, "key"), module.params["password"])


def expected_operator(operator: str | None) -> str | None:
    """The public key in the option `operator`, or None. Raises NatsSecurityError for any other text."""
    if operator is None:
        return None
    try:
        return nkey.from_public_key(operator.strip(), "operator").public_key
    except NatsSecurityError as error:
        raise NatsSecurityError(f"operator: {error}") from None
