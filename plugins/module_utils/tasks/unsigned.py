# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The JWT of a module for one token that waits for a key elsewhere, in a document that is carried there and back (decision/unsigned.py)."""

from __future__ import annotations

from typing import Any, Callable, Iterator, Sequence

from ..base.errors import NatsSecurityError
from ..claims import Claims
from ..decision.issue import Decision
from ..decision.unsigned import MAX_BYTES, Request, Requests, read_requests, request_for, write_requests
from ..disk.files import FILE_MODE
from ..keys import nkey
from ..keys.new import placeholders_in
from ..reconcile.plan import Plan
from ..token import codec
from .task import CarefulModule, now


def read_document(module: CarefulModule) -> Requests | None:
    """The document at unsigned_path; None if there is none. Raises NatsSecurityError if the file is not such a document or has several requests."""
    path = module.params.get("unsigned_path")
    text = module.snapshot.read(path, "unsigned_path: the document", MAX_BYTES) if path is not None else None
    if text is None:
        return None
    try:
        document = read_requests(text)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"unsigned_path: {path} is left unchanged. {error}") from None
    if len(document.requests) != 1:
        raise NatsSecurityError(
            f"unsigned_path: {path} is left unchanged: it has {len(document.requests)} requests, and the document of this task has one."
        )
    return document


def came_back(module: CarefulModule, kind: str, found: tuple[str, Claims] | None) -> tuple[str, Claims] | None:
    """The signed token from the document, if it was decided on the basis of the current token `found`; None if there is no such token."""
    document = read_document(module)
    if document is None or document.waiting:
        return None
    (request,) = document.requests
    token = request.token
    if token is None or request.claims.kind != kind:
        return None
    if kind == "user":
        is_next = found is None or found[1].issued_at < request.claims.issued_at
    else:
        is_next = request.existing == (None if found is None else found[0].strip())
    if not is_next or (found is not None and found[1].subject != request.claims.subject):
        return None
    return token, codec.decode(token)


def plan_in_time(module: CarefulModule, plan_at: Callable[[int], Plan]) -> Plan:
    """The plan for the current time, or for the time of a document that waits if that plan results in exactly the same request."""
    document = read_document(module)
    if document is not None and document.waiting:
        plan = plan_at(document.created)
        texts = (_text_of(decision.claims) for decision in _decisions(plan) if not decision.is_kept)
        if not plan.problems and document.requests[0].signing_input in texts:
            return plan
    return plan_at(now())


def _text_of(claims: Claims) -> str:
    if placeholders_in(claims):
        return ""  # a key does not exist yet
    try:
        return codec.signing_input(claims, nkey.from_public_key(claims.issuer), claims.issued_at)
    except NatsSecurityError:
        return ""


def _decisions(plan: Plan) -> Iterator[Decision]:
    for step in (plan.operator, plan.activation, *plan.accounts.values()):
        if step is not None:
            yield step.decision
    yield from plan.details.values()


class Asked:
    """A token that waits: the request, which is None if check mode would create its keys, and whether the document already has the request."""

    def __init__(self, module: CarefulModule, request: Request | None) -> None:
        path, found = module.params["unsigned_path"], read_document(module)
        self.request = request
        self._module, self._path = module, path
        self.is_known = (
            found is not None and request is not None and found.requests[0]._replace(signature=None) == request
        )
        if found is not None and request is not None:
            other, ours = found.requests[0].claims, request.claims
            if (other.kind, other.subject) != (ours.kind, ours.subject):
                raise NatsSecurityError(
                    f"unsigned_path: {path} is left unchanged: it is the document of the {other.kind} {other.name or other.subject}. Move it away."
                )
        self.document = found if self.is_known or request is None else Requests(request.claims.issued_at, (request,))

    def write(self) -> bool:
        """Write the document unless it has the request already. Returns whether it was written."""
        if not self.is_known:
            text = write_requests(self.document) if self.document is not None else ""
            self._module.snapshot.put(self._path, text, FILE_MODE)
        return not self.is_known

    def result(self) -> dict[str, Any]:
        """The result `unsigned`."""
        request = self.request
        return {
            "path": self._path,
            "checksum": self.document.checksum if self.document is not None and request is not None else None,
            "requests": [request.what] if request is not None else [],
            "issuers": [request.claims.issuer] if request is not None else [],
        }


def asked_for(
    module: CarefulModule, claims: Claims, reasons: Sequence[str], existing: str | None, is_made: bool
) -> Asked:
    """The request for a token. `is_made` is false if check mode would create its keys."""
    if not is_made:
        return Asked(module, None)
    what = f"{claims.kind} {claims.name or claims.subject}"
    return Asked(module, request_for(what, claims, reasons, existing))
