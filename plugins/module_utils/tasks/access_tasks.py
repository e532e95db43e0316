# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The code that the modules for access questions share: the options for the source of claims, and reading that source."""

from __future__ import annotations

from typing import Any, Iterator

from ..access.tree import Servers
from ..base import units
from ..base.errors import Missing, NatsSecurityError
from ..claims import Claims
from ..disk import files
from ..store import apply
from ..store.layout import only_store
from ..store.source import parse_source, read_source
from . import access_sources, cluster_options
from .access_sources import Source
from .stores import lock_timeout, named_store
from .task import CarefulModule, keep_secrets_of, now, refuse_secrets

#: The options for a whole source: one of these, or only tokens.
_WHOLE = ("definition", "src", "store", "servers", "account_server_url")


def source_spec() -> dict[str, Any]:
    """The options for a document, a store, tokens or a cluster, and for properties of the servers."""
    return {
        "definition": {"type": "dict"},
        "src": {"type": "path"},
        "stores_dir": {"type": "path"},
        "store": {"type": "str"},
        "lock_timeout": {"type": "str", "default": "60s"},
        "jwts": {"type": "list", "elements": "str", "no_log": True},
        "jwt_paths": {"type": "list", "elements": "path"},
        **cluster_options.connection_spec(),
        "cluster_name": {"type": "str", "default": ""},
        "jetstream": {"type": "bool", "default": True},
        "at": {"type": "str"},
    }


#: The rules for these options and for those of connections.
EXCLUSIVE = [
    _WHOLE,
    ("definition", "src", "stores_dir", "servers", "account_server_url"),
    *(group for group in cluster_options.EXCLUSIVE[1:] if "operator_jwt" not in group),
]
TOGETHER = cluster_options.TOGETHER
ONE_OF = [(*_WHOLE, "stores_dir", "jwts", "jwt_paths")]


def servers_of(module: CarefulModule) -> Servers:
    """The properties of servers from the options of the task."""
    at = module.params["at"]
    try:
        when = now() if at is None else units.parse_time(at)
    except ValueError as error:
        raise NatsSecurityError(f"at: {error}.") from None
    return Servers(when, module.params["cluster_name"], module.params["jetstream"])


def read_source_of(module: CarefulModule) -> Source:
    """The claims from the source that the task names."""
    params = module.params
    tokens = access_sources.of_tokens(_tokens(module))
    if params["definition"] is not None or params["src"] is not None:
        found = _document(module)
    elif params["servers"] is not None:
        found = _cluster(module)
    elif params["account_server_url"] is not None:
        return _account_server(module, tokens)
    elif params["store"] is not None or params["stores_dir"] is not None:
        found = _store(module)
    else:
        return tokens
    found.add(tokens)
    return found


def _tokens(module: CarefulModule) -> Iterator[tuple[str, str]]:
    for number, text in enumerate(module.params["jwts"] or ()):
        yield text, f"jwts[{number}]"
    for number, path in enumerate(module.params["jwt_paths"] or ()):
        text = files.read_text(path, f"jwt_paths[{number}]: the JWT")
        if text is None:
            raise Missing(f"jwt_paths[{number}]: there is no file {path}.")
        keep_secrets_of(module, text)
        yield text, path


def _document(module: CarefulModule) -> Source:
    path = module.params["src"]
    if path is None:
        return access_sources.of_document(module.params["definition"], "definition")
    text = read_source(path)
    keep_secrets_of(module, text)
    definition = parse_source(path, text)
    refuse_secrets(definition, f"src {path}")
    return access_sources.of_document(definition, path)


def _store(module: CarefulModule) -> Source:
    where = named_store(module.params, only_store)
    with apply.lock(where, lock_timeout(module.params), create=False, shared=True):
        return access_sources.of_store(where)


def _cluster(module: CarefulModule) -> Source:
    from ..cluster import cluster_accounts, info, servers, system_connection

    cluster_options.require_nats(module)
    how = cluster_options.connection_options(module, (), None, cluster_accounts.READING)
    expected = module.params["expected_servers"]

    async def look(connected: system_connection.Connection) -> tuple[dict[str, Any], list[Claims]]:
        cluster = await servers.discover(connected, expected)
        operators = {one.subject: one for server in cluster.servers for one in server.operators}
        return await info.look_at(connected, (), (), None, expected, True), list(operators.values())

    looked_at, operators = system_connection.run(how, look)
    return access_sources.of_cluster(looked_at, operators)


def _account_server(module: CarefulModule, tokens: Source) -> Source:
    """The given tokens, the accounts of their users, and the accounts from which they import. An account server cannot list its accounts."""
    from ..cluster.account_server import read_account

    server = cluster_options.account_server(module)
    known = {account.key for account in tokens.accounts}
    missing = access_sources.accounts_wanted(tokens) - known
    if not missing and not known:
        raise NatsSecurityError(
            "An account server cannot list its accounts: give JWTs of users or accounts by jwts or jwt_paths."
        )
    while missing:
        read = [(key, read_account(server, key)) for key in sorted(missing)]
        known |= missing
        tokens.problems += [f"{server.shown} does not have the account {key}." for key, token in read if not token]
        tokens.add(access_sources.of_tokens((token, server.shown) for _key, token in read if token))
        missing = access_sources.accounts_wanted(tokens) - known
    return tokens
