# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The result of a task that applied a document, or would apply it in check mode. It contains no seeds. User tokens are returned only on request."""

from __future__ import annotations

import functools
from typing import Any, Callable, Iterable, Mapping

from ..base import units
from ..claims.options import Problem
from ..reconcile.plan import CREATED, Entity, Plan
from ..reconcile.rotation import record_of_curve_key, record_of_users, retiring_keys
from ..reconcile.signing import key_of
from ..reconcile.wanted import Rotation, Wanted
from ..token import codec, decorated
from .apply import Outcome
from .readable import names_of_keys, readable_diff, show_prepared, with_names

#: The maximum number of problems in a message, and in a result. A document can have a problem for every option in it.
_MOST_LINES, _MOST_PROBLEMS = 100, 1000


def problem_message(problems: list[Problem], layout_root: str, of: str = "") -> str:
    """The problems as a message, one a line. `of` is the option with the document, if there is one."""
    count = f"There is {len(problems)} problem" if len(problems) == 1 else f"There are {len(problems)} problems"
    lines = [str(problem) for problem in problems[:_MOST_LINES]]
    if len(problems) > _MOST_LINES:
        lines.append(f"... and {len(problems) - _MOST_LINES} more.")
    where = f" in {of}" if of else ""
    return f"{count}{where}, so nothing was written to the store {layout_root}:\n" + "\n".join(lines)


def show_problems(problems: list[Problem]) -> list[dict[str, str]]:
    """The problems as a task result."""
    return [{"path": problem.path, "message": problem.message} for problem in problems[:_MOST_PROBLEMS]]


def show_outcome(wanted: Wanted, outcome: Outcome, diff: bool) -> dict[str, Any]:
    """The result of a task."""
    plan = outcome.plan
    layout = outcome.store.layout
    names = plan.names
    operator = {
        "name": wanted.operator.name if wanted.operator is not None else None,
        "public_key": key_of(names.operator, outcome.made),
        "jwt": outcome.operator_token,
        "jwt_path": layout.operator_jwt,
    }
    accounts = {
        name: {
            "public_key": key_of(public_key, outcome.made),
            "jwt": outcome.account_tokens.get(name),
            "jwt_path": layout.account_jwt(name),
        }
        for name, public_key in names.accounts.items()
    }
    created: dict[str, list[str]] = {}
    for entity in filter(_is_new_user, plan.entities):
        created.setdefault(entity.account, []).append(entity.name)
    named = names_of_keys(plan, operator["name"] or "operator", outcome.store.roles)
    prepared = show_prepared(plan, named)
    system = wanted.operator.system_account if wanted.operator is not None else ""
    told: dict[str, Any] = {
        "changed": plan.changes,
        "operator": operator,
        "accounts": accounts,
        "system_account": accounts.get(system, {"public_key": system}) if system else None,
        # With many users nearly all entities are new users. Ansible needs as long to transfer a dictionary for each as it takes to sign the JWT.
        "created_users": created,
        "kept_users": plan.kept_users,
        "entities": _show_entities(outcome, named),
        "summary": plan.summary(),
        "prepared": prepared,
        "store_path": layout.root,
        "keys_path": layout.keys_dir,
        "creds_path": layout.creds_dir(""),
    }
    if wanted.rotations:
        told["rotations"] = [
            {**_show_rotation(outcome, one), **_show_exposed(outcome.plan, one)} for one in wanted.rotations
        ]
    if diff:
        told["diff"] = readable_diff(plan, named, prepared)
    return told


def _show_rotation(outcome: Outcome, one: Rotation) -> dict[str, Any]:
    """The keys of a role, user or operator that is rotated, as a task result."""
    plan = outcome.plan
    names = plan.names
    if one.user:
        turned = names.turned[one.account, one.user]
        return {
            "account": one.account,
            "user": one.user,
            "current": key_of(turned.current, outcome.made),
            "next": None,
            "retiring": turned.retiring or None,
            "retired": sorted(turned.retired),
        }
    if one.is_of_operator:
        current, following, retiring = (key_of(key, outcome.made) or None for key in names.identity)
        return {
            "operator": outcome.store.layout.name,
            "current": current,
            "next": following,
            "retiring": retiring,
            "retired": [names.replaced_operator] if names.replaced_operator else [],
        }
    owner = names.accounts.get(one.account, "") if one.account else names.operator
    roles = names.roles.get(one.account, {}) if one.account else names.operator_roles
    generations = names.of(owner)
    if one.role in names.curves.get(one.account, {}):
        roles, generations = names.curves[one.account], names.of(record_of_curve_key(owner))
    keys = (roles.get(one.role), generations.next.get(one.role), generations.retiring.get(one.role))
    shown = [key_of(key, outcome.made) if key else None for key in keys]
    return {
        "account": one.account or None,
        "role": one.role,
        "current": shown[0],
        "next": shown[1],
        "retiring": shown[2],
        "retired": sorted(key_of(key, outcome.made) for key in generations.retired),
    }


def _show_exposed(plan: Plan, one: Rotation) -> dict[str, Any]:
    """What the key of a rotation gave access to, as a part of the task result, if the rotation has `compromised`."""
    found = plan.exposed.get(one.place)
    if found is None:
        return {}
    since = units.show_time(found.since) if found.since else None
    return {"exposed": {**found._asdict(), "key": found.key or None, "since": since, "oldest": found.oldest or None}}


def show_users(outcome: Outcome, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The public key, JWT and expiry of users by ACCOUNT/USER; the JWT is None if it is not signed yet. Users that are not in the document are omitted."""
    unsigned = {(account, step.name) for account, steps in outcome.plan.users.items() for step in steps if step.claims}
    shown = {}
    for name in names:
        account, _unused, user = name.partition("/")
        key = outcome.plan.user_keys.get(account, {}).get(user)
        if key is not None:
            jwt = outcome.user_tokens.get((account, user))
            if jwt is None and (account, user) not in unsigned:
                text = outcome.store.user_text(account, user)
                jwt = decorated.token_in(text) if text is not None else None
            shown[name] = _show_user(key_of(key, outcome.made), jwt)
            earlier = _earlier_keys(outcome, account, user) - {shown[name]["public_key"]}
            shown[name].update({"earlier_keys": sorted(earlier)} if earlier else {})
    return shown


def _earlier_keys(outcome: Outcome, account: str, user: str) -> set[str]:
    """The previous keys of a user, from a rotation or because it was removed and created again."""
    names, trust = outcome.plan.names, outcome.store.trust
    record = names.record.get(record_of_users(names.accounts.get(account, "")), {})
    turned = names.turned.get((account, user))
    keys = {retiring_keys(record).get(user, ""), *(turned.retired if turned is not None else ())}
    if trust is not None:
        keys |= {key for key, name in trust.record.removed_names.items() if name == f"{account}/{user}"}
    return keys - {""}


def _show_user(key: str, jwt: str | None) -> dict[str, Any]:
    end = codec.peek(jwt).get("exp") if jwt is not None else None
    return {"public_key": key, "jwt": jwt, "expires": units.show_time(end) if end else None}


def _is_new_user(entity: Entity) -> bool:
    return entity.kind == "user" and entity.action == CREATED


def _show_entities(outcome: Outcome, names: Mapping[str, str]) -> list[dict[str, Any]]:
    @functools.lru_cache(maxsize=None)
    def readable(reason: str) -> str:  # many users have the same one
        return with_names(reason, names)

    return [_show_entity(outcome, entity, readable) for entity in outcome.plan.entities if not _is_new_user(entity)]


def _show_entity(outcome: Outcome, entity: Entity, readable: Callable[[str], str]) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": entity.kind, "name": entity.name, "action": entity.action}
    if entity.account:
        told["account"] = entity.account
    if entity.public_key:
        told["public_key"] = key_of(entity.public_key, outcome.made)
    if entity.reasons and entity.action != CREATED:
        # Those of the store itself say already whose key each is.
        told["reasons"] = [*entity.reasons] if entity.kind == "store" else [*map(readable, entity.reasons)]
    if entity.expires:
        told["expires"] = units.show_time(entity.expires)
    return told
