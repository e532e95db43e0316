# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What one user may publish, subscribe to and receive, and how it may connect, as nats-server derives it from its token, its scope and its account.

From processClientOrLeafAuthentication in auth.go, buildInternalNkeyUser in accounts.go, and setPermissions, pubAllowedFullCheck, canSubscribeInternal and
checkDenySub in client.go.
"""

from __future__ import annotations

import dataclasses
from typing import Iterable, Iterator, NamedTuple

from .. import rules
from ..base import units
from ..claims import NatsLimits, Permission, Permissions, SigningKey, UserAccess
from ..rules import templates
from ..rules.access import CONNECTION_TYPES
from ..rules.relations import standing_issues
from ..rules.subjects import fields, is_subset, is_valid_subject
from . import subject_sets
from .subject_sets import EVERYTHING, ONE, REST, Pattern, Subjects, contains, difference, pattern, union, union_of
from .tree import Entry, Tree, account_body, account_key_of

#: What a server allows if `max` and `ttl` of response permissions are 0 (DEFAULT_ALLOW_RESPONSE_...), in messages and nanoseconds.
_RESPONSE_MESSAGES = 1
_RESPONSE_EXPIRES = 120 * units.NANOSECONDS

#: Clients cannot join this queue group (processSubEx).
_SYSTEM_QUEUE = "_sys_"
#: The service that an auth callout answers; its account's users may not publish to it.
_CALLOUT_SUBJECT = "$SYS.REQ.USER.AUTH"
#: Reserved subjects (processInboundClientMsg), regardless of permissions: no client may publish to those of gateways, and only clients of the system
#: account may publish to those of Raft.
_GATEWAY_REPLIES = (pattern("_GR_.>"), pattern("$GR.>"))
_RAFT = pattern("$NRG.>")


class Origin(NamedTuple):
    """The place of a value: the claims of an entry, and the path in them, in names of the options."""

    entry: Entry
    path: str


class Rule(NamedTuple):
    """One subject of a list of permissions, as it applies to the user."""

    subject: str
    origin: Origin
    queue: str = ""

    @property
    def pattern(self) -> Pattern:
        """The tokens of the subject."""
        return pattern(self.subject)

    def __str__(self) -> str:
        return f"{self.subject} {self.queue}" if self.queue else self.subject


class Ignored(NamedTuple):
    """A subject of a list of permissions that a server ignores, and why."""

    subject: str
    reason: str
    origin: Origin


class Lists(NamedTuple):
    """Permissions as a server holds them. None is a list that allows everything."""

    publish_allow: list[Rule] | None
    publish_deny: list[Rule]
    subscribe_allow: list[Rule] | None
    subscribe_deny: list[Rule]
    response: Origin | None = None
    response_messages: int = 0  # below 0: without a limit
    response_expires: int = 0  # nanoseconds; below 0: never


class Access(NamedTuple):
    """Everything that a server allows a user to do."""

    user: Entry
    account: Entry | None
    lists: Lists
    #: The effective access: that of the user, or that of the scope of the key that signed it.
    granted: UserAccess
    scope: str  # the role of that key, or the key; empty without a scope
    source: str  # where the permissions come from: user, scope, default_permissions or none
    refusals: list[str]  # why the user cannot connect at all
    ignored: list[Ignored]
    notes: list[str]  # what a reader of the claims would not expect

    @property
    def limits(self) -> dict[str, int]:
        """The number of subscriptions and the size of a message in bytes, the lower limit of user and account; -1 is unlimited (applyAccountLimits)."""
        mine: NatsLimits = self.granted.limits
        if self.account is None:
            return {"subscriptions": mine.subscriptions, "payload": mine.payload}
        account = account_body(self.account).limits
        return {
            "subscriptions": _lower(mine.subscriptions, account.subscriptions),
            "payload": _lower(mine.payload, account.payload),
        }


def _lower(one: int, other: int) -> int:
    known = [number for number in (one, other) if number != units.UNLIMITED]
    return min(known) if known else units.UNLIMITED


def access_of(tree: Tree, user: Entry) -> Access:
    """What the user may do. Computed once for each user."""
    memory: dict[int, Access] = tree.memory.setdefault("access", {})
    found = memory.get(id(user))
    if found is None:
        found = memory[id(user)] = _access_of(tree, user)
    return found


def _access_of(tree: Tree, user: Entry) -> Access:
    account = tree.account_of(user)
    if account is None:
        body: UserAccess = user.claims.body.access
        reason = f"its account {account_key_of(user)} is not available"
        return Access(user, None, Lists(None, [], None, []), body, "", "none", [reason], [], [])
    scope = _scope_of(tree, account, user)
    if scope is None:
        template: UserAccess = user.claims.body.access
        drafted = _as_written(template.permissions, Origin(user, "permissions"))
    else:
        key, number = scope
        template = key.template or user.claims.body.access
        drafted = _filled_in(template.permissions, account, user, f"signing_keys[{number}].template.permissions")
    source = "user" if scope is None else "scope"
    refusals = drafted.refusals
    notes = []
    if drafted.is_empty:
        drafted = _as_written(account_body(account).default_permissions, Origin(account, "default_permissions"))
        source = "none" if drafted.is_empty else "default_permissions"
        if scope is not None and not drafted.is_empty:
            notes.append(
                "The scope has no permissions, and servers give its users the default permissions of the account."
            )
    lists, ignored = _held(drafted)
    lists = _with_callout(lists, account)
    return Access(
        user,
        account,
        lists,
        template,
        "" if scope is None else scope[0].role or scope[0].key,
        source,
        list(dict.fromkeys([*_refusals(tree, account, user, template), *refusals])),
        [*drafted.ignored, *ignored],
        [*notes, *_callout_notes(account, user)],
    )


def _scope_of(tree: Tree, account: Entry, user: Entry) -> tuple[SigningKey, int] | None:
    """The scoped key that signed the user, and its index in the account. A scope of the account's own key counts under a strict operator only."""
    issuer = user.claims.issuer
    if issuer == account.key and not tree.is_strict:
        return None
    memory: dict[str, dict[str, tuple[SigningKey, int]]] = tree.memory.setdefault("scopes", {})
    if account.key not in memory:
        keys = enumerate(account_body(account).signing_keys)
        memory[account.key] = {key.key: (key, number) for number, key in keys if key.template is not None}
    return memory[account.key].get(issuer)


# ---- whether it may connect


def _refusals(tree: Tree, account: Entry, user: Entry, template: UserAccess) -> Iterator[str]:
    now = tree.servers.now
    yield from account_refusals(tree, account)
    for issue in (*rules.library_issues(user.claims, now), *rules.server_time_issues(user.claims, now)):
        if issue.blocking or issue.time_check:
            yield f"the token is not valid: {_said(issue.path, issue.message)}"
    for issue in standing_issues(account.claims, user.claims, now, tree.is_strict):
        if issue.blocking or issue.time_check:
            yield _said(issue.path, issue.message)
    types = template.allowed_connection_types
    if types and not any(name.upper() in CONNECTION_TYPES for name in types):
        yield f"allowed_connection_types has no type that servers support: {', '.join(types)}"
    if not _lower(template.limits.subscriptions, account_body(account).limits.subscriptions):
        yield "its limit of subscriptions is 0, so servers close every connection at once"
    if not account_body(account).limits.connections:
        yield f"the account {account.title} allows no connections (limits.connections)"


def _said(path: str, message: str) -> str:
    return f"{path} {message}" if path else message


def account_refusals(tree: Tree, account: Entry) -> list[str]:
    """Why servers do not load an account (verifyAccountClaims); empty if they do. Users of such an account are refused, and imports from it do not work."""
    memory: dict[str, list[str]] = tree.memory.setdefault("accounts", {})
    if account.key not in memory:
        memory[account.key] = list(_account_refusals(tree, account))
    return memory[account.key]


def _account_refusals(tree: Tree, account: Entry) -> Iterator[str]:
    name = f"the account {account.title}"
    operator = tree.operator
    issuer = account.claims.issuer
    if operator is not None and issuer and issuer not in rules.allowed_issuers_of_operator(operator.claims):
        yield f"{name} is not signed by a key that servers of the operator {operator.title} trust"
    now = tree.servers.now
    for issue in (*rules.library_issues(account.claims, now), *rules.server_time_issues(account.claims, now)):
        if issue.blocking or issue.time_check:
            yield f"servers do not load {name}: {_said(issue.path, issue.message)}"


def _callout_notes(account: Entry, user: Entry) -> Iterator[str]:
    authorization = account_body(account).authorization
    if authorization.auth_users and user.key not in authorization.auth_users:
        yield "Auth callout is on: the service that answers it decides what this user may do, not its token."


# ---- the lists


@dataclasses.dataclass
class _Draft:
    """Permissions before they are checked, with where each subject comes from."""

    publish_allow: list[Rule]
    publish_deny: list[Rule]
    subscribe_allow: list[Rule]
    subscribe_deny: list[Rule]
    permissions: Permissions
    origin: Origin
    ignored: list[Ignored] = dataclasses.field(default_factory=list)
    refusals: list[str] = dataclasses.field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether there are no permissions, so that a server uses the default permissions of the account (buildPermissionsFromJwt)."""
        lists = (self.publish_allow, self.publish_deny, self.subscribe_allow, self.subscribe_deny)
        return not any(lists) and self.permissions.response is None


def _as_written(permissions: Permissions, origin: Origin) -> _Draft:
    def listed(name: str, subjects: list[str]) -> list[Rule]:
        return [
            Rule(subject, origin._replace(path=f"{origin.path}.{name}[{number}]"))
            for number, subject in enumerate(subjects)
        ]

    publish, subscribe = permissions.publish, permissions.subscribe
    return _Draft(
        listed("publish.allow", publish.allow),
        listed("publish.deny", publish.deny),
        listed("subscribe.allow", subscribe.allow),
        listed("subscribe.deny", subscribe.deny),
        permissions,
        origin,
    )


def _filled_in(permissions: Permissions, account: Entry, user: Entry, path: str) -> _Draft:
    draft = _Draft([], [], [], [], permissions, Origin(account, path))
    filling = templates.Filling(account.claims, user.claims)
    for name, permission in (("publish", permissions.publish), ("subscribe", permissions.subscribe)):
        allow, deny = _filled_in_lists(draft, permission, filling, f"{path}.{name}")
        if permission.allow and not allow:
            deny = [*deny, Rule(REST, Origin(account, f"{path}.{name}.allow"))]
        if name == "publish":
            draft.publish_allow, draft.publish_deny = allow, deny
        else:
            draft.subscribe_allow, draft.subscribe_deny = allow, deny
    return draft


def _filled_in_lists(
    draft: _Draft, permission: Permission, filling: templates.Filling, path: str
) -> tuple[list[Rule], list[Rule]]:
    account = draft.origin.entry
    found = []
    for name, subjects in (("allow", permission.allow), ("deny", permission.deny)):
        expanded = filling.texts(subjects, is_deny=name == "deny")
        if expanded.refusal:
            draft.refusals.append(f"{path}.{name} of the scope: {expanded.refusal}")
        draft.ignored += [
            Ignored(subjects[number], reason, Origin(account, f"{path}.{name}[{number}]"))
            for number, reason in expanded.dropped
        ]
        found.append([Rule(text, Origin(account, f"{path}.{name}[{number}]")) for number, text in expanded.subjects])
    return found[0], found[1]


def _held(draft: _Draft) -> tuple[Lists, list[Ignored]]:
    """The lists as setPermissions keeps them, and the subjects that it ignores."""
    ignored: list[Ignored] = []
    response = draft.permissions.response
    allows_all = not draft.publish_allow and response is None
    lists = Lists(
        None if allows_all else list(_publish_rules(draft.publish_allow, ignored, False)),
        list(_publish_rules(draft.publish_deny, ignored, True)),
        list(_subscribe_rules(draft.subscribe_allow, ignored)) if draft.subscribe_allow else None,
        list(_subscribe_rules(draft.subscribe_deny, ignored)),
        None if response is None else draft.origin._replace(path=f"{draft.origin.path}.response"),
        0 if response is None else response.max_messages or _RESPONSE_MESSAGES,
        0 if response is None else response.expires or _RESPONSE_EXPIRES,
    )
    return lists, ignored


def _publish_rules(drafted: list[Rule], ignored: list[Ignored], is_deny: bool) -> Iterator[Rule]:
    for rule in drafted:
        if is_valid_subject(rule.subject):
            yield rule
            continue
        words = fields(rule.subject)
        if is_deny and len(words) == 2 and all(map(is_valid_subject, words)):
            yield rule._replace(subject=words[0])
        else:
            ignored.append(Ignored(rule.subject, "it is not a subject", rule.origin))


def _subscribe_rules(drafted: list[Rule], ignored: list[Ignored]) -> Iterator[Rule]:
    """splitSubjectQueue"""
    for rule in drafted:
        if is_valid_subject(rule.subject):
            yield rule
            continue
        words = fields(rule.subject)
        if 1 <= len(words) <= 2 and all(map(is_valid_subject, words)):
            yield rule._replace(subject=words[0], queue="".join(words[1:]))
        else:
            ignored.append(Ignored(rule.subject, "it is not a subject with or without a queue group", rule.origin))


def _with_callout(lists: Lists, account: Entry) -> Lists:
    if not account_body(account).authorization.auth_users:
        return lists
    denied = Rule(_CALLOUT_SUBJECT, Origin(account, "authorization.auth_users"))
    return lists._replace(publish_deny=[*lists.publish_deny, denied])


# ---- publishing


class Verdict(NamedTuple):
    """Whether something is allowed, and why. `rule` is the rule that decides, if one does."""

    allowed: bool
    reason: str
    rule: Rule | None = None


def may_publish(tree: Tree, access: Access, subject: str) -> Verdict:
    """Whether the user may publish to a subject, after mappings. Response permissions are not considered: see can_respond()."""
    tokens = pattern(subject)
    for reserved in reserved_subjects(tree, access):
        if contains(reserved, tokens):
            return Verdict(False, f"{subject_sets.text(reserved)} is reserved for servers")
    lists = access.lists
    denied = _first(lists.publish_deny, tokens)
    if lists.publish_allow is None:
        allowed = None
    else:
        allowed = _first(lists.publish_allow, tokens)
        if allowed is None:
            return Verdict(False, "no permission allows it")
    return _verdict(allowed, denied)


def _verdict(allowed: Rule | None, denied: Rule | None) -> Verdict:
    """The verdict. Without an allowing rule, the user has no list of allowed subjects, and everything is allowed that is not denied."""
    if denied is not None:
        return Verdict(False, f"{denied} is denied", denied)
    if allowed is None:
        return Verdict(True, "everything that is not denied is allowed")
    return Verdict(True, f"{allowed} is allowed", allowed)


def _first(listed: Iterable[Rule], tokens: Pattern) -> Rule | None:
    return next((rule for rule in listed if contains(rule.pattern, tokens)), None)


def reserved_subjects(tree: Tree, access: Access) -> tuple[Pattern, ...]:
    """The subjects that this user cannot publish to because servers reserve them; users of the system account may publish to those of Raft."""
    is_system = access.account is not None and access.account.key == tree.system_account
    return _GATEWAY_REPLIES if is_system else (*_GATEWAY_REPLIES, _RAFT)


def publish_set(tree: Tree, access: Access) -> Subjects:
    """All subjects that the user may publish to, after mappings."""
    lists = access.lists
    allowed = EVERYTHING if lists.publish_allow is None else union_of(rule.pattern for rule in lists.publish_allow)
    denied = union_of([*(rule.pattern for rule in lists.publish_deny), *reserved_subjects(tree, access)])
    return difference(allowed, denied)


def can_respond(access: Access) -> bool:
    """Whether the user may answer requests by its response permission, on any reply subject."""
    return access.lists.response is not None


# ---- subscribing


def covers_subscription(wide: Pattern, subscription: Pattern) -> bool:
    """Whether a permission covers a subscription for a server (Sublist.Match), which treats wildcards of the subscription as tokens: `*` matches `>`."""
    for index, token in enumerate(wide):
        if index >= len(subscription):
            return False
        if token == REST:
            return True
        if token not in (ONE, subscription[index]):
            return False
    return len(wide) == len(subscription)


def queue_matches(queue: str, permitted: str) -> bool:
    """queueMatches in client.go: whether the names are equal, or the permitted name has wildcards and matches the other one."""
    return queue == permitted or (rules.has_wildcards(permitted) and is_subset(queue, permitted))


def may_subscribe(access: Access, subject: str, queue: str = "") -> Verdict:
    """Whether the user may subscribe, with or without a queue group."""
    lists = access.lists
    tokens = pattern(subject)
    if queue == _SYSTEM_QUEUE:
        return Verdict(False, f"the queue group {_SYSTEM_QUEUE} is reserved for servers")
    allowed: Rule | None = None
    if lists.subscribe_allow is not None:
        matching = [rule for rule in lists.subscribe_allow if covers_subscription(rule.pattern, tokens)]
        allowed = _allowing(matching, queue)
        if allowed is None:
            return Verdict(False, _why_not_allowed(matching, queue))
    denied = _denying(lists.subscribe_deny, tokens, queue)
    return _verdict(allowed, denied)


def _allowing(matching: list[Rule], queue: str) -> Rule | None:
    """The rule that allows the subscription. If rules for queue groups match, only these count for a queue subscription (canSubscribeInternal)."""
    groups = [rule for rule in matching if rule.queue]
    if queue and groups:
        return next((rule for rule in groups if queue_matches(queue, rule.queue)), None)
    return next((rule for rule in matching if not rule.queue), None)


def _why_not_allowed(matching: list[Rule], queue: str) -> str:
    groups = ", ".join(rule.queue for rule in matching if rule.queue)
    if groups and not queue:
        return f"it is allowed in the queue group {groups} only"
    return f"it is allowed in other queue groups, {groups}" if groups else "no permission allows it"


def _denying(denied: list[Rule], tokens: Pattern, queue: str) -> Rule | None:
    return next(
        (
            rule
            for rule in denied
            if (not rule.queue or (queue and queue_matches(queue, rule.queue)))
            and covers_subscription(rule.pattern, tokens)
        ),
        None,
    )


def receive_set(access: Access, queue: str | None = None) -> Subjects:
    """All subjects whose messages can reach the user: by any subscription, or only by those in a queue group (empty: without a queue group)."""
    lists = access.lists
    if queue is not None:
        return _receive_set(lists, queue)
    queues = dict.fromkeys(rule.queue for rule in lists.subscribe_allow or ())
    return union(*(_receive_set(lists, name) for name in {"": None, **queues}))


def _receive_set(lists: Lists, queue: str) -> Subjects:
    denying = [
        rule.pattern for rule in lists.subscribe_deny if not rule.queue or (queue and queue_matches(queue, rule.queue))
    ]
    if lists.subscribe_allow is None:
        return difference(EVERYTHING, union_of(denying))
    groups = [rule for rule in lists.subscribe_allow if rule.queue]
    plain = [rule for rule in lists.subscribe_allow if not rule.queue]
    if not queue or not groups:
        return difference(_reached(plain, denying), union_of(denying))
    # A permission without a queue group does not count for a subscription that a permission for another queue group also covers.
    mine = [rule for rule in groups if queue_matches(queue, rule.queue)]
    others = [rule.pattern for rule in groups if not queue_matches(queue, rule.queue)]
    plain = [rule for rule in plain if not any(covers_subscription(other, _widest(rule.pattern)) for other in others)]
    return difference(_reached([*mine, *plain], denying), union_of(denying))


def _reached(allowing: Iterable[Rule], denying: list[Pattern]) -> Subjects:
    """What the allowed subscriptions receive. A permission that ends in `*` also allows `>` in its place, unless that is denied."""
    return union_of(_widened(rule.pattern, denying) for rule in allowing)


def _widened(allowed: Pattern, denying: list[Pattern]) -> Pattern:
    wide = _widest(allowed)
    return allowed if any(covers_subscription(denied, wide) for denied in denying) else wide


def _widest(allowed: Pattern) -> Pattern:
    """The widest subscription that a permission covers."""
    return (*allowed[:-1], REST) if allowed[-1] == ONE else allowed


def subscribe_oddity(access: Access, subject: Pattern) -> str:
    """Why a subject reaches the user although no permission contains it: the permission that servers read more widely; empty if there is none."""
    allowing = access.lists.subscribe_allow or ()
    if any(contains(rule.pattern, subject) for rule in allowing):
        return ""
    wide = next((rule for rule in allowing if contains(_widest(rule.pattern), subject)), None)
    if wide is None:
        return ""
    return f"servers allow a user that may subscribe to {wide.subject} to subscribe to {subject_sets.text(_widest(wide.pattern))}"


def anything(tree: Tree, account: Entry) -> Access:
    """The access of an unrestricted user of an account, for questions about accounts without known users."""
    return Access(
        account, account, Lists(None, [], None, []), UserAccess(), "", "none", account_refusals(tree, account), [], []
    )
