# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Packs contents as a compressed tar archive with a manifest. `tar -xzf` extracts the files to nsc's layout.

The same contents with the same time result in the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from typing import Any, NamedTuple

from ..base import units
from ..base.each_once import SaidTwiceError, each_once
from ..base.errors import NatsSecurityError
from . import tar
from .contents import Contents, Held, counted, glance, look_into, path_problem, refusal

FORMAT = "natsops.security backup"
VERSION = 1
MANIFEST = "natsops-backup.json"
#: The maximum unpacked size, larger than any store. It protects the memory against small files that unpack to huge ones.
MOST_BYTES = 1 << 30
_GZIP = 31  # zlib's wbits for a gzip header


class Archive(NamedTuple):
    """The contents of an archive, verified against its manifest. `created` is in unix seconds."""

    contents: Contents
    held: Held
    created: int
    manifest: dict[str, Any]


def write_archive(contents: Contents, created: int) -> bytes:
    """The archive of contents, which are only verified when the archive is read. NatsSecurityError for a path that is not allowed in a backup."""
    problems = [f"{problem}." for path in contents.files if (problem := path_problem(path, contents.name))]
    if problems:
        raise refusal("No backup can be made:", problems)
    files = {path: contents.files[path].encode("utf-8") for path in sorted(contents.files)}
    manifest = json.dumps(_manifest(contents, files, created), indent=1, ensure_ascii=False) + "\n"
    compressor = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
    packed = tar.pack([(MANIFEST, manifest.encode("utf-8")), *files.items()], created)
    return b"".join([*map(compressor.compress, packed), compressor.flush()])


def _manifest(contents: Contents, files: dict[str, bytes], created: int) -> dict[str, Any]:
    held = glance(contents)
    operator = held.operator
    return {
        "format": FORMAT,
        "version": VERSION,
        "created": units.show_time(created),
        "store": contents.name,
        "operator": {"name": operator.name, "public_key": operator.subject} if operator is not None else None,
        "holds": counted(contents),
        "missing_seeds": held.missing_seeds,
        "sha256": {path: hashlib.sha256(data).hexdigest() for path, data in files.items()},
    }


def read_archive(data: bytes, operator: str | None = None) -> Archive:
    """Read an archive. NatsSecurityError if it is truncated, differs from its manifest, or has another operator than the expected one.

    Files that do not verify up to the operator are in `held.problems`.
    """
    files = tar.unpack(_decompress(data))
    manifest = _read_manifest(files.pop(MANIFEST, None))
    name = str(manifest["store"])
    problems = [f"{problem}." for path in files if (problem := path_problem(path, name))]
    sums = manifest["sha256"]
    problems += [f"{path} is missing." for path in sums if path not in files]
    for path, content in files.items():
        if sums.get(path) != hashlib.sha256(content).hexdigest():
            problems.append(
                f"{path} does not match the manifest." if path in sums else f"{path} is not in the manifest."
            )
    if problems:
        raise refusal("The backup does not match its manifest:", problems)
    contents = Contents(name, {path: _text(path, content) for path, content in files.items()})
    held = look_into(contents, operator)
    if manifest["holds"] != counted(contents):
        raise refusal("The backup does not match its manifest:", [f"it holds {counted(contents)}."])
    if operator is not None and (held.operator is None or held.operator.subject != operator):
        raise refusal("The backup belongs to another operator:", held.problems)
    return Archive(contents, held, units.parse_time(manifest["created"]), manifest)


def _decompress(data: bytes) -> bytes:
    decompressor = zlib.decompressobj(_GZIP)
    try:
        unpacked = decompressor.decompress(data, MOST_BYTES)
    except zlib.error:
        raise NatsSecurityError("The backup cannot be read: it holds no compressed archive, or was changed.") from None
    if decompressor.unconsumed_tail:
        raise NatsSecurityError(f"The backup cannot be read: it is larger than {MOST_BYTES >> 30} GiB.")
    if not decompressor.eof:
        raise NatsSecurityError("The backup cannot be read: it is truncated.")
    return unpacked


def _read_manifest(data: bytes | None) -> dict[str, Any]:
    try:
        manifest = json.loads(data or b"", object_pairs_hook=each_once)
    except SaidTwiceError as error:
        raise NatsSecurityError(f"The backup cannot be read: {MANIFEST}: {error}.") from None
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise NatsSecurityError(f"The backup cannot be read: it has no manifest {MANIFEST} of the format {FORMAT!r}.")
    if manifest.get("version") != VERSION:
        raise NatsSecurityError(
            f"The backup cannot be read: it is of version {str(manifest.get('version'))[:20]!r}; only version {VERSION} is supported."
        )
    shapes = {"store": str, "created": str, "holds": dict, "sha256": dict}
    for name, shape in shapes.items():
        if not isinstance(manifest.get(name), shape):
            raise NatsSecurityError(f"The backup cannot be read: its manifest has no {name}.")
    try:
        units.parse_time(manifest["created"])
    except ValueError as error:
        raise NatsSecurityError(f"The backup cannot be read: created in its manifest: {error}.") from None
    return manifest


def _text(path: str, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise NatsSecurityError(f"The backup cannot be read: {path} is not a text.") from None
