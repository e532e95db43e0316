# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The task of nats_diagnose: connect a user to every server, and report why a server refuses it."""

from __future__ import annotations

import dataclasses
import time
from typing import Any, Sequence

from ..base.errors import NatsSecurityError
from ..cluster import system_connection
from ..cluster.system_connection import Connection, Options, TemporaryUser
from ..diagnosis import attempts, diagnose, evidence, findings
from ..diagnosis.abilities import read_actions
from ..diagnosis.attempts import Attempt, How
from ..diagnosis.creds import Holder
from ..diagnosis.diagnose import Diagnosed
from ..diagnosis.evidence import Evidence
from ..diagnosis.reasons import Known, account_of
from . import cluster_options
from .diagnose_sources import Source, read_holder, read_source
from .task import CarefulModule

#: The options that give access to the system account.
_SYSTEM = ("creds_path", "creds", "system_signer_path", "system_signer_seed")
#: The lifetime of a temporary user of the system account that measures the clock of a server, in seconds. Its key is discarded when the task ends.
_LONG_LIFETIME = 24 * 3600
_REFUSED = "authorization violation"


def diagnose_task(module: CarefulModule) -> dict[str, Any]:
    """The result of the task: whether each server accepts the user, and why not."""
    params = module.params
    if params["account_server_url"] is not None:
        raise NatsSecurityError("account_server_url: clients do not connect to an account server; set servers.")
    source = read_source(module)
    has_system = any(params[name] is not None for name in _SYSTEM)
    if has_system:
        cluster_options.require_nats(module)
    asked = read_actions(params["actions"]) if params["actions"] else []
    holder = _as_wanted(read_holder(module, source), params["connect_as"])
    how = _how(module, source, has_system)
    addresses = how.addresses
    way = How(params["connect_as"], how.channel_tls(addresses), how.connect_timeout, bool(asked))
    tried = attempts.try_all(addresses, holder, way)
    seen = _gather(how, params["servers"], tried, holder) if has_system else Evidence()
    for warning in seen.warnings:
        module.warn(warning)
    stored = source.account(account_of(holder.claims)) if holder.claims is not None else None
    owner = source.owner(holder.claims.issuer) if holder.claims is not None and stored is None else ""
    known = Known(time.time(), stored, source.operator, (), seen.is_known, owner, seen.refusal)
    found = [diagnose.with_actions(one, asked) for one in diagnose.diagnose(tried, holder, seen, known, way.tls)]
    for problem in source.problems:
        module.warn(problem)
    result = _describe(found, holder, _missing(params["expected_servers"], tried, seen))
    if params["fail_if_refused"] and result["cause"] != "connected":
        module.fail_json(msg=result["message"], **result)
    return result


def _as_wanted(holder: Holder, connect_as: str) -> Holder:
    """The holder as the task connects it. MQTT clients send only the JWT, so faults of the seed are dropped."""
    if connect_as == attempts.MQTT and holder.fault is not None and holder.fault.cause in findings.OF_SEEDS:
        return dataclasses.replace(holder, fault=None)
    return holder


def _how(module: CarefulModule, source: Source, has_system: bool) -> Options:
    """The options for connections, with the login of the system account if the task has one."""
    if has_system:
        return cluster_options.connection_options(module, source.accounts, source.operator, evidence.LOOKING)
    params = module.params

    def nobody() -> Any:
        raise NatsSecurityError("There is no user of the system account.")

    return Options(
        servers=tuple(params["servers"]),
        login=nobody,
        connect_timeout=cluster_options.seconds(module, "connect_timeout"),
        timeout=cluster_options.seconds(module, "timeout"),
        tls=cluster_options.tls_context(module),
        tls_server_name=params["tls_server_name"],
        tls_handshake_first=params["tls_handshake_first"],
    )


def _gather(how: Options, urls: Sequence[str], tried: Sequence[Attempt], holder: Holder) -> Evidence:
    """What the servers report to the system account, requested through a server that was reached on its client port."""
    reached = [url for url, attempt in zip(urls, tried) if attempt.info is not None and attempt.info.port == "client"]
    if not reached or holder.claims is None:
        return Evidence()
    account = account_of(holder.claims)

    async def work(connection: Connection) -> Evidence:
        return await evidence.gather(connection, account)

    ways = [dataclasses.replace(how, servers=tuple(reached))]
    if isinstance(how.login, TemporaryUser):
        # If the server's clock is ahead of this host's, a user with a lifetime of two minutes has already expired there.
        ways.append(dataclasses.replace(ways[0], login=dataclasses.replace(how.login, lifetime=_LONG_LIFETIME)))
    text = ""
    for one in ways:
        try:
            return system_connection.run(one, work)
        except NatsSecurityError as error:
            text = str(error)
            if _REFUSED not in text.lower():
                break
    warning = f"What servers hold is not known, as the system account could not be asked. {text}"
    return Evidence(warnings=(warning,), refusal=_REFUSED if _REFUSED in text.lower() else "")


def _missing(expected: Sequence[str], tried: Sequence[Attempt], seen: Evidence) -> list[str]:
    """The expected servers that neither sent their names when they were connected to, nor replied to the system account."""
    here = {info.server_name for info in (attempt.info for attempt in tried) if info is not None}
    here.update(name for one in seen.seen.values() for name in (one.server.name, one.server.id))
    return [name for name in expected if name not in here]


def _describe(found: Sequence[Diagnosed], holder: Holder, missing: list[str]) -> dict[str, Any]:
    servers = [diagnose.describe(one) for one in found]
    wrong = [one for one in servers if one["cause"] != "connected"]
    chosen = (wrong or servers)[0]
    shown = " ".join(dict.fromkeys(f"{one['message']} {one['advice']}".strip() for one in wrong or servers))
    return {
        "changed": False,
        "connected": all(one["connected"] for one in servers),
        "cause": chosen["cause"],
        "message": shown,
        "servers": servers,
        "differences": diagnose.differences(found),
        "missing_servers": missing,
        "user": diagnose.describe_user(holder.claims) if holder.claims is not None else None,
    }
