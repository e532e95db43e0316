# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The rotation of a key, from results of modules: which key goes, what a run did, and what is left in each phase.

Pure. Nothing is stored between runs: a rotation that is in progress is recognized by the keys that the store has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

PHASES = ("add", "trust", "resign", "push", "distribute", "drain", "retire", "switch")
_PHASES_OF_JWTS = ("add", "resign", "push", "retire", "switch")
_SIGNED_AGAIN = ("account ", "user ", "activation ")
_NO_OPERATOR = {"name": "", "public_key": ""}


class Asked(NamedTuple):
    """What to rotate, as `ACCOUNT/ROLE`, `ROLE`, `ACCOUNT/USER`, the name of the operator, or strict mode. `key` is the public key to retire."""

    slot: str = ""
    user: str = ""
    operator: str = ""
    strict_mode: bool = False
    key: str = ""


class Found(NamedTuple):
    """Results of modules: the last ones of nats_store, nats_resolver and nats_connections, empty where they did not run.

    `users` has the users of each host of applications, and `differing` the hosts on which creds differ from those in the store.
    """

    store: Mapping[str, Any]
    pushed: Mapping[str, Any]
    connected: Mapping[str, Any]
    users: Mapping[str, Iterable[Mapping[str, Any]]]
    differing: Iterable[str]


# ---- which key goes


def subject(info: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    """What is rotated, from a result of nats_store_info: its keys by generation, the `old` key to retire, and the phase in which it is `found`.

    `found` is `drain` if everything is already signed by the next key, and `done` if the old key is gone. `jwt` is the JWT that lists the key. `old` is empty
    if no key is requested and no rotation is in progress.
    """
    entities = info.get("entities") or []
    account, name = _split(asked.user or asked.slot)
    keys = [one for one in entities if _is_key(one, asked, account, name)]
    operator = next((one for one in entities if one["kind"] == "operator"), _NO_OPERATOR)
    users = [one for one in entities if _is(one, "user", account, name)]
    owner = (users[:1] or [{}])[0] if asked.user else operator if asked.operator else {}
    generations = {"current": owner.get("public_key") or "", "retiring": owner.get("retiring") or ""}
    generations.update((one["generation"], one["public_key"]) for one in keys)
    old = asked.key or generations["retiring"] or (generations["current"] if "next" in generations else "")
    kind = _kind(asked, keys)
    return {
        "slot": asked.slot or asked.user or asked.operator or "strict_mode",
        "kind": kind,
        "account": account,
        "name": name,
        "exists": bool(users if asked.user else keys),
        "operator": operator["name"],
        "is_strict": bool((info.get("strict_mode") or {}).get("enabled")),
        "generations": generations,
        "old": old,
        "found": _phase(old, generations, kind),
        "jwt": _jwt(kind, asked.slot, account, operator["name"]),
    }


def _split(named: str) -> tuple[str, str]:
    account, slash, name = named.partition("/")
    return (account, name) if slash else ("", named)


def _is(entity: Mapping[str, Any], kind: str, account: str, name: str) -> bool:
    return (entity["kind"], entity.get("account"), entity.get("name")) == (kind, account, name)


def _is_key(entity: Mapping[str, Any], asked: Asked, account: str, name: str) -> bool:
    if asked.operator:
        return _is(entity, "identity_key", "", asked.operator)
    return bool(asked.slot) and any(_is(entity, kind, account, name) for kind in ("signing_key", "curve_key"))


def _kind(asked: Asked, keys: Iterable[Mapping[str, Any]]) -> str:
    if asked.slot:
        return "curve_key" if any(one["kind"] == "curve_key" for one in keys) else "signing_key"
    return "user" if asked.user else "operator" if asked.operator else "strict_mode"


def _phase(old: str, generations: Mapping[str, str], kind: str) -> str:
    if old == generations["retiring"]:
        return "drain"
    if old != generations["current"]:
        return "done"
    return "resign" if "next" in generations or kind == "user" else "add"


def _jwt(kind: str, slot: str, account: str, operator: str) -> str:
    """The JWT that lists the key. A curve key has no phase in which only its account's JWT changes, so it is named itself."""
    if kind == "curve_key":
        return f"curve key {slot}"
    return f"account {account}" if account else f"operator {operator}"


# ---- what a run did


def report(
    rotated: Mapping[str, Any],
    store: Mapping[str, Any],
    phase: str,
    earlier: Mapping[str, Any],
    untrusting: Iterable[str] | None = None,
) -> dict[str, Any]:
    """The report of a run after nats_store has performed a phase, from its result and the report of the phases before it.

    `untrusting` are the servers that do not trust the next key of the operator, if this phase has asked them. The report has
    the same members for every kind of rotation. A key is null if there is none of that generation, and in strict mode, which replaces no key.
    """
    state = (store.get("rotations") or [{}])[0]
    told = {
        "slot": rotated["slot"],
        "old": rotated["old"] or None,
        **{generation: state.get(generation) for generation in ("current", "next", "retiring")},
        "added": _changed(store) if phase == "add" else earlier.get("added", []),
        "untrusting": earlier.get("untrusting", []) if untrusting is None else [*untrusting],
        "resigned": _signed_again(rotated, store) if phase == "resign" else earlier.get("resigned", []),
    }
    exposed = {**earlier, **state}.get("exposed")
    return told if exposed is None else {**told, "exposed": exposed}


def _entities(store: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What nats_store changed or, in check mode, would change."""
    return [one for one in store.get("entities") or () if one["action"] not in ("kept", "extra")]


def _changed(store: Mapping[str, Any]) -> list[str]:
    return [f"{one['kind']} {one['name']}" for one in _entities(store)]


def _signed_again(rotated: Mapping[str, Any], store: Mapping[str, Any]) -> list[str]:
    return [name for name in _changed(store) if name.startswith(_SIGNED_AGAIN) and name != rotated["jwt"]]


# ---- who needs new creds


def receivers(rotated: Mapping[str, Any], users: Mapping[str, Iterable[Mapping[str, Any]]]) -> list[str]:
    """The hosts that are to have creds of users whose key or signer is rotated, from the entries in `credentials_users` of each host.

    Which key signed a user is not known once it is signed again, so a rotated signing key concerns all users of its account.
    """
    return sorted(host for host, entries in users.items() if any(_is_concerned(rotated, one) for one in entries))


def _is_concerned(rotated: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    if entry.get("state") == "absent":
        return False
    if rotated["kind"] == "user":
        return (entry["account"], entry["name"]) == (rotated["account"], rotated["name"])
    if rotated["kind"] == "strict_mode":
        return True
    return (rotated["kind"], rotated["account"]) == ("signing_key", entry["account"])


# ---- what is left


def left(rotated: Mapping[str, Any], told: Mapping[str, Any], found: Found, is_compromised: bool) -> dict[str, Any]:
    """The phase, what is left in each phase by name, how many JWTs and hosts that is, and which servers have to be restarted.

    `told` is the report of the run so far.
    """
    servers = [one["name"] for one in found.pushed.get("servers") or ()]
    of_operator = not rotated["account"]
    is_of_key = rotated["kind"] != "strict_mode"
    names = {
        **(_left_of_key(rotated, told, servers, is_compromised) if is_of_key else _left_to_strict_mode(rotated, told)),
        "push": _united(_to_push(found), _sealing_account(rotated)),
        "distribute": sorted({*_hosts_of_signed_users(found), *found.differing}),
        "drain": _to_drain(found.connected),
    }
    phases = [phase for phase in PHASES if phase in names]
    ends = names.get("retire") or names.get("switch")
    return {
        "phase": next((phase for phase in phases if names[phase]), "done"),
        "left": names,
        "tokens": {phase: _count_jwts(names[phase]) for phase in phases if phase in _PHASES_OF_JWTS},
        "hosts": {
            "trust": len(names["trust"]),
            "push": len(servers) if names["push"] else 0,
            "distribute": len(names["distribute"]),
        },
        "restarts": servers if of_operator and ends else names["trust"],
    }


def _left_to_strict_mode(rotated: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, list[str]]:
    switch = [] if rotated["is_strict"] else [f"operator {rotated['operator']}"]
    return {"add": told["added"], "trust": told["untrusting"], "resign": told["resigned"], "switch": switch}


def _left_of_key(
    rotated: Mapping[str, Any], told: Mapping[str, Any], servers: list[str], is_compromised: bool
) -> dict[str, list[str]]:
    is_new = rotated["found"] == "add"
    is_retired = rotated["found"] == "done" or (is_compromised and bool(rotated["account"]))
    return {
        "add": [rotated["jwt"]] if is_new else [],
        "trust": servers if is_new and not rotated["account"] else told["untrusting"],
        "resign": _united(told["resigned"], _sealing_account(rotated)),
        "retire": [] if is_retired else [rotated["jwt"]],
    }


def _sealing_account(rotated: Mapping[str, Any]) -> list[str]:
    """The account that is signed with the next curve key, in a run after the one that makes this key."""
    is_left = rotated["kind"] == "curve_key" and rotated["found"] in ("add", "resign")
    return [f"account {rotated['account']}"] if is_left else []


def _united(*names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name for some in names for name in some))


def _count_jwts(names: Iterable[str]) -> int:
    return sum(name.startswith(("operator ", *_SIGNED_AGAIN)) for name in names)


def _to_push(found: Found) -> list[str]:
    """The accounts that servers get: those that are signed again, and those of which servers have another JWT."""
    signed = [name for name in _changed(found.store) if name.startswith("account ")]
    others = [one["name"] for one in found.pushed.get("accounts") or () if one["action"] == "pushed"]
    return _united(signed, [f"account {name}" for name in others])


def _hosts_of_signed_users(found: Found) -> set[str]:
    """The hosts with users that are signed again."""
    signed = {(one["account"], one["name"]) for one in _entities(found.store) if one["kind"] == "user"}
    return {
        host for host, users in found.users.items() if any((one["account"], one["name"]) in signed for one in users)
    }


def _to_drain(connected: Mapping[str, Any]) -> list[str]:
    """The clients that are still connected, each with its server; or the reason, if that is not known."""
    if "msg" in connected:
        return [connected["msg"]]
    still = [one for one in connected.get("connections") or () if "closed_at" not in one]
    return sorted({f"{one['name']} on {one['server']}" for one in still})
