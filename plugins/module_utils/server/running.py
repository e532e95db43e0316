# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The nats-server that runs on this host under systemd: started, reloaded, restarted, and asked over its monitoring port.

What runs is asked, never remembered: a run that was interrupted between writing and reloading is completed by the next one.
"""

from __future__ import annotations

import calendar
import hashlib
import json
import os
import re
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from typing import Any, Callable, Iterator, NamedTuple, TypeVar

from ..base.errors import NatsSecurityError
from ..disk import files
from . import program, reading, secrets
from .configuration import RESTART_FILES
from .program import Program

#: How long NATS may take to reload, in seconds. When it refuses, only its log shows it.
_RELOAD_SECONDS = 5
#: How long a server that runs may take to answer, in seconds.
_ANSWER_SECONDS = 3
#: A configuration with the JWTs of thousands of accounts is large.
_MAX_BYTES = 512 << 20
_LOGIN = b"secret_cluster_authorization_"
_TLS_FILES = ("cert_file", "key_file", "ca_file")
_REFUSED = re.compile(r"Failed to reload server configuration: (.*)")
_UNSUPPORTED = re.compile(r"config reload (?:not supported for|does not support moving to or from) ([^:]*)")
_GRAVE = re.compile(r"\[(FTL|ERR)\]|^nats-server: ")

Found = TypeVar("Found")


class Service(NamedTuple):
    """A service of systemd, and how its server is asked. Timeouts are in seconds; `peers` is how many other servers its cluster has at least."""

    unit: str
    config: str
    program: Program
    url: str
    started_path: str
    start_timeout: float
    healthy_timeout: float
    peers: int = 0

    @property
    def folder(self) -> str:
        """The folder of the configuration."""
        return os.path.dirname(self.config)


class Running(NamedTuple):
    """What runs, or what should. Times are in unix seconds; digests are empty where the version of nats-server has none."""

    program: str
    digest: str
    restart_digest: str  # of the files that only a restart reads
    login_digest: str  # of the login between the servers of the cluster
    started: float = 0.0
    loaded: float = 0.0


class Wanted(NamedTuple):
    """What is on disk: what should run, and when it was changed."""

    running: Running
    unit_changed: float
    files_changed: float
    tls_files: dict[str, float]


# ---- what can be decided without looking


def parse_time(stamp: str) -> float:
    """The unix seconds of a time as NATS writes it, in UTC with up to nine decimals."""
    whole, point, fraction = stamp.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float("0" + point + fraction)


def needed(running: Running, wanted: Wanted) -> tuple[str, str]:
    """What makes a server run with what is on disk: `nothing`, `reload` or `restart`, and why."""
    if running.program != wanted.running.program:
        return "restart", "the program was replaced"
    if wanted.unit_changed > running.started:
        return "restart", "the unit was changed"
    same_kind = running.digest and wanted.running.digest
    if running.digest != wanted.running.digest if same_kind else wanted.files_changed > running.loaded:
        if running.restart_digest != wanted.running.restart_digest:
            return "restart", "what NATS reads only when it starts was changed"
        return "reload", "the configuration was changed"
    for path, at in sorted(wanted.tls_files.items()):
        if at > running.loaded:
            return "reload", path + " was changed"
    return "nothing", ""


def tls_files(value: Any) -> Iterator[str]:
    """The files of certificates and keys in a configuration, as they are written there."""
    if isinstance(value, dict):
        for name, member in value.items():
            if name.lower() in _TLS_FILES and isinstance(member, str):
                yield member
            else:
                yield from tls_files(member)
    elif isinstance(value, list):
        for member in value:
            yield from tls_files(member)


# ---- looking


def _run(*command: str) -> str:
    """The output of a command that succeeds."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603 (no shell)
    except OSError as error:
        raise NatsSecurityError(
            f"{command[0]} cannot be run: {error.strerror or error}; a host with systemd is needed."
        ) from None
    if done.returncode:
        raise NatsSecurityError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def _properties(service: Service) -> dict[str, str]:
    """What systemd knows about the unit."""
    names = "ActiveState,SubState,MainPID,FragmentPath,DropInPaths"
    lines = _run("systemctl", "show", "--property=" + names, service.unit).splitlines()
    return {name: value for name, equals, value in (line.partition("=") for line in lines) if equals}


def ask(url: str) -> dict[str, Any] | None:
    """An answer of the server's monitoring; None where there is none."""
    # It is on this host, and its certificate is for another name.
    trust = ssl.create_default_context()
    trust.check_hostname = False
    trust.verify_mode = ssl.CERT_NONE
    try:
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=trust))
        with opener.open(url, timeout=5) as answer:
            found = json.load(answer)
    except urllib.error.HTTPError as refusal:
        try:
            found = json.load(refusal)
        except ValueError:
            return None
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _changed_at(path: str) -> float:
    """When a file was last written or put in place; 0 when there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return 0.0
    return max(status.st_mtime, status.st_ctime)


def _read_file(path: str) -> str | None:
    return files.read_text(path, "the configuration", _MAX_BYTES)


def _document(service: Service) -> dict[str, Any]:
    """The configuration on disk as data; empty where this collection cannot read it."""
    try:
        text = _read_file(service.config)
        return {} if text is None else reading.read(text, service.config, _read_file).data
    except NatsSecurityError:
        return {}


def _wanted(service: Service, unit: dict[str, str], data: dict[str, Any]) -> Wanted:
    folder = service.folder
    names = sorted(name for name in os.listdir(folder) if name.endswith(".conf"))
    restart = b"".join(_bytes(os.path.join(folder, name)) for name in RESTART_FILES)
    login = b"".join(line for line in restart.splitlines(True) if _LOGIN in line)
    verdict = program.read(service.program, service.config, folder)
    if verdict.refusal:
        message = secrets.hidden_message(verdict.refusal, secrets.values_of(data))
        raise NatsSecurityError(
            f"{service.program.binary} does not take {service.config}, so what runs stays as it is: {message}"
        )
    return Wanted(
        Running(
            os.path.realpath(service.program.binary),
            verdict.digest,
            hashlib.sha256(restart).hexdigest(),
            hashlib.sha256(login).hexdigest(),
        ),
        max(map(_changed_at, [unit.get("FragmentPath", ""), *unit.get("DropInPaths", "").split()])),
        max((_changed_at(os.path.join(folder, name)) for name in names), default=0.0),
        {path: _changed_at(os.path.join(folder, path)) for path in set(tls_files(data))},
    )


def _bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _running(service: Service, unit: dict[str, str], wanted: Wanted) -> Running | None:
    """What runs; None where it does not answer."""
    varz = until(_ANSWER_SECONDS, lambda: ask(service.url + "/varz"))
    if varz is None:
        return None
    # The unit notes both digests at each start.
    noted = [
        line.split()[0] for line in _bytes(service.started_path).decode("ascii", "replace").splitlines() if line.split()
    ]
    both = noted if len(noted) > 1 else ["none", wanted.running.login_digest]
    # Of a program that was replaced, the link says so.
    binary = os.path.realpath(f"/proc/{unit['MainPID']}/exe")
    started, loaded = parse_time(varz["start"]), parse_time(varz["config_load_time"])
    return Running(binary, varz.get("config_digest", ""), both[0], both[1], started, loaded)


def until(timeout: float, look: Callable[[], Found]) -> Found | None:
    """What is found first that is not empty; None after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            return None
        time.sleep(0.1)


def _connected(service: Service) -> set[str]:
    """The other servers of the cluster that are connected."""
    routes = (ask(service.url + "/routez") or {}).get("routes") or ()
    return {str(route.get("remote_name", route.get("remote_id"))) for route in routes}


# ---- doing


def _journal(service: Service, since: float) -> list[str]:
    """What the server has written since then."""
    return _run(
        "journalctl", "--quiet", "--output=cat", "--unit=" + service.unit, f"--since=@{int(since)}"
    ).splitlines()


def _last_words(service: Service, since: float, data: dict[str, Any]) -> str:
    """What the server has written about its end."""
    grave = [line for line in _journal(service, since) if _GRAVE.search(line)]
    return secrets.hidden_message("; ".join(dict.fromkeys(grave[-5:])), secrets.values_of(data)) or "see its journal"


def _come_up(service: Service) -> None:
    """Start or restart the server, and wait until it answers with the configuration on disk."""
    unit, data, began = _properties(service), _document(service), time.time()
    digest = _wanted(service, unit, data).running.digest
    _run("systemctl", "daemon-reload")
    _run("systemctl", "reset-failed", service.unit)
    _run("systemctl", "restart", service.unit)

    def settled() -> str:
        state = _properties(service)
        if state["ActiveState"] == "failed" or state["SubState"] == "auto-restart":
            return "it ended"
        varz = ask(service.url + "/varz")
        if varz is None or varz.get("config_digest", "") != digest:
            return ""
        return "up" if parse_time(varz["start"]) >= began - 1 else ""

    state = until(service.start_timeout, settled)
    if state != "up":
        what = state or f"no answer of it at {service.url} in {service.start_timeout:g} s"
        raise NatsSecurityError(f"{service.unit} does not come up: {what}: {_last_words(service, began, data)}")


def _await_health(service: Service, known: set[str]) -> None:
    """Wait until the server is healthy, current in JetStream, and connected to as many others and to all that were known."""

    def missing() -> str:
        health = ask(service.url + "/healthz") or {"error": "no answer"}
        if health.get("status") != "ok":
            return str(health.get("error") or health.get("status") or "no status")
        connected = _connected(service)
        if known - connected:
            return "not connected to " + ", ".join(sorted(known - connected))
        if len(connected) < service.peers:
            return f"{len(connected)} of {service.peers} other servers of the cluster are connected"
        return ""

    if not until(service.healthy_timeout, lambda: not missing()):
        raise NatsSecurityError(f"{service.unit} is not healthy after {service.healthy_timeout:g} s: {missing()}")


def _reload(service: Service, running: Running, data: dict[str, Any]) -> str:
    """Have the configuration on disk reloaded. What NATS cannot reload, or nothing where it did."""
    began = time.time()
    _run("systemctl", "reload", service.unit)

    def answer() -> str:
        varz = ask(service.url + "/varz")
        if varz is not None and parse_time(varz["config_load_time"]) != running.loaded:
            return "done"
        refusals = filter(None, map(_REFUSED.search, _journal(service, began)))
        return next((refusal.group(1) for refusal in refusals), "")

    said = until(_RELOAD_SECONDS, answer) or "config reload not supported for this"
    if said == "done":
        return ""
    unsupported = _UNSUPPORTED.match(said)
    if not unsupported:
        message = secrets.hidden_message(said, secrets.values_of(data))
        raise NatsSecurityError(f"{service.config} cannot run, and what runs stays as it is: {message}")
    return unsupported.group(1)


class Outcome(NamedTuple):
    """What was done: `none`, `started`, `reloaded` or `restarted`, why, and whether a restart is left to do.

    `cannot_rejoin` says that the login of the cluster is new, so that servers restarted one after the other would not find each other; `answers` is
    false where the server does not answer.
    """

    action: str
    reason: str = ""
    restart: bool = False
    cannot_rejoin: bool = False
    answers: bool = True


def reconcile(service: Service, check: bool) -> Outcome:
    """Start what does not run, reload what NATS can reload, and find out whether a restart is needed. With `check` nothing is done."""
    unit = _properties(service)
    if unit["ActiveState"] not in ("active", "reloading"):
        if not check:
            _come_up(service)
        return Outcome("started", "it did not run")
    data = _document(service)
    wanted = _wanted(service, unit, data)
    running = _running(service, unit, wanted)
    if running is None:
        return Outcome("none", "it does not answer at " + service.url, restart=True, answers=False)
    need, reason = needed(running, wanted)
    if need == "reload" and not check:
        unsupported = _reload(service, running, data)
        if unsupported:
            need, reason = "restart", f"{reason}, and NATS cannot reload {unsupported}"
    # With its new login it could not join servers that have the old one.
    cannot_rejoin = running.login_digest != wanted.running.login_digest and bool(_connected(service))
    return Outcome("reloaded" if need == "reload" else "none", reason, need == "restart", cannot_rejoin)


def restart(service: Service, alone: bool) -> Outcome:
    """Restart the server; with `alone` only from a whole cluster to a whole cluster."""
    known = _connected(service) if alone else set()
    _come_up(service)
    if alone:
        _await_health(service, known)
    return Outcome("restarted")


def await_health(service: Service) -> Outcome:
    """Wait until the server is healthy, current in JetStream and connected."""
    _await_health(service, set())
    return Outcome("none")
