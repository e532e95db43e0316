# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Answers about accounts: what reaches one from outside, and which exports no account imports."""

from __future__ import annotations

from typing import Any

from ..claims import Export
from . import replies, show
from .answers_who import ways_of_flow
from .links import SERVICE, Link, links_into, links_out_of
from .questions import INBOX, Question
from .routes import Flow, follow, sources
from .subject_sets import EVERYTHING, pattern, union_of
from .tree import Entry, Tree, account_body

# ---- reaches


def reaches(tree: Tree, question: Question) -> dict[str, Any]:
    """What reaches an account from outside: streams that it imports, requests to its services, responses to its own requests."""
    account = question.about["account"]
    ways = [_flow_in(tree, flow) for flow in sources(tree, account.key, EVERYTHING) if flow.links]
    ways += [_answers_of(tree, link) for link in links_into(tree, account.key) if link.kind == SERVICE and link.works]
    closed = [show.closed(tree, link) for link in links_into(tree, account.key) if not link.works]
    closed += [
        show.closed(tree, link) for link in links_out_of(tree, account.key) if link.kind == SERVICE and not link.works
    ]
    return {"ways": ways, "closed": closed}


def _flow_in(tree: Tree, flow: Flow) -> dict[str, Any]:
    here = follow(tree, flow.links, flow.subjects).subjects
    return {
        "kind": "request" if flow.kind == SERVICE else "stream",
        "from": tree.account_title(flow.account),
        "there": show.part(flow.subjects),
        "here": show.part(here),
        "users": sorted({tree.title_of(access.user) for access, _way in ways_of_flow(tree, flow, EVERYTHING)}),
        "certain": flow.exact,
        "implicit": any(link.implicit for link in flow.links),
        "steps": [shown for link in flow.links for shown in show.link_steps(tree, link)],
        "notes": [note for link in flow.links for note in show.link_notes(link)],
    }


def _answers_of(tree: Tree, link: Link) -> dict[str, Any]:
    """The responses to requests to a service of another account."""
    return {
        "kind": "answer",
        "from": tree.account_title(link.exporter),
        "there": show.part(union_of([replies.SERVICE_REPLY])),
        "here": show.part(union_of([pattern(INBOX)])),
        "users": [],
        "certain": link.is_certain,
        "implicit": link.implicit,
        "steps": show.link_steps(tree, link),
        "notes": [*show.link_notes(link), "Replies are sent to the inbox of the requester."],
    }


def unused_exports(tree: Tree, question: Question) -> dict[str, Any]:
    """The exports for which no account in the tree has a working import."""
    account = question.account
    found = []
    for entry in tree.accounts.values() if account is None else [account]:
        for path, export in unused_of(tree, entry):
            found.append(
                {
                    "account": entry.title,
                    "subject": export.subject,
                    "type": export.type,
                    "path": entry.at(path),
                    "place": entry.place,
                    "closed": [show.closed(tree, link) for link in links_out_of(tree, entry.key) if _is_of(link, path)],
                }
            )
    return {"exports": found}


def unused_of(tree: Tree, entry: Entry) -> list[tuple[str, Export]]:
    """The exports of one account for which no account in the tree has a working import, each with its path."""
    used: dict[str, bool] = {}
    for link in links_out_of(tree, entry.key):
        if link.export_origin is not None:
            path = link.export_origin.path
            used[path] = used.get(path, False) or link.works
    exports = ((f"exports[{number}]", export) for number, export in enumerate(account_body(entry).exports))
    return [(path, export) for path, export in exports if export is not None and not used.get(path, False)]


def _is_of(link: Link, path: str) -> bool:
    return link.export_origin is not None and link.export_origin.path == path
