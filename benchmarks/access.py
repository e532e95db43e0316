# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The effective permissions of 10,000 users, and 1,000 questions about sets of subjects in 1,000 accounts with 5,000 imports. No peer has these functions."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import Row

from ansible_collections.natsops.security.plugins.module_utils.access import answers, permissions, questions
from ansible_collections.natsops.security.plugins.module_utils.access.tree import Entry, Servers, Tree
from ansible_collections.natsops.security.plugins.module_utils.claims import (
    Account,
    Claims,
    Export,
    Import,
    Operator,
    Permission,
    Permissions,
    ScopeTemplate,
    SigningKey,
    User,
    UserAccess,
    no_access,
)
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey

NOW = 1_800_000_000


def rows(_scratch: Path) -> list[Row]:
    """In CPU seconds. The time to create the claims is not counted."""
    tree = _many_users(10_000)
    effective = _seconds(lambda: [permissions.access_of(tree, user) for user in tree.users])
    shown = _seconds(lambda: _ask(tree, [{"effective": True}]))
    tree = _many_accounts(1_000, 5)
    asked = _questions(1_000)
    set_questions = _seconds(lambda: _ask(tree, asked))
    return [
        _row("effective permissions of 10,000 users", effective),
        _row("the same, shown with the claims they are from", shown, None),
        _row("1,000 set questions, 1,000 accounts, 5,000 imports", set_questions),
    ]


def _row(what: str, seconds: float, at_most: float | None = 1.0) -> Row:
    return Row(what, f"{seconds:.2f} s", "one second", seconds, at_most=at_most)


def _seconds(work: Callable[[], object]) -> float:
    # As in the modules: the code creates no reference cycles, and with many users the garbage collector would take half of the time.
    gc.disable()
    start = time.process_time()
    work()
    seconds = time.process_time() - start
    gc.enable()
    return seconds


def _ask(tree: Tree, asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return answers.answers(tree, questions.read_questions(tree, asked))


def _operator(system: str) -> Claims:
    key = nkey.create("operator").public_key
    return Claims(subject=key, issuer=key, name="O", body=Operator(system_account=system))


def _account(name: str, issuer: str, body: Account) -> Claims:
    return Claims(subject=nkey.create("account").public_key, issuer=issuer, issued_at=NOW - 100, name=name, body=body)


def _many_users(count: int) -> Tree:
    """A tree of ten accounts. Half of the users have their own permissions, and half have those of a scope with templates."""
    system = nkey.create("account").public_key
    operator = _operator(system)
    accounts, users = [], []
    for number in range(10):
        scope = nkey.create("account").public_key
        template = ScopeTemplate(
            permissions=Permissions(
                publish=Permission(allow=["data.{{name()}}.>", "sites.{{tag(site)}}.*"], deny=["data.secret.>"]),
                subscribe=Permission(allow=["told.{{subject()}}", "_INBOX.>"]),
            )
        )
        body = Account(signing_keys=[SigningKey(key=scope, role="sensor", template=template)])
        account = _account(f"A{number}", operator.subject, body)
        accounts.append(Entry(account))
        for user in range(count // 20):
            users.append(_user(f"own{user}", account, account.subject, UserAccess(permissions=_permissions(user))))
            users.append(_user(f"scoped{user}", account, scope, no_access()))
    return Tree(Entry(operator), accounts, users, Servers(NOW))


def _permissions(number: int) -> Permissions:
    allow = [f"orders.{number}.>", "news.*"]
    return Permissions(publish=Permission(allow=allow), subscribe=Permission(allow=["_INBOX.>"], deny=["news.secret"]))


def _user(name: str, account: Claims, issuer: str, access: UserAccess) -> Entry:
    body = User(access=access, issuer_account=account.subject, tags=["site:praha", "site:brno"])
    key = nkey.create("user").public_key
    return Entry(Claims(subject=key, issuer=issuer, issued_at=NOW - 50, name=name, body=body))


def _many_accounts(count: int, imports: int) -> Tree:
    """A tree in which each account exports a stream and a service, imports from others, and has two users."""
    chance = random.Random(1)
    operator = _operator(nkey.create("account").public_key)
    claims = [
        _account(
            f"A{number}",
            operator.subject,
            Account(
                exports=[
                    Export(subject=f"orders.{number}.>", type="stream"),
                    Export(subject=f"ask.{number}.*", type="service"),
                ]
            ),
        )
        for number in range(count)
    ]
    for account in claims:
        for number in chance.sample(range(count), imports):
            stream = chance.random() < 0.5
            subject = f"orders.{number}.>" if stream else f"ask.{number}.*"
            item = Import(account=claims[number].subject, subject=subject, type="stream" if stream else "service")
            if claims[number] is not account:
                account.body.imports.append(item)
    users = []
    for number, account in enumerate(claims):
        users.append(_user("all", account, account.subject, UserAccess()))
        users.append(_user("some", account, account.subject, UserAccess(permissions=_permissions(number))))
    return Tree(Entry(operator), [Entry(account) for account in claims], users, Servers(NOW))


def _questions(count: int) -> list[dict[str, Any]]:
    kinds: list[Callable[[int], dict[str, Any]]] = [
        lambda number: {"who_may": {"publish": f"orders.{number}.>", "account": f"A{number}"}},
        lambda number: {"who_may": {"receive": f"orders.{number}.*", "account": f"A{number}"}},
        lambda number: {"who_may": {"request": f"ask.{number}.>", "account": f"A{number}"}},
        lambda number: {"reaches": {"account": f"A{number}"}},
        lambda number: {"unused_exports": {"account": f"A{number}"}},
    ]
    return [kinds[number % len(kinds)](number) for number in range(count)]
