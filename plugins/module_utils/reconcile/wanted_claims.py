# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The claims and the policy that a task asks for, once its names have keys. Pure; the options of claims come from their declarations."""

from __future__ import annotations

import dataclasses
import functools
import marshal
from typing import Any, Callable, Iterator, Mapping, NamedTuple, Sequence

from ..base import units
from ..base.errors import NatsSecurityError
from ..base.excerpts import excerpt, quoted
from ..claims import Account, Activation, Claims, Import, Operator, SigningKey, User, no_access
from ..claims.comparison import describe, identities
from ..claims.kinds import parse_text
from ..claims.options import Problem, known_only, option_names, read_options, show_options
from ..decision.issue import Policy
from ..keys import nkey
from ..keys.new import Placeholder
from ..rules.imports import import_meaning, import_subjects
from ..rules.issues import key_problem
from ..rules.server import far_time_problem
from ..rules.templates import OWN_ACCOUNT
from .names import Names
from .rotation import with_generations
from .verdicts import Verdict
from .wanted import (
    ACCOUNT_WORDS,
    ENVELOPE,
    OPERATOR_WORDS,
    POLICY,
    USER_WORDS,
    WantedAccount,
    WantedActivation,
    WantedKey,
    WantedOperator,
    WantedUser,
    join,
)

#: Returns the key of a user of an account by name; empty if there is no such user.
UserKey = Callable[[str], str]

# ---- operator and accounts


def operator_claims(wanted: WantedOperator, names: Names, problems: list[Problem]) -> Claims:
    """The claims that the task asks for in the operator."""
    claims = _envelope(wanted.options, wanted.place, wanted.name, names.operator, problems)
    claims.body = read_options(Operator, _claim_options(wanted.options), wanted.place, problems, OPERATOR_WORDS)
    claims.body.signing_keys = [
        *(one.key or names.operator_roles.get(one.role, "") for one in wanted.signing_keys),
        *(key for _unused, key in names.of(names.operator).kept),
        *filter(None, [names.following_operator]),
    ]
    claims.body.system_account = names.accounts.get(wanted.system_account, wanted.system_account)
    return claims


def account_claims(wanted: WantedAccount, names: Names, user_key: UserKey, problems: list[Problem]) -> Claims:
    """The claims that the task asks for in an account. Imports do not have the activation tokens yet that will be issued."""
    place, own = wanted.place, names.accounts[wanted.name]
    options = _claim_options(wanted.options)
    options["imports"] = _each(
        options.get("imports"), lambda item, path: _import(item, own, names, path, problems), join(place, "imports")
    )
    options["exports"] = _each(
        options.get("exports"), lambda item, path: _export(item, names, path, problems), join(place, "exports")
    )
    namer = _user_namer(user_key, problems)
    options["revocations"] = _by_key(options.get("revocations"), namer, join(place, "revocations"), problems)
    if isinstance(options.get("authorization"), dict):
        options["authorization"] = _authorization(
            options["authorization"], names, namer, join(place, "authorization"), problems
        )
        if isinstance(options["authorization"].get("xkey"), dict):
            options["authorization"]["xkey"] = _curve_key(options["authorization"]["xkey"], wanted, names, problems)
    claims = _envelope(wanted.options, place, wanted.name, own, problems)
    given = {word: value for word, value in options.items() if value is not None}
    claims.body = read_options(Account, given, place, problems, ACCOUNT_WORDS)
    roles = names.roles.get(wanted.name, {})
    keys = [*wanted.signing_keys, *with_generations(wanted.signing_keys, names.of(own))]
    claims.body.signing_keys = [_signing_key(one, roles, problems) for one in keys]
    return claims


def _curve_key(given: dict[str, Any], wanted: WantedAccount, names: Names, problems: list[Problem]) -> str | None:
    """The public curve key of the role that the document gives as the xkey of an auth callout."""
    if wanted.curve_role:
        return names.curves[wanted.name][wanted.curve_role]
    message = (
        f"expected the role of the curve key and nothing else, as in xkey: {{role: callout}}, not {quoted(given)}."
    )
    problems.append(Problem(join(wanted.place, "authorization.xkey.role"), message))
    return None


_ENVELOPE = frozenset(ENVELOPE)
_POLICY = frozenset(POLICY)


def _claim_options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {word: value for word, value in options.items() if word not in _ENVELOPE and word not in _POLICY}


def _signing_key(wanted: WantedKey, roles: dict[str, str], problems: list[Problem]) -> SigningKey:
    key: SigningKey = read_options(SigningKey, wanted.options, wanted.place, problems)
    key.key = wanted.key or roles.get(wanted.role, "")
    # A signing key without a scope is a plain string in a JWT, which cannot hold a role.
    key.role = wanted.role if key.template is not None else ""
    return key


def _each(value: Any, change: Callable[[dict[str, Any], str], Any], path: str) -> Any:
    if not isinstance(value, list):
        return value
    return [change(item, f"{path}[{index}]") if isinstance(item, dict) else item for index, item in enumerate(value)]


def _import(item: dict[str, Any], own: str, names: Names, path: str, problems: list[Problem]) -> dict[str, Any]:
    known = known_only(item, option_names(Import) | {"activation"}, path, problems)
    changed = {word: value for word, value in known.items() if word != "activation"}
    if isinstance(item.get("account"), str):
        changed["account"] = account_key(item["account"], names, path + ".account", problems)
    if isinstance(item.get("subject"), str):
        changed["subject"] = with_own_key(item["subject"], own)
    return changed


def with_own_key(subject: str, own: str) -> str:
    """The subject of an import with the public key of the importing account inserted; unchanged while that key is a placeholder."""
    return subject if isinstance(own, Placeholder) else subject.replace(OWN_ACCOUNT, own)


def _export(item: dict[str, Any], names: Names, path: str, problems: list[Problem]) -> dict[str, Any]:
    def namer(name: str, where: str) -> str:
        return account_key(name, names, where, problems)

    return dict(item, revocations=_by_key(item.get("revocations"), namer, f"{path}.revocations", problems))


def _several(value: Any) -> Any:
    """A text as a list of it, as options of texts are read; any other value unchanged."""
    return [value] if isinstance(value, str) else value


def _authorization(
    item: dict[str, Any], names: Names, namer: Callable[[str, str], str], path: str, problems: list[Problem]
) -> dict[str, Any]:
    changed = {
        word: _several(value) if word in ("auth_users", "allowed_accounts") else value for word, value in item.items()
    }
    if isinstance(changed.get("auth_users"), list):
        changed["auth_users"] = [
            namer(name, f"{path}.auth_users[{index}]") for index, name in enumerate(changed["auth_users"])
        ]
    if isinstance(changed.get("allowed_accounts"), list):
        changed["allowed_accounts"] = [
            account_key(name, names, f"{path}.allowed_accounts[{index}]", problems)
            for index, name in enumerate(changed["allowed_accounts"])
        ]
    return changed


def _by_key(value: Any, namer: Callable[[str, str], str], path: str, problems: list[Problem]) -> Any:
    if not isinstance(value, dict):
        return value
    named: dict[str, Any] = {}
    for name, at in value.items():
        where = f"{path}[{excerpt(name) if isinstance(name, str) else quoted(name)}]"
        key = namer(name, where)
        if key in named:
            problems.append(Problem(where, "this is listed twice, by its name and by its key; remove one."))
        named[key] = at
    return named


# ---- references by name or by public key


def account_key(name: Any, names: Names, path: str, problems: list[Problem]) -> str:
    """The public key of an account that is given by name or by public key; `*` stands for all accounts and is returned as it is."""
    if isinstance(name, str) and name in names.accounts:
        return names.accounts[name]
    return _reference(name, "account", path, lambda: _no_such("account", name, names.accounts), problems)


def _user_namer(user_key: UserKey, problems: list[Problem]) -> Callable[[str, str], str]:
    def key_of(name: Any, path: str) -> str:
        found = user_key(name) if isinstance(name, str) else ""
        if found:
            return found
        return _reference(name, "user", path, lambda: _no_such_user(name), problems)

    return key_of


def _reference(name: Any, key_type: str, path: str, unknown: Callable[[], str], problems: list[Problem]) -> str:
    """The text if it is a public key or `*`. Anything else adds a problem: an invalid key if it looks like a key, otherwise an unknown name."""
    try:
        text = parse_text(name)
    except ValueError as error:
        problems.append(Problem(path, f"{error}."))
        return ""
    if text != "*" and not nkey.is_public_key(text, key_type):
        problems.append(Problem(path, key_problem(text, key_type) if looks_like_key(text) else unknown()))
    return text


def _no_such_user(name: str) -> str:
    return f"there is no user {excerpt(name)} in this account; name a removed user by its public key."


def looks_like_key(text: str) -> bool:
    """Whether a text is probably meant as a key, not as a name."""
    return len(text) >= 50 and text[:1] in "OAUNCXSP" and text.isalnum() and text.isupper()


def _no_such(kind: str, name: str, known: Mapping[str, str]) -> str:
    names = (", ".join(sorted(filter(None, known))) or "none") if len(known) <= 12 else f"{len(known)} others"
    return f"there is no {kind} {excerpt(name)}; available: {names}. Name an account that is not in the document by its public key."


def users_referred_to(wanted: WantedAccount) -> set[str]:
    """The names of users whose keys are needed for the claims of the account."""
    revocations = wanted.options.get("revocations")
    revoked = [name for name in revocations if isinstance(name, str)] if isinstance(revocations, (list, dict)) else []
    return {*wanted.auth_users, *revoked}


# ---- users


class UserKeys(NamedTuple):
    """The public keys in the claims of a user, and whether the key that signs them has a scope."""

    subject: str
    issuer_account: str
    is_scoped: bool


def describe_user(claims: Claims, is_scoped: bool) -> dict[str, Any]:
    """The claims of a user as options of a document, without its name, its key, the role of its signer and its expiry.

    `is_scoped` is whether the key that signed it has a scope. If it has none, permissions and limits are included even if all of them are unset.
    """
    described = describe(claims)
    for word in ("subject", "scoped", "name"):
        described.pop(word, None)
    if not is_scoped and claims.body.is_scoped:
        described.update(show_options(claims.body))
    described.pop("issuer_account", None)
    return described


def user_claims(
    wanted: WantedUser, place: str, keys: UserKeys, problems: list[Problem]
) -> tuple[Claims, dict[Any, Verdict]]:
    """The claims that the task asks for in a user, and a dictionary that caches the verdicts of the rules on them.

    Users with the same options share one body object and one dictionary. The body must not be modified.
    """
    subject, issuer_account, is_scoped = keys
    options = _claim_options(wanted.options)
    claims = _envelope(wanted.options, place, wanted.name, subject, problems)
    if is_scoped:
        role = f"the role {wanted.role}" if wanted.role else "the key that signs"
        problems.extend(
            Problem(
                join(place, word),
                f"{role} has a scope, so its users have no permissions or limits of their own: "
                "remove this, or sign with a key without a scope.",
            )
            for word, value in options.items()
            if word != "tags" and value not in (None, False)
        )
        options = {word: value for word, value in options.items() if word == "tags"}
    try:
        encoded = marshal.dumps(options, _WITHOUT_REFERENCES)
    except ValueError:  # a value of another type than those of YAML and JSON
        claims.body, found, checked = _read_user_body(options, issuer_account, is_scoped)
    else:
        claims.body, found, checked = _user_body(encoded, issuer_account, is_scoped)
    if found:
        problems.extend(Problem(join(place, problem.path), problem.message) for problem in found)
    return claims, checked


# This version of the format has the same bytes for equal values, whichever objects they share, and takes a tenth of the time of JSON.
_WITHOUT_REFERENCES = 2


@functools.lru_cache(maxsize=256)
def _user_body(
    options: bytes, issuer_account: str, is_scoped: bool
) -> tuple[User, tuple[Problem, ...], dict[Any, Verdict]]:
    return _read_user_body(marshal.loads(options), issuer_account, is_scoped)  # noqa: S302 (user_claims dumped them)


def _read_user_body(
    options: dict[str, Any], issuer_account: str, is_scoped: bool
) -> tuple[User, tuple[Problem, ...], dict[Any, Verdict]]:
    problems: list[Problem] = []
    body: User = read_options(User, options, "", problems, USER_WORDS)
    body.issuer_account = issuer_account
    if is_scoped:
        body.access = no_access()
    return body, tuple(problems), {}


def _envelope(options: Mapping[str, Any], place: str, name: str, subject: str, problems: list[Problem]) -> Claims:
    claims = Claims(name=name, subject=subject)
    if not _ENVELOPE.isdisjoint(options) and any(options.get(word) is not None for word in ENVELOPE):
        read: Claims = read_options(Claims, {word: options.get(word) for word in ENVELOPE}, place, problems)
        claims.audience, claims.not_before = read.audience, read.not_before
    return claims


# ---- policy

_NEVER = Policy()


def _has_policy(options: Mapping[str, Any]) -> bool:
    if _POLICY.isdisjoint(options):
        return False
    return any(options.get(word) is not None for word in POLICY[:4]) or options.get("force") is True


def policy(
    options: Mapping[str, Any],
    place: str,
    problems: list[Problem],
    now: int,
    issued_after: int = 0,
) -> Policy:
    """The renewal policy of a token, from its options. Times are in unix seconds."""
    if not (issued_after or _has_policy(options)):
        return _NEVER
    values: dict[str, int | None] = {}
    unreadable = False
    for word in POLICY[:4]:
        value = options.get(word)
        if value is not None:
            try:
                values[word] = units.parse_time(value) if word == "expires_at" else units.parse_seconds(value)
            except ValueError as error:
                problems.append(Problem(join(place, word), f"{error}."))
                unreadable = True
    if unreadable:  # the rules between these options would report the unreadable one as missing
        return Policy()
    for word, end in (
        ("expires_at", values.get("expires_at") or 0),
        ("expires_in", now + (values.get("expires_in") or 0)),
    ):
        far = far_time_problem(end, now)
        if far:
            problems.append(Problem(join(place, word), far))
    try:
        return Policy(
            expires_in=values.get("expires_in"),
            expires_at=values.get("expires_at"),
            renew_before=values.get("renew_before") or 0,
            renew_spread=values.get("renew_spread") or 0,
            force=options.get("force") is True,
            issued_after=issued_after,
        )
    except NatsSecurityError as error:
        problems.append(Problem(place, str(error)))
        return Policy()


def activation_claims(wanted: WantedActivation, problems: list[Problem]) -> Claims:
    """The claims that a task asks for in a single activation."""
    claims = _envelope(wanted.options, "", wanted.name, wanted.importer, problems)
    claims.body = read_options(Activation, _claim_options(wanted.options), "", problems)
    return claims


# ---- claims that are not options


def issuer_account(account_key: str, issuer: str, said: str) -> str:
    """The `issuer_account` of a token: empty if the identity key of the account signs it.

    A token signed by the identity key may still have the claim, with the same meaning. So `said`, the value of an existing token, is kept.
    """
    return "" if issuer == account_key != said else account_key


def import_id(item: Import) -> tuple[str, str, str]:
    """What identifies an import: its type, the exporting account, and the subject in the exporting account."""
    return item.type, item.account, import_subjects(item).remote


def keep_spelling(body: Account, old: Account) -> None:
    """Keep the deprecated `to` of imports in an existing token if the wanted import means the same, so that no new token is signed for it."""
    earlier = {
        (item.account, item.type, import_meaning(item)): item for item in old.imports if item is not None and item.to
    }
    for item in body.imports if earlier else ():
        before = earlier.get((item.account, item.type, import_meaning(item)))
        if before is not None and not before.local_subject:
            item.subject, item.to, item.local_subject = before.subject, before.to, ""


def add_revocations(body: Account, older: Account) -> None:
    """Take over the revocations of a JWT that is not the newest, and nothing else from it. Revocations can only remove access."""
    earlier = identities(older.exports)
    body.revocations = _later(body.revocations, older.revocations)
    body.exports = [
        dataclasses.replace(export, revocations=_later(export.revocations, earlier[name].revocations))
        if name in earlier
        else export
        for name, export in identities(body.exports).items()
    ]


def _later(revocations: Mapping[str, int], others: Mapping[str, int]) -> dict[str, int]:
    return {key: max(revocations.get(key, at), others.get(key, at)) for key, at in {**others, **revocations}.items()}


# ---- activations of imports

ACTIVATION_WORDS = POLICY[:4]


def activation_options(wanted: WantedAccount, index: int) -> dict[str, Any]:
    """The renewal options of the activation of an import."""
    imports = wanted.options.get("imports")
    item = imports[index] if isinstance(imports, list) and index < len(imports) else None
    found = item.get("activation") if isinstance(item, dict) else None
    return found if isinstance(found, dict) else {}


def activation_problems(wanted: WantedAccount, now: int) -> Iterator[Problem]:
    """The problems in the activation options of imports."""
    imports: Sequence[Any] = wanted.options.get("imports") or ()
    for index, item in enumerate(imports if isinstance(imports, list) else ()):
        said = item.get("activation") if isinstance(item, dict) else None
        path = f"{join(wanted.place, 'imports')}[{index}].activation"
        if said is not None and not isinstance(said, dict):
            yield Problem(path, f"expected a dictionary, not {quoted(said)}.")
        problems: list[Problem] = []
        if isinstance(said, dict):  # also if the import needs no activation
            policy(said, path, problems, now)
        yield from problems
        for word in said if isinstance(said, dict) else ():
            if word not in ACTIVATION_WORDS:
                known = ", ".join(sorted(ACTIVATION_WORDS))
                yield Problem(f"{path}.{excerpt(str(word))}", f"unsupported option; available: {known}.")
