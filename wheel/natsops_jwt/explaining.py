# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Explains a text: a JWT of any type, creds, a seed or a public key. Explanations never contain a seed or a JWT."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
import re
from typing import Any, Iterable, Iterator, NamedTuple

from .core.base import units
from .core.base.errors import NatsSecurityError
from .core.base.recognition import hide, may_hold_secrets
from .core.base.texts import without_halves
from .core.claims import Account, Claims, User, kinds
from .core.claims.comparison import describe
from .core.claims.declaration import fields_of
from .core.keys import nkey
from .core.keys.nkey import KeyPair
from .core.rules import validity
from .core.rules.trust import signing_key
from .core.token import codec, decorated
from .entities import moment

#: Options that other lines show, or that are not shown.
_SAID = ("subject", "name", "scoped", "bearer_token", "issuer_account", "permissions", "import_subject", "import_type")
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")
_A_PRIVATE_KEY = re.compile(r"\s*P[A-Z2-7]{55,107}\s*")
_WIDTH = 16


class Line(NamedTuple):
    """One line of an explanation."""

    label: str
    text: str


@dataclasses.dataclass(frozen=True)
class Explanation:
    """The explanation of a text. `str()` returns it as lines of text, `as_dict()` as data for programs.

    `kind` is `creds`, `jwt`, `seed`, `private_key` or `public_key`. `problems` are sentences why servers would refuse it at the given time, and empty
    if nothing is wrong.
    """

    kind: str
    title: str
    lines: tuple[Line, ...]
    problems: tuple[str, ...] = ()
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def is_valid(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.problems

    def __str__(self) -> str:
        wrong = [Line("" if number else "NOT VALID", text) for number, text in enumerate(self.problems)]
        lines = [*self.lines, *wrong]
        width = max(_WIDTH, *(len(line.label) + 2 for line in lines))
        return "\n".join(
            [_printable(self.title), *(f"  {label:<{width}}{_printable(text)}".rstrip() for label, text in lines)]
        )

    def as_dict(self) -> dict[str, Any]:
        """The explanation as plain data, for JSON. For a JWT, the members are those that the module nats_jwt_info returns."""
        whole = {
            "kind": self.kind,
            "title": self.title,
            "valid": self.is_valid,
            "problems": list(self.problems),
            **self.facts,
        }
        hidden: dict[str, Any] = _without_secrets(whole)
        return hidden


def explain(text: str, parents: Iterable[str] = (), at: datetime.datetime | int | None = None) -> Explanation:
    """The explanation of a text at a time (now if omitted), with whether it is valid under the JWTs above it. `parents` and `at` are as in `verify`.

    NatsSecurityError if the text is not from NATS, or is damaged: a JWT with a wrong signature, or a mistyped seed.
    """
    if not text.strip():
        raise NatsSecurityError("It is empty.")
    token = decorated.token_in(text)
    if _is_token(token):
        above = [validity.read_text(parent, f"parents[{index}]").claims for index, parent in enumerate(parents)]
        return _explain_token(validity.Read(text, token, codec.decode_any_kind(token)), above, moment(at))
    return _explain_key(text)


def _is_token(word: str) -> bool:
    return word.count(".") == 2 and not any(map(str.isspace, word)) and word.startswith("ey")


# ---- keys


def _explain_key(text: str) -> Explanation:
    word = text.lstrip("\ufeff").strip()
    pem = _PEM.search(text)
    if _A_PRIVATE_KEY.fullmatch(word) and may_hold_secrets(word):
        return Explanation(
            "private_key",
            "a private key of NATS",
            (Line("", "It is not shown. Which type it is of cannot be seen from it."),),
        )
    if word[:1] in "OAUNCX" and len(word) == 56 and word.isalnum():
        pair = nkey.from_public_key(word)
        facts = {"key": {"type": pair.type, "public_key": pair.public_key}}
        return Explanation(
            "public_key", f"a public key of {_a(pair.type)}", (Line("public key", pair.public_key),), (), facts
        )
    if not may_hold_secrets(text) and not word.startswith("S"):
        raise NatsSecurityError(_something_else(pem.group(1) if pem else ""))
    try:
        pair = decorated.seed_in(text)
    except NatsSecurityError as error:
        if may_hold_secrets(text):
            raise NatsSecurityError(
                f"It holds a seed or private key that cannot be read as one of NATS. {error}"
            ) from None
        raise NatsSecurityError(_something_else(pem.group(1) if pem else "")) from None
    return _explain_seed(pair)


def _explain_seed(pair: KeyPair) -> Explanation:
    use = "opens what is sealed for it" if pair.type == "curve" else _USES[pair.type]
    lines = (
        Line("public key", pair.public_key),
        Line("use", use),
        Line("seed", "It is not shown. This file contains the private key."),
    )
    facts = {"key": {"type": pair.type, "public_key": pair.public_key}}
    return Explanation("seed", f"a private key (seed) of {_a(pair.type)}", lines, (), facts)


_USES = {
    "operator": "signs the JWTs of accounts, and of its operator",
    "account": "signs the JWTs of users and activations",
    "user": "proves to servers who connects; to connect, its JWT is needed too",
    "server": "identifies a server",
    "cluster": "identifies a cluster",
}


def _something_else(pem: str) -> str:
    found = f"a PEM file ({pem.lower()})" if pem and "NATS" not in pem and "NKEY" not in pem else "something else"
    return f"This is {found}: not a JWT, creds, a seed or a public key of NATS."


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'ao' else 'a'} {kind.replace('_', ' ')}"


# ---- JWTs and creds


def _explain_token(read: validity.Read, above: list[Claims], at: int) -> Explanation:
    claims = read.claims
    report = validity.report(read, above, (), at)
    del report["payload"]
    pair = _pair_in(read.text) if report["has_seed"] else None
    problems = [_sentence(problem) for problem in report["problems"]]
    seed = _seed_lines(read, pair, problems)
    kind = "creds" if pair is not None and claims.kind == "user" else "jwt"
    name = f" {json.dumps(claims.name, ensure_ascii=False)}" if claims.name else ""
    title = f"{'creds' if kind == 'creds' else 'JWT'} of {_a(claims.kind) if claims.kind != 'generic' else 'a type that NATS does not know'}{name}"
    lines = [*_who(claims, above), *_signed_by(claims, above, report), *_times(claims, at), *seed, *_may(claims, above)]
    lines += [
        Line("questionable", str(issue["message"] if not issue["path"] else f"{issue['path']}: {issue['message']}"))
        for issue in report["issues"]
    ]
    if not above and claims.kind != "operator":
        lines.append(
            Line(
                "verified",
                "only the signature, which is that of the key above; give the JWTs above it to verify that this key may sign",
            )
        )
    elif report["verified"] and not problems:
        lines.append(Line("verified", "the signature, and the way up: " + ", ".join(_up(claims, above))))
    facts = {**report, "has_seed": pair is not None, "issuer": claims.issuer}
    return Explanation(kind, title, tuple(lines), tuple(problems), facts)


def _pair_in(text: str) -> KeyPair:
    return decorated.seed_in(text)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:].rstrip(".") + "."


def _up(claims: Claims, above: list[Claims]) -> Iterator[str]:
    from .core.rules.chain import chain_of

    for link in chain_of(claims, above).links[1:]:
        yield f"the {link.kind} {link.name or link.subject}"


def _who(claims: Claims, above: list[Claims]) -> Iterator[Line]:
    what = {
        "activation": "for",
        "generic": "about",
        "authorization_request": "server",
        "authorization_response": "user",
    }
    yield Line(what.get(claims.kind, "public key"), _named(claims.subject, above))
    if claims.kind in ("user", "activation"):
        yield Line(
            "account" if claims.kind == "user" else "of", _named(claims.body.issuer_account or claims.issuer, above)
        )
    if claims.audience:
        yield Line("audience", claims.audience)


def _named(key: str, above: list[Claims]) -> str:
    name = next((parent.name for parent in above if parent.subject == key), "")
    return f"{key} ({name})" if name else key


def _signed_by(claims: Claims, above: list[Claims], report: dict[str, Any]) -> Iterator[Line]:
    issuer = claims.issuer
    behind = getattr(claims.body, "issuer_account", "")
    if issuer == claims.subject:
        by = "itself"
    elif behind and behind != issuer:
        by = f"{issuer}, a signing key of the account"
    elif claims.kind in ("user", "activation"):
        by = f"{issuer}, the account's own key"
    else:
        by = _named(issuer, above)
    yield Line("signed by", by + (f" (role {report['role']})" if report["role"] else ""))


def _times(claims: Claims, at: int) -> Iterator[Line]:
    yield Line("issued", units.show_time(claims.issued_at))
    if claims.not_before:
        distance = f", in {units.show_seconds(claims.not_before - at)}" if claims.not_before > at else ""
        yield Line("valid from", units.show_time(claims.not_before) + distance)
    if not claims.expires:
        yield Line("valid until", "it never expires")
    elif claims.expires < at:
        yield Line(
            "valid until", f"{units.show_time(claims.expires)}, EXPIRED {units.show_seconds(at - claims.expires)} ago"
        )
    else:
        yield Line("valid until", f"{units.show_time(claims.expires)}, in {units.show_seconds(claims.expires - at)}")


def _seed_lines(read: validity.Read, pair: KeyPair | None, problems: list[str]) -> list[Line]:
    claims = read.claims
    if pair is None:
        return []
    if pair.public_key != claims.subject:
        problems.append(f"The seed beside the JWT is that of {pair.public_key}: the two do not belong together.")
        return []
    if claims.kind == "user" and not decorated.is_same(read.text, read.token, pair.seed):
        problems.append(
            "Clients do not find JWT and seed in it, because of its line ends, blanks or lines: write it again."
        )
    return [Line("seed", "that of the JWT; it is not shown, and this file is enough to connect")]


# ---- what it may do


def _may(claims: Claims, above: list[Claims]) -> Iterator[Line]:
    shown = describe(claims)
    if claims.kind == "user":
        yield from _user(claims, above)
    elif claims.kind == "activation":
        body = claims.body
        verb = "receive the stream" if body.import_type == "stream" else "ask the service"
        yield Line("may", f"import and {verb} {body.import_subject}")
    elif claims.kind == "operator":
        body = claims.body
        keys = f"one of its {len(body.signing_keys)} signing keys" if body.signing_keys else "its own key"
        yield Line(
            "accounts",
            f"signed by {keys}"
            + ("" if not body.signing_keys or body.strict_signing_key_usage else ", or by its own key"),
        )
    elif claims.kind == "account" and not ({"limits"} & shown.keys()):
        yield Line("limits", "none but JetStream, which is off")
    elif claims.kind.startswith("authorization_"):
        yield Line("use", "passes between a server and an auth callout service; what the client sent is not shown")
        return
    hidden = {"permissions"} if claims.kind == "user" else set()
    for word, value in shown.items():
        if word not in _SAID or (word == "permissions" and not hidden):
            yield from _rest(word, value)


def _user(claims: Claims, above: list[Claims]) -> Iterator[Line]:
    body = claims.body
    if not body.is_scoped:
        yield from _access(describe(claims).get("permissions") or {})
        if body.access.bearer_token:
            yield Line("bearer", "yes: clients connect with the JWT alone, without the seed")
        return
    account = next(
        (parent for parent in above if parent.subject == body.issuer_account and parent.kind == "account"), None
    )
    entry = signing_key(account.body, claims.issuer) if account is not None else None
    if entry is None or entry.template is None:
        yield Line("permissions", "none of its own: those of the signing key, which are in the JWT of the account")
        return
    yield Line("permissions", f"those of the signing key, by its scope {entry.role or entry.key} in the account:")
    template = _shown_template(account, entry.key)
    yield from _access(template.pop("permissions", None) or {})
    if template.pop("bearer_token", False):
        yield Line("bearer", "yes: clients connect with the JWT alone, without the seed")
    for word, value in template.items():
        yield from _rest(word, value)


def _shown_template(account: Claims | None, key: str) -> dict[str, Any]:
    if account is None:
        return {}
    entries = describe(account).get("signing_keys", [])
    return dict(next((entry.get("template") or {} for entry in entries if entry["key"] == key), {}))


def _access(permissions: dict[str, Any]) -> Iterator[Line]:
    answers = permissions.get("response")
    for word, label in (("publish", "may publish"), ("subscribe", "may subscribe")):
        direction = permissions.get(word) or {}
        allow, deny = direction.get("allow") or [], direction.get("deny") or []
        text = ", ".join(allow) if allow else "everything"
        if word == "publish" and answers is not None and not allow:
            text = "only answers" if not deny else text
        yield Line(label, text + (f"; not {', '.join(deny)}" if deny else ""))
    if answers is not None:
        yield Line("may answer", "requests that it receives" + _in_brackets(answers))


def _in_brackets(value: dict[str, Any]) -> str:
    return f" ({_flat(value)})" if value else ""


def _rest(word: str, value: Any) -> Iterator[Line]:
    label = word.replace("_", " ")
    if isinstance(value, list) and value and isinstance(value[0], dict):
        for number, item in enumerate(value):
            yield Line(label if not number else "", _flat(item))
    elif isinstance(value, dict):
        for number, (key, item) in enumerate(value.items()):
            yield Line(label if not number else "", f"{str(key).replace('_', ' ')} {_flat(item, key)}".rstrip())
    else:
        yield Line(label, _flat(value, word))


def _flat(value: Any, word: Any = "") -> str:
    """The value of an option on one line. The activation JWTs of imports are replaced by a placeholder."""
    if isinstance(value, dict):
        parts = (
            f"{key.replace('_', ' ') if isinstance(key, str) else key} {_nested(item, key)}"
            for key, item in value.items()
        )
        return ", ".join(parts)
    if isinstance(value, list):
        return ", ".join(_nested(item) for item in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if word in _size_options() and isinstance(value, int):
        value = units.show_size(value)
    text = "none" if value is None else str(value)
    return "(a JWT)" if _is_token(text) else text


def _nested(value: Any, word: Any = "") -> str:
    if isinstance(value, dict):
        return "{" + _flat(value) + "}"
    return "[" + _flat(value) + "]" if isinstance(value, list) and len(value) != 1 else _flat(value, word)


@functools.lru_cache(maxsize=1)
def _size_options() -> frozenset[str]:
    """The names of the options that are sizes, whose numbers are shown with a unit."""
    sizes = (kinds.SIZE, kinds.SIZE_FROM_1, kinds.SIZE_IN_SCOPE, kinds.STORAGE)
    found, todo = set(), [Account, User]
    while todo:
        for field in fields_of(todo.pop()):
            todo += [field.kind.of] if field.kind.of is not None else []
            found |= {field.attribute} if field.kind in sizes else set()
    return frozenset(found)


# ---- what may be shown


def _printable(text: str) -> str:
    """One line without secrets and without control characters of terminals."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in hide(without_halves(text)))


def _without_secrets(value: Any) -> Any:
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, dict):
        return {_without_secrets(key): _without_secrets(item) for key, item in value.items()}
    return [_without_secrets(item) for item in value] if isinstance(value, (list, tuple)) else value
