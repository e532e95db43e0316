# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Check whether a nats-server can start with a configuration on this host: writable files and folders, existing addresses, and free ports.

`nats-server -t` checks none of this. The trial start of `program` ends before the server listens, and uses another log file and pid file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from typing import Iterator, NamedTuple

from ..base.errors import NatsSecurityError
from . import reading
from .configuration import MAIN
from .program import Program
from .reading import Document, Path, ReadFile
from .startup import Block, listeners

#: systemd creates folders here when it starts a service (RuntimeDirectory).
_MADE_ON_START = "/run/"
_LISTENS = "0A"  # the state of a socket in /proc/net/tcp
_KEY, _PREVIOUS_KEY = ("key", "ek", "encryption_key"), ("prev_key", "prev_ek", "prev_encryption_key")
_STORE = ("store_dir", "storedir", "store")


class Problem(NamedTuple):
    """A problem with a member of the configuration. `may_come` is whether an earlier task of the play can correct it."""

    path: Path
    message: str
    may_come: bool


def problems(document: Document, judge: Program, folder: str, read_file: ReadFile) -> Iterator[Problem]:
    """All problems of this host for which the server would not start, or would start without its streams. Relative paths are relative to `folder`, and
    `read_file` returns the text of the files in it.
    """
    top = Block(document.data)
    for file in (("pid_file", "pidfile"), ("log_file", "logfile")):
        text = top.text(*file)
        why = _unwritable_file(os.path.join(folder, text), judge) if text else ""
        if why:
            yield Problem(top.at(*file), f"the server could not write {text}: {why}.", True)
    resolver, jetstream = top.block("resolver", "account_resolver", "accounts_resolver"), top.block("jetstream")
    folders: tuple[tuple[Block, tuple[str, ...], str], ...] = (
        (resolver, ("dir",), ""),
        (jetstream, _STORE, "jetstream"),
    )
    for block, names, inside in folders:
        text = block.text(*names)
        why = _unwritable_folder(os.path.join(folder, text, inside).rstrip("/"), judge) if text else ""
        if why:
            yield Problem(block.at(*names), f"the server could not write to {text}: {why}.", True)
    store = _unreadable_store(jetstream, folder, read_file)
    if store:
        message = (
            f"what is in {store} is encrypted with another key, and the server would start without its streams. "
            "Give that key as prev_key, or remove that folder."
        )
        yield Problem(jetstream.at(*_KEY), message, False)
    for listener in listeners(top):
        why = _unlistenable(listener.host, listener.port)
        if why:
            yield Problem(listener.path, why, False)


# ---- files


def _unreadable_store(jetstream: Block, folder: str, read_file: ReadFile) -> str:
    """The folder of JetStream, if the configuration on disk has a key for it that the new one has not; empty otherwise."""
    path = os.path.join(folder, MAIN)
    try:
        before = Block(Block(reading.read(read_file(path) or "", path, read_file).data).value("jetstream"))
    except NatsSecurityError:
        return ""
    key, store = before.text(*_KEY), before.text(*_STORE)
    is_unknown = jetstream.has("tpm") or any(
        jetstream.has(*names) and not jetstream.text(*names) for names in (_KEY, _PREVIOUS_KEY)
    )
    if not key or is_unknown or key in (jetstream.text(*_KEY), jetstream.text(*_PREVIOUS_KEY)):
        return ""
    inside = os.path.join(folder, store, "jetstream")
    return inside if store == jetstream.text(*_STORE) and os.path.isdir(inside) else ""


def _unwritable_file(path: str, judge: Program) -> str:
    """Why the server could not create or write a file (os.WriteFile and os.OpenFile); empty if it can."""
    folder = os.path.dirname(path)
    if os.path.isdir(path):
        return "it is a folder"
    if os.path.exists(path):
        return "" if judge.may_write(path) else f"{_who(judge)} may not write it"
    if not os.path.isdir(folder):
        return "" if folder.startswith(_MADE_ON_START) else f"there is no folder {folder}"
    return "" if judge.may_write(folder) else f"{_who(judge)} may not write to {folder}"


def _unwritable_folder(path: str, judge: Program) -> str:
    """Why the server could not write to a folder, or create it (os.MkdirAll); empty if it can."""
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    if not os.path.isdir(path):
        return f"{path} is not a folder"
    return "" if judge.may_write(path) else f"{_who(judge)} may not write to {path}"


def _who(judge: Program) -> str:
    return judge.user or "the user of this task"


# ---- addresses and ports


def _unlistenable(host: str, port: int) -> str:
    """Why the server could not listen on an address (net.Listen); empty if it can, or if a nats-server listens there, which may be the same one."""
    try:
        found = socket.getaddrinfo(host or None, max(port, 0), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        return f"{host} has no address on this host: {error.strerror}."
    except UnicodeError:  # an empty or too long label
        return f"{host} is not the name of a host."
    numbers = [_bind_error(family, address) for family, _type, _protocol, _name, address in found]
    if 0 in numbers:
        return ""
    if errno.EADDRNOTAVAIL in numbers:
        return f"{host} is not an address of this host."
    if errno.EADDRINUSE in numbers:
        holder = _holder(port)
        return f"port {port} is in use by {holder}." if holder else ""
    return ""  # the service may have permissions that this task does not have


def _bind_error(family: int, address: tuple[object, ...]) -> int:
    """The errno of binding to an address without listening; 0 if that succeeds."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as bound:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Go does
            bound.bind(address)
    except OSError as error:  # creating the socket also fails, if the kernel has no IPv6
        return error.errno or 0
    return 0


def _holder(port: int) -> str:
    """The process that listens on a port; empty if it is a nats-server, or cannot be found."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port)}
    for process in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            folder = f"/proc/{process}/fd"
            if sockets.intersection(os.readlink(f"{folder}/{name}") for name in os.listdir(folder)):
                with open(f"/proc/{process}/comm", encoding="utf-8", errors="replace") as file:
                    name = file.read().strip()
                return "" if name.startswith("nats-server") else f"{name} (process {process})"
    return ""


def _inodes(port: int) -> Iterator[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError), open(table, encoding="ascii") as file:
            for line in list(file)[1:]:
                fields = line.split()
                if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]
