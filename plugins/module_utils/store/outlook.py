# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Lists tokens that expire soon although everything was renewed that can be renewed here, and who has to act. Pure; uses the result of nats_store_info."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

#: The maximum number of lines in the message of a summary.
_SHOWN = 20


def outlook(entities: Sequence[Mapping[str, Any]], within: int) -> list[dict[str, Any]]:
    """The tokens that expire within a number of seconds, the soonest first, each with `reason` and `who` has to act. Users that expire after their account
    are included. `entities` are those of nats_store_info."""
    seeds = {entity["public_key"] for entity in entities if entity.get("seed")}
    accounts = {entity["name"]: entity for entity in entities if entity["kind"] == "account"}
    ends = [entity for entity in entities if entity.get("expires_in_seconds") is not None]
    due = [entity for entity in ends if entity["expires_in_seconds"] <= within and not entity.get("revoked")]
    due += [entity for entity in ends if entity not in due and _outlives(entity, accounts)]
    return [_describe(entity, accounts, seeds) for entity in sorted(due, key=lambda one: one["expires_in_seconds"])]


def _outlives(entity: Mapping[str, Any], accounts: Mapping[str, Mapping[str, Any]]) -> bool:
    account = accounts.get(entity["account"]) if entity["kind"] == "user" else None
    end = account.get("expires_in_seconds") if account is not None else None
    return end is not None and end < entity["expires_in_seconds"]


def _describe(entity: Mapping[str, Any], accounts: Mapping[str, Mapping[str, Any]], seeds: set[str]) -> dict[str, Any]:
    reason, who = _reason(entity, accounts, seeds)
    words = ("kind", "name", "account", "public_key", "expires", "expires_in_seconds")
    return {**{word: entity[word] for word in words}, "reason": reason, "who": who}


def _reason(entity: Mapping[str, Any], accounts: Mapping[str, Mapping[str, Any]], seeds: set[str]) -> tuple[str, str]:
    account = accounts.get(entity["account"]) if entity["kind"] == "user" else None
    if account is not None and _outlives(entity, accounts):
        return (
            f"its account {account['name']} expires before it, at {account['expires']}",
            f"the holder of the operator's key {account['issuer']} has to renew the account first",
        )
    if entity["issuer"] not in seeds:
        return (
            f"the seed of {entity['issuer']}, which signed it, is not available here",
            f"the holder of the key {entity['issuer']} has to renew it",
        )
    return (
        "the document does not renew it: it sets no renew_before, sets a shorter one, or does not list it",
        f"the owner of its document has to set expires_in and renew_before, or remove the {entity['kind']}",
    )


def show_line(entry: Mapping[str, Any]) -> str:
    """One entry as a sentence."""
    name = f"{entry['account']}/{entry['name']}" if entry["account"] else entry["name"]
    verb = "expired" if entry["expires_in_seconds"] < 0 else "expires"
    return f"the {entry['kind']} {name} {verb} at {entry['expires']}: {entry['reason']}; {entry['who']}."


def summary(
    issued: Sequence[Mapping[str, Any]], due: Sequence[Mapping[str, Any]], failed: Mapping[str, str], when: str
) -> dict[str, Any]:
    """The result of a renewal for other programs.

    `issued` are entities from results of nats_store, `due` is the result of `outlook`, `failed` has the reason for each failed host, and `when` is the
    time as a text.
    """
    renewed = [
        {word: entity[word] for word in ("kind", "name", "account", "public_key", "reasons") if word in entity}
        for entity in issued
        if entity["action"] in ("changed", "created")
    ]
    problems = [*(show_line(entry) for entry in due), *(f"host {name}: {why}" for name, why in failed.items())]
    return {
        "time": when,
        "ok": not problems,
        "renewed": renewed,
        "due": list(due),
        "failed_hosts": sorted(failed),
        "message": "\n".join(problems[:_SHOWN]),
    }
