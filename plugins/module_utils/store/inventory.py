# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A store told: as the document that would make it, with when everything ends, which seeds are there, and what is wrong. Changes nothing."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from .. import rules
from ..base import units
from ..base.errors import NatsSecurityError
from ..claims import Account, Claims, Export, SigningKey, as_read_by_servers
from ..claims.comparison import describe
from ..claims.options import show_options
from ..keys.keyring import Keyring
from ..reconcile import strict, verdict
from ..reconcile.activations import activation_at_hand, covering_export
from ..reconcile.place import SURROUNDED, Record, Trust
from ..reconcile.place import Found as Stored
from ..reconcile.rotation import record_of_curve_key, record_of_users, retiring_keys, role_of, split
from ..reconcile.trust import Named, Said, UserFile, user_fault
from ..rules import Issue
from ..rules.imports import without_to
from ..token import decorated
from . import reading
from .layout import Layout, stores_in
from .reading import Store
from .record import verified


@dataclasses.dataclass
class Inventory:
    """What a store holds."""

    definition: dict[str, Any]
    entities: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    problems: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    is_managed: bool = False
    strict_mode: dict[str, Any] | None = None


def take_inventory(layout: Layout, ring: Keyring, now: int) -> Inventory:
    """Read a store. NatsSecurityError where there is none; other faults are in the problems."""
    store = existing_store(layout)
    return _Teller(verified(store, Named(), ring.has), ring, now).tell()


def existing_store(layout: Layout) -> Store:
    """What is in a store, not verified yet. NatsSecurityError where there is none."""
    store = reading.read_store(layout)
    if not store.exists:
        if store.problems:
            raise NatsSecurityError(str(store.problems[0]))
        names = stores_in(layout.stores_dir)
        raise NatsSecurityError(
            f"There is no store {layout.name} in {layout.stores_dir}, there are {', '.join(names) or 'none'}."
        )
    return store


class _Teller:
    """The work of take_inventory, a step a method."""

    def __init__(self, store: Store, ring: Keyring, now: int) -> None:
        self.store, self.ring, self.now = store, ring, now
        self.trust = store.trust or Trust(Record())
        self.layout = store.layout
        self.found = Inventory({}, is_managed=store.is_managed)
        self.names = {stored.claims.subject: name for name, stored in store.accounts.items()}

    def tell(self) -> Inventory:
        accounts = []
        operator = self.tell_operator(self.store.operator)
        for index, (name, stored) in enumerate(self.store.accounts.items()):
            accounts.append(self.tell_account(name, stored, f"accounts[{index}]"))
        self.check_across()
        self.tell_strict_mode()
        for problem in self.store.problems:
            self.problem(problem.path, problem.message, True)
        self.tell_record()
        for path, mode in sorted(self.store.modes.items()):
            self.problem(path, f"its mode is {mode:04o}, others may have a look at it.", False)
        if self.store.journal:
            self.problem(self.layout.journal, "a run did not end; the next one completes it.", False)
        self.found.definition = {"operator": operator, "accounts": accounts}
        return self.found

    def tell_strict_mode(self) -> None:
        """What servers refuse, or would refuse, under a strict operator."""
        operator = self.store.operator
        if operator is None:
            return
        users: dict[str, list[tuple[str, str]]] = {}
        for entity in self.found.entities:
            if entity["kind"] == "user" and not entity.get("revoked"):
                users.setdefault(entity["account"], []).append((entity["name"], entity["issuer"]))
        accounts = {name: stored.claims for name, stored in self.store.accounts.items()}
        found = strict.refused(operator.claims, accounts, lambda name: users.get(name, ()))
        self.found.strict_mode = strict.show(found, operator.claims.body.strict_signing_key_usage)

    def tell_record(self) -> None:
        """What the store has lost since the last run, and the next one restores."""
        if self.trust.roles_fault:
            self.problem(self.layout.roles, self.trust.roles_fault + ".", False)
        for name, stored in [("", self.store.operator), *self.store.accounts.items()]:
            if stored is not None and stored.fault not in ("", SURROUNDED):
                self.problem(self.store.where(name), stored.fault + ".", False)
        for name in self.trust.record.accounts:
            if name not in self.store.accounts:
                message = "there is no JWT of the account, only one on record: it is put back for a document that has the account."
                self.problem(self.layout.account_jwt(name), message, False)

    # ---- operator

    def tell_operator(self, stored: Stored | None) -> dict[str, Any]:
        if stored is None:
            if not self.store.problems:
                self.problem(self.layout.operator_jwt, "there is no JWT of the operator.", True)
            return {"name": self.layout.name}
        claims = stored.claims
        told = _described(claims)
        told.pop("signing_keys", None)
        self.tell_identity(told, claims)
        if claims.body.signing_keys:
            record = self.store.role_keys(claims.subject)
            keys = sorted(claims.body.signing_keys)
            found = [self.tell_signing_key(SigningKey(key=key), {}, record, [], "") for key in keys]
            told["signing_keys"] = [item for item in found if item is not None]
        system = claims.body.system_account
        if system:
            told["system_account"] = self.names.get(system, system)
            if system not in self.names:
                self.problem("operator.system_account", f"the account {system} is not in the store.", False)
        self.add("operator", claims.name, "", claims, "operator")
        self.check(claims, "operator")
        return {"name": claims.name, **told}

    def tell_identity(self, told: dict[str, Any], claims: Claims, seed: bool | None = None) -> None:
        """What the document says of a key and an end."""
        if not (self.ring.has(claims.subject) if seed is None else seed):
            told["public_key"] = claims.subject
        if claims.expires:
            told["expires_at"] = units.show_time(claims.expires)

    def tell_signing_key(
        self, key: SigningKey, shown: dict[str, Any], record: dict[str, str], repeated: list[str], account: str
    ) -> dict[str, Any] | None:
        """A signing key as the document has it; None for one that a rotation keeps beside the one that signs."""
        role, generation = role_of(record, key.key)
        role = key.role or role
        entity = {
            "kind": "signing_key",
            "name": role,
            "account": account,
            "public_key": key.key,
            "seed": self.ring.has(key.key),
            "generation": generation,
        }
        self.found.entities.append(entity)
        if generation != "current":
            return None
        told = {word: value for word, value in shown.items() if word not in ("key", "role")}
        if role:
            told["role"] = role
        if not role or role in repeated:
            told["public_key"] = key.key
        return told

    # ---- accounts

    def tell_account(self, name: str, stored: Stored, path: str) -> dict[str, Any]:
        claims = stored.claims
        body: Account = claims.body
        told = {"name": name, **_described(claims)}
        self.tell_identity(told, claims)
        record = self.store.role_keys(claims.subject)
        _unused, following, retiring = split(record)
        idle = {*following.values(), *retiring.values()}
        roles = [key.role for key in body.signing_keys if key.role and key.key not in idle]
        repeated = [role for role in roles if roles.count(role) > 1]
        shown = {item["key"]: item for item in told.pop("signing_keys", [])}
        keys = sorted(body.signing_keys, key=lambda key: key.key)
        if keys:
            found = [self.tell_signing_key(key, shown[key.key], record, repeated, name) for key in keys]
            told["signing_keys"] = [item for item in found if item is not None]
        users, by_key = self.tell_users(name, stored, path, record, repeated)
        if body.imports:
            told["imports"] = self.tell_imports(claims)
        for export in told.get("exports", []):
            if "revocations" in export:
                export["revocations"] = {self.names.get(key, key): at for key, at in export["revocations"].items()}
        if "revocations" in told:
            told["revocations"] = {by_key.get(key, key): at for key, at in told["revocations"].items()}
        authorization = told.get("authorization", {})
        before = set(retiring_keys(self.store.role_keys(record_of_users(claims.subject))).values())
        for word, names in (("auth_users", by_key), ("allowed_accounts", self.names)):
            if word in authorization:
                authorization[word] = [names.get(key, key) for key in authorization[word] if key not in before]
        self.tell_curve_key(claims, authorization, name)
        if users:
            told["users"] = users
        self.add("account", name, "", claims, path)
        self.check_account(claims, path)
        return told

    def tell_curve_key(self, claims: Claims, authorization: dict[str, Any], account: str) -> None:
        """The curve key of an auth callout, by its role where that is on record, and those that a rotation keeps beside it."""
        record = self.store.role_keys(record_of_curve_key(claims.subject))
        for key in record.values():
            role, generation = role_of(record, key)
            if key == authorization.get("xkey"):
                authorization["xkey"] = {"role": role}
            self.found.entities.append(
                {
                    "kind": "curve_key",
                    "name": role,
                    "account": account,
                    "public_key": key,
                    "seed": self.ring.has(key),
                    "generation": generation,
                }
            )

    def check_account(self, claims: Claims, path: str) -> None:
        self.check(claims, path)
        operator = self.store.operator
        if operator is None:
            return
        found = rules.issues_between(operator.claims, claims)
        self.issues([issue for issue in found if not (self.store.is_managed and issue.path == "issuer")], path)

    def tell_imports(self, claims: Claims) -> list[dict[str, Any]]:
        told = []
        for item in claims.body.imports:
            if item is None:
                continue
            shown = show_options(item)
            shown.pop("to", None)
            shown["subject"], local = without_to(item)
            if local:
                shown["local_subject"] = local
            shown["account"] = self.names.get(item.account, item.account)
            exporter = self.names.get(item.account)
            if item.token and exporter is not None:
                activation = self.derived_activation(item, exporter, claims.subject)
                if activation is not None:
                    del shown["token"]
                    if activation.expires:
                        shown["activation"] = {"expires_at": units.show_time(activation.expires)}
            told.append(shown)
        return told

    def derived_activation(self, item: Any, name: str, importer: str) -> Claims | None:
        """The activation of an import where it is one that would be derived from the document as it is; None where it has to be told."""
        exporter = self.store.accounts[name]
        body: Account = exporter.claims.body
        export: Export | None = covering_export(body.exports, item)
        if export is None or not export.token_required:
            return None
        stored, _unused = activation_at_hand(item.token, importer, item, self.trust.account_keys[name])
        if stored is None:
            return None
        revoked_at = rules.revoked_until(export.revocations, importer)
        if revoked_at >= stored.claims.issued_at:
            return None
        signers = [exporter.claims.subject, *(key.key for key in body.signing_keys)]
        said = "" if stored.claims.issuer == exporter.claims.subject else exporter.claims.subject
        if stored.claims.issuer not in signers or stored.claims.body.issuer_account not in (
            said,
            exporter.claims.subject,
        ):
            return None
        return stored.claims

    # ---- users

    def tell_users(
        self, account: str, stored: Stored, path: str, record: dict[str, str], repeated: list[str]
    ) -> tuple[list[dict[str, Any]], dict[str, str]]:
        """The users as the document has them, and their names by key."""
        told: list[dict[str, Any]] = []
        by_key = {}
        keys = {key.key: key for key in stored.claims.body.signing_keys}
        revocations = stored.claims.body.revocations
        retiring = retiring_keys(self.store.role_keys(record_of_users(stored.claims.subject)))
        files = self.store.user_files(account)
        for name in files.users:
            file = self.layout.user_jwt(account, name)
            found = self.store.read_user(account, name)
            if not isinstance(found, Stored):
                if found is not None:
                    self.problem(found.path, found.message, True)
                continue
            claims = found.claims
            said = Said(claims.subject, claims.issuer, claims.body.issuer_account, claims.name)
            fault = user_fault(self.trust, UserFile(account, stored.claims.subject, name), said, self.ring.has)
            if fault:
                self.problem(file, f"this is left as it is: {fault}", True)
                continue
            where = f"{path}.users[{len(told)}]"
            revoked_at = rules.revoked_until(revocations, claims.subject)
            if revoked_at >= claims.issued_at:
                self.problem(
                    file, "this user is revoked: it is not in the document, which would issue it again.", False
                )
                self.add("user", name, account, claims, file, revoked=True)
                continue
            key = keys.get(claims.issuer)
            by_key[claims.subject] = name
            told.append(self.tell_user(account, name, claims, key, record, repeated, where, name in files.creds))
            if retiring.get(name, claims.subject) != claims.subject:
                self.found.entities[-1]["retiring"] = retiring[name]
            self.check_user(stored.claims, claims, where)
        return told, by_key

    def tell_user(
        self,
        account: str,
        name: str,
        claims: Claims,
        key: SigningKey | None,
        record: dict[str, str],
        repeated: list[str],
        path: str,
        has_creds: bool,
    ) -> dict[str, Any]:
        is_scoped = key is not None and key.template is not None
        told = _described(claims)
        if not is_scoped and claims.body.is_scoped:
            told.update(show_options(claims.body))
        told.pop("issuer_account", None)
        seed = self.ring.has(claims.subject)
        held = seed or (has_creds and self.creds_hold_seed(account, name, claims))
        self.tell_identity(told, claims, held)
        if seed and not has_creds:
            told["creds"] = False
        if key is not None:
            role = key.role or role_of(record, key.key)[0]
            if role and role not in repeated:
                told["signing_key_role"] = role
            elif is_scoped:
                told["signing_key_role"] = key.key
        self.add("user", name, account, claims, path, creds=has_creds, seed=held)
        return {"name": name, **told}

    def creds_hold_seed(self, account: str, name: str, claims: Claims) -> bool:
        text = reading.read_file(self.store, self.layout.creds(account, name))
        try:
            return text is not None and decorated.seed_in(text).public_key == claims.subject
        except NatsSecurityError:
            return False

    def check_user(self, account: Claims, claims: Claims, path: str) -> None:
        self.check(claims, path)
        operator = self.store.operator
        is_strict = operator is not None and operator.claims.body.strict_signing_key_usage
        self.issues(rules.user_issues(account, claims, self.now, is_strict), path)

    # ---- common

    def check(self, claims: Claims, path: str) -> None:
        if isinstance(claims.body, Account):
            claims = dataclasses.replace(claims, body=as_read_by_servers(claims.body))
        self.issues([*rules.library_issues(claims, self.now), *rules.server_issues(claims, self.now)], path)

    def check_across(self) -> None:
        accounts = {name: stored.claims for name, stored in self.store.accounts.items()}
        paths = {name: f"accounts[{index}]" for index, name in enumerate(accounts)}
        operator = self.store.operator
        system = operator.claims.body.system_account if operator is not None else ""
        found = verdict.across(accounts, paths, system, {})
        for problem in found.problems:
            self.problem(problem.path, problem.message, True)
        for warning in found.warnings:
            self.problem(warning.path, warning.message, False)

    def issues(self, issues: list[Issue], path: str) -> None:
        for issue in issues:
            self.problem(f"{path}.{issue.path}" if issue.path else path, issue.message, issue.blocking)

    def problem(self, path: str, message: str, blocking: bool) -> None:
        told = {"path": path, "message": message, "blocking": blocking}
        if told not in self.found.problems[-20:]:
            self.found.problems.append(told)

    def add(self, kind: str, name: str, account: str, claims: Claims, path: str, **more: Any) -> None:
        left = claims.expires - self.now
        self.found.entities.append(
            {
                "kind": kind,
                "name": name,
                "account": account,
                "path": path,
                "public_key": claims.subject,
                "seed": self.ring.has(claims.subject),
                "issuer": claims.issuer,
                "issued_at": units.show_time(claims.issued_at),
                "expires": units.show_time(claims.expires) if claims.expires else None,
                "expires_in_seconds": left if claims.expires else None,
                **more,
            }
        )


def _described(claims: Claims) -> dict[str, Any]:
    told = describe(claims)
    for word in ("subject", "scoped", "name"):
        told.pop(word, None)
    return told


def only_store(stores_dir: str) -> str:
    """The name of the one store in a folder. NatsSecurityError where there is none, or more than one."""
    names = stores_in(stores_dir)
    if len(names) == 1:
        return names[0]
    if not names:
        raise NatsSecurityError(f"There is no store in {os.path.abspath(stores_dir)}.")
    raise NatsSecurityError(f"There are several stores in {stores_dir}: say which, of {', '.join(names)}.")
