# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Describes a store: the document that would create it, expiry times, available seeds, and problems. Changes nothing.

Most functions return the results for one entity and the entities below it, as a `_Part`.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Iterable, Iterator, Mapping, NamedTuple

from .. import rules
from ..base import units
from ..base.errors import NatsSecurityError
from ..claims import Account, Claims, Export, SigningKey, as_read_by_servers
from ..claims.comparison import describe
from ..claims.options import show_options
from ..keys.keyring import Keyring
from ..reconcile import place, strict, verdicts
from ..reconcile.activations import activation_at_hand, covering_export
from ..reconcile.place import SURROUNDED, Record, Trust, UserFiles
from ..reconcile.rotation import record_of_curve_key, record_of_identity, record_of_users, retiring_keys, role_of, split
from ..reconcile.trust import Named, Said, UserFile, user_fault
from ..reconcile.wanted_claims import describe_user
from ..rules.imports import without_to
from ..token import decorated
from . import reading
from .layout import Layout
from .reading import Store
from .record import verified


class Inventory(NamedTuple):
    """The description of a store: its document, its entities, and its problems. `strict_mode` is None if there is no operator JWT."""

    definition: dict[str, Any]
    entities: list[dict[str, Any]]
    problems: list[dict[str, Any]]
    is_managed: bool
    strict_mode: dict[str, Any] | None


class _Problem(NamedTuple):
    """A problem at a place of the document or with a file. `blocking` is whether it prevents something from working."""

    path: str
    message: str
    blocking: bool


class _Part(NamedTuple):
    """The results for an entity: its part of the document, the entities to report, and the problems."""

    document: dict[str, Any]
    entities: list[dict[str, Any]]
    problems: list[_Problem]


class _Context(NamedTuple):
    """The input of all functions: the store, the available keys, the verification result, account names by public key, and the time in unix seconds."""

    store: Store
    ring: Keyring
    trust: Trust
    names: dict[str, str]
    now: int


class _Roles(NamedTuple):
    """The recorded roles of signing keys, and the roles that more than one key of the account has."""

    record: dict[str, str]
    repeated: list[str]


class _Account(NamedTuple):
    """An account whose users are read: its place in the document, its signing keys, their roles, the retiring keys of users by name, and the user files."""

    name: str
    claims: Claims
    path: str
    keys: Mapping[str, SigningKey]
    roles: _Roles
    retiring: Mapping[str, str]
    files: UserFiles


def take_inventory(layout: Layout, ring: Keyring, now: int) -> Inventory:
    """Describe a store. NatsSecurityError if it does not exist; other errors are in the problems."""
    store = verified(reading.existing_store(layout), Named(), ring.has)
    names = {stored.claims.subject: name for name, stored in store.accounts.items()}
    context = _Context(store, ring, store.trust or Trust(Record()), names, now)
    operator = _operator(context)
    accounts = [
        _account(context, name, stored, f"accounts[{index}]")
        for index, (name, stored) in enumerate(store.accounts.items())
    ]
    parts = [operator, *accounts]
    entities = [entity for part in parts for entity in part.entities]
    problems = [
        *(problem for part in parts for problem in part.problems),
        *_problems_across(store),
        *(_Problem(problem.path, problem.message, True) for problem in store.problems),
        *_lost(context),
        *_files(store),
    ]
    return Inventory(
        {"operator": operator.document, "accounts": [account.document for account in accounts]},
        entities,
        [problem._asdict() for problem in dict.fromkeys(problems)],
        store.is_managed,
        _strict_mode(store, entities),
    )


def _strict_mode(store: Store, entities: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    """What servers refuse, or would refuse, under a strict operator; None if there is no operator JWT."""
    if store.operator is None:
        return None
    users: dict[str, list[tuple[str, str]]] = {}
    for entity in entities:
        if entity["kind"] == "user" and not entity.get("revoked"):
            users.setdefault(entity["account"], []).append((entity["name"], entity["issuer"]))
    operator = store.operator.claims
    accounts = {name: stored.claims for name, stored in store.accounts.items()}
    found = strict.refused(operator, accounts, lambda name: users.get(name, ()))
    return strict.show(found, operator.body.strict_signing_key_usage)


def _problems_across(store: Store) -> list[_Problem]:
    accounts = {name: stored.claims for name, stored in store.accounts.items()}
    paths = {name: f"accounts[{index}]" for index, name in enumerate(accounts)}
    system = store.operator.claims.body.system_account if store.operator is not None else ""
    found = verdicts.across(accounts, paths, system, {})
    return [
        *(_Problem(problem.path, problem.message, True) for problem in found.problems),
        *(_Problem(warning.path, warning.message, False) for warning in found.warnings),
    ]


def _lost(context: _Context) -> Iterator[_Problem]:
    """What the store has lost since the last run, and the next run restores."""
    store, trust = context.store, context.trust
    if trust.roles_fault:
        yield _Problem(store.layout.roles, trust.roles_fault + ".", False)
    for name, stored in [("", store.operator), *store.accounts.items()]:
        if stored is not None and stored.fault not in ("", SURROUNDED):
            yield _Problem(store.where(name), stored.fault + ".", False)
    for name in trust.record.accounts:
        if name not in store.accounts:
            message = (
                "there is no JWT of the account, only a recorded one: it is restored if the document has the account."
            )
            yield _Problem(store.layout.account_jwt(name), message, False)


def _files(store: Store) -> Iterator[_Problem]:
    """The problems of files that do not depend on their content. Complete only after the whole store is read."""
    for path, mode in sorted(store.modes.items()):
        yield _Problem(path, f"its mode is {mode:04o}, other users can read it.", False)
    if store.journal:
        yield _Problem(store.layout.journal, "a run was interrupted; the next one completes it.", False)


# ---- operator


def _operator(context: _Context) -> _Part:
    store = context.store
    if store.operator is None:
        missing = _Problem(store.layout.operator_jwt, "there is no JWT of the operator.", True)
        return _Part({"name": store.layout.name}, [], [] if store.problems else [missing])
    claims = store.operator.claims
    document = _described(claims)
    document.pop("signing_keys", None)
    document.update(_identity(claims, context.ring.has(claims.subject)))
    identities = store.role_keys(record_of_identity(claims.subject))
    entities = [{**entity, "name": claims.name} for entity in _rotated(context, identities, "identity_key", "")]
    problems: list[_Problem] = []
    if claims.body.signing_keys:
        roles = _Roles(store.role_keys(claims.subject), [])
        keys = [SigningKey(key=key) for key in sorted(claims.body.signing_keys) if key not in identities.values()]
        entities += [_signing_key_entity(context, key, roles, "") for key in keys]
        document["signing_keys"] = [_signing_key(key, {}, roles) for key in keys if _is_current(key, roles)]
    system = claims.body.system_account
    if system:
        document["system_account"] = context.names.get(system, system)
        if system not in context.names:
            message = f"the account {system} is not in the store."
            problems.append(_Problem("operator.system_account", message, False))
    entities.append(_entity(context, claims, kind="operator", name=claims.name, account="", path="operator"))
    problems += _check(context, claims, "operator")
    return _Part({"name": claims.name, **document}, entities, problems)


def _identity(claims: Claims, has_seed: bool) -> dict[str, Any]:
    """The options `public_key` (if there is no seed) and `expires_at` (if the token expires) of an entity."""
    shown: dict[str, Any] = {} if has_seed else {"public_key": claims.subject}
    if claims.expires:
        shown["expires_at"] = units.show_time(claims.expires)
    return shown


def _is_current(key: SigningKey, roles: _Roles) -> bool:
    """Whether a key is the current key of its role. Next and retiring keys are not part of the document."""
    return role_of(roles.record, key.key)[1] == "current"


def _signing_key(key: SigningKey, shown: dict[str, Any], roles: _Roles) -> dict[str, Any]:
    """A signing key as an item of the document."""
    role = key.role or role_of(roles.record, key.key)[0]
    document = {word: value for word, value in shown.items() if word not in ("key", "role")}
    if role:
        document["role"] = role
    if not role or role in roles.repeated:
        document["public_key"] = key.key
    return document


def _signing_key_entity(context: _Context, key: SigningKey, roles: _Roles, account: str) -> dict[str, Any]:
    role, generation = role_of(roles.record, key.key)
    shown = {"kind": "signing_key", "name": key.role or role, "account": account, "public_key": key.key}
    return {**shown, "seed": context.ring.has(key.key), "generation": generation}


# ---- accounts


def _account(context: _Context, name: str, stored: place.Found, path: str) -> _Part:
    store, names, claims = context.store, context.names, stored.claims
    body: Account = claims.body
    document = {"name": name, **_described(claims), **_identity(claims, context.ring.has(claims.subject))}
    roles = _roles(store, claims)
    shown = {item["key"]: item for item in document.pop("signing_keys", [])}
    keys = sorted(body.signing_keys, key=lambda key: key.key)
    entities = [_signing_key_entity(context, key, roles, name) for key in keys]
    if keys:
        document["signing_keys"] = [_signing_key(key, shown[key.key], roles) for key in keys if _is_current(key, roles)]
    retiring = retiring_keys(store.role_keys(record_of_users(claims.subject)))
    account = _Account(name, claims, path, {key.key: key for key in keys}, roles, retiring, store.user_files(name))
    users, problems = _users(context, account)
    entities += [entity for user in users for entity in user.entities]
    by_key = {user.entities[0]["public_key"]: user.document["name"] for user in users if user.document}
    if body.imports:
        document["imports"] = _imports(context, claims)
    for export in document.get("exports", []):
        if "revocations" in export:
            export["revocations"] = {names.get(key, key): at for key, at in export["revocations"].items()}
    if "revocations" in document:
        document["revocations"] = {by_key.get(key, key): at for key, at in document["revocations"].items()}
    authorization = document.get("authorization", {})
    before = set(retiring.values())
    for word, by_name in (("auth_users", by_key), ("allowed_accounts", names)):
        if word in authorization:
            authorization[word] = [by_name.get(key, key) for key in authorization[word] if key not in before]
    curve_keys = _curve_keys(context, claims, name)
    for entity in curve_keys:
        if entity["public_key"] == authorization.get("xkey"):
            authorization["xkey"] = {"role": entity["name"]}
    if any(user.document for user in users):
        document["users"] = [user.document for user in users if user.document]
    entities += [*curve_keys, _entity(context, claims, kind="account", name=name, account="", path=path)]
    return _Part(document, entities, [*problems, *_check(context, claims, path), *_check_under(store, claims, path)])


def _roles(store: Store, claims: Claims) -> _Roles:
    record = store.role_keys(claims.subject)
    _unused, following, retiring = split(record)
    idle = {*following.values(), *retiring.values()}
    roles = [key.role for key in claims.body.signing_keys if key.role and key.key not in idle]
    return _Roles(record, [role for role in roles if roles.count(role) > 1])


def _curve_keys(context: _Context, claims: Claims, account: str) -> list[dict[str, Any]]:
    """The recorded curve keys of an auth callout: the current key, and the next and retiring keys of a rotation."""
    record = context.store.role_keys(record_of_curve_key(claims.subject))
    return _rotated(context, record, "curve_key", account)


def _rotated(context: _Context, record: dict[str, str], kind: str, account: str) -> list[dict[str, Any]]:
    """Entities for recorded keys that are not signing keys, each with its role and generation."""
    found = []
    for key in record.values():
        role, generation = role_of(record, key)
        shown = {"kind": kind, "name": role, "account": account, "public_key": key}
        found.append({**shown, "seed": context.ring.has(key), "generation": generation})
    return found


def _imports(context: _Context, claims: Claims) -> list[dict[str, Any]]:
    found = []
    for item in claims.body.imports:
        if item is None:
            continue
        shown = show_options(item)
        shown.pop("to", None)
        shown["subject"], local = without_to(item)
        if local:
            shown["local_subject"] = local
        shown["account"] = context.names.get(item.account, item.account)
        exporter = context.names.get(item.account)
        if item.token and exporter is not None:
            activation = _derived_activation(context, item, exporter, claims.subject)
            if activation is not None:
                del shown["token"]
                if activation.expires:
                    shown["activation"] = {"expires_at": units.show_time(activation.expires)}
        found.append(shown)
    return found


def _derived_activation(context: _Context, item: Any, name: str, importer: str) -> Claims | None:
    """The activation of an import if a run would issue the same one from the document; None if the document must include the token."""
    exporter = context.store.accounts[name]
    own = exporter.claims.subject
    body: Account = exporter.claims.body
    export: Export | None = covering_export(body.exports, item)
    if export is None or not export.token_required:
        return None
    stored, _unused = activation_at_hand(item.token, importer, item, context.trust.account_keys[name])
    if stored is None or rules.revoked_until(export.revocations, importer) >= stored.claims.issued_at:
        return None
    issuer = stored.claims.issuer
    usual = "" if issuer == own else own
    if issuer not in (own, *(key.key for key in body.signing_keys)):
        return None
    return stored.claims if stored.claims.body.issuer_account in (usual, own) else None


# ---- users


def _users(context: _Context, account: _Account) -> tuple[list[_Part], list[_Problem]]:
    """The results for each user, and the problems of all users. Revoked users are not part of the document."""
    users: list[_Part] = []
    problems: list[_Problem] = []
    number = 0
    for name in account.files.users:
        found = context.store.read_user(account.name, name)
        if not isinstance(found, place.Found):
            if found is not None:
                problems.append(_Problem(found.path, found.message, True))
            continue
        user = _user(context, account, name, found.claims, f"{account.path}.users[{number}]")
        number += bool(user.document)
        if user.entities:
            users.append(user)
        problems += user.problems
    return users, problems


def _user(context: _Context, account: _Account, name: str, claims: Claims, path: str) -> _Part:
    file = context.store.layout.user_jwt(account.name, name)
    said = Said(claims.subject, claims.issuer, claims.body.issuer_account, claims.name)
    fault = user_fault(context.trust, UserFile(account.name, account.claims.subject, name), said, context.ring.has)
    if fault:
        return _Part({}, [], [_Problem(file, f"this is left unchanged: {fault}", True)])
    if rules.revoked_until(account.claims.body.revocations, claims.subject) >= claims.issued_at:
        revoked = _entity(context, claims, kind="user", name=name, account=account.name, path=file, revoked=True)
        message = "this user is revoked: it is not in the document, which would issue it again."
        return _Part({}, [revoked], [_Problem(file, message, False)])
    has_creds = name in account.files.creds
    has_seed = context.ring.has(claims.subject)
    held = has_seed or (has_creds and _creds_hold_seed(context.store, account.name, name, claims))
    document = {"name": name, **_user_document(account, claims), **_identity(claims, held)}
    if has_seed and not has_creds:
        document["creds"] = False
    role = _signing_role(account, claims)
    if role:
        document["signing_key_role"] = role
    entity = _entity(
        context, claims, kind="user", name=name, account=account.name, path=path, creds=has_creds, seed=held
    )
    if account.retiring.get(name, claims.subject) != claims.subject:
        entity["retiring"] = account.retiring[name]
    operator = context.store.operator
    is_strict = operator is not None and operator.claims.body.strict_signing_key_usage
    found = rules.user_issues(account.claims, claims, context.now, is_strict)
    return _Part(document, [entity], [*_check(context, claims, path), *_problems(found, path)])


def _user_document(account: _Account, claims: Claims) -> dict[str, Any]:
    """The claims of a user as options of the document. The permissions and limits of a scoped user are in the scope."""
    key = account.keys.get(claims.issuer)
    return describe_user(claims, key is not None and key.template is not None)


def _signing_role(account: _Account, claims: Claims) -> str:
    """The role or public key by which the document names the signing key of a user; empty if it names none."""
    key = account.keys.get(claims.issuer)
    if key is None:
        return ""
    role = key.role or role_of(account.roles.record, key.key)[0]
    if role and role not in account.roles.repeated:
        return role
    return key.key if key.template is not None else ""


def _creds_hold_seed(store: Store, account: str, name: str, claims: Claims) -> bool:
    text = store.creds_text(account, name)
    try:
        return text is not None and decorated.seed_in(text).public_key == claims.subject
    except NatsSecurityError:
        return False


# ---- common


def _check(context: _Context, claims: Claims, path: str) -> list[_Problem]:
    """The problems of a single token."""
    if isinstance(claims.body, Account):
        claims = dataclasses.replace(claims, body=as_read_by_servers(claims.body))
    found = [*rules.library_issues(claims, context.now), *rules.server_issues(claims, context.now)]
    return _problems(found, path)


def _check_under(store: Store, claims: Claims, path: str) -> list[_Problem]:
    """The problems of an account under this operator."""
    if store.operator is None:
        return []
    found = rules.issues_between(store.operator.claims, claims)
    return _problems([issue for issue in found if not (store.is_managed and issue.path == "issuer")], path)


def _problems(issues: Iterable[rules.Issue], path: str) -> list[_Problem]:
    return [_Problem(f"{path}.{issue.path}" if issue.path else path, issue.message, issue.blocking) for issue in issues]


def _entity(context: _Context, claims: Claims, **shown: Any) -> dict[str, Any]:
    """A token as an entity of the result. `shown` has its kind, name, account and path, and the values that are specific to its kind."""
    return {
        "public_key": claims.subject,
        "seed": context.ring.has(claims.subject),
        "issuer": claims.issuer,
        "issued_at": units.show_time(claims.issued_at),
        "expires": units.show_time(claims.expires) if claims.expires else None,
        "expires_in_seconds": claims.expires - context.now if claims.expires else None,
        **shown,
    }


def _described(claims: Claims) -> dict[str, Any]:
    hidden = ("subject", "scoped", "name")
    return {word: value for word, value in describe(claims).items() if word not in hidden}
