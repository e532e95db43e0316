# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Verifies that the JWTs of a place belong to our operator. From the top down: the operator, its accounts by the operator's keys, users by the keys of
their account. Pure.

The JWT files alone prove nothing, because anyone who can write them could have replaced them. A key is ours if the document names it, if it is on
record in the keystore, or if a key of the operator or account above signed it. Anything that is not ours is a problem, and none of it is used.

The keys on record are accepted in addition to those in the existing JWTs: a run that removes a signing key may be interrupted before it has issued again
what that key signed, and the record is only written at the end of a run. A store without a record is accepted as it is, once; the record is created
then. In such a store, tokens signed by a signing key that another tool removed are ours if we have the seed of the key.
"""

from __future__ import annotations

import dataclasses
from typing import Callable, Mapping, NamedTuple, Sequence

from ..base import units
from ..base.errors import NatsSecurityError
from ..claims import Claims
from ..rules.trust import foreign, keys_of
from ..token import codec
from .place import Found, Record, Trust
from .wanted import ABSENT, Wanted, WantedKey

_MISSING = "its file is missing, the recorded JWT is used"


@dataclasses.dataclass
class Named:
    """The public keys in a document: the identity keys, and all keys of the operator and of each account. An account without a key has ""."""

    operator: str = ""
    operator_keys: frozenset[str] = frozenset()
    accounts: dict[str, str] = dataclasses.field(default_factory=dict)
    account_keys: dict[str, frozenset[str]] = dataclasses.field(default_factory=dict)
    renamed_from: dict[str, str] = dataclasses.field(default_factory=dict)  # previous names by account name


def named_keys(wanted: Wanted) -> Named:
    """The keys that a document names."""
    operator = wanted.operator
    present = [one for one in wanted.accounts if one.state != ABSENT]
    return Named(
        operator.key if operator is not None else "",
        _keys(operator.key, operator.signing_keys) if operator is not None else frozenset(),
        {one.name: one.key for one in present},
        {one.name: _keys(one.key, one.signing_keys) for one in present},
        {one.name: one.renamed_from for one in present if one.renamed_from},
    )


def _keys(key: str, signing_keys: Sequence[WantedKey]) -> frozenset[str]:
    return frozenset(filter(None, [key, *(one.key for one in signing_keys)]))


class Evidence(NamedTuple):
    """The existing tokens before verification, and the record.

    `unread` are the accounts, "" for the operator, whose files have no such JWT. `where` returns the path of the JWT of an account, or of the operator if
    the name is empty; `recorded_at` returns the path of the same JWT on record.
    """

    name: str
    operator: Found | None
    accounts: Mapping[str, Found]
    unread: frozenset[str]
    is_managed: bool
    roles: dict[str, dict[str, str]] | None
    record: Record
    where: Callable[[str], str]
    recorded_at: Callable[[str], str]
    roles_at: str


class _Known(NamedTuple):
    """What tokens are verified against. `has_seed` is whether the seed of a public key is available."""

    evidence: Evidence
    named: Named
    has_seed: Callable[[str], bool]


def verify(evidence: Evidence, named: Named, has_seed: Callable[[str], bool]) -> Trust:
    """Determine which tokens and roles of a place are ours. The returned trust includes the problems."""
    known = _Known(evidence, named, has_seed)
    record = evidence.record
    trust = Trust(record, is_first=not record.operator)
    if record.operator and named.operator not in ("", record.operator):
        trust.replaced, trust.record = (
            record.operator,
            Record(removed=record.removed, revoked=record.revoked, removed_names=record.removed_names),
        )
    trust.is_managed = evidence.is_managed and (trust.record.is_managed or not trust.record.operator)
    recorded = _recorded(trust, evidence.recorded_at(""), trust.record.operator_token)
    trust.operator = _operator(known, trust, recorded)
    trust.operator_keys = named.operator_keys | _keys_of(trust.operator) | _keys_of(recorded)
    is_blind = _is_blind(evidence, trust)
    for name in dict.fromkeys([*evidence.accounts, *evidence.unread, *trust.record.accounts, *named.accounts]):
        if not name:
            continue
        recorded = _recorded(trust, evidence.recorded_at(name), trust.record.accounts.get(name, ""))
        if is_blind and recorded is None:
            trust.unverified.add(name)
            trust.account_keys[name] = frozenset()
            continue
        found = _account(name, known, trust, recorded)
        keys = named.account_keys.get(name, frozenset()) | _keys_of(found)
        if found is not None:
            trust.accounts[name] = found
            if recorded is not None and recorded.claims.subject == found.claims.subject:
                keys |= _keys_of(recorded)
        trust.account_keys[name] = keys
    _find_roles(evidence, trust)
    return trust


def _is_blind(evidence: Evidence, trust: Trust) -> bool:
    """Whether the accounts cannot be verified because no key of the operator is known."""
    if trust.operator is None and (evidence.operator is not None or "" in evidence.unread):
        return True  # already reported as a problem
    if trust.operator_keys or not evidence.accounts:
        return False
    trust.problem(
        evidence.where(""),
        "there is no JWT of the operator, so the accounts cannot be verified: restore it, or name its key in operator.public_key.",
    )
    return True


def _keys_of(stored: Found | None) -> frozenset[str]:
    return keys_of(stored.claims) if stored is not None else frozenset()


def _recorded(trust: Trust, path: str, token: str) -> Found | None:
    """A token on record; None if there is none. A damaged one adds a problem and returns None."""
    if not token:
        return None
    try:
        return Found(token, codec.decode(token))
    except NatsSecurityError as error:
        trust.problem(path, f"this is left unchanged, it does not hold the JWT that a run has written here: {error}")
        return None


def _put_back(recorded: Found | None) -> Found | None:
    return None if recorded is None else Found(recorded.token, recorded.claims, _MISSING)


def _newer(found: Found, recorded: Found | None) -> Found:
    """The existing token, or the one on record if that is newer: an older JWT lacks revocations and may have removed signing keys."""
    if recorded is None or recorded.claims.subject != found.claims.subject:
        return found
    old, new = found.claims.issued_at, recorded.claims.issued_at
    if old >= new:
        return found
    times = f"issued at {units.show_time(old)}; the recorded JWT, issued at {units.show_time(new)}"
    fault = f"its file has an older JWT, {times}, is used"
    return Found(recorded.token, recorded.claims, fault, found.claims)


def _signer(claims: Claims) -> str:
    return "itself" if claims.issuer == claims.subject else claims.issuer


# ---- the operator


def _operator(known: _Known, trust: Trust, recorded: Found | None) -> Found | None:
    """The valid token of the operator; None if there is none, or only one that is not ours."""
    evidence, named, has_seed = known
    found = evidence.operator
    if found is None:
        if recorded is None and "" not in evidence.unread and not named.operator:
            _miss_operator(known, trust)
        return recorded if "" in evidence.unread else _put_back(recorded)
    claims = found.claims
    if recorded is not None and found.token == recorded.token:
        return found
    if named.operator and claims.subject != named.operator:
        return found  # the plan reports that the document names another key
    if trust.record.operator and claims.subject != trust.record.operator:
        trust.problem(
            evidence.where(""),
            f"this is left unchanged: its JWT has the subject {claims.subject} and is signed by {_signer(claims)}, and the operator of this store is "
            f"{trust.record.operator}, as recorded in {evidence.recorded_at('')}. If the operator got a new key, name that in operator.public_key; "
            "otherwise remove the file, and the recorded JWT is restored.",
        )
        return recorded
    keys = {claims.subject} | named.operator_keys | _keys_of(recorded)
    is_first = not (named.operator or trust.record.operator)
    # nsc signs the JWT of a strict operator with one of the signing keys in the same JWT. That proves nothing once the operator is known.
    if claims.issuer in keys or has_seed(claims.issuer) or (is_first and claims.issuer in claims.body.signing_keys):
        return _newer(found, recorded)
    remedy = "Remove the file to have the recorded JWT restored."
    if recorded is None:
        remedy = "That the JWT itself lists its signer proves nothing: if the signer is right, name it by public_key in operator.signing_keys."
    fault = foreign(claims.subject, claims.issuer, f"operator {evidence.name}", keys)
    trust.problem(evidence.where(""), f"this is left unchanged: {fault}. {remedy}")
    return recorded


def _miss_operator(known: _Known, trust: Trust) -> None:
    """Add a problem if the operator is on record, but neither its JWT nor its seed exists."""
    evidence, operator = known.evidence, trust.record.operator
    if operator and not known.has_seed(operator):
        trust.problem(
            evidence.where(""),
            f"the operator is {operator}, as recorded in {evidence.recorded_at('')}, and neither its JWT nor its seed is available: restore one of them, "
            "or name the key of the operator in operator.public_key.",
        )


# ---- accounts


def _account(name: str, known: _Known, trust: Trust, recorded: Found | None) -> Found | None:
    """The valid token of an account; None if there is none, or only one that is not ours."""
    evidence = known.evidence
    found = evidence.accounts.get(name)
    if found is None:
        if name not in evidence.unread:
            is_wanted = recorded is not None and _is_wanted(known.named, name, recorded.claims.subject)
            return _put_back(recorded) if is_wanted else None
    elif recorded is not None and found.token == recorded.token:
        return found
    else:
        fault = _signature_fault(name, known, trust, recorded) or _identity_fault(name, known, trust, recorded)
        if not fault:
            return _newer(found, recorded)
        trust.problem(evidence.where(name), f"this is left unchanged: {fault}")
    if recorded is None:
        trust.unverified.add(name)
    return recorded


def _is_wanted(named: Named, name: str, subject: str) -> bool:
    return name in named.accounts and named.accounts[name] in ("", subject)


def _signature_fault(name: str, known: _Known, trust: Trust, recorded: Found | None) -> str:
    """Why the signer of an account's JWT is not accepted; empty if it is."""
    evidence, named, has_seed = known
    claims = evidence.accounts[name].claims
    if claims.issuer in trust.operator_keys or (
        trust.is_first and claims.issuer[:1] == "O" and has_seed(claims.issuer)
    ):
        return ""
    if trust.is_managed and claims.issuer == claims.subject:
        ours = (named.accounts.get(name), recorded.claims.subject if recorded is not None else None)
        if claims.subject in ours or has_seed(claims.subject) or not trust.record.operator:
            return ""
    fault = foreign(claims.subject, claims.issuer, f"operator {evidence.name}", trust.operator_keys)
    if recorded is not None:
        return f"{fault}. Remove the file to have the recorded JWT restored."
    return (
        f"{fault}. If the account is right, name its key in its public_key and remove the file: the JWT is then issued again, "
        "with the revocations and signing keys of the document alone."
    )


def _identity_fault(name: str, known: _Known, trust: Trust, recorded: Found | None) -> str:
    """Why the JWT belongs to another account; empty if it does not. If the document names another key, the plan reports that."""
    evidence, named, has_seed = known
    claims = evidence.accounts[name].claims
    about = f"its JWT has the subject {claims.subject} and is signed by {_signer(claims)} for the account {claims.name}"
    if named.accounts.get(name):
        return ""
    if recorded is not None:
        ours = recorded.claims.subject
        if claims.subject == ours:
            return ""
        return (
            f"{about}, and the account {name} is {ours}, as recorded in {evidence.recorded_at(name)}. If the account got a new key, "
            "name that in its public_key; otherwise remove the file, and the recorded JWT is restored."
        )
    if claims.name not in (name, named.renamed_from.get(name)):
        return f"{about}, not for {name}. If that is the key of {name}, name it in the public_key of the account; otherwise put the file where it belongs."
    if name in named.accounts and claims.subject in trust.record.removed and not has_seed(claims.subject):
        return (
            f"{about}, and that account was removed. Remove the file to have a JWT with a new key issued; "
            "to have the old account back, name its key in the public_key of the account."
        )
    return ""


# ---- roles


def _find_roles(evidence: Evidence, trust: Trust) -> None:
    """Set the roles to those on record. If there are none, use the roles in the file whose keys are in the JWTs of their owners."""
    written, recorded = evidence.roles, trust.record.roles
    if written is None:
        return
    if recorded is not None:
        trust.roles = recorded
        if written != recorded:
            trust.roles_fault = f"{evidence.roles_at} is not what the last run wrote, the recorded roles are restored"
        return
    for stored in filter(None, [trust.operator, *trust.accounts.values()]):
        owner, keys = stored.claims.subject, keys_of(stored.claims)
        for role, key in written.get(owner, {}).items():
            if key in keys:
                trust.roles.setdefault(owner, {})[role] = key
            else:
                name = stored.claims.name
                trust.problem(
                    evidence.roles_at,
                    f"this gives the role {role} to {key}, which is not a key of the {stored.claims.kind} {name} ({owner}) as its JWT has them. "
                    "Remove the role from the file.",
                )


# ---- users


class Said(NamedTuple):
    """The claims of a token that is not verified yet."""

    subject: str
    issuer: str
    issuer_account: str
    name: str


NOTHING = Said("", "", "", "")


def peek(token: str) -> Said:
    """The claims of a token without verifying it; empty values if it is not a token."""
    data = codec.peek(token)
    nats = data.get("nats")
    account = nats.get("issuer_account") if isinstance(nats, dict) else None
    return Said(str(data.get("sub") or ""), str(data.get("iss") or ""), str(account or ""), str(data.get("name") or ""))


class UserFile(NamedTuple):
    """The file of a user's JWT: the account and user name in its path, the public key of the account, and what the document has for the user."""

    account: str
    account_key: str
    name: str
    public_key: str = ""  # if the document names it
    is_wanted: bool = True  # whether the document wants the user to be present
    renamed_from: str = ""  # the previous name, which its JWT may still have


def account_fault(said: Said, account: str, account_key: str, keys: frozenset[str]) -> str:
    """Why the JWT of a user does not belong to an account with these keys; empty if it does."""
    if said.issuer not in keys:
        return foreign(said.subject, said.issuer, f"account {account}", keys)
    if said.issuer_account not in ("", account_key):
        return f"{_about(said)} for a user of the account {said.issuer_account}, not of {account} ({account_key})"
    return ""


def _about(said: Said) -> str:
    return f"its JWT has the subject {said.subject} and is signed by {said.issuer}"


def user_fault(trust: Trust, file: UserFile, said: Said, has_seed: Callable[[str], bool]) -> str:
    """Why a JWT is not accepted as that of the user in its path; empty if it is."""
    keys = trust.account_keys.get(file.account, frozenset())
    if trust.is_first and said.issuer_account == file.account_key and has_seed(said.issuer):
        keys |= {said.issuer}  # a previous key
    fault = account_fault(said, file.account, file.account_key, keys)
    if fault:
        return f"{fault}. Remove the file to have it issued again."
    if file.public_key:
        return ""  # the plan reports if the document names another key
    if said.name != file.name and not (file.renamed_from and said.name == file.renamed_from):
        return (
            f"{_about(said)} for the user {said.name}, not for {file.name}. "
            f"If that is the key of {file.name}, name it in the public_key of the user; otherwise put the file where it belongs."
        )
    if file.is_wanted and said.subject in trust.record.removed and not has_seed(said.subject):
        return (
            f"{_about(said)}, and that user was removed. Remove the file to have a JWT with a new key issued; "
            "to have the old user back, name its key in the public_key of the user."
        )
    return ""
