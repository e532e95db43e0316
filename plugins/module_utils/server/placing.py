# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The files of a configuration on a host: compared with the existing ones, tested with the installed nats-server, and written."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import tempfile
from typing import Iterator, NamedTuple, Sequence

from ..base.errors import NatsSecurityError
from ..disk import files, foreseen, writing
from . import language, program, secrets
from .configuration import EMPTY_SITE, MAIN, RESTART_FILES, SECRET_FILES, SITE, Configuration, is_secret_file
from .program import Program

_TRIAL = "natsops-trial.conf"
#: The maximum size of a file in bytes. A configuration with the JWTs of thousands of accounts is large.
_MAX_BYTES = 512 << 20


class Change(NamedTuple):
    """The content of a file before and after the change; None if the file does not exist."""

    name: str
    before: str | None
    after: str | None

    @property
    def action(self) -> str:
        """The change: `unchanged`, `created`, `changed` or `removed`."""
        if self.before == self.after:
            return "unchanged"
        return "created" if self.before is None else "removed" if self.after is None else "changed"


def read_file(path: str) -> str | None:
    """The text of a configuration file; None if it does not exist."""
    return files.read_text(path, "the configuration", _MAX_BYTES)


def compare(configuration: Configuration, folder: str) -> list[Change]:
    """The change of every file of the configuration, in the order in which they are applied.

    Files with secrets are written first and removed last, so that a server that starts at the same time never includes a missing file.
    """
    wanted = dict(configuration.files)
    site = os.path.join(folder, SITE)
    if SITE not in wanted and not files.is_there(site):
        wanted[SITE] = EMPTY_SITE
    order = sorted(wanted, key=lambda name: (name == MAIN, not is_secret_file(name)))
    gone = [name for name in SECRET_FILES if name not in wanted and files.is_there(os.path.join(folder, name))]
    return [Change(name, read_file(os.path.join(folder, name)), wanted.get(name)) for name in [*order, *gone]]


def need(changes: Sequence[Change]) -> str:
    """What a running server needs to apply these changes: `nothing`, `reload` or `restart`."""
    changed = {change.name for change in changes if change.before != change.after}
    return "restart" if changed.intersection(RESTART_FILES) else "reload" if changed else "nothing"


def show(changes: Sequence[Change]) -> list[dict[str, str]]:
    """The changes as an Ansible diff, without secrets."""
    return [
        {
            "before_header": change.name,
            "after_header": change.name,
            "before": _shown(change.name, change.before),
            "after": "(other secrets)\n" if _hides(change) else _shown(change.name, change.after),
        }
        for change in changes
        if change.before != change.after
    ]


def _shown(name: str, text: str | None) -> str:
    if text is None:
        return ""
    if is_secret_file(name):
        return "(secrets)\n"
    shown = secrets.hidden_text(text, name)
    return "(not shown, as it cannot be read)\n" if shown is None else shown


def _hides(change: Change) -> bool:
    return is_secret_file(change.name) and change.before is not None and change.after is not None


# ---- testing with the server


def refuse_unreadable(configuration: Configuration, judge: Program) -> None:
    """NatsSecurityError if the installed server cannot read the configuration of another host. It is not started, as it has other addresses."""
    files_of_it = {SITE: EMPTY_SITE, **configuration.files}
    refuse_unfit(configuration, [Change(name, None, text) for name, text in files_of_it.items()], "", judge)


def refuse_unfit(configuration: Configuration, changes: Sequence[Change], folder: str, judge: Program) -> None:
    """NatsSecurityError if the installed server cannot read the new configuration, or does not start with it in its folder. All temporary files are removed."""
    with _staged(changes, folder) as staged:
        trial = os.path.join(staged, _TRIAL)
        _write(trial, _trial_text(configuration, staged))
        if judge.user and os.geteuid() == 0:
            _give(staged, judge.user)
        where = folder if files.is_folder(folder) else staged  # the base of relative paths
        verdict = program.read(judge, trial, where)
        what = "does not accept"
        if folder and not verdict.refusal:
            verdict = program.start(judge, trial, os.path.join(staged, "trial.log"), where)
            what = "does not start with"
        if verdict.refusal:
            known = [*configuration.secret_values, *_site_secrets(changes)]
            message = secrets.hidden_message(verdict.refusal.replace(staged + "/", ""), known)
            kept = f", so that of {folder} is kept" if folder else ""
            raise NatsSecurityError(
                f"{judge.binary} {what} the new configuration{kept}: {message.replace(_TRIAL, MAIN)}"
            )


def _trial_text(configuration: Configuration, staged: str) -> str:
    """The configuration for the trial, with a resolver in another folder than that of the running server. A URL resolver is replaced, so that no account
    server is queried."""
    resolver = configuration.members["operator"]["resolver"]
    has_system_account = configuration.members["operator"]["system_account"]
    text = f'include "{MAIN}"\n'
    if resolver == "MEMORY":
        return text
    if not isinstance(resolver, dict):
        resolver = {"type": "full"} if has_system_account else "MEMORY"
    if isinstance(resolver, dict):
        resolver = {**resolver, "dir": os.path.join(staged, "accounts")}
    return text + language.write({"resolver": resolver})


def _site_secrets(changes: Sequence[Change]) -> list[str]:
    text = next((change.after for change in changes if change.name == SITE), None)
    return secrets.values_in_text(text or "", SITE)


@contextlib.contextmanager
def _staged(changes: Sequence[Change], folder: str) -> Iterator[str]:
    """A temporary folder with the new files, and links to all other files in the configuration folder, because `site.conf` may include them."""
    staged = tempfile.mkdtemp(prefix="natsops-", dir="/run" if os.access("/run", os.W_OK) else None)
    try:
        ours = {change.name for change in changes}
        for name in os.listdir(folder) if files.is_folder(folder) else ():
            if name not in ours:
                os.symlink(os.path.join(folder, name), os.path.join(staged, name))
        for change in changes:
            if change.after is not None:
                _write(os.path.join(staged, change.name), change.after)
        yield staged
    except OSError as error:
        raise NatsSecurityError(
            f"{staged}, where the server tries the configuration: {error.strerror or error}."
        ) from None
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _write(path: str, text: str) -> None:
    # The file is temporary, so it is not synced.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text)


def _give(staged: str, user: str) -> None:
    owner = pwd.getpwnam(user)
    for path in [staged, *(entry.path for entry in os.scandir(staged))]:
        os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)


# ---- writing


def foresee(changes: Sequence[Change], folder: str) -> None:
    """FileError if `place` could not write or remove one of these files."""
    for change in changes:
        path = os.path.join(folder, change.name)
        if change.before != change.after:
            (foreseen.removal if change.after is None else foreseen.write)(path)


def place(changes: Sequence[Change], folder: str, mode: int) -> None:
    """Write and remove the files that change, each one atomically. FileError if that fails."""
    for change in changes:
        path = os.path.join(folder, change.name)
        if change.before == change.after:
            continue
        if change.after is None:
            files.remove(path)
        else:
            writing.put(path, change.after, mode, change.before)
