# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The options of the event source, which ansible-rulebook passes as they are written in a rulebook."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Mapping

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..base import units
from ..base.errors import NatsSecurityError
from ..base.recognition import hide
from ..cluster.servers import PING
from ..cluster.system_connection import Login, Options, TemporaryUser, login_of_creds
from ..disk import files
from ..events.ending import Watched
from ..events.messages import CONNECT, DISCONNECT, SUBJECTS, Wanted
from ..events.source import Source
from ..keys import nkey
from . import cluster_options
from .asking import Asking
from .options import OPERATOR_JWT

#: The events that a source listens for by default: all except connects and disconnects of clients.
_USUAL = [kind for kind in SUBJECTS if kind not in (CONNECT, DISCONNECT)]
#: The option that ansible-rulebook adds.
_OF_RULEBOOK = "eda_feedback_queue"
#: The lifetime of the temporary user that a source creates for itself, in seconds. It is replaced after three quarters of that time.
LIFETIME = 3600


def spec() -> dict[str, Any]:
    """The argument spec."""
    return {
        **cluster_options.connection_spec(),
        **OPERATOR_JWT.spec,
        "store_path": {"type": "path"},
        "events": {"type": "list", "elements": "str", "choices": list(SUBJECTS), "default": _USUAL},
        "accounts": {"type": "list", "elements": "str", "default": []},
        "users": {"type": "list", "elements": "str", "default": []},
        "expires_within": {"type": "str"},
        "watched_creds_paths": {"type": "list", "elements": "path", "default": []},
        "look_every": {"type": "str", "default": "1h"},
        "held_events": {"type": "int", "default": 10000},
    }


def read_source(given: Mapping[str, Any], lifetime: int = LIFETIME) -> Source:
    """The source that the options describe. Raises NatsSecurityError, without secrets in its message."""
    asking = Asking({name: value for name, value in given.items() if name != _OF_RULEBOOK})
    try:
        asking.params = _validated(asking.params)
        return _source(asking, lifetime)
    except NatsSecurityError as error:
        raise NatsSecurityError(asking.hide(str(error))) from None


def _validated(given: Mapping[str, Any]) -> dict[str, Any]:
    validator = ArgumentSpecValidator(
        spec(),
        mutually_exclusive=cluster_options.EXCLUSIVE,
        required_together=cluster_options.TOGETHER,
        required_one_of=[("servers", "expires_within")],
    )
    result = validator.validate(given)
    if result.error_messages:
        raise NatsSecurityError(" ".join(hide(f"{message.rstrip('.')}.") for message in result.error_messages))
    params: dict[str, Any] = result.validated_parameters
    if nkey.NKEYS_IMPORT_ERROR is not None:
        raise NatsSecurityError("The Python library nkeys is missing: `pip install nkeys`.")
    if params["account_server_url"] is not None:
        raise NatsSecurityError("account_server_url: an account server publishes no events; set servers.")
    for name in ("servers", "creds", "system_signer_seed"):
        if params[name] is not None and not params[name]:
            raise NatsSecurityError(f"{name} is empty.")
    if params["held_events"] < 1:
        raise NatsSecurityError(f"held_events: {params['held_events']} is not a number of events from 1.")
    return params


def _source(asking: Asking, lifetime: int) -> Source:
    params = asking.params
    watched = _watched(params)
    return Source(
        connection=_connection(asking, lifetime) if params["servers"] is not None else None,
        wanted=_wanted(params),
        watched=watched,
        look_every=_seconds(params, "look_every"),
        held=params["held_events"],
    )


def _wanted(params: Mapping[str, Any]) -> Wanted:
    return Wanted(frozenset(params["events"]), frozenset(params["accounts"]), frozenset(params["users"]))


def _connection(asking: Asking, lifetime: int) -> Options:
    module = asking.as_module()
    layout = cluster_options.store_layout(module)
    operator = cluster_options.read_operator(module, layout)
    asking.params.update(jwts=[], jwt_paths=[])
    accounts = cluster_options.read_accounts(module, layout)
    how = cluster_options.connection_options(module, accounts, operator, (PING,))
    if isinstance(how.login, TemporaryUser):
        listens = tuple(subject for _unused, subject in _wanted(asking.params).subjects)
        return dataclasses.replace(how, login=dataclasses.replace(how.login, listens=listens, lifetime=lifetime))
    path = asking.params["creds_path"]
    return how if path is None else dataclasses.replace(how, login=lambda: _read_login(path))


def _read_login(path: str) -> Login:
    """The login from the current creds file. It is read for each connection, so the source need not be restarted after a renewal."""
    text = files.read_text(path, "creds_path: the creds")
    if text is None:
        raise NatsSecurityError(f"creds_path: there is no file {path}.")
    return login_of_creds(text, f"creds_path {path}")()


def _watched(params: Mapping[str, Any]) -> Watched | None:
    creds = params["watched_creds_paths"]
    if params["expires_within"] is None:
        if creds:
            raise NatsSecurityError("watched_creds_paths: expires_within is needed as well, such as 7d.")
        return None
    asking = Asking(dict(params))
    layout = cluster_options.store_layout(asking.as_module())
    if layout is None and not creds:
        raise NatsSecurityError("expires_within: store_path or watched_creds_paths is needed as well.")
    return Watched(_seconds(params, "expires_within"), layout, [os.path.abspath(path) for path in creds])


def _seconds(params: Mapping[str, Any], option: str) -> int:
    try:
        return units.parse_seconds(params[option])
    except ValueError as error:
        raise NatsSecurityError(f"{option}: {error}.") from None
