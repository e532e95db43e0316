# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Claims made to slow down their readers. Each function makes claims of a size: `n` is about the number of repeated elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.natsops.security.plugins.module_utils.claims import (
    Account,
    Claims,
    Export,
    Import,
    OperatorLimits,
    Permission,
    Permissions,
    ScopeTemplate,
    ServiceLatency,
    SigningKey,
    TimeRange,
    User,
    UserAccess,
    WeightedMapping,
    no_access,
)
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey

ACCOUNT, OTHER = (nkey.from_raw_seed("account", bytes([number]) * 32) for number in (1, 2))
USER = nkey.from_raw_seed("user", b"\x01" * 32)


def account(**members: Any) -> Claims:
    """Account claims."""
    return Claims(subject=ACCOUNT.public_key, name="A", body=Account(**members))


def user(tags: list[str] | None = None, **access: Any) -> Claims:
    """Claims of a user; of a scoped user if no access is given."""
    body = User(access=UserAccess(**access) if access else no_access(), tags=tags or [])
    body.issuer_account = ACCOUNT.public_key
    return Claims(subject=USER.public_key, name="u", issuer=OTHER.public_key, body=body)


def scope(*allowed: str) -> Claims:
    """An account with a scope that allows these subjects."""
    template = ScopeTemplate(permissions=Permissions(publish=Permission(allow=list(allowed))))
    return account(signing_keys=[SigningKey(OTHER.public_key, "r", template)])


def exports(*subjects: str, kind: str = "service", **members: Any) -> list[Export]:
    """Exports of these subjects."""
    return [Export(subject=subject, type=kind, **members) for subject in subjects]


def imports(*subjects: str, local: Callable[[int], str] = lambda number: "") -> list[Import]:
    """Imports of these services from the other account."""
    return [
        Import(subject=subject, type="service", account=OTHER.public_key, local_subject=local(number))
        for number, subject in enumerate(subjects)
    ]


def _numbered(text: str, n: int) -> list[str]:
    return [text.replace("#", str(number)) for number in range(n)]


#: Claims for the rules of a single token.
ALONE: dict[str, Callable[[int], Claims]] = {
    "wildcard exports": lambda n: account(exports=exports(*_numbered("a#.*.>", n))),
    "exports that overlap in one token": lambda n: account(
        exports=exports(*_numbered("*.a#.>", n // 2), *_numbered("b#.*.>", n // 2))
    ),
    "the same export": lambda n: account(exports=exports(*["a.*.>"] * n)),
    "exports with wildcards in all places": lambda n: account(
        exports=exports(*(f"{n:b}".replace("1", "*.").replace("0", "a.") + "z" for n in range(n)), *_numbered("a.#", n))
    ),
    "exports with latency": lambda n: account(
        exports=exports(*_numbered("a.*.#", n), latency=ServiceLatency(100, "a.b.c"))
    ),
    "exports with a position": lambda n: account(exports=exports(*["a.*"] * n, account_token_position=5)),
    "exports beyond a limit": lambda n: account(
        exports=exports(*_numbered("*.#", n)), limits=OperatorLimits(exports=1, wildcard_exports=False)
    ),
    "services under overlapping names": lambda n: account(
        imports=imports(*_numbered("a.*#", n), local=lambda number: ("*." if number % 2 else "") + f"x{number}.>")
    ),
    "services that all overlap": lambda n: account(imports=imports(*("*." * (k % 9) + ">" for k in range(n)))),
    "the same import": lambda n: account(imports=imports(*["a.>"] * n)),
    "references to wildcards": lambda n: account(
        imports=imports("a.*", local=lambda number: ".".join(["$9"] * 10 * n)),
    ),
    "different references": lambda n: account(
        imports=imports("a.*", local=lambda number: ".".join(_numbered("$2#", 10 * n)))
    ),
    "functions that never close": lambda n: account(mappings={"a.*": [WeightedMapping("{{left(" * 10 * n + "}}")]}),
    "functions on two lines": lambda n: account(
        mappings={"a.*": [WeightedMapping("{{left(" * 5 * n + ")}}\n" + "{{left(" * 5 * n + "}}")]}
    ),
    "a long source": lambda n: account(
        mappings={".".join(["*"] * 5 * n): [WeightedMapping(f"d{k}.$1") for k in range(n)]}
    ),
    "a long destination": lambda n: account(mappings={"*": [WeightedMapping(".".join(["{{wildcard(1)}}"] * n))]}),
    "braces": lambda n: scope("{" * 20 * n),
    "braces with a text": lambda n: scope("{{a" * 10 * n + "}}"),
    "functions of a scope": lambda n: scope("{{tag(a)}}." * 5 * n + "a"),
    "unknown functions": lambda n: scope("{{x}}." * 5 * n + "a"),
    "connection types": lambda n: user(allowed_connection_types=[*_numbered("x#", 10 * n), "MQTT"]),
    "permissions": lambda n: user(permissions=Permissions(publish=Permission(allow=["*a.>.b"] * 5 * n))),
    "one long permission": lambda n: user(permissions=Permissions(publish=Permission(deny=["a*." * 5 * n + "a"]))),
    "hours": lambda n: user(times=[TimeRange("08:00:00", "08:00:00")] * n + [TimeRange("08:00:00", "09:00:00")]),
    "networks": lambda n: user(source_networks=["1::" * 10 * n, "1.2.3.4/" + "0" * 10 * n, ":" * 10 * n + "/3"]),
    "revocations": lambda n: account(revocations=dict.fromkeys(_numbered("U#", 5 * n), 1)),
    "signing keys": lambda n: account(signing_keys=[SigningKey(name) for name in _numbered("A#", 5 * n)]),
    "tags": lambda n: account(tags=_numbered("A#", 5 * n)),
    "dots": lambda n: account(exports=exports("." * 20 * n)),
    "a URL": lambda n: account(info_url="http://" + "%" * 10 * n + "[::" * n),
}

#: Claims for the rules between an account and its user.
BETWEEN: dict[str, Callable[[int], tuple[Claims, Claims]]] = {
    "functions and tags": lambda n: (scope(*_numbered("{{tag(t#)}}.x", n)), user(tags=_numbered("t#:v", n))),
    "functions without tags": lambda n: (scope(*_numbered("{{tag(t#)}}.x", n)), user(tags=_numbered("x#:v", n))),
    "one function, spelled in many ways": lambda n: (
        scope(*("{{tag(t)" + " " * (k % 50) + "}}.x" for k in range(n))),
        user(tags=_numbered("t:#", n)),
    ),
    "a product of tags": lambda n: (scope("{{tag(t)}}." * n + "x"), user(tags=_numbered("t:#", n))),
    "a product of two tags": lambda n: (scope("{{tag(t)}}." * 12 + "x" * 20 * n), user(tags=_numbered("t:#", 2))),
    "names": lambda n: (scope("{{name()}}." * 5 * n + "x"), user()),
}
