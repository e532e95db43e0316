# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Rules between tokens: an operator and its accounts, an account and its users, an import and its export.

The rules of imports and scopes need files that a task for a user without a scope does not need, so those files are imported where they are used.
"""

from __future__ import annotations

import functools
from typing import Callable, Iterator

from ..base import units
from ..base.errors import NatsSecurityError
from ..base.excerpts import excerpt, quoted
from ..claims import Claims, Export, Import, ScopeTemplate, User, UserAccess, no_access
from ..claims.declaration import fields_of
from ..keys.new import Placeholder
from .imports import import_subjects
from .issues import Issue, blocks, shown, times_out, warns
from .subjects import is_valid_subject
from .templates import MOST_SUBJECTS, OWN_ACCOUNT, PLAIN_VALUE, Filling, value_problem
from .trust import allowed_issuers_of_operator, did_sign, is_revoked, signing_key

_refused = functools.partial(blocks, "server")
_misleading = functools.partial(blocks, "collection")
_odd = functools.partial(warns, "server")
_late = functools.partial(times_out, "server")


def _name(claims: Claims) -> str:
    return excerpt(claims.name or claims.subject)


# ---- an operator and an account


def issues_between(operator: Claims, account: Claims) -> list[Issue]:
    """Issues that a server of the operator has with the account. An account without an issuer is treated as one that is still to be signed."""
    return [
        *_issuer_issues(operator, account),
        *_system_account_issues(operator, account),
        *_strict_account_issues(operator, account),
    ]


def _issuer_issues(operator: Claims, account: Claims) -> Iterator[Issue]:
    """isTrustedIssuer in server.go"""
    if not account.issuer or account.issuer in allowed_issuers_of_operator(operator):
        return
    name = _name(operator)
    if account.issuer == operator.subject:
        yield _refused(
            "issuer",
            f"is the own key of the operator {name}, which has strict_signing_key_usage; sign with one of its signing keys.",
        )
    elif account.issuer == account.subject:
        yield _refused("issuer", f"is the account itself; the operator {name} has to sign it.")
    else:
        yield _refused(
            "issuer",
            f"is {shown(account.issuer)}, which is not a key of the operator {name}; sign with one of its keys.",
        )


def _system_account_issues(operator: Claims, account: Claims) -> Iterator[Issue]:
    """EnableJetStream in jetstream.go; a server with JetStream does not start."""
    limits = account.body.limits
    if account.subject != operator.body.system_account:
        return
    tiers = limits.jetstream_tiers
    name = "jetstream_tiers" if tiers else "jetstream"
    if any(limit.memory_storage or limit.disk_storage for limit in (tiers.values() if tiers else (limits.jetstream,))):
        yield _refused(f"limits.{name}", "enable JetStream, which the system account cannot have; omit them.")


def _strict_account_issues(operator: Claims, account: Claims) -> Iterator[Issue]:
    """updateAccountClaimsWithRefresh in accounts.go"""
    if operator.body.strict_signing_key_usage and not account.body.signing_keys:
        yield _odd(
            "signing_keys",
            "are empty, and under strict_signing_key_usage of the operator only users that a signing key signed can connect; add one.",
        )


# ---- an account and a user


def user_issues(account: Claims, user: Claims, now: int, strict: bool = False) -> list[Issue]:
    """Why a server refuses a user of the account at a time, in Unix seconds. `strict` is strict_signing_key_usage of the operator.

    A user without an issuer or a time of issue is treated as one that is still to be signed.
    """
    scope = _scope_of(account, user, strict)
    by_scope = _unscoped_user_issues(user) if scope is None else _scoped_user_issues(account, user, *scope)
    return [*by_scope, *standing_issues(account, user, now, strict)]


def standing_issues(account: Claims, user: Claims, now: int, strict: bool = False) -> list[Issue]:
    """The same without the issues of a scope's templates: the issuer, bearer tokens, revocations, and the validity of the account."""
    scope = _scope_of(account, user, strict)
    access = user.body.access if scope is None else scope[1]
    return [
        *_user_issuer_issues(account, user, strict),
        *(() if scope is None else _own_access_issues(user, scope[0])),
        *_bearer_issues(account, access),
        *_revocation_issues(account, user),
        # checkExpiration in accounts.go, verifyAccountClaims in server.go
        *_validity_issues("", f"the account {_name(account)}", account, now),
    ]


def _scope_of(account: Claims, user: Claims, strict: bool) -> tuple[str, ScopeTemplate] | None:
    """The name and template of the scope of the key that signed the user; None if there is none.

    A scope of the account's identity key counts only under a strict operator.
    """
    entry = signing_key(account.body, user.issuer)
    if entry is None or entry.template is None or (user.issuer == account.subject and not strict):
        return None
    return excerpt(entry.role or entry.key), entry.template


def _user_issuer_issues(account: Claims, user: Claims, strict: bool) -> Iterator[Issue]:
    """processClientOrLeafAuthentication in auth.go"""
    body: User = user.body
    name = _name(account)
    is_own = user.issuer == account.subject
    if not user.issuer:
        return
    if signing_key(account.body, user.issuer) is None and (strict or not is_own):
        if is_own:
            yield _refused(
                "issuer",
                f"is the own key of the account {name}, which the strict operator forbids; sign with a signing key.",
            )
        else:
            yield _refused(
                "issuer",
                f"is {shown(user.issuer)}, which is not a key of the account {name}; sign with one of its keys.",
            )
    if body.issuer_account not in ("", account.subject):
        yield _refused("issuer_account", f"is {shown(body.issuer_account)}, not the account {name}, {account.subject}.")
    elif not body.issuer_account and not is_own:
        yield _refused(
            "issuer_account",
            f"is missing, and without it servers look for an account {shown(user.issuer)}; it has to be {account.subject}.",
        )


def _scoped_user_issues(account: Claims, user: Claims, name: str, template: ScopeTemplate) -> Iterator[Issue]:
    """processUserPermissionsTemplate"""
    from .scopes import permitted_subjects

    permissions = template.permissions
    filling = Filling(account, user)
    yield from _taken_issues(filling, permitted_subjects(permissions), name)
    for path, permission in (
        ("permissions.publish", permissions.publish),
        ("permissions.subscribe", permissions.subscribe),
    ):
        yield from _allowed_issues(f"{path}.allow", permission.allow, name, filling)
        yield from _denied_issues(f"{path}.deny", permission.deny, name, filling)


def _own_access_issues(user: Claims, scope: str) -> Iterator[Issue]:
    """ValidateScopedSigner"""
    body: User = user.body
    if not body.is_scoped:
        yield _refused(
            "",
            f"the user has its own {', '.join(_own_access(body.access))}, and the scope {scope} of the key that signs it has to have all of them; "
            "omit them.",
        )


def _own_access(access: UserAccess) -> list[str]:
    empty = no_access()
    return [
        field.attribute
        for field in fields_of(UserAccess)
        if getattr(access, field.attribute) != getattr(empty, field.attribute)
    ]


def _taken_issues(filling: Filling, subjects: list[str], scope: str) -> Iterator[Issue]:
    """Issues for names and tags of the user, which servers insert into templates unchanged. The name `*` would grant the subjects of all users.

    Those of accounts are checked in scopes.py.
    """
    for value in filling.used(subjects):
        # A value without an option is a public key or its placeholder, which is always valid.
        problem = value_problem(value.text) if value.option and not value.is_of_account else ""
        if problem:
            yield _misleading(
                value.option,
                f"{quoted(value.text)} {problem}, and the scope {scope} inserts it into subjects; {PLAIN_VALUE}.",
            )


def _allowed_issues(path: str, subjects: list[str], scope: str, filling: Filling) -> Iterator[Issue]:
    filled, is_too_large = filling.expansion(subjects)
    if is_too_large:
        yield _too_large(path, scope)
    for subject, one in zip(subjects, filled):
        if one.problem:
            yield _odd(path, f"{quoted(subject)} of the scope {scope} is dropped for this user: {one.problem}.")
    if subjects and not is_too_large and not any(one.valid for one in filled):
        yield _odd(path, f"the scope {scope} allows no valid subject for this user, so servers deny everything there.")


def _denied_issues(path: str, subjects: list[str], scope: str, filling: Filling) -> Iterator[Issue]:
    filled, is_too_large = filling.expansion(subjects)
    if is_too_large:
        yield _too_large(path, scope)
    for subject, one in zip(subjects, filled):
        if one.problem:
            yield _refused(
                path, f"{quoted(subject)} of the scope {scope} makes servers refuse this user: {one.problem}."
            )


def _too_large(path: str, scope: str) -> Issue:
    return _refused(
        path,
        f"the scope {scope} expands the tags to more than {MOST_SUBJECTS} subjects, and servers refuse the user; use fewer tags.",
    )


def _unscoped_user_issues(user: Claims) -> Iterator[Issue]:
    """applyAccountLimits in client.go"""
    if user.issuer and not user.body.access.limits.subscriptions and user.body.is_scoped:
        yield _odd(
            "limits",
            "are all 0, as of a scoped user, but the key that signed it has no scope, and servers disconnect it at once; "
            "sign with a scoped key, or set limits.",
        )


_MQTT = frozenset(("MQTT", "MQTT_WS"))


def _bearer_issues(account: Claims, access: UserAccess) -> Iterator[Issue]:
    """failBearer in accounts.go"""
    if access.bearer_token and account.body.limits.disallow_bearer:
        yield _refused("bearer_token", f"is set, and the account {_name(account)} disallows it; unset one.")
    # MQTT clients have no nonce to sign (mqtt.go): they send the JWT as their password. Servers ignore the case of connection types.
    if not access.bearer_token and _MQTT & {name.upper() for name in access.allowed_connection_types}:
        yield _odd(
            "allowed_connection_types",
            "have MQTT, whose clients cannot sign, so servers refuse this user there; set bearer_token, or omit MQTT.",
        )


def _revocation_issues(account: Claims, user: Claims) -> Iterator[Issue]:
    """checkUserRevoked in accounts.go"""
    revocations = account.body.revocations
    if user.issued_at and is_revoked(revocations, user.subject, user.issued_at):
        until = max(revocations[name] for name in ("*", user.subject) if name in revocations)
        yield _refused(
            "",
            f"the user is revoked up to {units.show_time(until)}, and was issued by then; issue it again after that.",
        )


# ---- an import and its export

#: What a server exports from the system account by default, if the JWT of the account does not: addSystemAccountExports in events.go,
#: checkJetStreamExports in jetstream.go. Token 4 has to be the public key of the importing account.
SYSTEM_EXPORTS = (
    Export(subject="$SYS.REQ.ACCOUNT.*.CONNZ", type="service", response_type="Stream", account_token_position=4),
    Export(subject="$SYS.REQ.ACCOUNT.*.STATZ", type="service", response_type="Stream", account_token_position=4),
    Export(subject="$SYS.DEBUG.SUBSCRIBERS", type="service"),
    Export(subject="$SYS.REQ.USER.*.INFO", type="service"),
    Export(subject="$JS.API.>", type="service"),
)


class Exporter:
    """An account with its exports indexed, so that thousands of imports can be matched quickly. `is_system`: whether it is the system account."""

    def __init__(self, claims: Claims, is_system: bool) -> None:
        from .subject_index import SubjectIndex

        self.claims = claims
        exports = [export for export in claims.body.exports if export is not None]
        exports += SYSTEM_EXPORTS if is_system else ()
        self._exact: dict[tuple[str, str], Export] = {}
        for export in exports:
            self._exact.setdefault((export.type, export.subject), export)
        self._of_type = {kind: [export for export in exports if export.type == kind] for kind in ("stream", "service")}
        self._covering = {
            kind: SubjectIndex([export.subject for export in found], as_server=True)
            for kind, found in self._of_type.items()
        }

    def find(self, kind: str, subject: str) -> Export | None:
        """The export of a kind that covers a subject; None if there is none. An export of the same subject comes first.

        checkServiceExportApproved and checkStreamExportApproved in accounts.go
        """
        exact = self._exact.get((kind, subject))
        if exact is not None or kind not in self._covering or not is_valid_subject(subject):
            return exact
        number = self._covering[kind].first(subject)
        return None if number is None else self._of_type[kind][number]


def import_issues(importer: Claims, exporter: Claims, is_system: bool = False) -> list[Issue]:
    """Why servers do not install imports of one account from another one. Imports from other accounts are ignored. For times see import_time_issues().

    The issues include what the Go library reports about activation tokens, as in library_issues(). `is_system`: whether the exporter is the system account.
    """
    known = Exporter(exporter, is_system)
    return issues_of_imports(importer, lambda key: known if key == exporter.subject else None)


def issues_of_imports(importer: Claims, exporter_of: Callable[[str], Exporter | None]) -> list[Issue]:
    """The same for all exporting accounts. `exporter_of` returns an account by its public key; None if the account is not known."""
    found: list[Issue] = []
    for index, item in enumerate(importer.body.imports):
        exporter = None if item is None else exporter_of(item.account)
        if exporter is not None:
            found += _one_import_issues(f"imports[{index}]", item, importer, exporter)
    return list(dict.fromkeys(found))


def _one_import_issues(path: str, item: Import, importer: Claims, exporter: Exporter) -> Iterator[Issue]:
    name = _name(exporter.claims)
    subject = import_subjects(item).remote
    export = exporter.find(item.type, subject)
    if export is None:
        other = exporter.find("stream" if item.type == "service" else "service", subject)
        if other is not None:
            yield _refused(
                f"{path}.type",
                f"is {item.type}, and the account {name} exports {quoted(other.subject)} as a {other.type}.",
            )
        else:
            yield _refused(
                f"{path}.subject",
                f"{quoted(subject)} is not exported by the account {name}; it has to export it, or a wider subject.",
            )
    elif export.account_token_position:
        yield from _position_issues(path, subject, export, importer, name)
    elif export.token_required:
        yield from _activation_issues(path, item, export, importer, exporter.claims)


def _position_issues(path: str, subject: str, export: Export, importer: Claims, exporter: str) -> Iterator[Issue]:
    """checkAuth in accounts.go"""
    parts = subject.split(".")
    position = export.account_token_position
    own = OWN_ACCOUNT if isinstance(importer.subject, Placeholder) else importer.subject
    if subject == export.subject or position > len(parts) or parts[position - 1] != own:
        # The key itself is not in the message: it may be one that does not exist yet.
        yield _refused(
            f"{path}.subject",
            f"{quoted(subject)} does not have the importing account's public key as token {position}, which the account {exporter} requires; "
            f"write the key there, in a document as {OWN_ACCOUNT}.",
        )


def _activation_issues(path: str, item: Import, export: Export, importer: Claims, exporter: Claims) -> Iterator[Issue]:
    """checkActivation in accounts.go"""
    name = _name(exporter)
    if not item.token:
        yield _refused(
            f"{path}.token",
            f"is missing, and the account {name} exports {quoted(export.subject)} only with an activation token; get one from it.",
        )
        return
    from .accounts import import_token_issues, read_activation

    yield from import_token_issues(path, item, importer.subject)
    try:
        activation = read_activation(item.token)
    except NatsSecurityError:
        return  # import_token_issues() reports it.
    if activation.body.issuer_account == exporter.subject and not did_sign(
        exporter, activation
    ):  # isIssuerClaimTrusted
        yield _refused(
            f"{path}.token",
            f"was signed by {activation.issuer}, which is not a key of the account {name}; get a new one from it.",
        )
    if is_revoked(export.revocations, activation.subject, activation.issued_at):
        yield _refused(f"{path}.token", f"is revoked by the account {name}; get a new one from it.")


def import_time_issues(importer: Claims, now: int) -> list[Issue]:
    """Which activation tokens of imports are not valid at a time, in Unix seconds, so that servers remove the import (checkActivation)."""
    from .accounts import read_activation

    found: list[Issue] = []
    for index, item in enumerate(importer.body.imports):
        if item is not None and item.token:
            try:
                activation = read_activation(item.token)
            except NatsSecurityError:
                continue  # library_issues() reports it.
            found += _validity_issues(f"imports[{index}].token", "the activation", activation, now)
    return found


def _validity_issues(path: str, name: str, claims: Claims, now: int) -> Iterator[Issue]:
    if 0 < claims.expires <= now:
        yield _late(path, f"{name} expired at {units.show_time(claims.expires)}; issue a new one.")
    if claims.not_before > max(now, 0):
        yield _late(path, f"{name} is not valid before {units.show_time(claims.not_before)}.")
