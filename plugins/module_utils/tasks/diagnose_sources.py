# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The input of a diagnosis: the user, by creds or by its name in a store, and the JWTs that the store has for it.

Files of the store that cannot be read are reported as problems; the others are used.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Iterator

from ..base.errors import Missing, NatsSecurityError
from ..claims import Claims
from ..cluster.plan import Wanted, claims_of, read_wanted
from ..diagnosis import creds, findings
from ..diagnosis.creds import Holder
from ..diagnosis.findings import CREDS, Finding
from ..disk.files import list_folder
from ..keys.keyring import Keyring
from ..keys.nkey import is_public_key
from ..store.layout import Layout, default_keys_dir
from ..token import codec, decorated
from . import cluster_options
from .task import CarefulModule, keep_secrets_of


@dataclasses.dataclass
class Source:
    """The store with its keystore, or None; the operator and the accounts of the task; what could not be used, as sentences."""

    layout: Layout | None
    operator: Claims | None
    accounts: list[Wanted]
    problems: list[str] = dataclasses.field(default_factory=list)

    def account(self, key: str) -> Claims | None:
        """The claims of the newest valid JWT of an account; None if there is none. A JWT that is not valid is added to the problems."""
        found = sorted((one for one in self.accounts if one.subject == key), key=lambda one: one.issued_at)
        while found:
            try:
                return claims_of(found[-1])
            except NatsSecurityError as error:
                self.problems.append(str(error))
                found.pop()
        return None

    def owner(self, signing_key: str) -> str:
        """The title of the account that has a signing key, for messages; empty if no known account has it."""
        for one in self.accounts:
            nats = codec.peek(one.token).get("nats")
            listed = nats.get("signing_keys") if isinstance(nats, dict) else None
            keys = [key.get("key") if isinstance(key, dict) else key for key in listed or ()]
            if signing_key in keys:
                return one.title
        return ""


def read_source(module: CarefulModule) -> Source:
    """The store and the tokens of a task."""
    layout, keys_dir = cluster_options.store_layout(module), _keys_dir(module)
    if layout is not None:
        layout = Layout(layout.stores_dir, keys_dir, layout.name)
    source = Source(layout, cluster_options.read_operator(module, layout), cluster_options.read_accounts(module, None))
    if layout is not None:
        source.accounts += _accounts_of(module, layout, source.problems)
    return source


def _keys_dir(module: CarefulModule) -> str:
    """The path of the keystore. A missing keystore counts as empty."""
    path: str = module.params["keys_dir"] or default_keys_dir(os.environ)
    if os.path.lexists(path) and not os.path.isdir(path):
        raise NatsSecurityError(f"keys_dir: {path} is not a folder.")
    return path


def _accounts_of(module: CarefulModule, layout: Layout, problems: list[str]) -> Iterator[Wanted]:
    """The accounts of a store that can be read. The others are added to the problems."""
    for name in list_folder(layout.accounts):
        path = layout.account_jwt(name)
        try:
            text = module.snapshot.read(path, "store_path: the JWT")
            if text is not None:
                yield read_wanted(text, f"store_path {path}")
        except NatsSecurityError as error:
            problems.append(str(error))


# ---- the user


def read_holder(module: CarefulModule, source: Source) -> Holder:
    """The user that is to connect. Raises NatsSecurityError if the user that the task names does not exist."""
    params = module.params
    if params["user"] is not None:
        return _user_of_store(module, source, params["user"])
    text, where = params["user_creds"], "user_creds"
    if params["user_creds_path"] is not None:
        where = params["user_creds_path"]
        text = module.snapshot.read(where, "user_creds_path: the creds")
        if text is None:
            raise Missing(f"user_creds_path: there is no file {where}.")
    keep_secrets_of(module, text)
    return creds.read_creds(text, where, lambda key: whose_key(source.layout, key))


def _user_of_store(module: CarefulModule, source: Source, name: str) -> Holder:
    layout = source.layout
    if layout is None:
        raise NatsSecurityError(f"user: {name} is looked for in a store, so store_path is needed.")
    account, user = _find_user(layout, name)
    path, creds_path = layout.user_jwt(account, user), layout.creds(account, user)
    text = module.snapshot.read(path, "user: the JWT")
    if text is None:
        raise Missing(f"user: there is no file {path}.")
    keep_secrets_of(module, text)
    token = decorated.token_in(text)
    held = module.snapshot.read(creds_path, "user: the creds")
    if held is not None:
        keep_secrets_of(module, held)
        if decorated.token_in(held) != token:
            source.problems.append(
                f"The creds in {creds_path} hold another JWT than {path}: the creds are tried, because clients use them."
            )
        return creds.read_creds(held, creds_path, lambda key: whose_key(layout, key))
    holder = creds.read_token(token, path)
    if holder.claims is None or holder.fault is not None:
        return holder
    pair = Keyring((), [layout.keys_dir]).find(holder.claims.subject)
    if pair is not None or holder.is_bearer:
        return Holder(token, holder.claims, pair)
    return Holder(
        token,
        holder.claims,
        fault=Finding(
            findings.MALFORMED_SEED,
            f"The seed of the user {user} ({holder.claims.subject}) is not in {layout.keys_dir}, and there are no creds of it: nothing can sign for it here.",
            "Run this where the seed or the creds are, or name the creds in user_creds_path.",
            CREDS,
        ),
    )


def _find_user(layout: Layout, name: str) -> tuple[str, str]:
    """The names of the account and the user in a store, by ACCOUNT/USER or the public key of the user."""
    account, slash, user = name.partition("/")
    names = list_folder(layout.accounts)
    if slash:
        if account not in names:
            raise Missing(f"user: there is no account {account} in {layout.root}; {_listed('accounts', names)}.")
        users = _users_in(layout, account)
        if user not in users:
            raise Missing(
                f"user: there is no user {user} in the account {account} of {layout.root}; {_listed('users', users)}."
            )
        return account, user
    if not is_public_key(name, "user"):
        raise NatsSecurityError(f"user: {name!r} is not a user: write ACCOUNT/USER, or the public key of a user.")
    found = _find_key(layout, name)
    if found is None:
        raise NatsSecurityError(f"user: there is no user {name} in {layout.root}.")
    return found


def _listed(what: str, names: list[str]) -> str:
    shown = ", ".join(sorted(names)[:12]) + (", ..." if len(names) > 12 else "")
    return f"the {what} are {shown}" if names else f"there are no {what}"


def _users_in(layout: Layout, account: str) -> list[str]:
    return [name[: -len(".jwt")] for name in list_folder(layout.users_dir(account)) if name.endswith(".jwt")]


def _find_key(layout: Layout, key: str) -> tuple[str, str] | None:
    """The names of the account and the user with a public key; None if there is no such user."""
    from ..disk.files import read_text

    for account in list_folder(layout.accounts):
        for user in _users_in(layout, account):
            try:
                text = read_text(layout.user_jwt(account, user), "The JWT")
            except NatsSecurityError:
                continue
            if text is not None and codec.peek(decorated.token_in(text)).get("sub") == key:
                return account, user
    return None


def whose_key(layout: Layout | None, key: str) -> str | None:
    """The user of the store that has a public key, for messages; None if the store has no such user."""
    if layout is None:
        return None
    found = _find_key(layout, key)
    return f"the user {found[0]}/{found[1]}" if found is not None else None
