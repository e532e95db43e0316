# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Decide which accounts to push to a cluster and why, and which must not be pushed. Pure: reads no network, no file and no clock."""

from __future__ import annotations

import base64
import collections
import dataclasses
import itertools
from typing import Collection, Iterable, Mapping, Sequence

from ..base.errors import NatsSecurityError
from ..base.excerpts import first_of
from ..base.units import show_time
from ..claims import Claims
from ..claims.comparison import differences
from ..keys import nkey
from ..rules import (
    Issue,
    allowed_issuers_of_operator,
    import_time_issues,
    library_issues,
    server_issues,
    server_versions,
)
from ..rules.cycles import Cycles
from ..rules.relations import Exporter, issues_between, issues_of_imports
from ..rules.running import grouped, names_of, why_refused
from ..rules.server import far_time_problem
from ..token import codec, decorated
from .answers import one_line
from .servers import CACHE, FULL, Cluster

#: How many problems one message lists; the rest are counted.
_TOLD = 20


@dataclasses.dataclass(frozen=True)
class Wanted:
    """The wanted token of an account, and some of its claims, which are not verified: `claims_of` verifies them. `where` is the source of the token."""

    token: str
    where: str
    subject: str
    name: str
    issuer: str
    issued_at: int
    expires: int
    not_before: int

    @property
    def title(self) -> str:
        """The account with its name and public key, for messages."""
        return f"account {self.name} ({self.subject})" if self.name else f"account {self.subject}"


#: The members of a payload as the Go library writes them. A payload with other members is decoded and verified by `codec.decode`.
_MEMBERS = {"aud", "exp", "jti", "iat", "iss", "name", "nbf", "sub", "nats"}


def read_wanted(text: str, where: str) -> Wanted:
    """The token of an account, from plain or decorated text, not verified. NatsSecurityError, which names `where`, for anything else.

    The subject of the JWT becomes part of request subjects before the JWT is verified, so it must be exactly the public key of an account.
    """
    try:
        wanted = _read_wanted(decorated.token_in(text), where)
    except NatsSecurityError as error:
        raise NatsSecurityError(str(error) if str(error).startswith(where) else f"{where}: {error}") from None
    require_account_key(wanted.subject, f"{where}: the subject of the JWT")
    return wanted


def require_account_key(key: str, what: str) -> None:
    """NatsSecurityError if a text is not exactly the public key of an account. Line ends, which keys may have elsewhere, are refused too."""
    if "\n" in key or "\r" in key or not nkey.is_public_key(key, "account"):
        raise NatsSecurityError(f"{what} is {one_line(repr(key))}, expected the public key of an account.")


def _read_wanted(token: str, where: str) -> Wanted:
    try:
        payload = codec.public_payload(token)
        nats = payload.get("nats")
        if payload.keys() <= _MEMBERS and isinstance(nats, dict) and nats.get("type") == "account":
            subject, name, issuer = payload.get("sub"), payload.get("name", ""), payload.get("iss")
            times = [payload.get("iat", ""), payload.get("exp", 0), payload.get("nbf", 0)]
            are_texts = all(isinstance(value, str) for value in (subject, name, issuer))
            if are_texts and all(isinstance(value, int) and not isinstance(value, bool) for value in times):
                return Wanted(token, where, str(subject), str(name), str(issuer), *map(int, times))
        claims = codec.decode(token)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{where}: {error}") from None
    if claims.kind != "account":
        raise NatsSecurityError(f"{where}: this is a JWT of {claims.kind} claims, expected one of an account.")
    times = [claims.issued_at, claims.expires, claims.not_before]
    return Wanted(token, where, claims.subject, claims.name, claims.issuer, *times)


def claims_of(wanted: Wanted) -> Claims:
    """The verified claims of the token. NatsSecurityError, which names the source of the token, if it does not verify."""
    try:
        return codec.decode(wanted.token)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{wanted.where}: {error}") from None


def signature_problems(wanted: Iterable[Wanted]) -> list[str]:
    """Messages about tokens whose signatures do not verify."""
    problems = []
    issuers: dict[str, nkey.KeyPair] = {}
    for one in wanted:
        signed, signature = one.token.rsplit(".", 1)
        try:
            if one.issuer not in issuers:
                issuers[one.issuer] = nkey.from_public_key(one.issuer)
            raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
            genuine = issuers[one.issuer].verify(signed.encode("ascii"), raw)
            if not genuine:
                claims_of(one)  # tokens of version 1 are signed in another way
        except NatsSecurityError as error:
            problems.append(str(error) if str(error).startswith(one.where) else f"{one.where}: {error}")
        except ValueError:
            problems.append(f"{one.where}: the signature is not base64url.")
    return problems


def refuse_all(problems: Iterable[str]) -> None:
    """Raise one NatsSecurityError with all problems, if there are any."""
    told = list(dict.fromkeys(problems))
    if told:
        more = f" There are {len(told) - _TOLD} more problems of this kind." if len(told) > _TOLD else ""
        raise NatsSecurityError(" ".join(told[:_TOLD]) + more)


def operator_problems(cluster: Cluster, operator: Claims | None) -> list[str]:
    """Messages about servers that trust another operator than that of the task, or have another system account."""
    if operator is None:
        return []
    problems = []
    for server in cluster.full:
        trusted = {trusted.subject for trusted in server.operators}
        if operator.subject not in trusted:
            problems.append(
                f"The server {server.name} trusts the operator {names_of(server.operators)}, not {operator.name or 'that of the task'} ({operator.subject})."
            )
        elif (
            operator.body.system_account
            and server.system_account
            and server.system_account != operator.body.system_account
        ):
            problems.append(
                f"The server {server.name} has the system account {server.system_account}, the operator {operator.name} has {operator.body.system_account}."
            )
    return problems


def expiry_problems(wanted: Iterable[Wanted], now: int) -> list[str]:
    """Messages about tokens that have expired, and about accounts with two different tokens."""
    problems = []
    first: dict[str, Wanted] = {}
    for one in wanted:
        other = first.setdefault(one.subject, one)
        if other is not one and other.token != one.token:
            problems.append(f"{other.where} and {one.where} are different JWTs of the same {one.title}.")
        if one.expires and one.expires < now:
            problems.append(f"The {one.title} expired at {show_time(one.expires)}: issue it again.")
    return problems


def far_time_warnings(wanted: Iterable[Wanted], now: int) -> list[str]:
    """Messages about tokens that begin or end so late that servers treat the time as past. Servers store them nevertheless, so this concerns those that are
    held, too."""
    times = (
        (one, name, time) for one in wanted for name, time in (("expires", one.expires), ("not_before", one.not_before))
    )
    found = ((one, name, far_time_problem(time, now)) for one, name, time in times)
    return [f"The {one.title}: {name}: {problem}" for one, name, problem in found if problem]


def issuer_problems(wanted: Iterable[Wanted], cluster: Cluster) -> list[str]:
    """Messages about tokens whose issuer a server does not trust: the server would store the token, but not load the account."""
    running = grouped((server.name, server.operators) for server in cluster.full)
    found = ((one, why_refused(one.issuer, one.subject, running)) for one in wanted)
    return [f"The {one.title} is signed by {why}" for one, why in found if why]


def claim_problems(title: str, claims: Claims, operators: Iterable[Claims], now: int) -> list[str]:
    """Messages about claims for which servers of these operators would refuse the account, or would not start with it."""
    issues = [*library_issues(claims, now), *_operator_issues(claims, operators)]
    return [f"The {title}: {issue}" for issue in issues if issue.blocking and not issue.time_check]


def claim_warnings(title: str, claims: Claims, operators: Iterable[Claims]) -> list[str]:
    """Messages about claims of an account that do not work on servers of these operators, or that servers refuse although they store the token."""
    issues = [issue for issue in _operator_issues(claims, operators) if not issue.blocking]
    issues += [issue for issue in server_issues(claims) if issue.blocking]
    return [f"The {title}: {issue}" for issue in issues]


def _operator_issues(claims: Claims, operators: Iterable[Claims]) -> list[Issue]:
    signed_by = (one for one in operators if claims.issuer in allowed_issuers_of_operator(one))
    return list(dict.fromkeys(issue for operator in signed_by for issue in issues_between(operator, claims)))


@dataclasses.dataclass(frozen=True)
class Held:
    """The tokens of one account on servers with a full resolver, by server name. "" is no token, None is unknown."""

    by_server: dict[str, str | None]
    tokens: tuple[str, ...]  # as they were received, in no order; "" is no token

    @property
    def distinct(self) -> list[str]:
        """The distinct tokens, the most frequent one first."""
        return [token for token, count in collections.Counter(filter(None, self.tokens)).most_common()]


def assign(account: str, cluster: Cluster, answers: Sequence[str], loaded: dict[str, str] | None = None) -> Held:
    """Which server holds which token. Answers to look-ups do not name the server, so that is derived from the servers' lists of accounts,
    and from the tokens of accounts in memory (`loaded`, by server id)."""
    by_server: dict[str, str | None] = {}
    unclear = []
    rest = collections.Counter(filter(None, answers))
    for server in cluster.full:
        token = (loaded or {}).get(server.id, "")
        if server.accounts is not None and account not in server.accounts:
            by_server[server.name] = ""
        elif rest[token] > 0:
            by_server[server.name] = token
            rest[token] -= 1
        else:
            by_server[server.name] = None
            unclear.append(server.name)
    left = [token for token, count in rest.items() if count > 0]
    if len(left) <= 1 and sum(rest.values()) in (0, len(unclear)):
        by_server.update((name, left[0] if left else "") for name in unclear)
    return Held(by_server, tuple(answers))


def read_held(account: str, token: str) -> Claims | str:
    """The claims in a token that a server returned for an account, or a text that says what it is if it is not a JWT of this account."""
    try:
        claims = codec.decode(token)
    except NatsSecurityError as error:
        return f"not a JWT: {error}"
    if claims.kind != "account" or claims.subject != account:
        return f"another JWT, with {claims.kind} claims for {claims.subject}"
    return claims


def imported_from(token: str) -> set[str]:
    """The public keys of the accounts that an account imports from, by its token, which is not verified."""
    nats = codec.public_payload(token).get("nats")
    imports = nats.get("imports") if isinstance(nats, dict) else None
    found = [item.get("account") for item in imports if isinstance(item, dict)] if isinstance(imports, list) else []
    return {account for account in found if isinstance(account, str)}


def import_warnings(
    importers: Iterable[Claims], exporters: Mapping[str, Claims], system_accounts: Collection[str], now: int
) -> list[str]:
    """Warnings about imports that servers drop without an error. `exporters` are the known accounts by public key, also those from which they import."""
    known: dict[str, Exporter] = {}
    for key, claims in exporters.items():
        known[key] = Exporter(claims, key in system_accounts)
    cycles = Cycles(exporters)
    warnings = []
    for claims in importers:
        title = f"account {claims.name} ({claims.subject})" if claims.name else f"account {claims.subject}"
        issues = [*issues_of_imports(claims, known.get), *cycles.issues(claims), *import_time_issues(claims, now)]
        problems = [str(issue) for issue in issues]
        problems += [
            f"imports[{index}].account: {item.account} is on no server and not among the accounts of the task; push it too."
            for index, item in enumerate(claims.body.imports)
            if item is not None and item.account not in known
        ]
        warnings += [f"The {title}: {problem} Until then servers drop the import." for problem in problems]
    more = len(warnings) - _TOLD
    return [*warnings[:_TOLD], *([f"The same applies to {more} more imports."] if more > 0 else [])]


def not_enforced(wanted: Iterable[Wanted], users: Iterable[tuple[str, str]], cluster: Cluster) -> list[str]:
    """Warnings about claims of accounts and users that some of the servers are too old to enforce. `users` are pairs of title and token."""
    servers = {server.name: server.version for server in cluster.servers if server.resolver in (FULL, CACHE)}
    versions = [server_versions.read_version(text) for text in servers.values()]
    if all(version is None or version >= server_versions.newest_version() for version in versions):
        return []
    tokens = itertools.chain(((f"account {one.name or one.subject}", one.token) for one in wanted), users)
    return server_versions.not_enforced(server_versions.newer_tokens(tokens), servers)


def is_settled(token: str, answers: Collection[str], servers: int) -> bool:
    """Whether at least `servers` answers came, and all of them are exactly this token."""
    return len(answers) >= servers and all(answer == token for answer in answers)


@dataclasses.dataclass(frozen=True)
class Push:
    """A token to push, and the reasons."""

    wanted: Wanted
    claims: Claims
    reasons: list[str]
    before: Claims | None  # the claims that most servers hold now


def plan_push(wanted: Wanted, held: Held, issuers: frozenset[str]) -> Push:
    """Plan the push of a token over those that servers hold.

    NatsSecurityError if the token does not verify, or if a server holds a newer one of a trusted issuer.
    """
    new = claims_of(wanted)
    reasons: list[str] = []
    before: Claims | None = None
    for token in held.distinct:
        where = holders(held, token)
        if token == wanted.token:
            before = before or new
            continue
        old = read_held(new.subject, token)
        if isinstance(old, str):
            reasons.append(f"what {where} holds is {old}")
            continue
        if old.issuer not in issuers:
            reasons.append(f"what {where} holds is signed by {old.issuer}, which the servers do not trust")
        elif old.issued_at > new.issued_at:
            raise NatsSecurityError(
                f"The {wanted.title} is newer on the cluster: {where} holds a JWT issued at {show_time(old.issued_at)}, the one of the task was issued at "
                f"{show_time(new.issued_at)}. An older one is never pushed over a newer one: apply the changes of the newer one, and issue it again."
            )
        else:
            reasons += differences(old, new) or [f"issued: {show_time(old.issued_at)} -> {show_time(new.issued_at)}"]
        before = before or old
    without = [name for name, token in held.by_server.items() if token == ""]
    if without:
        reasons.insert(0, f"{listed(without)} {'do' if len(without) > 1 else 'does'} not have it")
    return Push(wanted, new, list(dict.fromkeys(reasons)) or ["not all servers answered with it"], before)


def holders(held: Held, token: str) -> str:
    """The names of the servers that hold a token, as text for a message."""
    names = [name for name, found in held.by_server.items() if found == token]
    if names:
        return listed(names)
    unclear = [name for name, found in held.by_server.items() if found is None]
    return f"one of {', '.join(unclear)}" if unclear else "a server"


def shortened(names: Sequence[str]) -> str:
    """The first names as a comma-separated text, with the number of the others."""
    return first_of(names, _TOLD)


def listed(names: Sequence[str]) -> str:
    """All names as text, such as "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
