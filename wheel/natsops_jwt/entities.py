# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Operators, accounts and users: each is a JWT with a key. An operator issues JWTs of accounts; an account issues JWTs of users and activations.

They are immutable. To change claims, issue the JWT again with `key` and `existing`, and use the returned object.
"""

from __future__ import annotations

import dataclasses
import datetime
import time
from typing import TYPE_CHECKING, Any, Iterable, Sequence

from .core import rules
from .core.base import units
from .core.base.errors import NatsSecurityError
from .core.base.excerpts import quoted
from .core.claims import Account as AccountClaims
from .core.claims import Activation as ActivationClaims
from .core.claims import Claims, no_access
from .core.claims import Operator as OperatorClaims
from .core.claims import User as UserClaims
from .core.claims.options import Problem, read_options
from .core.decision.issue import Policy, decide
from .core.keys import nkey
from .core.keys.nkey import KeyPair
from .core.rules.chain import chain_of, problems_at
from .core.rules.server import far_time_problem
from .core.rules.trust import allowed_issuers_of_operator, foreign, keys_of, revoked_until, signing_key
from .core.rules.validity import read_text
from .core.token import codec, decorated

if TYPE_CHECKING:
    from .core.keys.signers import Signer

_ENVELOPE = ("audience", "not_before")
_LIVES = ("expires_in", "expires_at", "renew_before")


@dataclasses.dataclass(frozen=True)
class _Entity:
    """A JWT, its claims, and a key.

    `reasons` has one sentence for each reason why the JWT was issued, and is empty if the existing JWT was kept. `warnings` are sentences about claims
    that have an unexpected effect.
    """

    jwt: str = dataclasses.field(repr=False)  # the JWT of a bearer is a secret
    claims: Claims
    key: Signer
    reasons: Sequence[str] = ()
    warnings: Sequence[str] = ()

    @property
    def name(self) -> str:
        """The name in the JWT."""
        return self.claims.name

    @property
    def public_key(self) -> str:
        """The public identity key, which is the subject of the JWT."""
        return self.claims.subject


@dataclasses.dataclass(frozen=True)
class Operator(_Entity):
    """An operator. `key` signs on its behalf: its identity key, or a signing key."""

    @classmethod
    def create(cls, name: str, *, key: KeyPair | None = None, existing: str = "", **options: Any) -> Operator:
        """An operator whose JWT is signed by its own key; a new key if omitted.

        `options` are the claims, named like the options of the module nats_operator (`signing_keys`, `system_account`, `operator_service_urls` and so
        on), and `expires_in`, `expires_at` and `renew_before`. `existing` is the current JWT: it is kept while its claims are the same and it is not due
        for renewal. Its signing keys are never dropped by omission, so a JWT that another key signed is refused. NatsSecurityError lists every problem.
        """
        pair = _key_for("operator", key, existing)
        _refuse_foreign(existing, pair.public_key, f"operator {name}", frozenset([pair.public_key]))
        problems: list[Problem] = []
        claims = _claims(OperatorClaims, name, pair, options, problems)
        return cls(*_issue(_Wanted(claims, pair, existing), options, problems))

    @classmethod
    def load(cls, jwt: str, key: Signer | str) -> Operator:
        """An operator from its JWT and a key, or a seed, that signs on its behalf. NatsSecurityError if the two do not belong together."""
        claims = _read(jwt, "operator")
        return cls(decorated.token_in(jwt), claims, _signer_of(claims, key))

    def with_key(self, key: Signer | str) -> Operator:
        """The same operator with another of its keys to sign with. NatsSecurityError if the key is not one of its keys."""
        return dataclasses.replace(self, key=_signer_of(self.claims, key))

    def account(self, name: str, *, key: KeyPair | None = None, existing: str = "", **options: Any) -> Account:
        """An account of this operator; a new key if omitted.

        `options` are the claims, named like the options of the module nats_account (`limits`, `exports`, `imports`, `signing_keys` and so on), with other
        accounts as public keys. The other arguments are as in `create`. Revocations and signing keys of `existing` are never dropped by omission, so a
        JWT that no key of this operator signed is refused.
        """
        pair = _key_for("account", key, existing)
        _refuse_foreign(existing, pair.public_key, f"operator {self.name}", keys_of(self.claims))
        problems: list[Problem] = []
        claims = _claims(AccountClaims, name, pair, options, problems)
        for entry in claims.body.signing_keys:
            # In a JWT, a key without a scope is a plain string without a role.
            entry.role = entry.role if entry.template is not None else ""
        wanted = _Wanted(claims, self.key, existing, above=self.claims)
        issued = _issue(wanted, options, problems)
        return Account(issued[0], issued[1], pair, *issued[3:], operator=self.claims)


@dataclasses.dataclass(frozen=True)
class Account(_Entity):
    """An account. `key` signs on its behalf: its identity key, or a signing key, which may have a scope."""

    operator: Claims | None = dataclasses.field(default=None, repr=False)  # for the operator's requirements on users

    @classmethod
    def load(cls, jwt: str, key: Signer | str, operator: str = "") -> Account:
        """An account from its JWT and a key, or a seed, that signs on its behalf. With the JWT of its operator, the account's JWT is verified against it.

        NatsSecurityError if these do not belong together.
        """
        claims = _read(jwt, "account")
        above = _read(operator, "operator") if operator else None
        if above is not None:
            verify(jwt, [operator])
        return cls(decorated.token_in(jwt), claims, _signer_of(claims, key), operator=above)

    def with_key(self, key: Signer | str) -> Account:
        """The same account with another of its keys to sign with: users get the scope of this key. NatsSecurityError if the key is not one of its keys."""
        return dataclasses.replace(self, key=_signer_of(self.claims, key))

    def user(self, name: str, *, key: KeyPair | None = None, existing: str = "", **options: Any) -> User:
        """A user of this account; a new key if omitted. If the seed is stored elsewhere, pass a key without it (`nkey.from_public_key`).

        `options` are the claims, named like the options of the module nats_user (`permissions`, `limits`, `bearer_token`, `tags` and so on). The other
        arguments are as in `Operator.create`. Under a key with a scope, all permissions and limits come from the scope, and the user cannot have its own.
        A user that the account revokes gets a JWT issued after its revocation, with a warning.
        """
        pair = _key_for("user", key, existing)
        problems: list[Problem] = []
        claims = _claims(UserClaims, name, pair, options, problems)
        claims.body.issuer_account = self._issuer_account
        entry = signing_key(self.claims.body, self.key.public_key)
        if entry is not None and entry.template is not None:
            problems += _own_beside_scope(options, entry.role or entry.key)
            claims.body.access = no_access()
        wanted = _Wanted(claims, self.key, existing, self.claims, self._is_strict, self.claims.body.revocations)
        issued = _issue(wanted, options, problems)
        return User(issued[0], issued[1], pair, *issued[3:])

    def activation(self, importer: str, subject: str, type: str, *, existing: str = "", **options: Any) -> str:  # noqa: A002
        """An activation JWT that allows another account, given by its public key, to import a subject that this account exports privately.

        `type` is `stream` or `service`; `options` are `name`, `audience`, `not_before`, `tags`, `expires_in`, `expires_at` and `renew_before`.
        """
        problems: list[Problem] = []
        body = {**options, "import_subject": subject, "import_type": type}
        claims = _claims(ActivationClaims, str(body.pop("name", subject)), _account_half(importer), body, problems)
        claims.body.issuer_account = self._issuer_account
        return _issue(_Wanted(claims, self.key, existing), options, problems)[0]

    @property
    def _issuer_account(self) -> str:
        """The issuer_account of users and activations: empty if the identity key of the account signs."""
        return "" if self.key.public_key == self.public_key else self.public_key

    @property
    def _is_strict(self) -> bool:
        return self.operator is not None and self.operator.body.strict_signing_key_usage


@dataclasses.dataclass(frozen=True)
class User(_Entity):
    """A user. `key` is its own key pair, without a seed if that is stored elsewhere."""

    key: KeyPair

    @classmethod
    def load(cls, jwt: str, seed: str) -> User:
        """A user from its JWT and its seed. Both may be the text of a creds file. NatsSecurityError if they do not belong together."""
        claims = _read(jwt, "user")
        pair = decorated.seed_in(seed)
        if pair.public_key != claims.subject:
            raise NatsSecurityError(
                f"The seed is that of {pair.public_key}, the subject of the JWT is {claims.subject}: they do not belong together."
            )
        return cls(decorated.token_in(jwt), claims, pair)

    @property
    def creds(self) -> str:
        """The text of the creds file, a secret. NatsSecurityError if the key has no seed."""
        return creds(self.jwt, self.key)


def creds(jwt: str, key: KeyPair | str) -> str:
    """The text of the creds file of a user, a secret, from its JWT and its key or seed (FormatUserConfig of the Go library)."""
    return decorated.format_creds(decorated.token_in(jwt), decorated.seed_in(key) if isinstance(key, str) else key)


def verify(token: str, parents: Iterable[str] = (), at: datetime.datetime | int | None = None) -> Claims:
    """The claims of a JWT, if it is valid at a time (now if omitted; Unix seconds, or a datetime, which is in UTC without a time zone).

    `token` and `parents` may be bare JWTs, decorated JWTs or creds. Without parents, only the times and the signature of the issuer that the JWT itself
    names are verified. `parents` are the JWTs above it, in any order: those of its account and its operator. The topmost JWT is trusted, so it has to
    come from a trusted source. The chain from it down to the token is verified, with the times of all its JWTs and the revocations.
    NatsSecurityError lists every problem.
    """
    claims = read_text(token, "token").claims
    above = [read_text(text, f"parents[{index}]").claims for index, text in enumerate(parents)]
    problems = problems_at(chain_of(claims, above), moment(at))
    if problems:
        raise NatsSecurityError("; ".join(problems) + ".")
    return claims


def moment(at: datetime.datetime | int | None) -> int:
    """A time as Unix seconds; None is now."""
    if at is None:
        return int(time.time())
    try:
        return _seconds(at)
    except ValueError as error:
        raise NatsSecurityError(f"at: {error}.") from None


def _seconds(value: Any) -> int:
    """A time in any accepted form as Unix seconds. ValueError for any other value."""
    if isinstance(value, datetime.datetime) and value.tzinfo is None:
        value = value.replace(tzinfo=datetime.timezone.utc)
    return units.parse_time(value)


# ---- wanted claims


@dataclasses.dataclass(frozen=True)
class _Wanted:
    """The claims to issue, their signer and the existing JWT; and the claims of the operator or account above, with its revocations."""

    claims: Claims
    signer: Signer
    existing: str
    above: Claims | None = None
    strict: bool = False
    revocations: dict[str, int] = dataclasses.field(default_factory=dict)


def _key_for(key_type: str, key: KeyPair | None, existing: str) -> KeyPair:
    if key is None:
        if existing:
            raise NatsSecurityError("existing is the JWT of a key that there is: give that as key.")
        return nkey.create(key_type)
    if key.type != key_type:
        raise NatsSecurityError(
            f"key: this is {codec.one_of((key.type,))} key, {codec.one_of((key_type,))} key is wanted."
        )
    return key


def _refuse_foreign(existing: str, subject: str, parent: str, keys: frozenset[str]) -> None:
    """NatsSecurityError if no key of the parent signed the JWT of an operator or account, because its signing keys and revocations would be carried over."""
    if not existing:
        return
    claims = codec.decode_any_kind(decorated.token_in(existing))
    if claims.subject == subject and claims.issuer not in keys:
        raise NatsSecurityError(
            f"existing: {foreign(claims.subject, claims.issuer, parent, keys)}. If that is an earlier key of yours, omit existing: then the new JWT takes "
            "over nothing from this one, no revocation and no signing key."
        )


def _account_half(importer: str) -> KeyPair:
    try:
        return nkey.from_public_key(importer, "account")
    except NatsSecurityError as error:
        raise NatsSecurityError(f"importer: {error}") from None


def _claims(body: type, name: str, subject: KeyPair, options: dict[str, Any], problems: list[Problem]) -> Claims:
    envelope = {word: options[word] for word in _ENVELOPE if word in options}
    claims: Claims = read_options(Claims, {"name": name, **envelope}, "", problems)
    claims.subject = subject.public_key
    words = {word: value for word, value in options.items() if word not in (*_ENVELOPE, *_LIVES)}
    claims.body = read_options(body, words, "", problems, (*_ENVELOPE, *_LIVES))
    return claims


def _own_beside_scope(options: dict[str, Any], scope: str) -> list[Problem]:
    own = [word for word in options if word not in (*_ENVELOPE, *_LIVES, "tags") and options[word] not in (None, False)]
    reason = (
        f"the signing key {scope} has a scope, so its users have no permissions or limits of their own: remove this, or sign "
        "with a key without a scope."
    )
    return [Problem(word, reason) for word in own]


def _policy(options: dict[str, Any], issued_after: int, now: int, problems: list[Problem]) -> Policy:
    read: dict[str, int] = {}
    for word in _LIVES:
        value = options.get(word)
        if isinstance(value, datetime.timedelta):
            value = f"{int(value.total_seconds())}s"
        if value is not None:
            try:
                read[word] = _seconds(value) if word == "expires_at" else units.parse_seconds(value)
            except ValueError as error:
                problems.append(Problem(word, f"{error}."))
    for word, end in (("expires_at", read.get("expires_at", 0)), ("expires_in", now + read.get("expires_in", 0))):
        if far_time_problem(end, now):
            problems.append(Problem(word, far_time_problem(end, now)))
    try:
        return Policy(
            expires_in=read.get("expires_in"),
            expires_at=read.get("expires_at"),
            renew_before=read.get("renew_before", 0),
            issued_after=issued_after,
        )
    except NatsSecurityError as error:
        problems.append(Problem("", str(error)))
        return Policy()


# ---- issuing


def _issue(
    wanted: _Wanted, options: dict[str, Any], problems: list[Problem]
) -> tuple[str, Claims, Signer, tuple[str, ...], tuple[str, ...]]:
    """The JWT, its claims, its signer, the reasons why it was issued, and warnings. NatsSecurityError lists all problems, including those passed in."""
    now = moment(None)
    policy = _policy(options, revoked_until(wanted.revocations, wanted.claims.subject), now, problems)
    _refuse(problems)
    existing = decorated.token_in(wanted.existing) if wanted.existing else None
    decision = decide(wanted.claims, existing, wanted.signer.public_key, policy, now)
    claims = decision.claims
    found = [issue for issue in _issues(claims, wanted, now) if not issue.time_check]
    _refuse([Problem(issue.path, issue.message) for issue in found if issue.blocking])
    token = existing if existing and decision.is_kept else codec.encode(claims, wanted.signer, claims.issued_at)
    found += rules.token_issues(claims.kind, token)
    questionable = [str(issue) for issue in found if not issue.blocking]
    warnings = tuple(dict.fromkeys([*decision.warnings, *questionable]))
    # The JWT is decoded so that the claims have all its fields, such as its ID.
    return token, codec.decode(token), wanted.signer, tuple(decision.reasons), warnings


def _issues(claims: Claims, wanted: _Wanted, now: int) -> list[rules.Issue]:
    """The issues that the rules find in claims by themselves, and under the operator or account above."""
    found = [*rules.library_issues(claims, now), *rules.server_issues(claims, now)]
    if wanted.above is not None and claims.kind == "account":
        found += rules.issues_between(wanted.above, claims)
    if wanted.above is not None and claims.kind == "user":
        found += rules.user_issues(wanted.above, claims, now, wanted.strict)
    return found


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise NatsSecurityError("\n".join(dict.fromkeys(map(str, problems))))


# ---- existing JWTs and keys


def _read(jwt: str, kind: str) -> Claims:
    claims = codec.decode(decorated.token_in(jwt))
    if claims.kind != kind:
        raise NatsSecurityError(
            f"This is the JWT of {codec.one_of((claims.kind,))}; that of {codec.one_of((kind,))} is wanted."
        )
    return claims


def _signer_of(claims: Claims, key: Signer | str) -> Signer:
    """The key that signs on behalf of an operator or account. NatsSecurityError if its JWT does not have this key."""
    signer: Signer = decorated.seed_in(key) if isinstance(key, str) else key
    allowed = allowed_issuers_of_operator(claims) if claims.kind == "operator" else keys_of(claims)
    if signer.public_key not in allowed:
        raise NatsSecurityError(
            f"The key {signer.public_key} cannot sign for the {claims.kind} {quoted(claims.name)}; "
            f"these can: {', '.join(sorted(allowed)) or 'none'}."
        )
    return signer
