# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The paths among a task's options: which texts can be one, that no two name one file, and the locks under which a task reads, decides and writes."""

from __future__ import annotations

import contextlib
import os
import re
from typing import Any, Iterator, NamedTuple, Sequence

from ..base.errors import NatsSecurityError
from ..disk.files import identity, path_problem
from ..disk.lock import lock_folders
from ..disk.writing import discard_rest

#: How long a task waits for others that write in the same folder, in seconds. Each holds the lock for some hundredths of a second.
LOCK_TIMEOUT = 60.0

#: Options that name a folder, or may, beside those whose names end in `dir`.
_FOLDERS = frozenset({"signer_path", "system_signer_path", "store_path", "signers.ca_path"})
#: What may be one file, or is an error by what it holds: the signer is the task's own key or one of its signing keys; nats_sign adds to the document
#: that it reads, which no seed file is.
_SAME = tuple(
    map(
        frozenset,
        (
            ("signer_path", "key_path"),
            ("signer_path", "signing_keys.path"),
            ("path", "signed_path"),
            ("signer_path", "path"),
            ("signer_path", "signed_path"),
        ),
    )
)
_PARENTS = frozenset({"operator_jwt_path", "account_jwt_path"})


class PathOption(NamedTuple):
    """An option that has a path: as `signing_keys[0].path` where the task has it, and as `signing_keys.path` in the argument spec."""

    shown: str
    path: str

    @property
    def name(self) -> str:
        """The option in the argument spec."""
        return re.sub(r"\[\d+\]", "", self.shown)


def path_options(spec: dict[str, Any], params: dict[str, Any], prefix: str = "") -> Iterator[PathOption]:
    """All paths of a task, also those in lists and in options of options."""
    for name, option in spec.items():
        value = params.get(name)
        if value is None:
            continue
        shown = prefix + name
        if option.get("type") == "path":
            yield PathOption(shown, value)
        elif option.get("elements") == "path":
            yield from (PathOption(f"{shown}[{index}]", item) for index, item in enumerate(value))
        elif option.get("options"):
            items = enumerate(value) if isinstance(value, list) else [(None, value)]
            for index, item in items:
                where = f"{shown}." if index is None else f"{shown}[{index}]."
                yield from path_options(option["options"], item, where)


def check_paths(options: Sequence[PathOption]) -> None:
    """NatsSecurityError for a text that cannot be a path, and for a folder in the place of a file."""
    for option in options:
        is_folder = option.name.endswith("dir") or option.name in _FOLDERS
        if is_folder and not option.path:
            continue  # as if it was omitted
        problem = path_problem(option.path)
        if not problem and not is_folder and option.path.endswith("/"):
            problem = "it ends with a slash, where the path of a file is expected"
        if problem:
            path = ascii(option.path if len(option.path) <= 200 else option.path[:200] + "...")
            raise NatsSecurityError(f"{option.shown}: {path} cannot be used: {problem}.")


def check_distinct(options: Sequence[PathOption], written: frozenset[str]) -> None:
    """NatsSecurityError where a file that the task writes is named by another option too, however its path is spelled."""
    seen: dict[tuple[int | str, ...], list[PathOption]] = {}
    for option in options:
        seen.setdefault(identity(option.path), []).append(option)
    for same in seen.values():
        for index, second in enumerate(same):
            for first in same[:index]:
                names = {first.name, second.name}
                # Of a file that is there, the JWT of a parent says best why it cannot be the other option's too.
                is_parent = names & _PARENTS and os.path.exists(first.path)
                if names & written and names not in _SAME and not is_parent:
                    raise NatsSecurityError(
                        f"{first.shown} and {second.shown} are one file, {first.path}"
                        f"{f' and {second.path}' if first.path != second.path else ''}: each needs a file of its own."
                    )


@contextlib.contextmanager
def alone_with(options: Sequence[PathOption]) -> Iterator[None]:
    """Work on files as the only task of this collection, and without what a killed one left beside them. NatsSecurityError where that is not possible."""
    with lock_folders([os.path.dirname(os.path.realpath(option.path)) for option in options], LOCK_TIMEOUT):
        for option in options:
            discard_rest(option.path)
        yield
