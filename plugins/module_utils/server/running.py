# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Start, reload and restart the nats-server that runs on this host under systemd, and query it over its monitoring port.

The state is always read from the running server, never stored: a run that was interrupted between writing and reloading is completed by the next one.
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

#: The timeout of a reload in seconds. Only the log of the server shows that it refused one.
_RELOAD_SECONDS = 5
#: The timeout for an answer of a running server, in seconds.
_ANSWER_SECONDS = 3
#: The maximum size of a file in bytes. A configuration with the JWTs of thousands of accounts is large.
_MAX_BYTES = 512 << 20
_LOGIN = b"secret_cluster_authorization_"
_TLS_FILES = ("cert_file", "key_file", "ca_file")
_REFUSED = re.compile(r"Failed to reload server configuration: (.*)")
_UNSUPPORTED = re.compile(r"config reload (?:not supported for|does not support moving to or from) ([^:]*)")
_GRAVE = re.compile(r"\[(FTL|ERR)\]|^nats-server: ")

Found = TypeVar("Found")


class Service(NamedTuple):
    """A systemd service, and how to query its server. Timeouts are in seconds; `peers` is the minimum number of other servers in its cluster."""

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
    """The state of a running server, or the wanted state. Times are in unix seconds; digests are empty if the version of nats-server has none."""

    program: str
    digest: str
    restart_digest: str  # of the files that are only read at a restart
    login_digest: str  # of the cluster's authorization between servers
    started: float = 0.0
    loaded: float = 0.0


class Wanted(NamedTuple):
    """The state on disk: what should run, and when the files were changed."""

    running: Running
    unit_changed: float
    files_changed: float
    tls_files: dict[str, float]


# ---- decisions without I/O


def parse_time(stamp: str) -> float:
    """Parse a time in NATS's format, UTC with up to nine decimals, into unix seconds."""
    whole, point, fraction = stamp.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float("0" + point + fraction)


def needed(running: Running, wanted: Wanted) -> tuple[str, str]:
    """What a server needs to run with the state on disk: `nothing`, `reload` or `restart`, and the reason."""
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
    """The paths of certificate and key files in a configuration, as written there."""
    if isinstance(value, dict):
        for name, member in value.items():
            if name.lower() in _TLS_FILES and isinstance(member, str):
                yield member
            else:
                yield from tls_files(member)
    elif isinstance(value, list):
        for member in value:
            yield from tls_files(member)


# ---- reading the state


def _run(*command: str) -> str:
    """The output of a command. NatsSecurityError if it fails."""
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
    """The properties of the unit in systemd."""
    names = "ActiveState,SubState,MainPID,FragmentPath,DropInPaths"
    lines = _run("systemctl", "show", "--property=" + names, service.unit).splitlines()
    return {name: value for name, equals, value in (line.partition("=") for line in lines) if equals}


def ask(url: str) -> dict[str, Any] | None:
    """A response of the server's monitoring endpoint; None if there is none."""
    # The certificate is not verified: the server is on this host, and its certificate is for another name.
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
    """When a file was last written or moved into place, in unix seconds; 0 if it does not exist."""
    try:
        status = os.stat(path)
    except OSError:
        return 0.0
    return max(status.st_mtime, status.st_ctime)


def _read_file(path: str) -> str | None:
    return files.read_text(path, "the configuration", _MAX_BYTES)


def _document(service: Service) -> dict[str, Any]:
    """The configuration on disk as data; empty if it cannot be parsed here."""
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
            f"{service.program.binary} does not accept {service.config}, so the running server is unchanged: {message}"
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
    """The state of the running server; None if it does not answer."""
    varz = until(_ANSWER_SECONDS, lambda: ask(service.url + "/varz"))
    if varz is None:
        return None
    # The unit writes both digests into this file at each start.
    noted = [
        line.split()[0] for line in _bytes(service.started_path).decode("ascii", "replace").splitlines() if line.split()
    ]
    both = noted if len(noted) > 1 else ["none", wanted.running.login_digest]
    # If the program was replaced, the target of the link differs.
    binary = os.path.realpath(f"/proc/{unit['MainPID']}/exe")
    started, loaded = parse_time(varz["start"]), parse_time(varz["config_load_time"])
    return Running(binary, varz.get("config_digest", ""), both[0], both[1], started, loaded)


def until(timeout: float, look: Callable[[], Found]) -> Found | None:
    """Call `look` until it returns a truthy value, and return that; None after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            return None
        time.sleep(0.1)


def _connected(service: Service) -> set[str]:
    """The names of the other servers of the cluster that are connected."""
    routes = (ask(service.url + "/routez") or {}).get("routes") or ()
    return {str(route.get("remote_name", route.get("remote_id"))) for route in routes}


# ---- actions


def _journal(service: Service, since: float) -> list[str]:
    """The lines that the server has logged since a time in unix seconds."""
    return _run(
        "journalctl", "--quiet", "--output=cat", "--unit=" + service.unit, f"--since=@{int(since)}"
    ).splitlines()


def _last_words(service: Service, since: float, data: dict[str, Any]) -> str:
    """The last errors that the server has logged, without secrets."""
    grave = [line for line in _journal(service, since) if _GRAVE.search(line)]
    return secrets.hidden_message("; ".join(dict.fromkeys(grave[-5:])), secrets.values_of(data)) or "see its journal"


def _come_up(service: Service) -> None:
    """Start or restart the server, and wait until it runs with the configuration on disk. NatsSecurityError if it does not."""
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
        what = state or f"no answer at {service.url} within {service.start_timeout:g} s"
        raise NatsSecurityError(f"{service.unit} does not start: {what}: {_last_words(service, began, data)}")


def _await_health(service: Service, known: set[str]) -> None:
    """Wait until the server is healthy, current in JetStream, and connected to the servers in `known` and to at least `peers` others.

    NatsSecurityError after the timeout.
    """

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
    """Reload the configuration on disk. Returns the part that NATS cannot reload; empty if the reload succeeded."""
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
        raise NatsSecurityError(f"{service.config} cannot run, and the running server is unchanged: {message}")
    return unsupported.group(1)


class Outcome(NamedTuple):
    """The action: `none`, `started`, `reloaded` or `restarted`, its reason, and whether a restart is still needed.

    `cannot_rejoin` is whether the cluster's authorization has changed, so that servers restarted one by one could not join the others. `answers` is
    whether the server answers.
    """

    action: str
    reason: str = ""
    restart: bool = False
    cannot_rejoin: bool = False
    answers: bool = True


def reconcile(service: Service, check: bool) -> Outcome:
    """Start the server if it does not run, reload it if NATS can apply the changes so, and find out whether a restart is needed.

    With `check`, nothing is changed.
    """
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
    # With the new authorization, the server could not join servers that still have the old one.
    cannot_rejoin = running.login_digest != wanted.running.login_digest and bool(_connected(service))
    return Outcome("reloaded" if need == "reload" else "none", reason, need == "restart", cannot_rejoin)


def restart(service: Service, alone: bool) -> Outcome:
    """Restart the server. With `alone`, also wait until it is healthy and connected to the same servers as before."""
    known = _connected(service) if alone else set()
    _come_up(service)
    if alone:
        _await_health(service, known)
    return Outcome("restarted")


def await_health(service: Service) -> Outcome:
    """Wait until the server is healthy, current in JetStream and connected."""
    _await_health(service, set())
    return Outcome("none")
