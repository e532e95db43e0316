# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The task of nats_rebuild: rebuild a store from JWTs, seeds and creds that are left, and report what is missing."""

from __future__ import annotations

from typing import Any, Iterable, Sequence

from ..backup.collect import collect
from ..backup.contents import Contents, Held, counted, json_in, look_into, refusal
from ..backup.rebuild import Rebuild, Rebuilt, Sought, Source, rebuild
from ..backup.recorded import record_files
from ..base.errors import NatsSecurityError
from ..base.excerpts import first_of
from ..claims import Account
from ..cluster import system_connection
from ..cluster.cluster_accounts import READING
from ..cluster.pulling import Pulled, pull
from ..keys.keyring import Keyring
from ..rules.trust import keys_of
from ..store.layout import Layout
from . import cluster_options
from .backup import expected_operator
from .placing import Placing, place_of, put_store, text_of
from .stores import lock_timeout, named_store
from .task import CarefulModule

_SHOWN = 10
_WHAT = "What was found"


def rebuild_task(module: CarefulModule) -> dict[str, Any]:
    """Write what is found as a store unless existing files are newer or different, and return the result."""
    params = module.params
    expected, timeout = expected_operator(params["operator"]), lock_timeout(params)
    pulled = _pull(module)
    not_read: list[str] = []
    ring = Keyring(folders=[named_store(params, lambda _unused: "any").keys_dir])
    sought = Sought(expected, params["store"], lambda key: ring.pair(key) if ring.is_stored(key) else None)
    found = rebuild(_sources(params, pulled, not_read), sought)
    store = _choose(found, expected)
    where = named_store(params, lambda _unused: store.contents.name)
    held = look_into(store.contents, store.operator)
    if held.problems:
        raise refusal("Nothing is rebuilt, because it would not verify:", held.problems)
    placing = Placing(_WHAT, timeout, params["force"], module.check_mode)
    contents, comparison = put_store(where, store.operator, placing, lambda: _with_record(where, store, held))
    written = [*comparison.to_write, *comparison.conflicts]
    result = {
        "changed": bool(written),
        "store": contents.name,
        "store_path": where.root,
        "keys_path": where.keys_dir,
        "holds": counted(contents),
        "written": counted(Contents(contents.name, dict.fromkeys(written, ""))),
        "replaced": [place_of(where, one) for one in comparison.conflicts],
        **_report(where, store, held, found),
        "lost_users": _lost_users(held, pulled),
        "not_read": [*not_read, *pulled.unreadable, *found.unreadable],
        "diff": {
            "before": {one: comparison.states[one] for one in written},
            "after": dict.fromkeys(written, "as it was found"),
        },
    }
    _warn(
        module,
        result,
        expected is not None or (held.operator is not None and bool(keys_of(held.operator) & held.seeds.keys())),
    )
    return result


def _pull(module: CarefulModule) -> Pulled:
    """The tokens and connections of running servers; empty if the task names no servers."""
    params = module.params
    if params["account_server_url"] is not None:
        raise NatsSecurityError("account_server_url: an account server cannot list its accounts; set servers.")
    if not params["servers"]:
        if not params["paths"] and not params["contents"]:
            raise NatsSecurityError("One of these is needed: paths, contents, servers.")
        return Pulled()
    cluster_options.require_nats(module)
    how = cluster_options.connection_options(module, (), None, READING)
    pulled = system_connection.run(how, lambda connection: pull(connection, params["expected_servers"]))
    for warning in pulled.warnings:
        module.warn(warning)
    return pulled


def _sources(params: dict[str, Any], pulled: Pulled, not_read: list[str]) -> Iterable[Source]:
    for where, token in pulled.tokens:
        yield Source(where, token)
    yield from collect(params["paths"], not_read)
    for index, text in enumerate(params["contents"]):
        yield Source(f"contents[{index}]", text)


def _choose(found: Rebuild, expected: str | None) -> Rebuilt:
    """The store of the expected operator, or of the only one. Raises NatsSecurityError if there is none, or if there are several."""
    said = "; ".join(store.about for store in found.stores) or "none"
    if expected is None and len(found.stores) > 1:
        raise NatsSecurityError(f"There are JWTs of several operators: {said}. Give the public key of one as operator.")
    store = next((store for store in found.stores if expected in (None, store.operator)), None)
    if store is None:
        wanted = f"of the operator {expected}" if expected is not None else "of an operator"
        raise NatsSecurityError(
            f"There is no JWT {wanted} that is signed by a key of its own, so nothing is rebuilt. Operators that were found: {said}. "
            f"JWTs that belong to none of these: {len(found.orphans)}{_first(found.orphans)} A server has the JWT of its operator in its configuration."
        )
    return store


def _first(lines: Sequence[str]) -> str:
    return f", the first one is {lines[0]}" if lines else "."


def _with_record(where: Layout, store: Rebuilt, held: Held) -> Contents:
    """The contents to write: with the records of nats_store, but without files that exist already and have no information about keys."""
    found = dict(store.contents.files)
    layout = store.contents.layout
    found.update(record_files(store.contents, store.operator, held.accounts))
    recorded = text_of(where.recorded_store)
    if recorded is not None:
        identity = json_in(recorded).get("operator")
        if identity != store.operator:
            raise NatsSecurityError(
                f"{where.recorded_store} has the operator {identity} recorded for this store, and what was found belongs to {store.operator}: "
                "it is left unchanged."
            )
        del found[layout.recorded_store]
    roles = text_of(where.recorded_roles)
    if roles is not None:
        found[layout.roles] = roles
        del found[layout.recorded_roles]
    for path in (layout.roles, layout.marker, layout.gitignore):
        if text_of(place_of(where, path)) is not None:
            del found[path]
    return Contents(store.contents.name, found)


def _report(where: Layout, store: Rebuilt, held: Held, found: Rebuild) -> dict[str, Any]:
    """A part of the result: what is missing in the store, and what was not used for it."""
    recorded = json_in(text_of(where.recorded_roles) or text_of(where.roles) or "")
    named = {key for roles in recorded.values() if isinstance(roles, dict) for key in roles.values()}
    return {
        "operator": {"name": held.operator.name if held.operator is not None else "", "public_key": store.operator},
        "missing_seeds": store.missing_seeds,
        "users_without_creds": store.users_without_creds,
        "accounts_without_users": [name for name in held.accounts if not any(name == user[0] for user in held.users)],
        "revoked": store.revoked,
        "signing_keys_without_role": {key: what for key, what in store.without_role.items() if key not in named},
        "superseded": store.superseded,
        "duplicates": found.duplicates,
        "renamed": store.renamed,
        "foreign": [*(f"{other.about}." for other in found.stores if other is not store), *found.orphans],
        "unused_seeds": {key: f"in {place}" for key, place in found.unused_seeds.items()},
    }


def _lost_users(held: Held, pulled: Pulled) -> list[str]:
    """The users that are known to exist but without a JWT: connected users, and the users of auth callout services. Returns sentences."""
    names = {claims.subject: name for name, claims in held.accounts.items()}
    found = {(held.accounts[account].subject, claims.subject) for (account, _name), claims in held.users.items()}
    lost: dict[tuple[str, str], str] = {}
    for name, claims in held.accounts.items():
        body: Account = claims.body
        for user in body.authorization.auth_users:
            lost[claims.subject, user] = f"{name}/{user}: it answers the auth callout of its account."
    for client in pulled.connected:
        if client.user and client.account in names:
            said = f"{names[client.account]}/{client.name or client.user}"
            lost[client.account, client.user] = f"{said} {client.user}: it is connected to {client.server.name}."
    return sorted(text for one, text in lost.items() if one not in found)


_COUNTED = {
    "missing_seeds": "seeds are missing",
    "users_without_creds": "users have no creds",
    "lost_users": "users are lost",
    "revoked": "users are revoked by their accounts",
    "superseded": "JWTs are superseded by newer ones",
    "renamed": "names are already used or are not valid file names",
    "foreign": "JWTs do not belong to this operator",
    "not_read": "files were not read, or are damaged",
}


def _warn(module: CarefulModule, result: dict[str, Any], is_known: bool) -> None:
    if not is_known:
        operator = result["operator"]
        module.warn(
            f"Only JWTs state that {operator['public_key']} is the operator {operator['name']}: none of its keys is available here. Compare it with a "
            "server that you trust, and give it as operator."
        )
    for name, what in _COUNTED.items():
        found = list(result[name])
        if found:
            module.warn(f"{len(found)} {what} ({name}): {first_of(found, _SHOWN)}")
