# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Random operators: accounts with exports, imports, mappings and scopes, and users with permissions, on few subjects so that they overlap.

The same number always makes the same operator, with the same keys.
"""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from ansible_collections.natsops.security.plugins.module_utils import rules
from ansible_collections.natsops.security.plugins.module_utils.access.links import links_into
from ansible_collections.natsops.security.plugins.module_utils.access.tree import Entry, Servers, Tree
from ansible_collections.natsops.security.plugins.module_utils.claims import (
    Account,
    Activation,
    Claims,
    Export,
    Import,
    Operator,
    Permission,
    Permissions,
    ResponsePermission,
    ScopeTemplate,
    SigningKey,
    User,
    UserAccess,
    WeightedMapping,
    no_access,
)
from ansible_collections.natsops.security.plugins.module_utils.keys.nkey import KeyPair, from_raw_seed
from ansible_collections.natsops.security.plugins.module_utils.token import codec

T = TypeVar("T")

TOKENS = ("a", "b", "c", "dd")
TEMPLATES = (
    "{{name()}}",
    "{{tag(team)}}",
    "{{account-tag(region)}}",
    "{{account-name()}}",
    "{{subject()}}",
    "{{ tag(Team) }}",
    "{{tag(none)}}",
    "{{account-subject()}}",
)
FUNCTIONS = (
    "{{partition(3,1)}}",
    "{{partition(2)}}",
    "{{wildcard(1)}}",
    "$1",
    "{{left(1,1)}}",
    "{{right(1,1)}}",
    "{{splitfromleft(1,1)}}",
    "{{slicefromleft(1,1)}}",
    "{{split(1,d)}}",
    "{{random(2)}}",
)
CLUSTERS = ("", "", "", "here", "elsewhere")


@dataclasses.dataclass
class Person:
    """A user that can connect."""

    entry: Entry
    token: str
    key: KeyPair
    is_probe: bool


@dataclasses.dataclass
class World:
    """An operator with the tokens and users that a server and its clients need."""

    tree: Tree
    operator_token: str
    account_tokens: dict[str, str]
    people: list[Person]


class Maker:
    """Generates one world at random."""

    def __init__(self, seed: int, accounts: int = 7, users: int = 3) -> None:
        self.random = random.Random(seed)
        self.now = int(time.time())
        self.operator = self.key("operator")
        self.keys = [self.key("account") for _unused in range(accounts)]
        self.names = [f"A{number}" for number in range(accounts)]
        self.users = users
        self.signers: dict[str, dict[str, KeyPair]] = {}

    def key(self, key_type: str) -> KeyPair:
        return from_raw_seed(key_type, self.random.randbytes(32))

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def some(self, low: int, high: int, draw: Callable[[], T]) -> list[T]:
        return [draw() for _unused in range(self.random.randint(low, high))]

    # ---- subjects

    def literal(self) -> str:
        return ".".join(self.some(1, 4, lambda: self.random.choice(TOKENS)))

    def pattern(self) -> str:
        tokens = self.some(1, 3, lambda: self.random.choice((*TOKENS, "*", "*")))
        if self.chance(25):
            tokens.append(">")
        return ".".join(tokens)

    def narrowed(self, subject: str) -> str:
        """A subject that the pattern contains."""
        tokens = []
        for token in subject.split("."):
            if token == ">":
                tokens += self.some(0, 2, lambda: self.random.choice((*TOKENS, "*"))) or [">"]
                if self.chance(40) and tokens[-1] != ">":
                    tokens.append(">")
            elif token == "*" and self.chance(40):
                tokens.append(self.random.choice(TOKENS))
            else:
                tokens.append(token)
        return ".".join(tokens)

    def filled(self, subject: str) -> str:
        """A literal subject that the pattern contains."""
        tokens = []
        for token in subject.split("."):
            if token == ">":
                tokens += self.some(1, 2, lambda: self.random.choice(TOKENS))
            else:
                tokens.append(self.random.choice(TOKENS) if token == "*" else token)
        return ".".join(tokens)

    def local(self, remote: str) -> str:
        """A local subject for an import: other tokens around the wildcards, in another order."""
        tokens = remote.split(".")
        count = tokens.count("*")
        references = [f"${number}" for number in range(1, count + 1)]
        self.random.shuffle(references)
        if count and self.chance(15):
            references = ["*"] * count
        if count > 1 and self.chance(10):
            references[0] = references[1]
        found = [*references, *self.some(1, 2, lambda: self.random.choice(TOKENS))]
        self.random.shuffle(found)
        return ".".join([*found, ">"] if tokens[-1] == ">" else found)

    # ---- permissions

    def permissions(self, draw: Callable[[], str]) -> Permissions:
        found = Permissions()
        if self.chance(60):
            found.publish = Permission(allow=self.some(0, 3, draw), deny=self.some(0, 2, draw))
        if self.chance(60):
            found.subscribe = Permission(allow=self.some(0, 3, draw), deny=self.some(0, 2, draw))
        for listed in (found.subscribe.allow, found.subscribe.deny):
            for number, subject in enumerate(listed):
                if self.chance(25) and " " not in subject:
                    listed[number] = f"{subject} {self.random.choice(('v1.*', 'v2.>', '*.x', 'v1.x', 'v2.y'))}"
        if found.subscribe.allow and self.chance(30):
            found.subscribe.allow.append(">")
        if self.chance(25):
            found.response = ResponsePermission(max_messages=self.random.choice((0, 1, 2, -1)), expires=0)
            if self.chance(50):
                found.publish = Permission(deny=found.publish.deny)
        return found

    def template_subject(self) -> str:
        tokens = self.pattern().split(".")
        for number, token in enumerate(tokens):
            if token != ">" and self.chance(25):
                tokens[number] = self.random.choice(TEMPLATES)
        return ".".join(tokens)

    # ---- accounts

    def exports(self) -> list[Export]:
        return self.some(2, 5, self.export)

    def export(self) -> Export:
        subject = self.pattern()
        found = Export(subject=subject, type=self.random.choice(("stream", "service")))
        if self.chance(20) and "*" in subject.split("."):
            found.account_token_position = subject.split(".").index("*") + 1
        elif self.chance(20):
            found.token_required = True
            if self.chance(30):
                found.revocations = {self.random.choice(["*", *(key.public_key for key in self.keys)]): self.now - 50}
        if found.type == "service":
            found.response_type = self.random.choice(("", "Singleton", "Stream", "Chunked"))
        return found

    def imports(self, own: int, accounts: list[Claims]) -> list[Import]:
        return self.some(2, 6, lambda: self.one_import(own, accounts))

    def one_import(self, own: int, accounts: list[Claims]) -> Import:
        exporter = self.random.choice([account for account in accounts if account.subject != self.keys[own].public_key])
        absent = Export(subject=self.pattern(), type=self.random.choice(("stream", "service")))
        export = absent if self.chance(8) else self.random.choice(exporter.body.exports)
        remote = self.narrowed(export.subject) if self.chance(50) else export.subject
        if export.account_token_position and self.chance(80):
            tokens = export.subject.split(".")
            tokens[export.account_token_position - 1] = self.keys[own].public_key
            remote = ".".join(tokens)
        found = Import(subject=remote, account=exporter.subject, type=export.type)
        if self.chance(60):
            found.local_subject = self.local(remote)
        elif self.chance(15):
            found.to = self.random.choice(TOKENS)
            if found.type == "service":
                found.subject, found.to = self.random.choice((remote, self.local(remote))), remote
        if export.token_required and self.chance(90):
            found.token = self.activation(own, exporter, export)
        return found

    def activation(self, own: int, exporter: Claims, export: Export) -> str:
        importer = self.keys[own].public_key if self.chance(90) else self.random.choice(self.keys).public_key
        claims = Claims(subject=importer, name="activation")
        claims.body = Activation(import_subject=export.subject, import_type=export.type)
        signers = list(self.signers[exporter.subject].values())
        signer = self.random.choice(signers)
        if signer.public_key != exporter.subject or self.chance(30):
            claims.body.issuer_account = exporter.subject
        if self.chance(10):
            claims.expires = self.now - 10
        return codec.encode(claims, signer, self.now - self.random.choice((20, 100)))

    def mappings(self) -> dict[str, list[WeightedMapping]]:
        found = {}
        for source in dict.fromkeys(self.pattern() for _unused in range(self.random.choice((0, 0, 1, 2)))):
            weights = self.random.choice(((0,), (0,), (0,), (100,), (50, 50), (30,), (60, 20)))
            cluster = self.random.choice(CLUSTERS)
            found[source] = [
                WeightedMapping(subject=self.target(source), weight=weight, cluster=cluster if number else "")
                for number, weight in enumerate(weights)
            ]
        return found

    def target(self, source: str) -> str:
        tokens = source.split(".")
        wildcards = tokens.count("*")
        parts = self.some(1, 2, lambda: self.random.choice(TOKENS))
        if wildcards:
            parts += [self.random.choice((*FUNCTIONS, f"${wildcards}")) for _unused in range(self.random.randint(0, 2))]
        elif tokens[-1] != ">" and self.chance(20):
            parts.append(self.random.choice(("{{partition(3)}}", "{{random(3)}}")))
        self.random.shuffle(parts)
        if self.chance(8):
            return source if not wildcards else ".".join([*parts, *([">"] if tokens[-1] == ">" else [])])
        return ".".join([*parts, ">"] if tokens[-1] == ">" else parts)

    def account(self, number: int) -> Claims:
        key = self.keys[number]
        claims = Claims(subject=key.public_key, name=self.names[number])
        claims.body = Account(exports=self.exports(), mappings=self.mappings())
        claims.body.tags = self.random.choice(([], ["region:eu"], ["region:eu", "region:us"], ["region:a.b"]))
        if self.chance(40):
            claims.body.default_permissions = self.permissions(self.pattern)
        self.signers[key.public_key] = {"": key}
        for role in ("plain", "first", "second"):
            signer = self.key("account")
            self.signers[key.public_key][role] = signer
            template = None if role == "plain" else ScopeTemplate(permissions=self.permissions(self.template_subject))
            claims.body.signing_keys.append(
                SigningKey(key=signer.public_key, role=role if template is not None else "", template=template)
            )
        return claims

    def sound(self, claims: Claims) -> Claims:
        """The account without the items that the Go library refuses."""
        body: Account = claims.body
        for _unused in range(50):
            issue = next((issue for issue in rules.library_issues(claims, self.now) if issue.blocking), None)
            if issue is None:
                return claims
            name = issue.path.partition("[")[0].partition(".")[0]
            if name == "mappings":
                body.mappings = {}
            else:
                getattr(body, name).pop(int(issue.path.partition("[")[2].partition("]")[0]) if "[" in issue.path else 0)
        raise AssertionError(issue)

    # ---- users

    def user(self, account: Claims, number: int) -> Person:
        key = self.key("user")
        claims = Claims(subject=key.public_key, name=self.random.choice((f"u{number}", "a", "b.c")))
        role = self.random.choice(("", "", "plain", "first", "second"))
        if number == 0:
            role = "plain"
        signer = self.signers[account.subject][role]
        body = User(issuer_account=account.subject if role or self.chance(50) else "")
        if role in ("first", "second"):
            body.access = no_access()
            body.tags = self.random.choice(
                ([], ["team:a"], ["team:a", "team:b"], ["team:a.b", "team:*"], ["team:b", "other:c"])
            )
        else:
            body.access = UserAccess(permissions=self.permissions(self.pattern))
            if number == 0:
                body.access = UserAccess(permissions=Permissions(subscribe=Permission(allow=[">"])))
        claims.body = body
        if number and self.chance(25):
            signer = self.spoiled(account, claims, signer)
        token = codec.encode(claims, signer, self.now - 30)
        title = f"u{number}"
        return Person(Entry(codec.decode(token), f"{account.name}/{title}", "", title), token, key, number == 0)

    def spoiled(self, account: Claims, claims: Claims, signer: KeyPair) -> KeyPair:
        """Change a user so that it cannot connect, or so that it only seems invalid. Return the key that signs it."""
        access = claims.body.access
        what = self.random.randrange(11)
        if what == 0:
            claims.expires = self.now - 5
        elif what == 1:
            claims.not_before = self.now + 1000
        elif what == 2:
            account.body.revocations[claims.subject] = self.now - self.random.choice((10, 30, 31))
        elif what == 3:
            account.body.revocations["*"] = self.now - 40
        elif what == 4:
            claims.body.issuer_account = self.random.choice((claims.issuer, self.random.choice(self.keys).public_key))
        elif what == 5:
            return self.random.choice(list(self.random.choice(list(self.signers.values())).values()))
        elif claims.body.is_scoped:
            claims.body.access = UserAccess() if what == 6 else claims.body.access
        elif what == 6:
            access.bearer_token = True
        elif what == 7:
            access.allowed_connection_types = self.random.choice((["STANDARD"], ["standard", "X"], ["X"]))
        elif what == 8:
            access.source_networks = self.random.choice((["127.0.0.0/8"], ["0.0.0.0/0"], ["127.0.0"]))
        elif what == 9:
            access.permissions.publish.allow.append("a b")
        return signer

    # ---- the world

    def world(self) -> World:
        system = self.key("account")
        accounts = [self.sound(self.account(number)) for number in range(len(self.keys))]
        for account in accounts:
            while not account.body.exports:
                account.body.exports = self.exports()
                self.sound(account)
        for number, account in enumerate(accounts):
            account.body.imports = self.imports(number, accounts)
            self.sound(account)
        operator = Claims(subject=self.operator.public_key, name="O", body=Operator(system_account=system.public_key))
        account_signer = self.operator
        if self.chance(30):
            account_signer = self.key("operator")
            operator.body.signing_keys = [account_signer.public_key]
            operator.body.strict_signing_key_usage = self.chance(70)
        if self.chance(20):
            accounts[0].expires = self.now - 5
        if self.chance(20):
            accounts[1].body.limits.disallow_bearer = True
        system_claims = Claims(subject=system.public_key, name="SYS", body=Account())
        people = [self.user(account, number) for account in accounts for number in range(self.users + 1)]
        operator_token = codec.encode(operator, self.operator, self.now - 200)
        while True:
            tokens = {
                claims.subject: codec.encode(claims, account_signer, self.now - 200)
                for claims in (system_claims, *accounts)
            }
            tree = Tree(
                Entry(codec.decode(operator_token), "operator"),
                [Entry(codec.decode(token), key) for key, token in tokens.items()],
                [person.entry for person in people],
                Servers(now=self.now, cluster="here", jetstream=False),
            )
            if not self.drop_uncertain(tree, accounts):
                return World(tree, operator_token, tokens, people)

    def drop_uncertain(self, tree: Tree, accounts: list[Claims]) -> bool:
        """Remove imports that servers accept or drop at random: cycles, and imports of overlapping exports. Return whether any was removed."""
        dropped = False
        for account in accounts:
            decoded = tree.accounts[account.subject].claims.body.imports
            doubtful: list[Any] = [
                decoded[int(link.origin.path[8:-1])]
                for link in links_into(tree, account.subject)
                if not link.implicit and not link.is_certain
            ]
            if doubtful:
                dropped = True
                account.body.imports = [item for item in decoded if not any(item is other for other in doubtful)]
        return dropped


def make_world(seed: int) -> World:
    """The world with this number."""
    return Maker(seed).world()
