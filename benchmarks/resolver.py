# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Accounts pushed to one server and to three, and then looked up on all of them, against `nsc push`. In wall-clock time: servers do most of the work."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nsc_peer
from measure import Row, rate

from ansible_collections.natsops.security.plugins.module_utils.claims import Account, Claims, Operator
from ansible_collections.natsops.security.plugins.module_utils.cluster import cluster_accounts, plan, system_connection
from ansible_collections.natsops.security.plugins.module_utils.cluster.servers import discover
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec
from ansible_collections.natsops.security.tests.support.ports import free_ports

COUNT = 10_000
FEWER = 2_000
NSC_COUNT = 1_000
#: How long nsc runs, in seconds: it takes a second for each account, and fails after two minutes.
NSC_SECONDS = 20

_OPERATOR, _SYSTEM = nkey.create("operator"), nkey.create("account")
_BORN = int(time.time()) - 1000


def rows(scratch: Path) -> list[Row]:
    """The first push, a push without changes, and a push in which 1 % of the accounts changed."""
    tokens = [_account(nkey.create("account"), f"a{number}") for number in range(COUNT)]
    with _servers(scratch / "few", 1) as urls:
        fewer, _unused = _push(urls, tokens[:FEWER], FEWER)
    found = []
    for servers in (1, 3):
        with _servers(scratch / f"push-{servers}", servers) as urls:
            first, _unused = _push(urls, tokens, COUNT)
            unchanged, _unused = _push(urls, tokens, 0)
            changed = [_change(token) if number % 100 == 0 else token for number, token in enumerate(tokens)]
            some, _unused = _push(urls, changed, COUNT // 100)
        where = "one server" if servers == 1 else f"{servers} servers"
        what = f"{COUNT:,} accounts pushed to {where}"
        if servers == 1:
            found.append(_against_nsc(scratch, what, first))
            ratio = first / COUNT / (fewer / FEWER)
            found.append(
                Row(f"{what}, each", rate(first / COUNT), f"of {FEWER:,}: {rate(fewer / FEWER)}", ratio, at_most=1.3)
            )
        else:
            found.append(Row(what, rate(first / COUNT), ""))
        for name, seconds, aim in (("nothing changed", unchanged, 1 / 3), ("1 % changed", some, None)):
            ours, peer = f"{seconds:.2f} s", f"the first time {first:.2f} s"
            found.append(Row(f"{what}, {name}", ours, peer, seconds / first, at_most=aim))
    return found


def _against_nsc(scratch: Path, what: str, first: float) -> Row:
    what += ", all looked up again"
    nsc = nsc_peer.build(scratch)
    if isinstance(nsc, str):
        return Row(what, rate(first / COUNT), f"nsc push -A: {nsc}")
    pushed, seconds = _nsc_push(nsc, scratch / "nsc-home")
    each = seconds / max(pushed, 1)
    peer = f"nsc push -A: {1 / each:.2f}/s ({pushed} of {NSC_COUNT:,} in {seconds:.0f} s)"
    return Row(what, rate(first / COUNT), peer, each / (first / COUNT), at_least=1000)


def _push(urls: list[str], tokens: list[str], expected: int) -> tuple[float, cluster_accounts.Outcome]:
    """The seconds from reading the tokens until all servers are known to hold them, and the outcome."""
    start = time.perf_counter()
    wanted = [plan.read_wanted(text, "account") for text in tokens]
    task = cluster_accounts.Task("present", wanted)
    outcome = system_connection.run(_options(urls), lambda connected: cluster_accounts.bring_in_line(connected, task))
    seconds = time.perf_counter() - start
    pushed = sum(account.action == "pushed" for account in outcome.accounts)
    if pushed != expected:
        raise RuntimeError(f"{pushed} accounts were pushed instead of {expected}.")
    return seconds, outcome


def _options(urls: list[str]) -> system_connection.Options:
    inbox = system_connection.new_inbox()
    subjects = cluster_accounts.SUBJECTS_OF["present"]
    return system_connection.Options(
        tuple(urls),
        system_connection.TemporaryUser(_SYSTEM, _SYSTEM.public_key, False, inbox, subjects),
        inbox,
        timeout=60,
    )


def _account(key: nkey.KeyPair, name: str) -> str:
    return codec.encode(Claims(name=name, subject=key.public_key, body=Account()), _OPERATOR, _BORN)


def _change(text: str) -> str:
    claims = codec.decode(text)
    claims.body.description = "changed"
    return codec.encode(claims, _OPERATOR, _BORN + 1)


def _operator_jwt() -> str:
    body = Operator(system_account=_SYSTEM.public_key)
    return codec.encode(Claims(name="ACME", subject=_OPERATOR.public_key, body=body), _OPERATOR, _BORN)


@contextlib.contextmanager
def _servers(folder: Path, count: int) -> Iterator[list[str]]:
    """The URLs of new servers that form a cluster."""
    folder.mkdir()
    ports = free_ports(2 * count)
    routes = ", ".join(f"nats://127.0.0.1:{port}" for port in ports[count:])
    processes = []
    try:
        for number in range(count):
            lines = [
                f"server_name: n{number}",
                f"listen: 127.0.0.1:{ports[number]}",
                f"operator: {_operator_jwt()}",
                f"system_account: {_SYSTEM.public_key}",
                f'resolver: {{ type: full, dir: "{folder}/{number}", interval: "2m", timeout: "1.9s" }}',
                f"resolver_preload: {{ {_SYSTEM.public_key}: {_account(_SYSTEM, 'SYS')} }}",
            ]
            if count > 1:
                lines.append(f"cluster {{ name: c, listen: 127.0.0.1:{ports[count + number]}, routes: [{routes}] }}")
            (folder / f"{number}.conf").write_text("\n".join(lines))
            with (folder / f"{number}.log").open("w") as log:
                command = [Path(sys.executable).with_name("nats-server"), "-c", folder / f"{number}.conf"]
                processes.append(subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL))
        urls = [f"nats://127.0.0.1:{port}" for port in ports[:count]]
        _wait(urls)
        yield urls
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(10)


def _wait(urls: list[str]) -> None:
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(Exception):
            if len(system_connection.run(_options(urls), discover).servers) == len(urls):
                return
        if time.monotonic() > deadline:
            raise RuntimeError("The servers did not come together.")
        time.sleep(0.1)


def _nsc_push(nsc: Path, home: Path) -> tuple[int, float]:
    """How many accounts nsc pushed, and in how many seconds."""
    stores, keys = home / "data/nats/nsc/stores", home / "data/nats/nsc/keys/keys"
    texts = {
        stores / "ACME/.nsc": '{"managed":false,"name":"ACME","kind":"operator","version":"1"}',
        stores / "ACME/ACME.jwt": _operator_jwt(),
        stores / "ACME/accounts/SYS/SYS.jwt": _account(_SYSTEM, "SYS"),
    }
    for number in range(NSC_COUNT):
        name = f"a{number}"
        texts[stores / f"ACME/accounts/{name}/{name}.jwt"] = _account(nkey.create("account"), name)
    for pair in (_OPERATOR, _SYSTEM):
        public_key = pair.public_key
        texts[keys / public_key[0] / public_key[1:3] / f"{public_key}.nk"] = pair.seed
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(text)
        path.chmod(0o600)
    environment = nsc_peer.environment(home)
    subprocess.run([nsc, "env", "-o", "ACME"], env=environment, capture_output=True, check=True)
    folder = home / "server"
    with _servers(folder, 1) as urls, (home / "push.log").open("w") as log:
        start = time.perf_counter()
        push = subprocess.Popen(
            [nsc, "push", "-A", "-u", urls[0]], env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            push.wait(NSC_SECONDS)
        seconds = time.perf_counter() - start
        pushed = len(list((folder / "0").glob("A*.jwt"))) - 1
        if push.poll() is None:
            push.terminate()
            push.wait(10)
    if pushed < 1:
        raise RuntimeError(f"nsc pushed nothing: {(home / 'push.log').read_text()[-1000:]}")
    return pushed, seconds
