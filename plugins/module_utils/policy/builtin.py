# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The built-in rules, in two levels. Level 1 restricts no function and is for every system; level 2 is for systems that need more security."""

from __future__ import annotations

from typing import NamedTuple

from .findings import Kind, Rule
from .kinds import KINDS

#: Rules of the policy itself. They are checked at every level.
COMPLETE = "source-complete"
EXPIRED = "expired-exception"

_DOCS = "https://docs.nats.io"
_JWT = f"{_DOCS}/running-a-nats-service/configuration/securing_nats/auth_intro/jwt"
_IN_DEPTH = f"{_DOCS}/running-a-nats-service/nats_admin/security/jwt"


class _Said(NamedTuple):
    level: int
    reason: str
    reference: str


_SAID = {
    "user-expiry": _Said(
        1,
        "Creds that were copied work until their JWT expires. Where users expire, an unnoticed copy becomes useless by itself.",
        f"NIST SP 800-53 IA-5(1), AC-2(3); {_IN_DEPTH}",
    ),
    "no-bearer-users": _Said(
        1,
        "The JWT of a bearer is a password that does not change: servers do not ask for a signature, and JWTs are in logs and stores.",
        f"NIST SP 800-53 IA-2, IA-5; {_IN_DEPTH}",
    ),
    "no-wildcard-publish": _Said(
        1,
        "A user that may publish to every subject can impersonate every service of the account and delete its streams with the JetStream API.",
        f"NIST SP 800-53 AC-6; {_DOCS}/running-a-nats-service/configuration/securing_nats/authorization",
    ),
    "system-account": _Said(
        1,
        "Without a system account, servers cannot be monitored, accounts cannot be pushed, and users cannot be disconnected.",
        f"NIST SP 800-53 AU-12, IR-4; {_DOCS}/running-a-nats-service/configuration/sys_accounts",
    ),
    "connection-limits": _Said(
        1,
        "One account without limits can use up the connections of all servers, also by mistake.",
        f"NIST SP 800-53 SC-5, AC-10; {_JWT}",
    ),
    "jetstream-limits": _Said(
        1,
        "One account without limits can fill the disks and memory that all accounts share.",
        f"NIST SP 800-53 SC-5, SC-6; {_DOCS}/running-a-nats-service/configuration/resource_management/configuration_mgmt",
    ),
    "live-imports": _Said(
        1,
        "Servers drop an import that does not work and do not report it to the account, so messages are lost. When its export is back, it works again.",
        f"NIST SP 800-53 CM-6; {_DOCS}/running-a-nats-service/configuration/securing_nats/accounts",
    ),
    "no-wildcard-subscribe": _Said(
        2,
        "A user that may subscribe to every subject reads the messages, requests and replies of all other users of the account.",
        f"NIST SP 800-53 AC-6; {_DOCS}/running-a-nats-service/configuration/securing_nats/authorization",
    ),
    "scoped-signing-keys": _Said(
        2,
        "A signing key with a scope can issue only users with the permissions of the scope; without a scope, users with any permissions.",
        f"NIST SP 800-53 AC-6, SC-12; {_DOCS}/using-nats/nats-tools/nsc/signing_keys",
    ),
    "no-identity-signatures": _Said(
        2,
        "An identity key cannot be replaced without a new account or operator. If signing keys sign, identity keys can stay offline.",
        f"NIST SP 800-53 SC-12, SC-28(3); {_DOCS}/using-nats/nats-tools/nsc/signing_keys",
    ),
    "strict-signing-keys": _Said(
        2,
        "Where servers refuse what identity keys sign, their use does not go unnoticed.",
        f"NIST SP 800-53 SC-12, CM-7; {_DOCS}/using-nats/nats-tools/nsc/signing_keys",
    ),
    "bearer-forbidden": _Said(
        2,
        "Where the account forbids bearer tokens, servers refuse them, regardless of the key that signs.",
        f"NIST SP 800-53 IA-2, CM-7; {_IN_DEPTH}",
    ),
    "key-age": _Said(
        2,
        "The longer a key is in use, the more copies of its seed there are, in backups and on hosts that are gone.",
        "NIST SP 800-57 part 1, 5.3; NIST SP 800-53 SC-12",
    ),
    "dead-permissions": _Said(
        2,
        "A permission without an effect is a mistake, or hides one: its author expects it to allow or deny something.",
        "NIST SP 800-53 AC-6(7), CM-6",
    ),
    "unused-exports": _Said(
        2,
        "A public export can be imported by every account. One that no account needs is an unnecessary way into the account.",
        "NIST SP 800-53 AC-4, CM-7",
    ),
}

BUILTIN: list[Rule] = [
    Rule(
        name,
        KINDS[name],
        said.level,
        {parameter: one.default for parameter, one in KINDS[name].parameters.items()},
        reason=said.reason,
        reference=said.reference,
    )
    for name, said in _SAID.items()
]


def _of_policy(name: str, title: str, reason: str, reference: str) -> Rule:
    return Rule(
        name,
        Kind(name, title, (), lambda _tree, _rule, _entries: iter(()), {}),
        1,
        {},
        reason=reason,
        reference=reference,
    )


#: Rules about the source and the policy: all of the source could be read, and no exception has expired.
OF_POLICY: dict[str, Rule] = {
    COMPLETE: _of_policy(
        COMPLETE,
        "Everything to check can be read",
        "What cannot be read cannot be checked, and its users may connect nevertheless.",
        "NIST SP 800-53 CA-7, CM-6",
    ),
    EXPIRED: _of_policy(
        EXPIRED,
        "No exception has expired",
        "An exception is a risk that was accepted until a date. After that date, it requires a new decision.",
        "NIST SP 800-53 CA-5, PM-4",
    ),
}
