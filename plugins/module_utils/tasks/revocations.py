# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The task of nats_revocation: the revocations of one account, in its JWT at a path or in a store."""

from __future__ import annotations

import os
from typing import Any

from ..base import units
from ..base.errors import Missing, NatsSecurityError
from ..claims.kinds import NOW
from ..claims.options import element_path
from ..keys.keyring import Keyring
from ..reconcile.place import Found
from ..reconcile.plan import Plan, Revocation
from ..reconcile.revocations import NOT_THERE, STAYS
from ..reconcile.wanted import EXISTING, How, RevocationChange, Wanted, WantedAccount, WantedOperator, WantedRevocation
from ..rules.trust import foreign
from ..store import apply, layout
from .signer_options import external_signers
from .single import Single, decide, parent_of, plan_of, put_in_place, result_of, sign
from .stores import checked_unsigned_path, lock_timeout, named_store, report_plan, what_waits
from .task import CarefulModule, now, parse_seed
from .tokens import Signer, Source, own_token, parent, require_jwt_for_folder, signer, token_file

LIST = "listed"


def revocations_task(module: CarefulModule) -> dict[str, Any]:
    """Change or list the revocations of an account, and return the result."""
    change = _change(module.params)
    if module.params["jwt_path"] is not None:
        return _in_jwt(module, change)
    return _in_store(module, change)


def foreseen_revocations(params: dict[str, Any]) -> dict[str, Any]:
    """The result in check mode if there is no JWT or store yet: the entries would be added to those of a new account."""
    return {
        "changed": params["state"] == "present" and bool(params["revocations"]),
        "reasons": [],
        "public_key": None,
        "jwt": None,
        "revocations": [],
        "revoked": {},
        "removed_signing_keys": [],
        "users_to_issue": [],
        "diff": {"before": {}, "after": {}},
    }


# ---- options


def _change(params: dict[str, Any]) -> RevocationChange:
    """The requested change. Raises NatsSecurityError with everything that is wrong with the options."""
    state, problems = params["state"], []
    entries = []
    for index, item in enumerate(params["revocations"] or ()):
        place = element_path("revocations", index, item)
        if item["at"] is not None and state != "present":
            problems.append(
                f"{place}.at: supported only with state=present; an entry is removed regardless of its time."
            )
        try:
            at = NOW if item["at"] in (None, "now") else units.parse_time(item["at"])
        except ValueError as error:
            problems.append(f"{place}.at: {error}; or now.")
            at = NOW
        name = item["user"] if item["user"] is not None else item["account"]
        if not name or not (item["user"] is not None or item["export"]):
            problems.append(f"{place}: an empty text is not a name.")
        entries.append(WantedRevocation(place, name or "", at, item["export"] or ""))
    longest = _longest_life(params, problems)
    keys = params["remove_signing_keys"] or []
    if state == LIST and (entries or keys or params["prune_expired"]):
        problems.append("state=listed changes nothing: omit revocations, remove_signing_keys and prune_expired.")
    if state == "absent" and keys:
        problems.append("remove_signing_keys is supported only with state=present.")
    if state != LIST and not (entries or keys or params["prune_expired"]):
        problems.append(
            f"There is nothing to do: state={state} needs revocations, remove_signing_keys or prune_expired."
        )
    if problems:
        raise NatsSecurityError(" ".join(problems))
    return RevocationChange(entries, state == "absent", longest)


def _longest_life(params: dict[str, Any], problems: list[str]) -> int | None:
    if params["longest_life"] is not None and not params["prune_expired"]:
        problems.append("longest_life is supported only with prune_expired=true.")
    if not params["prune_expired"] or params["longest_life"] is None:
        return None
    try:
        return units.parse_seconds(params["longest_life"])
    except ValueError as error:
        problems.append(f"longest_life: {error}.")
        return None


def _account(name: str, change: RevocationChange, params: dict[str, Any], place: str) -> WantedAccount:
    keys = params["remove_signing_keys"] or []
    return WantedAccount(place, name, "", "", EXISTING, [], [], {}, keys, change=change)


# ---- one JWT


def _in_jwt(module: CarefulModule, change: RevocationChange) -> dict[str, Any]:
    path = module.params["jwt_path"]
    is_listed = module.params["state"] == LIST
    # A token that came back signed is listed only after a run has written it to the file.
    existing = (
        token_file(module, path, "jwt_path", "account")
        if is_listed
        else own_token(module, Source("jwt_path", path), "account")
    )
    if existing is None:
        raise Missing(f"jwt_path: there is no file {path}, so nothing can be revoked.")
    claims = existing[1]
    operator = parent(module, "operator")
    signing = Signer(Keyring()) if is_listed else signer(module, "")
    if not is_listed:
        require_jwt_for_folder(module, signing, operator)
    above = parent_of(module, "operator", operator, [signing.named])
    if above.keys and claims.issuer not in above.keys:
        fault = foreign(claims.subject, claims.issuer, above.name, above.keys)
        raise NatsSecurityError(f"jwt_path: {path} is left unchanged: {fault}.")
    name = claims.name or claims.subject
    place = Single(operator, {name: Found(*existing)})
    plan = decide(module, Wanted(None, [_account(name, change, module.params, "")]), place, signing)
    step = plan_of(plan, plan.accounts.get(name))
    signed = sign(module, step, [], signing)
    result = result_of(module, step.decision, signed, [])
    result["reasons"] = _reasons(plan)
    if plan.before:
        (before,), (after,) = plan.before.values(), plan.after.values()
        result["diff"] = {"before": before, "after": after}
    result.update(_shown(plan), public_key=claims.subject, jwt_path=path)
    if is_listed:
        return dict(result, changed=False, jwt=existing[0].strip())
    return put_in_place(module, [], signed, result)


# ---- a store


def _in_store(module: CarefulModule, change: RevocationChange) -> dict[str, Any]:
    params = module.params
    name = params["account"]
    timeout = lock_timeout(params)
    where = named_store(params, str)
    fault = layout.name_problem(name)
    if fault:
        raise NatsSecurityError(f"account: {fault}.")
    if not os.path.isfile(where.marker):
        raise Missing(f"store: there is no store {where.root}.")
    pairs = [parse_seed(seed, f"seeds[{index}]", "") for index, seed in enumerate(params["seeds"] or ())]
    signers = external_signers(module)
    is_listed = params["state"] == LIST
    unsigned_path = "" if is_listed else checked_unsigned_path(module)
    operator = WantedOperator("operator", params["store"], "", EXISTING, "", [], {})
    outcome = apply.run(
        Wanted(operator, [_account(name, change, params, "")]),
        where,
        lambda: Keyring(pairs, [where.keys_dir], signers=signers, asks_elsewhere=bool(unsigned_path)),
        How(now(), diff=module._diff),
        apply.Run(module.check_mode or is_listed, timeout, "nats_revocation", unsigned_path),
    )
    plan = outcome.plan
    report_plan(module, where, (), outcome, params)
    step = plan_of(plan, plan.accounts.get(name))
    result = {
        "changed": plan.changes and not is_listed,
        "reasons": _reasons(plan),
        "public_key": step.claims.subject,
        "jwt": outcome.account_tokens.get(name),
        "jwt_path": where.account_jwt(name),
        "diff": {"before": plan.before, "after": plan.after},
        **_shown(plan),
    }
    result.update(_above(outcome))
    result["users_to_issue"] = [one.name for one in plan.entities if one.kind == "user"]
    if unsigned_path:
        result.update(what_waits(outcome, unsigned_path))
        result["reasons"] = [] if outcome.is_asked else result["reasons"]
    return result


def _above(outcome: apply.Outcome) -> dict[str, Any]:
    """The paths that are needed to push the account: the JWTs of the operator and the system account, and the keystore."""
    store = outcome.store
    paths = {"operator_jwt_path": store.layout.operator_jwt, "system_account_jwt_path": None}
    system = store.operator.claims.body.system_account if store.operator is not None else ""
    for name, found in store.accounts.items():
        if system and found.claims.subject == system:
            paths["system_account_jwt_path"] = store.layout.account_jwt(name)
    return {**paths, "keys_path": store.layout.keys_dir}


def _reasons(plan: Plan) -> list[str]:
    """The reasons for which the account is signed again."""
    return [reason for entity in plan.entities if entity.kind == "account" for reason in entity.reasons]


def _shown(plan: Plan) -> dict[str, Any]:
    """The entries as a result, and the revoked ones of those that the task names, for finding their connections."""
    asked = [entry for entry in plan.revocations if entry.is_asked and not entry.export]
    return {
        "revocations": [_show(entry) for entry in plan.revocations],
        "revoked": {entry.public_key: units.show_time(entry.at) for entry in asked if entry.at is not None},
        "removed_signing_keys": plan.lost_signing_keys,
    }


def _show(entry: Revocation) -> dict[str, Any]:
    shown: dict[str, Any] = {"public_key": entry.public_key, "name": entry.name, "action": entry.action}
    if entry.export:
        shown["export"] = entry.export
    if entry.at is not None:
        shown["until"] = units.show_time(entry.at)
    if entry.before is not None and entry.action not in (STAYS, NOT_THERE):
        shown["before"] = units.show_time(entry.before)
    if entry.reissued:
        shown["issued_again_at"] = units.show_time(entry.reissued)
    return shown
