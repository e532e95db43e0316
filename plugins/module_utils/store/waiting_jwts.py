# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The JWTs of a store that wait for signatures from keys elsewhere. Their signing requests are one document (decision/unsigned.py), which is signed
elsewhere and returned.

While they wait, the store does not change except for the created keys. The document is also recorded in the keystore, where an attacker who can only
write JWTs cannot change it. So a returned document can be compared with what was requested. Once it is completely signed, its JWTs are written to their
files and the record is updated. The next plan finds them like any other JWT.
"""

from __future__ import annotations

import os
from typing import Any, Mapping, NamedTuple, Sequence

from ..base.errors import NatsSecurityError
from ..claims import Claims
from ..decision.unsigned import MAX_BYTES, Request, Requests, read_requests, write_requests
from ..disk.batch import Write, append, make_folders, write_all
from ..disk.files import read_content, read_text
from ..reconcile.plan import CHANGED, KEPT, Entity, Plan
from ..rules.trust import signing_keys_of
from ..token import codec, decorated
from .layout import Layout
from .reading import Store
from .unfinished import removal_entry, write_journal

_REASON = "it was signed elsewhere"


class Waiting(NamedTuple):
    """The recorded document, None if there was never one; and the returned document, if it is completely signed and not in the files yet."""

    recorded: Requests | None
    returned: Requests | None = None

    @property
    def asked(self) -> Requests | None:
        """The recorded document if it still waits for signatures."""
        return self.recorded if self.recorded is not None and self.recorded.waiting else None


def _place_of(name: str) -> tuple[str, str]:
    """The account and the user of a request; empty if they do not apply."""
    kind, _unused, rest = name.partition(" ")
    if kind == "user":
        account, _unused, user = rest.partition("/")
        return account, user
    return rest, ""


def read_waiting(layout: Layout, path: str) -> Waiting:
    """The recorded document, and the returned one at a path. NatsSecurityError for any other document at the path, which stays as it is."""
    text = _text_of(layout.requests)
    recorded = _read(text, f"{layout.requests} is damaged") if text is not None else None
    there = read_text(path, "unsigned_path: the document", MAX_BYTES)
    if there is None:
        return Waiting(recorded)
    given = _read(there, f"unsigned_path: {path} is left unchanged")
    if given.checksum not in (_text_of(layout.requested) or "").split():
        raise NatsSecurityError(
            f"unsigned_path: {path} is left unchanged: it is a document of requests that are not from this store. Move it away."
        )
    is_answer = recorded is not None and recorded.waiting and given.checksum == recorded.checksum
    return Waiting(recorded, given if is_answer and not given.waiting else None)


def files_of(waiting: Waiting, store: Store) -> dict[str, str]:
    """The returned JWTs by the paths of their files, from the operator down. JWTs that were replaced in the store in the meantime are omitted, so that they
    are requested again."""
    files = {}
    for request in waiting.returned.requests if waiting.returned is not None else ():
        account, user = _place_of(request.what)
        if request.token is not None and _is_still_wanted(request, store, account, user):
            files[store.where(account, user)] = request.token
    return files


def _is_still_wanted(request: Request, store: Store, account: str, user: str) -> bool:
    if user:
        text = store.user_text(account, user)
        issued = codec.peek(decorated.token_in(text)).get("iat") if text is not None else -1
        return isinstance(issued, int) and issued < request.claims.issued_at
    found = store.accounts.get(account) if account else store.operator
    return (found.token.strip() if found is not None else None) == request.existing


def removed_by(waiting: Waiting, files: Mapping[str, str]) -> list[dict[str, Any]]:
    """The journal entries for signing keys that the returned JWTs remove. The next plan does not find these keys in any JWT."""
    entries, tokens = [], set(files.values())
    for request in waiting.returned.requests if waiting.returned is not None else ():
        if request.existing is not None and request.token in tokens:
            stay = _signing_keys(request.claims)
            gone = (key for key in _signing_keys(codec.decode(request.existing)) if key not in stay)
            entries += [removal_entry(_place_of(request.what)[0], key) for key in gone]
    return entries


def _signing_keys(claims: Claims) -> list[str]:
    return [*signing_keys_of(claims), *([claims.subject] if claims.kind == "operator" else [])]


def put_in_files(waiting: Waiting, layout: Layout, files: Mapping[str, str]) -> None:
    """Write the returned JWTs to the store, and record the returned document."""
    write_journal(layout, removed_by(waiting, files))
    write_all([Write(path, token, _text_of(path)) for path, token in files.items()])
    if waiting.returned is not None:
        text = write_requests(waiting.returned)
        write_all([Write(layout.requests, text, _text_of(layout.requests))])


def ask(layout: Layout, path: str, document: Requests) -> None:
    """Record a document, and write it to its path."""
    text = write_requests(document)
    make_folders([layout.state_of_keys])
    append(layout.requested, document.checksum + "\n")
    write_all([Write(layout.requests, text, _text_of(layout.requests))])
    write(path, document)


def write(path: str, document: Requests) -> None:
    """Write a document to its path, following symbolic links."""
    place = os.path.realpath(path)
    write_all([Write(place, write_requests(document), _text_of(place))])


def is_written(path: str, document: Requests) -> bool:
    """Whether the document is at its path, with or without signatures. Other content was already refused."""
    text = read_text(path, "unsigned_path: the document", MAX_BYTES)
    return text is not None and read_requests(text).checksum == document.checksum


def mark(plan: Plan, store: Store, paths: Sequence[str]) -> None:
    """Mark the returned JWTs as changed in a plan, because the plan itself found them unchanged in their files. `paths` are those of their files."""
    came = set(paths)
    for number, entity in enumerate(plan.entities):
        if entity.kind in ("operator", "account", "user") and _path_of(store, entity) in came:
            action = CHANGED if entity.action == KEPT else entity.action
            plan.entities[number] = entity._replace(action=action, reasons=(*entity.reasons, _REASON))
    for account, users in plan.kept_users.items():
        for user in [user for user in users if store.where(account, user) in came]:
            users.remove(user)
            key = plan.user_keys[account][user]
            plan.entities.append(Entity("user", user, account, CHANGED, (_REASON,), key, 0))


def _path_of(store: Store, entity: Entity) -> str:
    if entity.kind == "user":
        return store.where(entity.account, entity.name)
    return store.where(entity.name if entity.kind == "account" else "")


def _read(text: str, what: str) -> Requests:
    try:
        return read_requests(text)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{what}. {error}") from None


def _text_of(path: str) -> str | None:
    content = read_content(path, follow=False, limit=MAX_BYTES)
    return None if content is None else content.text
