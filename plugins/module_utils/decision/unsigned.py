# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Tokens that wait for their signature, as a document that is taken to the machine with the key and back. Reading a document signs nothing.

A person reads each request before signing it: what changes (`before`, `after`), why, and which key has to sign. To make sure that only what is shown is
signed, everything shown is derived from the bytes to be signed and the token that they replace, and is compared with them whenever the document is read.
The checksum covers everything except the signatures, so it is the same on both machines, and can be compared on the phone.

The steps are: `request_for` and `write_requests` on the machine that decides on the tokens; `read_requests`, `sign_requests` and `write_requests` on the
machine with the key; `read_requests` and its `tokens` on the first machine again. A token that comes back is a candidate like any existing token: `decide`
keeps it if it still means what is wanted.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any, Iterable, NamedTuple, Sequence

from ..base import units
from ..base.each_once import SaidTwiceError, each_once
from ..base.errors import NatsSecurityError
from ..base.excerpts import quoted
from ..claims import Claims, User, unknown_fields_of
from ..claims.comparison import describe
from ..keys import nkey
from ..keys.signers import Signer
from ..token import codec

FORMAT = "natsops.security signing requests"
VERSION = 1
#: The largest document that is read, in bytes: about 30,000 users.
MAX_BYTES = 128 * 1024 * 1024

_MEMBERS = ("what", "reasons", "kind", "subject", "issuer", "before", "after", "existing", "to_sign", "signature")
_MOST_PROBLEMS = 10


class Request(NamedTuple):
    """One token that waits for its signature, or has it already."""

    what: str  # a readable name, which identifies it in the document: `account APP`
    signing_input: str  # header.payload
    claims: Claims  # those in the signing input
    existing: str | None = None  # the token that it replaces
    reasons: tuple[str, ...] = ()
    signature: bytes | None = None

    @property
    def before(self) -> dict[str, Any]:
        """The existing token as a readable document; empty if there is none."""
        return {} if self.existing is None else _described(codec.decode(self.existing))

    @property
    def after(self) -> dict[str, Any]:
        """The token to be signed as a readable document."""
        return _described(self.claims)

    @property
    def token(self) -> str | None:
        """The signed token; None if it has no signature yet."""
        return None if self.signature is None else codec.with_signature(self.signing_input, self.signature)


class Requests(NamedTuple):
    """A document of requests, which is verified when it is read. `created` is in unix seconds."""

    created: int
    requests: tuple[Request, ...]

    @property
    def checksum(self) -> str:
        """SHA-256 of everything except the signatures, in hexadecimal digits."""
        return _checksum(self.created, [_item(request) for request in self.requests])

    @property
    def waiting(self) -> tuple[Request, ...]:
        """The requests without a signature."""
        return tuple(request for request in self.requests if request.signature is None)

    @property
    def tokens(self) -> dict[str, str]:
        """The signed tokens, by the name of their request."""
        return {request.what: request.token for request in self.requests if request.token is not None}


def request_for(what: str, claims: Claims, reasons: Sequence[str], existing: str | None) -> Request:
    """The request for the token with these claims, which include the issuer and time, and which replaces the existing one. NatsSecurityError as in
    codec.encode.

    The JWT of a user may be a bearer token, which alone is enough to connect. The existing JWT of a user is therefore not part of the request.
    """
    unknown = unknown_fields_of(claims)
    if unknown:
        raise NatsSecurityError(
            f"{what}: the token has fields that this version does not know ({', '.join(unknown)}), so what is to be signed cannot be read."
        )
    text = codec.signing_input(claims, nkey.from_public_key(claims.issuer), claims.issued_at)
    shown = None if existing is None or isinstance(claims.body, User) else existing.strip()
    return Request(what, text, codec.decode_signing_input(text), shown, tuple(reasons))


def write_requests(document: Requests) -> str:
    """The document as JSON, one request after the other. NatsSecurityError if two requests have the same name, or if a name or reason cannot be shown."""
    problems = list(_name_problems(document.requests))
    if problems:
        raise _refusal(problems)
    items = [
        _item(request) if request.signature is None else dict(_item(request), signature=_base64(request.signature))
        for request in document.requests
    ]
    whole = {
        "format": FORMAT,
        "version": VERSION,
        "created": units.show_time(document.created),
        "checksum": _checksum(document.created, [_item(request) for request in document.requests]),
        "requests": items,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def read_requests(text: str, checksum: str | None = None) -> Requests:
    """The document in a text. NatsSecurityError, with all problems, if anything in it does not follow from the bytes to be signed or is not known to this
    version, or if a signature is not that of the named key. With `checksum`, the document has to have this checksum.
    """
    whole = _load(text)
    problems: list[str] = []
    requests = [
        request
        for number, item in enumerate(whole["requests"])
        if (request := _read_item(item, f"requests[{number}]", problems)) is not None
    ]
    problems += _name_problems(requests)
    if problems:
        raise _refusal(problems)
    try:
        created = units.parse_time(whole.get("created"))
    except ValueError as error:
        raise _refusal([f"created: {error}"]) from None
    document = Requests(created, tuple(requests))
    found = document.checksum
    if whole.get("checksum") != found:
        raise _refusal(
            [f"its checksum is {found}, not {_short(whole.get('checksum'))} as recorded in it: it was changed"]
        )
    if checksum is not None and "".join(checksum.split()).lower() != found:
        raise _refusal([f"its checksum is {found}, expected {_short(checksum)}: it is another document"])
    return document


def sign_requests(document: Requests, signers: Sequence[Signer]) -> Requests:
    """The document with the signatures of these signers added. Each signer is called once; existing signatures are kept."""
    requests = list(document.requests)
    for signer in signers:
        numbers = [
            number
            for number, request in enumerate(requests)
            if request.signature is None and request.claims.issuer == signer.public_key
        ]
        signatures = signer.sign_all([requests[number].signing_input.encode("ascii") for number in numbers])
        for number, signature in zip(numbers, signatures):
            requests[number] = requests[number]._replace(signature=signature)
    return document._replace(requests=tuple(requests))


def _described(claims: Claims) -> dict[str, Any]:
    shown = dict(describe(claims), issuer=claims.issuer, issued_at=units.show_time(claims.issued_at))
    if claims.expires:
        shown["expires"] = units.show_time(claims.expires)
    return shown


def _item(request: Request) -> dict[str, Any]:
    """A request as in the document, without its signature: first the members for people, then those for programs."""
    return {
        "what": request.what,
        "reasons": list(request.reasons),
        "kind": request.claims.kind,
        "subject": request.claims.subject,
        "issuer": request.claims.issuer,
        "before": request.before,
        "after": request.after,
        "existing": request.existing,
        "to_sign": _base64(request.signing_input.encode("ascii")),
    }


def _checksum(created: int, items: list[dict[str, Any]]) -> str:
    covered = {"format": FORMAT, "version": VERSION, "created": units.show_time(created), "requests": items}
    return hashlib.sha256(json.dumps(covered, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()


# ---- reading


def _load(text: str) -> dict[str, Any]:
    try:
        whole = json.loads(text, object_pairs_hook=each_once)
    except (ValueError, RecursionError) as error:
        reason = "it is not JSON, or is truncated"
        if isinstance(error, SaidTwiceError):
            reason = f"a member occurs twice in one object: {_short(error.key)}"
        raise _refusal([reason]) from None
    if not isinstance(whole, dict) or whole.get("format") != FORMAT:
        raise _refusal([f"it is not a document of the format {FORMAT!r}"])
    if whole.get("version") != VERSION:
        raise _refusal([f"it is of version {_short(whole.get('version'))}; only version {VERSION} is supported"])
    unknown = sorted(set(whole) - {"format", "version", "created", "checksum", "requests"})
    if unknown:
        raise _refusal([f"it has a member {_short(name)} that is not known" for name in unknown])
    if not isinstance(whole.get("requests"), list):
        raise _refusal(["it has no list of requests"])
    return whole


def _read_item(item: Any, where: str, problems: list[str]) -> Request | None:
    if not isinstance(item, dict) or not isinstance(item.get("what"), str):
        problems.append(f"{where} is not a request")
        return None
    where = f"{where} ({_short(item['what'])})"
    try:
        request = _request(item)
        problems += [f"{where}: {problem}" for problem in _item_problems(item, request)]
    except NatsSecurityError as error:
        problems.append(f"{where}: {error}")
        return None
    return request


def _request(item: dict[str, Any]) -> Request:
    reasons, existing = item.get("reasons"), item.get("existing")
    if not isinstance(reasons, list) or not all(isinstance(reason, str) for reason in reasons):
        raise NatsSecurityError("reasons is not a list of texts.")
    if existing is not None and not isinstance(existing, str):
        raise NatsSecurityError("existing is not a token.")
    text = _from_base64(item, "to_sign").decode("latin-1")
    signature = _from_base64(item, "signature") if "signature" in item else None
    return Request(item["what"], text, codec.decode_signing_input(text), existing, tuple(reasons), signature)


def _item_problems(item: dict[str, Any], request: Request) -> Iterable[str]:
    for name in item:
        if name not in _MEMBERS:
            yield f"it has a member {_short(name)} that is not known"
    unknown = unknown_fields_of(request.claims)
    if unknown:
        yield f"what is to be signed has fields that this version does not know, and does not show: {', '.join(unknown)}"
    if request.existing is not None:
        existing = codec.decode(request.existing)
        if (existing.kind, existing.subject) != (request.claims.kind, request.claims.subject):
            yield "the existing token has another subject"
            return
    expected = _item(request)
    for name, value in expected.items():
        if item.get(name) != value:
            yield f"{name} does not match the bytes to sign and the existing token: it was changed"
    if request.signature is not None and not nkey.from_public_key(request.claims.issuer).verify(
        request.signing_input.encode("ascii"), request.signature
    ):
        yield f"its signature is not that of {request.claims.issuer}"


def _name_problems(requests: Sequence[Request]) -> Iterable[str]:
    names: set[str] = set()
    for request in requests:
        if request.what in names:
            yield f"there are two requests {_short(request.what)}"
        if not request.what.isprintable() or not all(reason.isprintable() for reason in request.reasons):
            yield f"the request {_short(request.what)} has a character that cannot be shown in its name or reasons"
        names.add(request.what)


def _from_base64(item: dict[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(item.get(name, "").encode("ascii"), validate=True)
    except (AttributeError, ValueError):
        raise NatsSecurityError(f"{name} is not base64.") from None


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _refusal(problems: list[str]) -> NatsSecurityError:
    shown = "; ".join(problem.rstrip(".") for problem in problems[:_MOST_PROBLEMS])
    more = f"; and {len(problems) - _MOST_PROBLEMS} more" if len(problems) > _MOST_PROBLEMS else ""
    return NatsSecurityError(f"The document of signing requests is refused: {shown}{more}.")


def _short(value: Any) -> str:
    return quoted(str(value))
