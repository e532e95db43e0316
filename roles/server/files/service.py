# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Runs on a host of nats-server: tells whether what runs is what is configured, and reloads or restarts it.

What runs is asked, never remembered: a run that was interrupted between writing and reloading is completed by the next one.
It prints one JSON object, or a message and ends with 1.
"""

from __future__ import annotations

import argparse
import calendar
import hashlib
import json
import pathlib
import re
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

#: Files that no reload is tried for. NATS refuses to, or it writes the passwords, old and new, into its log when it does. The unit has the same list.
RESTART_FILES = ("restart.conf", *(f"{part}-secrets.conf" for part in ("jetstream", "operator", "restart", "server")))

#: How long NATS may take to reload, in seconds. When it refuses, only its log tells.
RELOAD_SECONDS = 5

_TLS_FILE = re.compile(r"""\b(?:cert_file|key_file|ca_file)["']?\s*[:=\s]\s*["']?([^"'\s,}]+)""")
_REFUSED = re.compile(r"Failed to reload server configuration: (.*)")
_UNSUPPORTED = re.compile(r"config reload (?:not supported for|does not support moving to or from) ([^:]*)")
_READ = re.compile(r"is valid \((\S+)\)")


class Failure(Exception):
    """A message for people."""


# ---- what can be decided without looking


def seconds(stamp: str) -> float:
    """The time of an stamp as NATS writes it, in UTC with up to nine decimals."""
    whole, point, fraction = stamp.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float("0" + point + fraction)


def needed(running: dict, wanted: dict) -> tuple[str, str]:
    """What brings a running server in line, `nothing`, `reload` or `restart`, and why."""
    started, loaded = seconds(running["start"]), seconds(running["config_load_time"])
    if running["program"] != wanted["program"]:
        return "restart", "the program was replaced"
    if wanted["unit_changed"] > started:
        return "restart", "the unit was changed"
    if running["config_digest"] != wanted["digest"]:
        if running["restart_digest"] != wanted["restart_digest"]:
            return "restart", "what NATS reads only when it starts was changed"
        return "reload", "the configuration was changed"
    for path, changed in sorted(wanted["tls_files"].items()):
        if changed > loaded:
            return "reload", path + " was changed"
    return "nothing", ""


# ---- looking


def changed_at(path: pathlib.Path) -> float:
    """When a file was last written or put in place; 0 when there is none."""
    try:
        status = path.stat()
    except OSError:
        return 0
    return max(status.st_mtime, status.st_ctime)


def ask(options: argparse.Namespace, path: str) -> dict | None:
    """An answer of the server's monitoring, or none."""
    # It is on this machine, and its certificate says another name.
    trust = ssl.create_default_context()
    trust.check_hostname = False
    trust.verify_mode = ssl.CERT_NONE
    try:
        with urllib.request.urlopen(options.url + path, timeout=5, context=trust) as answer:  # noqa: S310 (the URL is http or https)
            return json.load(answer)
    except urllib.error.HTTPError as refusal:
        try:
            return json.load(refusal)
        except ValueError:
            return None
    except (OSError, ValueError):
        return None


def properties(options: argparse.Namespace) -> dict[str, str]:
    """What systemd knows about the unit."""
    names = "ActiveState,SubState,MainPID,NeedDaemonReload,FragmentPath,DropInPaths"
    told = run("systemctl", "show", "--property=" + names, options.unit)
    return dict(line.split("=", 1) for line in told.splitlines() if "=" in line)


def run(*command: str) -> str:
    """The output of a command that succeeds."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (no shell)
    if done.returncode:
        raise Failure(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def read_configuration(options: argparse.Namespace) -> str:
    """The digest of the configuration on disk, as the server reads it."""
    command = ["runuser", "-u", options.user, "--", options.binary, "-t", "-c", options.config]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (no shell)
    digest = _READ.search(done.stderr)
    if done.returncode or not digest:
        told = without_passwords("; ".join(dict.fromkeys(done.stderr.strip().splitlines())))
        raise Failure(f"{options.binary} does not take {options.config}, so what runs stays as it is: {told}")
    return digest.group(1)


def look(options: argparse.Namespace, unit: dict[str, str]) -> tuple[dict | None, dict]:
    """What runs, and what should."""
    folder = pathlib.Path(options.config).parent
    tls_files = set()
    for path in folder.glob("*.conf"):
        tls_files.update(_TLS_FILE.findall(path.read_text("utf-8", "replace")))
    restart_files = b"".join((folder / name).read_bytes() for name in RESTART_FILES if (folder / name).exists())
    login = b"".join(line for line in restart_files.splitlines(True) if b"cluster_authorization_" in line)
    unit_files = map(pathlib.Path, [unit["FragmentPath"], *unit["DropInPaths"].split()])
    wanted = {
        "program": str(pathlib.Path(options.binary).resolve()),
        "unit_changed": max(map(changed_at, unit_files)),
        "digest": read_configuration(options),
        "restart_digest": hashlib.sha256(restart_files).hexdigest(),
        "login_digest": hashlib.sha256(login).hexdigest(),
        "tls_files": {path: changed_at(folder / path) for path in tls_files},
    }
    running = until(3, lambda: ask(options, "/varz"))
    if running:
        # The unit notes it at each start.
        try:
            noted = pathlib.Path(options.started).read_text("ascii").splitlines()
            running["restart_digest"], running["login_digest"] = (line.split()[0] for line in noted)
        except (OSError, ValueError):
            running["restart_digest"], running["login_digest"] = "none", wanted["login_digest"]
        # Of a program that was replaced, the link says so.
        running["program"] = str(pathlib.Path(f"/proc/{unit['MainPID']}/exe").resolve())
    return running, wanted


def until(timeout: float, found):
    """What is found first, or none after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = found()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(0.1)


def peers(options: argparse.Namespace) -> set[str]:
    """The other servers of the cluster that are connected."""
    return {
        route.get("remote_name", route.get("remote_id"))
        for route in (ask(options, "/routez") or {}).get("routes") or ()
    }


# ---- doing


def journal(options: argparse.Namespace, since: float) -> list[str]:
    """What the server has written since then."""
    return run("journalctl", "--quiet", "--output=cat", "--unit=" + options.unit, f"--since=@{int(since)}").splitlines()


def without_passwords(text: str) -> str:
    """A message of the server for people: URLs without what they say about the user, and no control characters."""
    return re.sub(r"[\x00-\x1f]", " ", re.sub(r"://[^/\s]*@", "://...@", text))


def last_words(options: argparse.Namespace, since: float) -> str:
    """What the server has written about its end."""
    grave = [line for line in journal(options, since) if re.search(r"\[(FTL|ERR)\]|^nats-server: ", line)]
    return without_passwords("; ".join(dict.fromkeys(grave[-5:]))) or "see its journal"


def come_up(options: argparse.Namespace, verb: str) -> None:
    """Start or restart the server, and wait until it answers with the configuration on disk."""
    digest, began = read_configuration(options), time.time()
    run("systemctl", "daemon-reload")
    run("systemctl", "reset-failed", options.unit)
    run("systemctl", verb, options.unit)

    def settled() -> str:
        unit = properties(options)
        if unit["ActiveState"] == "failed" or unit["SubState"] == "auto-restart":
            return "it ended"
        running = ask(options, "/varz")
        return "up" if running and running["config_digest"] == digest and seconds(running["start"]) >= began - 1 else ""

    state = until(options.start_timeout, settled)
    if state != "up":
        raise Failure(
            f"{options.unit} does not come up: {state or f'no answer of it at {options.url} in {options.start_timeout} s'}: "
            f"{last_words(options, began)}"
        )


def await_whole(options: argparse.Namespace, known: set[str]) -> None:
    """Wait until the server is well, current in JetStream, and connected to as many others and to all that were known."""

    def missing() -> str:
        health = ask(options, "/healthz") or {"error": "no answer"}
        if health.get("status") != "ok":
            return health.get("error") or health.get("status") or "no status"
        connected = peers(options)
        if known - connected:
            return "not connected to " + ", ".join(sorted(known - connected))
        if len(connected) < options.peers:
            return f"{len(connected)} of {options.peers} other servers of the cluster are connected"
        return ""

    if not until(options.whole_timeout, lambda: not missing()):
        raise Failure(f"{options.unit} is not well after {options.whole_timeout} s: {missing()}")


def reload(options: argparse.Namespace, running: dict) -> str:
    """Have the configuration on disk reloaded. What NATS cannot reload, or nothing if it did."""
    began = time.time()
    run("systemctl", "reload", options.unit)

    def answer() -> str:
        if (ask(options, "/varz") or running)["config_load_time"] != running["config_load_time"]:
            return "done"
        told = [_REFUSED.search(line) for line in journal(options, began)]
        return next((refused.group(1) for refused in told if refused), "")

    told = until(RELOAD_SECONDS, answer) or "config reload not supported for this"
    if told == "done":
        return ""
    unsupported = _UNSUPPORTED.match(told)
    if not unsupported:
        raise Failure(f"{options.config} cannot run, and what runs stays as it is: {without_passwords(told)}")
    return unsupported.group(1)


def bring(options: argparse.Namespace) -> dict:
    """Start what does not run, reload what is to be reloaded, and tell whether a restart is needed and why."""
    unit = properties(options)
    if unit["ActiveState"] not in ("active", "reloading"):
        if not options.check:
            come_up(options, "restart")
        return {"changed": True, "reason": "it did not run", "restart": "", "stranger": False}
    running, wanted = look(options, unit)
    if not running:
        reason = "it does not answer at " + options.url
        return {"changed": options.check, "reason": reason, "restart": reason, "stranger": False}
    need, reason = needed(running, wanted)
    if need == "reload" and not options.check:
        unsupported = reload(options, running)
        if unsupported:
            need, reason = "restart", f"{reason}, and NATS cannot reload {unsupported}"
    return {
        "changed": need == "reload" or (need == "restart" and options.check),
        "reason": reason,
        "restart": reason if need == "restart" else "",
        # With its new login it could not join servers that have the old one.
        "stranger": running["login_digest"] != wanted["login_digest"] and bool(peers(options)),
    }


def restart(options: argparse.Namespace) -> dict:
    """Restart the server; with `--alone`, only from a whole cluster to a whole cluster."""
    known = peers(options) if options.alone else set()
    come_up(options, "restart")
    if options.alone:
        await_whole(options, known)
    return {"changed": True}


def whole(options: argparse.Namespace) -> dict:
    """Wait until the server is well."""
    await_whole(options, set())
    return {"changed": False}


def main() -> None:
    """Read the arguments and do one thing."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("action", choices=["bring", "restart", "whole"])
    for name in ("unit", "config", "binary", "user", "url", "started"):
        parser.add_argument("--" + name, required=True)
    for name in ("start-timeout", "whole-timeout", "peers"):
        parser.add_argument("--" + name, type=int, required=True)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--alone", action="store_true")
    options = parser.parse_args()
    try:
        told = {"bring": bring, "restart": restart, "whole": whole}[options.action](options)
    except Failure as failure:
        # Ansible's connection may make one of standard output and standard error.
        sys.stdout.write(f"{failure}\n")
        sys.exit(1)
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
