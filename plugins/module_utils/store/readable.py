# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The diff and the reasons of a store in a readable form for reviews: names next to public keys, activation tokens by their identifier, and the number of
signatures by key."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Iterator, Mapping

from ..base.excerpts import first_of
from ..reconcile.plan import REMOVED, Plan
from ..reconcile.rotation import split
from ..token import codec

#: How many creds are named; the others are counted.
_MOST_CREDS = 100
_PUBLIC_KEY = re.compile(r"\b[A-Z2-7]{56}\b")


def readable_diff(plan: Plan, names: Mapping[str, str], prepared: str) -> dict[str, Any]:
    """The claims before and after, by their places in the document, and the text of `show_prepared`."""
    before = {where: _readable(claims, names) for where, claims in plan.before.items()}
    after = {where: _readable(claims, names) for where, claims in plan.after.items()}
    return {"before": before, "after": after, **({"prepared": prepared} if prepared else {})}


def names_of_keys(plan: Plan, operator: str, roles: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The names of the public keys of a plan. `operator` is the name of the operator, `roles` are those that were on record before."""
    return dict(_names(plan, operator, roles))


def with_names(text: str, names: Mapping[str, str]) -> str:
    """A text with names next to the public keys in it."""
    return _PUBLIC_KEY.sub(lambda key: _named(key[0], names), text)


def _names(plan: Plan, operator: str, before: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    """The public keys of a plan, each with its name. Later pairs override earlier ones, so removed entities come first."""
    owners = {plan.names.operator: operator, **{key: name for name, key in plan.names.accounts.items()}}
    for records in (before, plan.names.record):
        for owner, name in owners.items():
            for ending, roles in zip(("", ", next", ", retiring"), split(records.get(owner, {}))):
                for role, key in roles.items():
                    yield key, f"{name}, role {role}{ending}"
    for entity in plan.entities:
        if entity.action == REMOVED and entity.public_key and entity.kind in ("user", "user_key", "account"):
            yield entity.public_key, f"{entity.account}/{entity.name}" if entity.account else entity.name
    for where, claims in (*plan.before.items(), *plan.after.items()):
        account, is_user, _user = where.partition(".users.")
        owner = claims.get("name", "") if not is_user else account.partition(".")[2]
        if where.startswith("accounts.") and claims.get("subject"):
            yield claims["subject"], f"{owner}/{claims.get('name', '')}" if is_user else owner
        for key in claims.get("signing_keys", ()):
            if isinstance(key, dict) and key.get("role"):
                yield key["key"], f"{owner}, role {key['role']}"
    names = plan.names
    for role, key in names.operator_roles.items():
        yield key, f"{operator}, role {role}"
    for account, roles in names.roles.items():
        for role, key in roles.items():
            yield key, f"{account}, role {role}"
    for account, users in plan.user_keys.items():
        for user, key in users.items():
            yield key, f"{account}/{user}"
    for account, key in names.accounts.items():
        yield key, account
    yield names.operator, operator


def _readable(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {_named(name, names): _readable(item, names) for name, item in value.items()}
    if isinstance(value, list):
        return [_readable(item, names) for item in value]
    return _named(value, names) if isinstance(value, str) else value


def _named(text: str, names: Mapping[str, str]) -> str:
    """A public key with its name, a token as its identifier, any other text as it is."""
    if text.startswith("eyJ") and codec.peek(text):
        return f"(token {codec.peek(text).get('jti', '')})"
    # The placeholder of a key that does not exist yet already describes the key.
    return f"{names[text]} ({text})" if text in names and not text.startswith("(") else text


def show_prepared(plan: Plan, names: Mapping[str, str]) -> str:
    """The number of tokens to sign, in total and by key, and the users whose creds are written, as text; empty if there is nothing."""
    steps = [step for step in (plan.operator, *plan.accounts.values()) if step is not None and step.is_issued]
    users = [(account, step) for account, steps in plan.users.items() for step in steps]
    signers = Counter(step.issuer for step in steps)
    signers.update(one.issuer for step in steps for one in step.activations.values())
    signers.update(step.issuer for _account, step in users if step.claims is not None)
    creds = sorted(f"{account}/{step.name}" for account, step in users if step.writes_creds)
    lines = [f"tokens to sign: {sum(signers.values())}"] if signers else []
    lines += sorted(f"  {count} by {_named(str(issuer), names)}" for issuer, count in signers.items())
    if creds:
        lines.append(f"creds to write: {first_of(creds, _MOST_CREDS)}")
    return "".join(f"{line}\n" for line in lines)
