# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Decides whether a token is kept or a new one is issued, and why. The decision is pure: it reads no file, no clock and no environment.

Check mode is the decision without the signature; diff mode shows its `before` and `after`.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from ..base import units
from ..base.errors import NatsSecurityError
from ..claims import Account, Claims, Export, Generic, Operator, SigningKey, User, unknown_fields_of
from ..claims.comparison import carry_over_unknown, describe, differences, identities
from ..claims.declaration import copy_with
from ..claims.kinds import NOW, TimeOfRun
from ..keys.nkey import KeyPair
from ..token import codec

if TYPE_CHECKING:
    from ..keys.signers import Signer

#: How many seconds the lifetime of a token may differ from the wanted one, because other tools round it.
LIFE_TOLERANCE = 60
#: Servers compare times with their own clocks. A time more than this many seconds in the future causes a warning.
CLOCK_TOLERANCE = 300


@dataclasses.dataclass(frozen=True)
class Policy:
    """When a token is renewed, and what may be removed from it. Spans are in seconds, times in unix seconds, None means never."""

    expires_in: int | None = None
    expires_at: int | None = None
    renew_before: int = 0
    #: Renew up to this much earlier, depending on the token's subject, so that tokens issued in one run are not all due on one day.
    renew_spread: int = 0
    force: bool = False
    #: Issue after this time only, because a user whose JWT is not issued after its revocation stays revoked.
    issued_after: int = 0
    remove_revocations: frozenset[str] = frozenset()
    #: Issue exactly the revocations of the wanted claims, without those of the existing token.
    exact_revocations: bool = False
    remove_signing_keys: frozenset[str] = frozenset()
    #: The subject of the existing token, if the wanted claims replace it with another key.
    replaces: str = ""

    def __post_init__(self) -> None:
        if self.expires_in is not None and self.expires_at is not None:
            raise NatsSecurityError("expires_in and expires_at are mutually exclusive.")
        if self.renew_before and self.expires_in is None:
            raise NatsSecurityError(
                "renew_before needs expires_in: a token that expires at a fixed time, or never, cannot be renewed earlier."
            )
        if self.expires_in is not None and self.renew_before >= self.expires_in:
            raise NatsSecurityError(
                f"renew_before ({units.show_seconds(self.renew_before)}) has to be shorter than "
                f"expires_in ({units.show_seconds(self.expires_in)}): every run would renew the token."
            )
        if self.renew_spread and not self.renew_before:
            raise NatsSecurityError(
                "renew_spread needs renew_before: it is the additional time by which tokens are renewed earlier."
            )
        if self.expires_in is not None and self.renew_before + self.renew_spread >= self.expires_in:
            raise NatsSecurityError(
                f"renew_before and renew_spread together ({units.show_seconds(self.renew_before + self.renew_spread)}) have to be shorter "
                f"than expires_in ({units.show_seconds(self.expires_in)}): every run would renew the token."
            )

    def renewal_window(self, subject: str) -> int:
        """How many seconds before its expiry the token with this subject is renewed. The result is the same in every run."""
        if not self.renew_spread:
            return self.renew_before
        part = int.from_bytes(hashlib.sha256(subject.encode("utf-8", "replace")).digest()[:8], "big")
        return self.renew_before + part % (self.renew_spread + 1)


class Decision(NamedTuple):
    """Whether a token is kept or issued. Without reasons, it is kept."""

    claims: Claims  # those of the existing token if it is kept, otherwise those to issue
    reasons: list[str]
    warnings: list[str]
    old: Claims | None
    wanted: Claims  # including what is never removed by omission
    policy: Policy
    now: int

    @property
    def is_kept(self) -> bool:
        """Whether the existing token stays."""
        return not self.reasons

    @property
    def before(self) -> dict[str, Any]:
        """The existing token as a readable document; empty if there is none."""
        if self.old is None:
            return {}
        shown = dict(describe(self.old), expires=_show_expiry(self.old, self.policy, self.now))
        return {**shown, "issuer": self.old.issuer} if self._changes_issuer else shown

    @property
    def after(self) -> dict[str, Any]:
        """The wanted token as a readable document."""
        shown = dict(describe(self.wanted), expires=_show_wanted_expiry(self.policy))
        return {**shown, "issuer": self.claims.issuer} if self._changes_issuer else shown

    @property
    def _changes_issuer(self) -> bool:
        return self.old is not None and self.old.issuer != self.claims.issuer


class Issued(NamedTuple):
    """The kept or new token, and the decision that led to it."""

    token: str
    decision: Decision


def issue(wanted: Claims, existing: str | None, signer: Signer, policy: Policy, now: int) -> Issued:
    """Keep the existing token if it verifies, was issued by the signer, means what is wanted and is not due for renewal; otherwise issue a new one.

    `now` is in unix seconds; the times and issuer of `wanted` are ignored. NatsSecurityError for an existing token that does not
    verify or has another subject, and for everything that `codec.encode` refuses.
    """
    pair = signer if isinstance(signer, KeyPair) else None
    decision = decide(wanted, existing, signer.public_key, policy, now, pair)
    if decision.is_kept and existing is not None:
        return Issued(existing.strip(), decision)
    claims = decision.claims
    token = codec.encode(claims, signer, claims.issued_at)
    return Issued(token, decision)


def decide(
    wanted: Claims,
    existing: str | None,
    issuer: str,
    policy: Policy,
    now: int,
    signer: KeyPair | None = None,
    written: str | None = None,
) -> Decision:
    """What `issue` would do, without a private key: the issuer is a public key. Errors as in `issue`, except those of signing.

    With `signer`, the key pair that may have signed the existing token, and `written`, the `codec.body_json` of the wanted claims, keeping that token takes
    less time. The decision is the same.
    """
    existing = existing.strip() if existing else None
    old, is_verbatim = _read(existing, wanted, policy.replaces, signer, written)
    unknown = [] if old is None or is_verbatim else unknown_fields_of(old)
    # A token that matches byte for byte is not compared, because that takes as long as everything else together.
    claims = wanted if is_verbatim else _retain(wanted, old, unknown, policy, now)
    changes = [] if old is None or is_verbatim else differences(old, claims)
    reasons = ["there is no token yet"] if old is None else _reasons(old, changes, issuer, policy, now)
    warnings = _warnings(old, unknown, policy, now, wanted.kind)
    if old is not None and not reasons:
        return Decision(old, [], warnings, old, claims, policy, now)
    issued_at = max(now, policy.issued_after + 1 if policy.issued_after else 0, old.issued_at + 1 if old else 0)
    expires = issued_at + policy.expires_in if policy.expires_in is not None else policy.expires_at or 0
    if max(issued_at, expires) > units.INT64_MAX:
        raise NatsSecurityError(_beyond_all_times(old, issued_at, policy))
    issued = copy_with(claims, issuer=issuer, issued_at=issued_at, expires=expires)
    return Decision(issued, reasons, warnings, old, claims, policy, now)


def _beyond_all_times(old: Claims | None, issued_at: int, policy: Policy) -> str:
    """The message for a token that would have a time after the last one that can be read."""
    last = f"the latest time that a token can have, {units.INT64_MAX}"
    if old is not None and old.issued_at >= units.INT64_MAX:
        return f"The existing token with the subject {old.subject} was issued at {last}, so no later token can be issued. Replace its key."
    if policy.issued_after >= units.INT64_MAX:
        return f"It is revoked up to {last}: no later token can be issued. Remove the revocation, or replace the key."
    return f"It would expire after {last}: issued at {issued_at}, for {policy.expires_in} seconds. Use a shorter time."


def _read(
    existing: str | None, wanted: Claims, replaces: str, signer: KeyPair | None, written: str | None
) -> tuple[Claims | None, bool]:
    """The claims of the existing token, and whether they are the wanted ones byte for byte. The latter is only tested for users, which are many and
    retain nothing."""
    if existing is None:
        return None, False
    if isinstance(wanted.body, User):
        old = codec.decode_verbatim(existing, wanted, signer, written)
        if old is not None:
            return old, True
    old = codec.decode_any_kind(existing)
    _check_is_about_the_same(old, wanted, replaces)
    return old, False


def _check_is_about_the_same(old: Claims, wanted: Claims, replaces: str) -> None:
    if old.kind != wanted.kind:
        raise NatsSecurityError(
            f"The existing token has {old.kind} claims, expected {wanted.kind} claims: it is left unchanged."
        )
    if old.subject not in (wanted.subject, replaces):
        raise NatsSecurityError(
            f"The subject of the existing token is {old.subject}, expected {wanted.subject}: it is left unchanged. Was the key replaced?"
        )


def _retain(wanted: Claims, old: Claims | None, unknown: list[str], policy: Policy, now: int) -> Claims:
    """The wanted claims with what is never removed by omission: revocations, signing keys, and undeclared members."""
    body = copy_with(wanted.body)
    claims: Claims = copy_with(wanted, body=body)
    before = old.body if old is not None else None
    if isinstance(body, Account):
        earlier = before if isinstance(before, Account) else Account()
        body.revocations = _retained_revocations(body.revocations, earlier.revocations, policy, now)
        body.signing_keys = _retained_signing_keys(body.signing_keys, earlier.signing_keys, policy)
        exported = identities(earlier.exports)
        body.exports = [
            dataclasses.replace(
                export,
                revocations=_retained_revocations(
                    export.revocations, exported.get(name, Export()).revocations, policy, now
                ),
            )
            for name, export in identities(body.exports).items()
        ]
    elif isinstance(body, Operator):
        kept = before.signing_keys if isinstance(before, Operator) else []
        body.signing_keys = [
            key for key in dict.fromkeys([*body.signing_keys, *kept]) if key not in policy.remove_signing_keys
        ]
    if old is not None and unknown:
        claims = copy.deepcopy(claims)
        carry_over_unknown(old, claims)
        if not isinstance(claims.body, Generic):
            carry_over_unknown(old.body, claims.body)
    return claims


def _retained_revocations(wanted: dict[str, int], old: dict[str, int], policy: Policy, now: int) -> dict[str, int]:
    """All revocations of both, each with its later time (RevocationList.Revoke never moves one back). NOW becomes the time of this run only for a new
    revocation."""
    if policy.exact_revocations:
        return dict(wanted)
    retained = {key: at for key, at in old.items() if key not in policy.remove_revocations}
    for key, at in wanted.items():
        if key not in policy.remove_revocations:
            retained[key] = retained.get(key, TimeOfRun(now)) if at == NOW else max(retained.get(key, at), at)
    return retained


def _retained_signing_keys(wanted: list[SigningKey], old: list[SigningKey], policy: Policy) -> list[SigningKey]:
    described = {key.key for key in wanted}
    kept = [key for key in old if key.key not in described]
    return [key for key in [*wanted, *kept] if key.key not in policy.remove_signing_keys]


def _reasons(old: Claims, changes: list[str], issuer: str, policy: Policy, now: int) -> list[str]:
    reasons = []
    if getattr(old.body, "version", codec.VERSION) == 1:
        reasons.append(f"the token has version 1, and tokens are issued with version {codec.VERSION}")
    if policy.replaces and old.subject == policy.replaces:
        reasons.append(f"subject: {old.subject}, its rotation is complete")
    if old.issuer != issuer:
        reasons.append(f"issuer: {old.issuer} -> {issuer}")
    reasons += changes
    reasons += _expiry_reasons(old, policy, now)
    if policy.issued_after and old.issued_at <= policy.issued_after:
        reasons.append(f"revoked: it was issued at {units.show_time(old.issued_at)}, which its revocation covers")
    if policy.force:
        reasons.append("force is set")
    return reasons


def _expiry_reasons(old: Claims, policy: Policy, now: int) -> list[str]:
    if policy.expires_in is None:
        at = policy.expires_at or 0
        if old.expires == at:
            return []
        return [f"expires: {_say_time(old.expires)} -> {_say_time(at)}"]
    if not old.expires:
        return [f"expires: never -> {units.show_seconds(policy.expires_in)} after issue"]
    life = old.expires - old.issued_at
    if abs(life - policy.expires_in) > LIFE_TOLERANCE:
        return [f"expires: {units.show_seconds(life)} -> {units.show_seconds(policy.expires_in)} after issue"]
    # Rounded, so that check mode shows the same as the real run.
    left, window = old.expires - now, policy.renewal_window(old.subject)
    if left <= 0:
        return [f"expired {units.show_rounded(-left)} ago"]
    if left <= window:
        return [f"expires in {units.show_rounded(left)}, renewal window {units.show_seconds(window)}"]
    return []


def _say_time(at: int) -> str:
    return units.show_time(at) if at else "never"


def _show_wanted_expiry(policy: Policy) -> str:
    if policy.expires_in is not None:
        return f"{units.show_seconds(policy.expires_in)} after issue"
    return _say_time(policy.expires_at or 0)


def _show_expiry(old: Claims, policy: Policy, now: int) -> str:
    return _say_time(old.expires) if _expiry_reasons(old, policy, now) else _show_wanted_expiry(policy)


def _warnings(old: Claims | None, unknown: list[str], policy: Policy, now: int, kind: str) -> list[str]:
    warnings = []
    if policy.expires_at is not None and policy.expires_at <= now and (old is None or old.expires != policy.expires_at):
        warnings.append(
            f"expires_at is {units.show_time(policy.expires_at)}, which is in the past: no server accepts the token."
        )
    if policy.issued_after and (old is None or old.issued_at <= policy.issued_after):
        warnings.append(
            "It is revoked, and issued again after the revocation, because it is still wanted: the new JWT is valid. "
            f"To end its access, remove {'the import' if kind == 'activation' else 'it (state: absent)'}."
        )
        if policy.issued_after > now + CLOCK_TOLERANCE:
            warnings.append(
                f"The revocation ends at {units.show_time(policy.issued_after)}, which is in the future. The new JWT is dated after that, "
                "so only a revocation up to a later time reaches it."
            )
    if old is not None:
        if old.issued_at > now + CLOCK_TOLERANCE:
            warnings.append(
                f"The token was issued at {units.show_time(old.issued_at)}, which is ahead of this host's clock: is the clock right?"
            )
        if unknown:
            warnings.append(
                "The token has fields that this version does not know; they are kept: {}.".format(", ".join(unknown))
            )
    return warnings
