# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Answers as dictionaries: claims by name, their path in names of the options, and the file or document that they are in."""

from __future__ import annotations

from typing import Any

from ..base import units
from ..claims import Account, Operator
from ..claims.options import show_options
from . import subject_sets
from .links import SERVICE, Link
from .permissions import Access, Lists, Origin, Rule, Verdict
from .routes import Arrival, Hop
from .subject_sets import text
from .tree import Entry, Tree

ALLOWS, DENIES, LEADS = "allows", "denies", "forwards"


def step(tree: Tree, origin: Origin, effect: str, words: str) -> dict[str, str]:
    """One step towards an answer, with the claim that decides it."""
    return {
        "claim": claim_name(tree, origin.entry),
        "path": origin.entry.at(origin.path),
        "place": origin.entry.place,
        "effect": effect,
        "text": words,
    }


def claim_name(tree: Tree, entry: Entry) -> str:
    """`user APP/orders`, `account APP` or `operator ACME`."""
    body = entry.claims.body
    if isinstance(body, Operator):
        return f"operator {entry.title}"
    if isinstance(body, Account):
        return f"account {entry.title}"
    return f"user {tree.title_of(entry)}"


def refusal_steps(tree: Tree, access: Access) -> list[dict[str, str]]:
    """The steps that show why a user cannot connect."""
    return [step(tree, Origin(access.user, ""), DENIES, reason) for reason in access.refusals]


def verdict_step(tree: Tree, access: Access, verdict: Verdict, what: str) -> dict[str, str]:
    """The rule that allows or denies something, or the list that has no rule for it."""
    origin = verdict.rule.origin if verdict.rule is not None else permissions_origin(access)
    effect = ALLOWS if verdict.allowed else DENIES
    return step(tree, origin, effect, f"{what}: {verdict.reason}")


def permissions_origin(access: Access) -> Origin:
    """Where the permissions of a user are: in its token, a scope, or the default permissions of its account."""
    account = access.account
    if access.source == "default_permissions" and account is not None:
        return Origin(account, "default_permissions")
    if access.scope and account is not None:
        keys = account.claims.body.signing_keys
        number = next((index for index, key in enumerate(keys) if access.scope in (key.role, key.key)), 0)
        return Origin(account, f"signing_keys[{number}].template.permissions")
    return Origin(access.user, "permissions")


def hop_steps(tree: Tree, hop: Hop) -> list[dict[str, str]]:
    """The steps of a hop: the mapping or import that takes a message from one subject or account to the next."""
    if hop.mapping is not None:
        words = f"a mapping of {tree.account_title(hop.account)} changes the subject to {hop.subject}"
        return [step(tree, hop.mapping.origin, LEADS, words)]
    return [] if hop.link is None else link_steps(tree, hop.link, hop.subject)


def link_steps(tree: Tree, link: Link, subject: str = "") -> list[dict[str, str]]:
    """The steps of a link: the import, and the export that allows it."""
    importer, exporter = tree.account_title(link.importer), tree.account_title(link.exporter)
    called = subject or text(link.remote if link.kind == SERVICE else link.local)
    there = exporter if link.kind == SERVICE else importer
    words = f"the import of the {link.kind} {text(link.remote)} of {exporter} as {text(link.local)} delivers it to {there} as {called}"
    if link.implicit:
        words = f"servers provide the service {text(link.local)} to {importer} by themselves, which reaches {exporter} as {called}"
    found = [step(tree, link.origin, LEADS, words)]
    if link.export_origin is not None and link.export_origin.path:
        exported = link.export.subject if link.export is not None else text(link.remote)
        found.append(step(tree, link.export_origin, ALLOWS, f"{exporter} exports the {link.kind} {exported}"))
    return found


def closed(tree: Tree, link: Link) -> dict[str, Any]:
    """An import that does not work, and why."""
    return {
        "importer": tree.account_title(link.importer),
        "exporter": tree.account_title(link.exporter),
        "kind": link.kind,
        "remote": text(link.remote),
        "local": text(link.local),
        "path": link.origin.entry.at(link.origin.path),
        "place": link.origin.entry.place,
        "reasons": [problem.message for problem in link.problems],
        "steps": [step(tree, problem.origin, DENIES, problem.message) for problem in link.problems],
    }


def link_notes(link: Link) -> list[str]:
    """What is uncertain or unexpected about an import."""
    notes = [problem.message for problem in link.problems if problem.perhaps]
    return [*notes, link.oddity] if link.oddity else notes


def arrival(tree: Tree, there: Arrival) -> dict[str, Any]:
    """A message in an account."""
    notes = [note for link in there.links for note in link_notes(link)]
    return {
        "account": tree.account_title(there.account),
        "subject": there.subject,
        "by": there.kind,
        "certain": there.certain,
        "steps": [shown for hop in there.hops for shown in hop_steps(tree, hop)],
        "notes": list(dict.fromkeys(notes)),
    }


def effective(tree: Tree, access: Access) -> dict[str, Any]:
    """Everything that a user may do."""
    lists, granted = access.lists, access.granted
    account = access.account.claims.body if access.account is not None else None
    return {
        "user": tree.title_of(access.user),
        "public_key": access.user.key,
        "place": access.user.place,
        "path": access.user.path,
        "can_connect": not access.refusals,
        "refusals": access.refusals,
        "permissions_from": access.source,
        "scope": access.scope,
        "publish": _lists(tree, lists.publish_allow, lists.publish_deny),
        "subscribe": _lists(tree, lists.subscribe_allow, lists.subscribe_deny),
        "response": _response(lists),
        "ignored": [
            {
                "subject": one.subject,
                "reason": one.reason,
                "path": one.origin.entry.at(one.origin.path),
                "place": one.origin.entry.place,
            }
            for one in access.ignored
        ],
        "connection_types": sorted({name.upper() for name in granted.allowed_connection_types}),
        "source_networks": list(granted.source_networks),
        "times": [{"start": hours.start, "end": hours.end} for hours in granted.times],
        "times_location": granted.times_location,
        "bearer_token": granted.bearer_token,
        "proxy_required": granted.proxy_required,
        "limits": access.limits,
        "jetstream": {} if account is None else shown_jetstream(account),
        "expires": units.show_time(access.user.claims.expires) if access.user.claims.expires else None,
        "notes": access.notes,
    }


def shown_jetstream(account: Account) -> dict[str, Any]:
    """The JetStream limits of the account; empty if JetStream is off."""
    limits = account.limits
    tiers = {name: show_options(tier) for name, tier in limits.jetstream_tiers.items()}
    if tiers:
        return {"tiers": tiers}
    return show_options(limits.jetstream) if limits.jetstream.memory_storage or limits.jetstream.disk_storage else {}


def _lists(tree: Tree, allow: list[Rule] | None, deny: list[Rule]) -> dict[str, Any]:
    return {
        "allow": None if allow is None else [_rule(tree, rule) for rule in allow],
        "deny": [_rule(tree, rule) for rule in deny],
    }


def _rule(tree: Tree, rule: Rule) -> dict[str, str]:
    origin = rule.origin
    return {
        "subject": rule.subject,
        "queue": rule.queue,
        "claim": claim_name(tree, origin.entry),
        "path": origin.entry.at(origin.path),
        "place": origin.entry.place,
    }


def _response(lists: Lists) -> dict[str, Any] | None:
    if lists.response is None:
        return None
    expires = lists.response_expires
    return {
        "max_messages": lists.response_messages if lists.response_messages > 0 else units.UNLIMITED,
        "expires": units.show_duration(expires) if expires > 0 else None,
        "path": lists.response.entry.at(lists.response.path),
        "place": lists.response.entry.place,
    }


def part(subjects: subject_sets.Subjects) -> list[dict[str, object]]:
    """A set of subjects as dictionaries."""
    return subject_sets.show(subjects)
