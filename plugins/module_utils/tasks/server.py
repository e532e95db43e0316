# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The tasks of the modules for nats-server: its configuration on a host, and the service that runs with it."""

from __future__ import annotations

import os
import pwd
import re
from typing import Any

from ..base import units
from ..base.errors import NatsSecurityError
from ..base.recognition import MASK, questionable_in
from ..claims.options import Problem
from ..disk.files import is_folder
from ..disk.lock import lock_folders
from ..rules import server_versions
from ..server import host, language, placing, program, running, secrets, startup
from ..server.configuration import (
    OPTIONS,
    SITE,
    Configuration,
    configuration_problems,
    effective,
    place_of,
    server_configuration,
)
from ..server.program import Program
from ..server.running import Outcome, Service
from ..token import codec
from .attributes import set_attributes
from .task import CarefulModule, now, return_secret, warn_of_missing

#: How long to wait for another task on the same configuration, in seconds.
_LOCK_TIMEOUT = 60.0
_FIRST_WORD = re.compile(r"\w+")


def hide_secrets(params: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a task as they may be logged and shown."""
    shown: dict[str, Any] = secrets.hidden(params)
    for name, option in OPTIONS.items():
        if option["type"] == "dict" and not isinstance(params.get(name), (dict, type(None))):
            shown[name] = MASK  # a value of the wrong type may contain secrets anywhere
    if isinstance(params.get("site_config"), str):
        shown["site_config"] = secrets.hidden_text(params["site_config"], SITE) or MASK
    return shown


# ---- configuration


def write_configuration(module: CarefulModule) -> dict[str, Any]:
    """The task of nats_server_config: validate and write a configuration, and return the result."""
    params = module.params
    folder = params["config_dir"]
    if folder is not None and not is_folder(folder):
        _refuse_missing(module, f"config_dir: there is no folder {folder}.")
    judge = _judge(module)
    configuration = server_configuration(params)
    _refuse_problems(module, configuration, judge)
    if judge is not None:
        _warn_of_version(module, judge)
    result = {
        "changed": False,
        "folders": list(configuration.folders),
        "monitoring_url": configuration.monitoring_url,
        "lame_duck_seconds": configuration.lame_duck_seconds,
        "digest": _digest(configuration, folder),
    }
    # Roles use these values, so they are not masked even if a part of them equals a password.
    module.asked_for.update([*configuration.folders, configuration.monitoring_url])
    if params["return_content"]:
        result["content"] = configuration.content
        for secret in (configuration.content, *questionable_in(configuration.content)):
            return_secret(module, secret)
    if folder is not None:
        with lock_folders([folder], _LOCK_TIMEOUT):
            result.update(_write(module, configuration, judge))
    elif judge is not None and params["operator"]["jwt"] is not None:
        placing.refuse_unreadable(configuration, judge)
        result["validated"] = True
    return result


def _judge(module: CarefulModule) -> Program | None:
    """The installed server that validates the configuration; None if the task names none, or if it does not exist yet in check mode."""
    binary, user = module.params["binary_path"], module.params["service_user"] or ""
    if binary is None:
        return None
    missing = "" if os.access(binary, os.X_OK) else f"binary_path: there is no program {binary}."
    if user:
        try:
            pwd.getpwnam(user)
        except KeyError:
            missing = missing or f"service_user: there is no user {user}."
    if not missing:
        return Program(binary, user)
    _refuse_missing(module, missing)
    return None


def _refuse_missing(module: CarefulModule, message: str) -> None:
    """Raise NatsSecurityError for something that does not exist. In check mode only warn, because an earlier task may create it."""
    if not module.check_mode:
        raise NatsSecurityError(message)
    warn_of_missing(module, message)


def _refuse_problems(module: CarefulModule, configuration: Configuration, judge: Program | None) -> None:
    """Raise NatsSecurityError with all problems of the configuration."""
    params = module.params
    known = startup.Host(now(), program.version(judge) if judge else "", module.check_mode)
    folder = params["config_dir"] or ""
    # Without a folder, included files count as empty.
    read_file = placing.read_file if folder else lambda _path: ""
    problems = configuration_problems(params, configuration, folder, read_file, known)
    if problems:
        prefix = params["variable_prefix"]
        raise NatsSecurityError(" ".join(f"{prefix if _is_option(problem) else ''}{problem}" for problem in problems))


def _warn_of_version(module: CarefulModule, judge: Program) -> None:
    """Warn of claims of the accounts that the server is too old to enforce, for example after a downgrade."""
    running_version = program.version(judge)
    version = server_versions.read_version(running_version)
    if version is None or version >= server_versions.newest_version():
        return
    accounts = (module.params["operator"]["resolver_preload"] or {}).items()
    tokens = ((f"account {_name_in(token) or key}", token) for key, token in accounts if isinstance(token, str))
    for text in server_versions.not_enforced(
        server_versions.newer_tokens(tokens), {module.params["name"] or "this server": running_version}
    ):
        module.warn(text)


def _name_in(token: str) -> str:
    name = codec.peek(token).get("name")
    return name if isinstance(name, str) else ""


def _is_option(problem: Problem) -> bool:
    match = _FIRST_WORD.match(problem.path)
    return match is not None and match.group() in OPTIONS


def _digest(configuration: Configuration, folder: str | None) -> str | None:
    read_file = placing.read_file if folder else lambda _path: ""
    try:
        return language.digest(effective(configuration, folder or "", read_file).data)
    except (NatsSecurityError, TypeError):  # environment variables are unknown
        return None


def _write(module: CarefulModule, configuration: Configuration, judge: Program | None) -> dict[str, Any]:
    folder = module.params["config_dir"]
    changes = placing.compare(configuration, folder)
    need = placing.need(changes)
    complete = module.params["operator"]["jwt"] is not None
    validated = need != "nothing" and judge is not None and complete
    if validated and judge is not None:
        _refuse_host(module, configuration, judge)
        placing.refuse_unfit(configuration, changes, folder, judge)
    if module.check_mode:
        placing.foresee(changes, folder)
    else:
        placing.place(changes, folder, _mode(module.params["mode"]))
    return {
        "changed": _set_attributes(module, changes) or need != "nothing",
        "files": [{"name": change.name, "action": change.action} for change in changes],
        "needs": need,
        "validated": validated,
        "diff": placing.show(changes),
    }


def _refuse_host(module: CarefulModule, configuration: Configuration, judge: Program) -> None:
    """Raise NatsSecurityError with every property of this host that keeps the server from starting. In check mode, warn of what an earlier task may create."""
    folder, prefix = module.params["config_dir"], module.params["variable_prefix"]
    try:
        document = effective(configuration, folder, placing.read_file)
    except NatsSecurityError:
        return  # the server itself validates what this collection cannot read
    refused = []
    for path, message, may_come in host.problems(document, judge, folder, placing.read_file):
        problem = Problem(place_of(document, path, folder, configuration), message)
        text = f"{prefix if _is_option(problem) else ''}{problem}"
        if may_come and module.check_mode:
            warn_of_missing(module, text)
        else:
            refused.append(text)
    if refused:
        raise NatsSecurityError(" ".join(refused))


def _mode(mode: Any) -> int:
    try:
        return int(str(mode), 8) & 0o7777
    except ValueError:  # a symbolic mode, which Ansible sets afterwards
        return 0o600


def _set_attributes(module: CarefulModule, changes: list[placing.Change]) -> bool:
    changed = False
    for change in changes:
        path = os.path.join(module.params["config_dir"], change.name)
        if change.after is not None:
            changed |= set_attributes(module, path, module.params["mode"], written=change.before != change.after)
    return changed


# ---- service


def direct_service(module: CarefulModule) -> dict[str, Any]:
    """The task of nats_server: reconcile or restart the service, or wait until it is healthy. Returns the result."""
    params = module.params
    config, unit = params["config_path"], params["service"]
    unit = unit if unit.endswith(".service") else unit + ".service"
    service = Service(
        unit=unit,
        config=config,
        program=Program(params["binary_path"], params["service_user"] or ""),
        url=params["monitoring_url"].rstrip("/"),
        started_path=params["started_path"] or f"/run/{unit[: -len('.service')]}/started",
        start_timeout=_seconds(module, "start_timeout"),
        healthy_timeout=_seconds(module, "healthy_timeout"),
        peers=params["peers"],
    )
    if params["state"] == "current":
        return _shown(running.reconcile(service, module.check_mode))
    if params["state"] == "restarted":
        outcome = Outcome("restarted") if module.check_mode else running.restart(service, params["rolling"])
        return _shown(outcome)
    return _shown(Outcome("none") if module.check_mode else running.await_health(service))


def _seconds(module: CarefulModule, option: str) -> float:
    try:
        return units.parse_duration(module.params[option]) / units.NANOSECONDS
    except ValueError as error:
        raise NatsSecurityError(f"{option}: {error}.") from None


def _shown(outcome: Outcome) -> dict[str, Any]:
    changed = outcome.action != "none"
    reasons = [outcome.reason] if outcome.reason else []
    return {
        "changed": changed,
        "diff": {"before": {}, "after": {"action": outcome.action, "reasons": reasons} if changed else {}},
        "action": outcome.action,
        "reasons": reasons,
        "restart_needed": outcome.restart,
        "cannot_rejoin": outcome.cannot_rejoin,
        "answers": outcome.answers,
    }
