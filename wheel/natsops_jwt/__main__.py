# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The program `natsops-jwt`. Exit codes: 0 if nothing is wrong, 1 if servers would refuse the file, 2 for wrong arguments, 3 if it cannot be read."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import stat
import sys
import time
from typing import Sequence

from .core.base.errors import NatsSecurityError
from .core.base.excerpts import excerpt
from .core.claims import Claims
from .core.disk.files import MAX_BYTES, read_text
from .core.rules import validity
from .core.token import codec
from .explaining import Explanation, explain

VALID, REFUSED, WRONG_ARGUMENTS, UNREADABLE = range(4)

_CODES = "exit codes: 0 no problem was found, 1 servers would refuse it, 2 wrong arguments, 3 it cannot be read, or is not a JWT, creds or a key"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program, and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        parents = [_parent(path, "operator") for path in options.operator]
        parents += [_parent(path, "account") for path in options.account]
        at = validity.parse_moment(options.at, "--at", int(time.time())) if options.at else None
        text = _text_of(options.file)
        explanation = _explain(options.file, text, parents, at)
    except NatsSecurityError as error:
        print(f"natsops-jwt: {error}", file=sys.stderr)
        return UNREADABLE
    try:
        _write(_as_json(explanation) if options.json else str(explanation))
    except OSError as error:
        print(f"natsops-jwt: standard output cannot be written: {error.strerror}.", file=sys.stderr)
        return UNREADABLE
    for warning in _mode_warnings(options.file, explanation):
        print(f"natsops-jwt: {warning}", file=sys.stderr)
    return VALID if explanation.is_valid else REFUSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("natsops-jwt", description="NATS JWTs, creds, seeds and keys.", epilog=_CODES)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser(
        "explain",
        help="what a file is, in words",
        description="Say what a file is: a JWT of any type, creds, a seed, a public key. No seed and no JWT is printed.",
        epilog=_CODES,
    )
    one.add_argument("file", metavar="FILE", help="the file, or - for standard input")
    one.add_argument(
        "--operator", metavar="FILE", action="append", default=[], help="the JWT of the operator, which is trusted"
    )
    one.add_argument(
        "--account",
        metavar="FILE",
        action="append",
        default=[],
        help="the JWT of the account; without --operator it is trusted",
    )
    one.add_argument("--at", metavar="TIME", help="another time than now, such as 2027-01-31T12:00:00Z or +30d")
    one.add_argument("--json", action="store_true", help="the same for programs")
    return parser


def _explain(path: str, text: str, parents: list[str], at: int | None) -> Explanation:
    try:
        return explain(text, parents, at)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{_shown(path)}: {error}") from None


def _text_of(path: str) -> str:
    if path != "-":
        text = read_text(path, "The file")
        if text is None:
            raise NatsSecurityError(f"There is no file {_shown(path)}.")
        return text
    data = sys.stdin.buffer.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise NatsSecurityError(f"Standard input has more than {MAX_BYTES} bytes; no JWT, creds or seed is as long.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise NatsSecurityError("Standard input is not text in UTF-8.") from None


def _parent(path: str, kind: str) -> str:
    text = _text_of(path)
    claims: Claims = validity.read_text(text, _shown(path)).claims
    if claims.kind != kind:
        raise NatsSecurityError(
            f"{_shown(path)}: this is the JWT of {codec.one_of((claims.kind,))}; --{kind} is for that of an {kind}."
        )
    return text


def _shown(path: str) -> str:
    return "standard input" if path == "-" else excerpt(path)  # a seed may have been pasted instead of a path


def _write(text: str) -> None:
    """Print a text, with escapes for characters that the output encoding does not have. OSError if it fails, except if the reader closed the pipe."""
    encoding = sys.stdout.encoding or "utf-8"
    with contextlib.suppress(BrokenPipeError):
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def _as_json(explanation: Explanation) -> str:
    return json.dumps(explanation.as_dict(), indent=2)


def _mode_warnings(path: str, explanation: Explanation) -> list[str]:
    """The warning if other users may read a file with a secret; empty if not."""
    if path == "-" or os.name != "posix" or explanation.kind not in ("creds", "seed", "private_key"):
        return []
    mode = stat.S_IMODE(pathlib.Path(path).stat().st_mode)
    return [f"{path} holds a secret, and others may read it (mode {mode:04o}): chmod 600"] if mode & 0o044 else []


if __name__ == "__main__":
    sys.exit(main())
