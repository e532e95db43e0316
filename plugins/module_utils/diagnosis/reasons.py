# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Why a server refuses a user: the first check that fails, in the order of the server (processClientOrLeafAuthentication in auth.go).

The account is checked as the server holds it. If the store has a newer JWT of the account with which this check does not fail, the cause is that the server
has the old one. Pure.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from typing import Iterator

from .. import rules
from ..base import units
from ..base.excerpts import first_of
from ..claims import Account, Claims, SigningKey, UserAccess
from ..rules.access import CONNECTION_TYPES
from ..rules.relations import user_issues
from ..rules.trust import allowed_issuers_of_operator, is_revoked, keys_of, signing_key
from . import findings, hours
from .attempts import Attempt
from .evidence import Seen, read_account
from .findings import CREDS, NOTHING, SERVER, STORE, Finding

#: Clocks that differ by less are treated as equal, in seconds.
CLOCK_TOLERANCE = 2.0
_RESOLVER = "nats_resolver or the role resolver"


@dataclasses.dataclass(frozen=True)
class Known:
    """Other known facts: the account and the operator in the store, the servers that hold the account, and the time of this host in Unix seconds."""

    now: float
    stored: Claims | None = None
    operator: Claims | None = None
    holders: tuple[str, ...] = ()
    asked: bool = False  # whether servers were asked over the system account
    owner: str = ""  # the account that has the user's issuer as a signing key, if the user does not name its account
    system_refused: str = ""  # why the system account's user was refused, if it was refused too


@dataclasses.dataclass(frozen=True)
class Case:
    """One user on one server."""

    user: Claims
    attempt: Attempt
    seen: Seen | None
    known: Known

    @property
    def server(self) -> str:
        """The server, for messages."""
        if self.seen is not None:
            return f"the server {self.seen.server.name}"
        info = self.attempt.info
        return f"the server {info.server_name}" if info is not None and info.server_name else self.attempt.shown

    @property
    def ahead(self) -> float | None:
        """How far the server's clock is ahead of this host's, in seconds; None if it is not known."""
        return self.seen.ahead if self.seen is not None else None

    @property
    def when(self) -> int:
        """The time of the server in Unix seconds; the time of this host if the server's clock is not known."""
        return int(self.known.now + (self.ahead or 0.0))

    @property
    def account_key(self) -> str:
        """The public key of the account that a server looks up for the user."""
        return account_of(self.user)

    @property
    def name(self) -> str:
        """The user, for messages."""
        return f"the user {self.user.name or self.user.subject}"


def why_closed(case: Case) -> Finding | None:
    """Why a server that accepts the user closes the connection immediately, by what is known of the account; None if it does not (applyAccountLimits)."""
    held = read_account(case.account_key, case.seen.token) if case.seen is not None else None
    account, basis = (held, SERVER) if isinstance(held, Claims) else (case.known.stored, STORE)
    if not isinstance(account, Claims):
        return None
    access = access_by(account, case.user, _is_strict(case))[0]
    found = (one for one in _limit_findings(case, account, access, basis) if one.cause == findings.SUBSCRIPTION_LIMIT)
    return next(found, None)


def account_of(user: Claims) -> str:
    """The public key of the account that servers look up for a user."""
    key: str = user.body.issuer_account or user.issuer
    return key


def why_refused(case: Case) -> Finding:
    """Why the server refuses the user, as far as that is known."""
    own = next(_own_findings(case), None)
    if own is not None:
        return own
    by_words = _by_its_words(case)
    if by_words is not None:
        return by_words
    held = read_account(case.account_key, case.seen.token) if case.seen is not None else None
    if case.seen is not None and not isinstance(held, Claims):
        operator = next(_operator_findings(case), None)
        if operator is not None:
            return operator
    if isinstance(held, Claims):
        return _by_held(case, held)
    if held:
        message = f"What {case.server} holds of the account {case.account_key} is {held}."
        return Finding(findings.ACCOUNT_INVALID, message, _push_again(case))
    if held == "":
        return _not_held(case)
    return _by_store(case)


# ---- the user's own JWT


def _own_findings(case: Case) -> Iterator[Finding]:
    """What is wrong with the user's own JWT."""
    user, name = case.user, case.name
    if user.body.access.proxy_required:
        yield _proxy(case, "Its JWT", CREDS)
    if 0 < user.expires < case.when:
        yield Finding(
            findings.EXPIRED,
            f"The JWT of {name} expired at {units.show_time(user.expires)}{_clock_words(case)}.",
            "Issue the user again with a later expiry, with nats_user or nats_store, and replace the creds where they are used.",
            CREDS,
        )
    if user.not_before > case.when:
        late = user.not_before - case.when
        behind = case.ahead is not None and case.ahead < -CLOCK_TOLERANCE and user.not_before <= case.known.now
        advice = (
            f"Correct the clock of {case.server}, or wait until it has reached that time."
            if behind
            else f"Wait {units.show_seconds(late)}, or issue the user again with an earlier not_before."
        )
        yield Finding(
            findings.NOT_YET_VALID,
            f"The JWT of {name} is not valid before {units.show_time(user.not_before)}, which is in {units.show_seconds(late)}{_clock_words(case)}.",
            advice,
            CREDS,
        )
    for issue in (*rules.library_issues(user, case.when), *rules.server_time_issues(user, case.when)):
        if issue.blocking:
            where = f"{issue.path} " if issue.path else ""
            yield Finding(
                findings.INVALID_CLAIMS,
                f"Servers refuse the claims of {name}: {where}{issue.message}",
                "Issue the user again with valid claims.",
                CREDS,
            )


def _clock_words(case: Case) -> str:
    """What is known of the server's clock, to append to a message about a time."""
    if case.ahead is None:
        return f"; it is {units.show_time(int(case.known.now))} on this host, and the server's clock is not known"
    shown = units.show_time(case.when)
    if abs(case.ahead) < CLOCK_TOLERANCE:
        return f"; it is {shown} there"
    return f"; it is {shown} there, {clock_difference(case.ahead)}"


def clock_difference(ahead: float) -> str:
    """How the clock of a server differs from that of this host."""
    word = "ahead of" if ahead > 0 else "behind"
    return f"{units.show_seconds(max(1, round(abs(ahead))))} {word} this host"


def _by_its_words(case: Case) -> Finding | None:
    """The finding for an error text of the server; None if the text does not name the cause."""
    words = case.attempt.words.lower()
    if "maximum account active connections" in words:
        return Finding(
            findings.ACCOUNT_CONNECTION_LIMIT,
            f"The account {case.account_key} has as many connections as its limit allows{_limit(case)}.",
            "Close connections that are not needed (nats_connections lists them), or issue the account with higher limits.connections, "
            f"or limits.leaf_nodes for leaf nodes, and push it with {_RESOLVER}.",
        )
    if "maximum connections exceeded" in words:
        return Finding(
            findings.SERVER_CONNECTION_LIMIT,
            f"{_capital(case.server)} has as many connections as its max_connections allows.",
            "Raise max_connections in its configuration and reload it, or connect to another server.",
        )
    if "maximum subscriptions" in words:
        return Finding(
            findings.SUBSCRIPTION_LIMIT,
            f"{_capital(case.name)} or its account allows no subscriptions.",
            "Issue it with limits.subscriptions of 1 and more, or unlimited.",
        )
    if "maximum control line" in words:
        return Finding(
            findings.TOKEN_TOO_LONG,
            f"The JWT of {case.name} is longer than {case.server} reads in one line (max_control_line).",
            "Issue it with fewer permissions and tags, or under a signing key with a scope; or raise max_control_line of the servers.",
        )
    if "user authentication expired" in words:
        return Finding(
            findings.EXPIRED, f"The JWT of {case.name} has just expired.", "Issue the user again with a later expiry."
        )
    if "account authentication expired" in words:
        return Finding(
            findings.ACCOUNT_EXPIRED,
            "The JWT of the account has just expired.",
            "Issue the account again, and push it.",
        )
    return None


def _limit(case: Case) -> str:
    held = read_account(case.account_key, case.seen.token) if case.seen is not None else case.known.stored
    if not isinstance(held, Claims):
        return ""
    limits = held.body.limits
    return f" (limits.connections {limits.connections}, limits.leaf_nodes {limits.leaf_nodes})"


# ---- the server's operator and account


def _operator_findings(case: Case) -> Iterator[Finding]:
    """The finding if the server does not trust the operator of the store."""
    operator, seen = case.known.operator, case.seen
    if operator is None or seen is None or not seen.server.operators:
        return
    trusted = {one.subject: one for one in seen.server.operators}
    if operator.subject not in trusted:
        shown = ", ".join(f"{one.name} ({key})" for key, one in trusted.items())
        yield Finding(
            findings.OTHER_OPERATOR,
            f"{_capital(case.server)} trusts the operator {shown}, and not {operator.name} ({operator.subject}), which the user belongs to.",
            f"Connect to servers of the operator {operator.name}, or use creds of a user of {shown}.",
        )


def _by_held(case: Case, held: Claims) -> Finding:
    """What is wrong with the user according to the account that the server holds."""
    stored = case.known.stored
    found = next(_account_findings(case, held, SERVER), None)
    if found is not None:
        if stored is not None and stored.issued_at > held.issued_at and found.cause != findings.OTHER_OPERATOR:
            by_stored = next(_account_findings(case, stored, STORE), None)
            if by_stored is None or by_stored.cause != found.cause:
                return _outdated(case, held, stored, found, by_stored)
        return found
    if case.seen is not None and case.seen.stuck:
        return Finding(
            findings.ACCOUNT_NOT_LOADED,
            f"{_capital(case.server)} has the account {_title(held)} in memory as expired, although its JWT is not.",
            "Push it again with nats_resolver, which makes the server load it again; or issue the account again, and push it.",
        )
    if case.seen is not None and case.seen.held and not case.seen.loaded:
        return Finding(
            findings.ACCOUNT_NOT_LOADED,
            f"{_capital(case.server)} holds the JWT of the account {_title(held)} issued at {units.show_time(held.issued_at)}, but does not load it.",
            _push_again(case),
        )
    return _unexplained(case)


def _outdated(case: Case, held: Claims, stored: Claims, found: Finding, left: Finding | None) -> Finding:
    rest = f" Then it is still refused: {left.message}" if left is not None else ""
    return Finding(
        findings.ACCOUNT_OUTDATED,
        f"{_capital(case.server)} holds the JWT of the account {_title(held)} issued at {units.show_time(held.issued_at)}, the store has one issued at "
        f"{units.show_time(stored.issued_at)}. With the older one: {found.message}",
        f"Push the account, with {_RESOLVER}.{rest}",
    )


def _not_held(case: Case) -> Finding:
    """The finding if the server does not have the account."""
    seen, stored = case.seen, case.known.stored
    if stored is None and case.known.owner:
        return _no_issuer_account(case, SERVER)
    where = (
        f"; {', '.join(case.known.holders)} {'has' if len(case.known.holders) == 1 else 'have'} it"
        if case.known.holders
        else ""
    )
    title = _title(stored) if stored is not None else case.account_key
    if seen is not None and seen.held is None and seen.server.resolver != "full":
        message = (
            f"{_capital(case.server)} has not loaded the account {title}: its resolver ({seen.server.resolver}) does not have it, "
            f"or has a JWT of it that it rejects{where}."
        )
        advice = (
            "Put the account into its resolver: resolver_preload of a memory resolver, the account server of a URL resolver. "
            "It has to be valid, and signed by a key of the operator that the server trusts."
        )
    else:
        message = f"{_capital(case.server)} does not have the account {title}{where}."
        advice = f"Push the account, with {_RESOLVER}."
    if stored is not None:
        blocked = next(_account_findings(case, stored, STORE), None)
        if blocked is not None:
            advice += f" The one in the store is refused as well: {blocked.message}"
    return Finding(findings.UNKNOWN_ACCOUNT, message, advice)


def _by_store(case: Case) -> Finding:
    """The finding according to the store, if it is not known what the server holds."""
    known = case.known
    if known.stored is None and known.owner:
        return _no_issuer_account(case, STORE)
    if known.stored is not None:
        found = next(_account_findings(case, known.stored, STORE), None)
        if found is not None:
            return found
    if known.system_refused:
        return Finding(
            findings.OTHER_OPERATOR,
            f"{_capital(case.server)} refuses the user of the system account too ({known.system_refused}): it trusts another operator, "
            "or other keys of it.",
            "Connect to servers of the operator of this user, or configure the servers with the operator's current JWT and restart them.",
            STORE,
        )
    return _unexplained(case)


def _no_issuer_account(case: Case, basis: str) -> Finding:
    """The finding for a user without issuer_account that a signing key signed: the signing key does not name its account."""
    return Finding(
        findings.INVALID_CLAIMS,
        f"The JWT of {case.name} has no issuer_account, so servers look for an account {case.user.issuer}, which is a signing key of {case.known.owner}.",
        "Issue the user again with its issuer_account, as nats_user and nats_store do, and replace the creds.",
        basis,
    )


def _unexplained(case: Case) -> Finding:
    known = case.known
    message = f"{_capital(case.server)} refuses {case.name} ({case.attempt.words or 'without a reason'}), and nothing that is known explains it."
    if not known.asked:
        missing = (
            "access to the system account"
            if known.stored is not None
            else "the store, and access to the system account"
        )
        advice = f"Give {missing}: the JWT of the user alone shows no error, and what the server holds of its account {case.account_key} is not known."
    else:
        advice = "Look at the log of the server with debug: true, and at auth callout, pinned accounts and trusted proxies in its configuration."
    if case.ahead is None and (case.user.expires or case.user.not_before):
        advice += f" For a server with a wrong clock, its JWT may not be valid: {_validity(case.user)}."
    return Finding(findings.REFUSED, message, advice, NOTHING)


def _validity(user: Claims) -> str:
    start = f"from {units.show_time(user.not_before)}" if user.not_before else ""
    end = f"until {units.show_time(user.expires)}" if user.expires else ""
    return f"it is valid {' '.join(filter(None, (start, end)))}"


# ---- the account


def _account_findings(case: Case, account: Claims, basis: str) -> Iterator[Finding]:
    """Why a server that has this JWT of the account refuses the user, in the order of the server."""
    yield from _loading_findings(case, account, basis)
    yield from _callout_findings(case, account, basis)
    yield from _signer_findings(case, account, basis)
    yield from _access_findings(case, account, basis)
    for issue in user_issues(account, case.user, case.when, _is_strict(case)):
        if issue.blocking:
            where = f"{issue.path} " if issue.path else ""
            yield Finding(
                findings.INVALID_CLAIMS,
                f"With the JWT of the account {_title(account)}, servers refuse {case.name}: {where}{issue.message}",
                "Issue the user again accordingly.",
                basis,
            )


def _loading_findings(case: Case, account: Claims, basis: str) -> Iterator[Finding]:
    """Why a server does not load the account (verifyAccountClaims in accounts.go, isTrustedIssuer in server.go)."""
    title = _title(account)
    yield from _operator_findings(case)
    seen, operator = case.seen, case.known.operator
    trusted = (
        seen.server.operators
        if seen is not None and seen.server.operators
        else (() if operator is None else (operator,))
    )
    keys = frozenset(key for one in trusted for key in allowed_issuers_of_operator(one))
    if trusted and account.issuer not in keys:
        yield _untrusted(case, account, trusted, basis)
    if 0 < account.expires < case.when:
        yield Finding(
            findings.ACCOUNT_EXPIRED,
            f"The JWT of the account {title} expired at {units.show_time(account.expires)}{_clock_words(case)}.",
            f"Issue the account again with a later expiry, and push it with {_RESOLVER}.",
            basis,
        )
    if account.not_before > case.when:
        yield Finding(
            findings.ACCOUNT_NOT_YET_VALID,
            f"The JWT of the account {title} is not valid before {units.show_time(account.not_before)}{_clock_words(case)}.",
            f"Wait until then, or issue the account again with an earlier not_before, and push it with {_RESOLVER}.",
            basis,
        )
    for issue in (*rules.library_issues(account, case.when), *rules.server_time_issues(account, case.when)):
        if issue.blocking:
            yield Finding(
                findings.ACCOUNT_INVALID,
                f"Servers do not load the account {title}: {issue.path} {issue.message}",
                f"Issue the account again with valid claims, and push it with {_RESOLVER}.",
                basis,
            )


def _callout_findings(case: Case, account: Claims, basis: str) -> Iterator[Finding]:
    """With auth callout, the service decides, regardless of the user's claims (hasExternalAuth in accounts.go)."""
    authorization = account.body.authorization
    if authorization.auth_users and case.user.subject not in authorization.auth_users:
        yield Finding(
            findings.AUTH_CALLOUT,
            f"The account {_title(account)} has auth callout: the service that answers it refuses {case.name}, or does not answer in time.",
            f"Look at the log of that service, and see that it is connected, as one of the auth_users {', '.join(authorization.auth_users[:4])}; "
            "or remove authorization from the account.",
            basis,
        )


def _untrusted(case: Case, account: Claims, trusted: tuple[Claims, ...], basis: str) -> Finding:
    operator = case.known.operator
    own = next((one for one in trusted if one.subject == account.issuer), None)
    if own is not None:
        return Finding(
            findings.STRICT_MODE,
            f"The account {_title(account)} is signed by the operator's own key, and the operator {own.name} is strict: only its signing keys count.",
            f"Issue the account again with a signing key of the operator, and push it with {_RESOLVER}.",
            basis,
        )
    names = ", ".join(f"{one.name} (JWT issued at {units.show_time(one.issued_at)})" for one in trusted)
    newer = operator is not None and account.issuer in allowed_issuers_of_operator(operator)
    if newer and basis == SERVER:
        advice = (
            "Configure the server with the operator's current JWT, which has that key, and restart it; "
            "or issue the account again with a key that all servers trust."
        )
    else:
        advice = f"Issue the account again with a signing key that the servers trust, and push it with {_RESOLVER}."
    return Finding(
        findings.UNTRUSTED_OPERATOR_KEY,
        f"The account {_title(account)} is signed by {account.issuer}, which {case.server} does not trust: it trusts the operator {names}.",
        advice,
        basis,
    )


def _is_strict(case: Case) -> bool:
    operators = case.seen.server.operators if case.seen is not None else ()
    known = operators or ((case.known.operator,) if case.known.operator is not None else ())
    return any(one.body.strict_signing_key_usage for one in known)


def _signer_findings(case: Case, account: Claims, basis: str) -> Iterator[Finding]:
    """What is wrong with the signer of the user (hasIssuer in accounts.go)."""
    user, title = case.user, _title(account)
    is_own = user.issuer == account.subject
    key = signing_key(account.body, user.issuer)
    if is_own and key is None and _is_strict(case):
        yield Finding(
            findings.STRICT_MODE,
            f"{_capital(case.name)} is signed by the own key of the account {title}, and its operator is strict: only signing keys count.",
            "Issue the user again with a signing key of the account, and replace the creds.",
            basis,
        )
    elif not is_own and key is None:
        shown = first_of(sorted(keys_of(account)), 4)
        yield Finding(
            findings.UNKNOWN_SIGNER,
            f"{_capital(case.name)} is signed by {user.issuer}, which is not, or no longer, a key of the account {title}: it has {shown}.",
            "Issue the user again with a key that the account has, and replace the creds; or add that key to the account and push it.",
            basis,
        )
    if key is not None and key.template is not None and (not is_own or _is_strict(case)) and not user.body.is_scoped:
        yield Finding(
            findings.SCOPE_CONFLICT,
            f"{_capital(case.name)} has permissions or limits of its own, and the scope {key.role or key.key} of the key that signs it has to define "
            "all of them.",
            "Issue the user again without permissions and limits, or with a signing key without a scope.",
            basis,
        )


def access_by(account: Claims, user: Claims, strict: bool) -> tuple[UserAccess, str]:
    """The effective access of a user, and its source, for messages."""
    key: SigningKey | None = signing_key(account.body, user.issuer)
    if key is not None and key.template is not None and (user.issuer != account.subject or strict):
        return key.template, f"The scope {key.role or key.key} of the account {_title(account)}"
    return user.body.access, "Its JWT"


def _access_findings(case: Case, account: Claims, basis: str) -> Iterator[Finding]:
    """What the server checks after the signer of the user."""
    body: Account = account.body
    access, said = access_by(account, case.user, _is_strict(case))
    if access.proxy_required:
        yield _proxy(case, said, basis)
    if access.bearer_token and body.limits.disallow_bearer:
        yield Finding(
            findings.BEARER_FORBIDDEN,
            f"{_capital(case.name)} is a bearer, and the account {_title(account)} forbids bearers (limits.disallow_bearer).",
            "Issue the user again without bearer_token, so that it signs; or allow bearers in the account, and push it.",
            basis,
        )
    yield from _type_findings(case, access, said, basis)
    yield from _revocation_findings(case, account, basis)
    yield from _place_findings(case, access, said, basis)
    yield from _limit_findings(case, account, access, basis)


def _proxy(case: Case, said: str, basis: str) -> Finding:
    return Finding(
        findings.PROXY_REQUIRED,
        f"{said} allows {case.name} to connect only through a proxy that the server trusts (proxy_required).",
        "Connect through that proxy, or issue it without proxy_required.",
        basis,
    )


def _type_findings(case: Case, access: UserAccess, said: str, basis: str) -> Iterator[Finding]:
    """convertAllowedConnectionTypes in client.go"""
    allowed = [name.upper() for name in access.allowed_connection_types]
    wanted = case.attempt.connection_type
    types = {wanted, "MQTT_WS"} if wanted == "MQTT" and case.attempt.address.is_websocket else {wanted}
    if allowed and not types & set(allowed):
        known = [name for name in allowed if name in CONNECTION_TYPES]
        yield Finding(
            findings.CONNECTION_TYPE,
            f"{said} allows {case.name} to connect as {' or '.join(allowed)} only, and this connection is {wanted}"
            f"{'' if known else '; servers support none of these'}.",
            f"Connect in a way that is allowed, or add {wanted} to allowed_connection_types.",
            basis,
        )
    if wanted == "MQTT" and not access.bearer_token:
        yield Finding(
            findings.MQTT_NEEDS_BEARER,
            f"{_capital(case.name)} is not a bearer, and MQTT clients cannot sign: they send the JWT as their password.",
            "Issue the user as a bearer, with MQTT as its only allowed_connection_types.",
            basis,
        )


def _revocation_findings(case: Case, account: Claims, basis: str) -> Iterator[Finding]:
    """checkUserRevoked in accounts.go"""
    revocations, user = account.body.revocations, case.user
    if not is_revoked(revocations, user.subject, user.issued_at):
        return
    names = [
        name for name in (user.subject, "*") if revocations.get(name, -1) >= user.issued_at and name in revocations
    ]
    since = "; ".join(f"by {_by_name(name)} up to {units.show_time(revocations[name])}" for name in names)
    yield Finding(
        findings.REVOKED,
        f"{_capital(case.name)} is revoked in the account {_title(account)}, {since}, and its JWT was issued at {units.show_time(user.issued_at)}.",
        "Issue the user again if it may connect again: a JWT that is issued after that time is not revoked. Replace the creds.",
        basis,
    )


def _by_name(name: str) -> str:
    return "its key" if name != "*" else "* (all users)"


def _place_findings(case: Case, access: UserAccess, said: str, basis: str) -> Iterator[Finding]:
    """validateSrc and validateTimes in jwt.go"""
    address = case.attempt.info.client_ip if case.attempt.info is not None else ""
    if access.source_networks and address and not _is_in(address, access.source_networks):
        yield Finding(
            findings.SOURCE_NETWORK,
            f"{said} allows {case.name} to connect from {', '.join(access.source_networks)} only, and the server sees it come from {address}.",
            f"Connect from one of these networks, or add {address} to source_networks.",
            basis,
        )
    if access.times:
        open_now = hours.is_open(access.times, access.times_location, case.when)
        if open_now is not True:
            zone = access.times_location or "the server's time zone"
            shown = ", ".join(f"{one.start} to {one.end}" for one in access.times)
            at = hours.shown(access.times_location, case.when)
            yield Finding(
                findings.HOURS,
                f"{said} allows {case.name} to connect from {shown} ({zone}) only"
                + (f", and it is {at}." if open_now is False else "; the time there is not known on this host."),
                "Connect in these hours, or issue it with other times.",
                basis if open_now is False else NOTHING,
            )


def _is_in(address: str, networks: list[str]) -> bool:
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
        ip = getattr(ip, "ipv4_mapped", None) or ip
        return any(ip in ipaddress.ip_network(network.strip(), strict=False) for network in networks)
    except ValueError:
        return False


def _limit_findings(case: Case, account: Claims, access: UserAccess, basis: str) -> Iterator[Finding]:
    body: Account = account.body
    if not body.limits.connections:
        yield Finding(
            findings.ACCOUNT_CONNECTION_LIMIT,
            f"The account {_title(account)} allows no connections (limits.connections is 0).",
            f"Issue the account with limits.connections of 1 and more, or unlimited, and push it with {_RESOLVER}.",
            basis,
        )
    if not access.limits.subscriptions or not body.limits.subscriptions:
        yield Finding(
            findings.SUBSCRIPTION_LIMIT,
            f"{_capital(case.name)} or its account allows no subscriptions (limits.subscriptions is 0), and servers close its connections.",
            "Issue it with limits.subscriptions of 1 and more, or unlimited.",
            basis,
        )


# ---- words


def _push_again(case: Case) -> str:
    return f"Issue the account {case.account_key} again, so that it is newer than what the server has, and push it with {_RESOLVER}."


def _title(account: Claims) -> str:
    return f"{account.name} ({account.subject})" if account.name else account.subject


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:] if not text.startswith(("nats://", "tls://", "ws://", "wss://")) else text
