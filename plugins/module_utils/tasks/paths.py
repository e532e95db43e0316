# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The paths among a task's options: that they are valid, that no two name the same file, and the locks under which a task reads, decides and writes."""

from __future__ import annotations

import contextlib
import os
import re
from typing import Any, Iterator, NamedTuple, Sequence

from ..base.errors import NatsSecurityError
from ..disk.files import identity, path_problem
from ..disk.lock import lock_folders
from ..disk.writing import discard_rest

#: How long a task waits for other tasks that write in the same folder, in seconds. Each holds the lock for a few hundredths of a second.
LOCK_TIMEOUT = 60.0

#: Options that name or may name a folder, in addition to those whose names end in `dir`.
_FOLDERS = frozenset({"signer_path", "system_signer_path", "store_path", "signers.ca_path"})
#: Pairs of options that may name the same file, or for which another error is reported: the signer may be the task's own key or one of its signing keys;
#: nats_sign adds signatures to the document that it reads, and a document is never a seed file.
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
    """An option with a path. `shown` is its place in the task, such as `signing_keys[0].path`; its name in the argument spec is `signing_keys.path`."""

    shown: str
    path: str

    @property
    def name(self) -> str:
        """The name of the option in the argument spec."""
        return re.sub(r"\[\d+\]", "", self.shown)


def path_options(spec: dict[str, Any], params: dict[str, Any], prefix: str = "") -> Iterator[PathOption]:
    """All paths of a task, including those in lists and in suboptions."""
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
    """Raise NatsSecurityError for a text that is not a valid path, and for the path of a folder instead of a file."""
    for option in options:
        is_folder = option.name.endswith("dir") or option.name in _FOLDERS
        if is_folder and not option.path:
            continue  # treated as omitted
        problem = path_problem(option.path)
        if not problem and not is_folder and option.path.endswith("/"):
            problem = "it ends with a slash, expected the path of a file"
        if problem:
            path = ascii(option.path if len(option.path) <= 200 else option.path[:200] + "...")
            raise NatsSecurityError(f"{option.shown}: {path} cannot be used: {problem}.")


def check_distinct(options: Sequence[PathOption], written: frozenset[str]) -> None:
    """Raise NatsSecurityError if two options name the same file and the task writes it, even if the paths are spelled differently."""
    seen: dict[tuple[int | str, ...], list[PathOption]] = {}
    for option in options:
        seen.setdefault(identity(option.path), []).append(option)
    for same in seen.values():
        for index, second in enumerate(same):
            for first in same[:index]:
                names = {first.name, second.name}
                # If the file exists, reading it as the JWT of a parent reports a better error.
                is_parent = names & _PARENTS and os.path.exists(first.path)
                if names & written and names not in _SAME and not is_parent:
                    raise NatsSecurityError(
                        f"{first.shown} and {second.shown} are one file, {first.path}"
                        f"{f' and {second.path}' if first.path != second.path else ''}: each needs a file of its own."
                    )


@contextlib.contextmanager
def alone_with(options: Sequence[PathOption]) -> Iterator[None]:
    """Hold the locks of the files' folders, and remove temporary files that a killed task left there. Raises NatsSecurityError if that is not possible."""
    with lock_folders([os.path.dirname(os.path.realpath(option.path)) for option in options], LOCK_TIMEOUT):
        for option in options:
            discard_rest(option.path)
        yield
