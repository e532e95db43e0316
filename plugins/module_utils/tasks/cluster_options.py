# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The code that the modules for clusters share, in addition to `task.py`: the options for connections, and those that name accounts."""

from __future__ import annotations

import contextlib
import os
import re
import ssl
from typing import Any, Callable, Iterator, Sequence

from ansible.module_utils.basic import missing_required_lib

from ..base import units
from ..base.errors import Missing, NatsSecurityError
from ..claims import Account, Claims
from ..cluster.account_server import AccountServer, at_url
from ..cluster.channels import Tls, default_context
from ..cluster.plan import Wanted, claims_of, read_wanted
from ..cluster.system_connection import (
    NATS_IMPORT_ERROR,
    Login,
    Options,
    TemporaryUser,
    login_of_creds,
    nats_problem,
    new_inbox,
)
from ..disk import files
from ..keys.keyring import Keyring
from ..keys.nkey import KeyPair
from ..store.layout import Layout
from .options import OPERATOR_JWT
from .task import CarefulModule, keep_secret, parse_seed
from .tokens import parse_public_key, read_seed_file, read_token, refuse_missing, token_file

# ---- argument specs


def tls_spec() -> dict[str, Any]:
    """The options for every connection, regardless of the login."""
    return {
        "tls_ca_path": {"type": "path"},
        "tls_certificate_path": {"type": "path"},
        "tls_key_path": {"type": "path", "no_log": False},
        "tls_server_name": {"type": "str"},
        "tls_handshake_first": {"type": "bool", "default": False},
        "connect_timeout": {"type": "str", "default": "5s"},
    }


def connection_spec() -> dict[str, Any]:
    """The options for the servers, the login and the connections."""
    return {
        "servers": {"type": "list", "elements": "str"},
        "expected_servers": {"type": "list", "elements": "str", "default": []},
        "creds_path": {"type": "path"},
        "creds": {"type": "str", "no_log": True},
        "system_signer_path": {"type": "path"},
        "system_signer_seed": {"type": "str", "no_log": True},
        "system_account_jwt_path": {"type": "path"},
        "system_account_jwt": {"type": "str"},
        **tls_spec(),
        "inbox_prefix": {"type": "str", "default": "_INBOX"},
        "timeout": {"type": "str", "default": "10s"},
        "account_server_url": {"type": "str"},
    }


def accounts_spec() -> dict[str, Any]:
    """The options that name accounts by their tokens, files, a store or public keys."""
    return {
        "jwts": {"type": "list", "elements": "str", "default": []},
        "jwt_paths": {"type": "list", "elements": "path", "default": []},
        "store_path": {"type": "path"},
        "public_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
        **OPERATOR_JWT.spec,
    }


#: The rules between these options.
EXCLUSIVE = [
    ("servers", "account_server_url"),
    ("creds_path", "creds", "system_signer_path", "system_signer_seed"),
    ("system_account_jwt_path", "system_account_jwt"),
    ("operator_jwt_path", "operator_jwt"),
]
TOGETHER = [("tls_certificate_path", "tls_key_path")]
ONE_OF = [("servers", "account_server_url")]


# ---- reading


def require_nats(module: CarefulModule) -> None:
    """Fail with Ansible's message if nats-py is needed and missing. Raises NatsSecurityError if it is too old."""
    if module.params.get("account_server_url") is not None:
        return
    if NATS_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("nats-py>=2.16"), exception=NATS_IMPORT_ERROR)
    problem = nats_problem()
    if problem:
        raise NatsSecurityError(problem)


def store_layout(module: CarefulModule) -> Layout | None:
    """The store that the task names; None if it names none. Raises NatsSecurityError if it does not exist."""
    path = module.params["store_path"]
    if path is None:
        return None
    stores, name = os.path.split(os.path.abspath(path))
    layout = Layout(stores, "", name)
    if not os.path.isfile(layout.marker):
        error = NatsSecurityError if os.path.isdir(layout.root) else Missing
        raise error(
            f"store_path: {path} is not a store: it is the folder of one operator in nsc's layout, with a file .nsc."
        )
    return layout


def read_operator(module: CarefulModule, layout: Layout | None) -> Claims | None:
    """The claims of the operator from the task or the store; None if neither has its JWT."""
    found = read_token(module, "operator_jwt", "operator")
    if found is None and layout is not None:
        found = token_file(module, layout.operator_jwt, "store_path", "operator")
    return found[1] if found is not None else None


def read_accounts(module: CarefulModule, layout: Layout | None) -> list[Wanted]:
    """The accounts whose tokens the task has, without duplicates of the same token."""
    found = [read_wanted(text, f"jwts[{index}]") for index, text in enumerate(module.params["jwts"])]
    for index, path in enumerate(module.params["jwt_paths"]):
        text = module.snapshot.read(path, f"jwt_paths[{index}]: the JWT")
        if text is None:
            refuse_missing(module, f"jwt_paths[{index}]", path)
        else:
            found.append(read_wanted(text, f"jwt_paths[{index}] {path}"))
    if layout is not None:
        for name in files.list_folder(layout.accounts):
            path = layout.account_jwt(name)
            text = module.snapshot.read(path, "store_path: the JWT")
            if text is not None:
                found.append(read_wanted(text, _in_store(path)))
    return list({(one.subject, one.token): one for one in found}.values())


def read_users(module: CarefulModule, layout: Layout | None, wanted: Sequence[Wanted]) -> Iterator[tuple[str, str]]:
    """The users of the wanted accounts of a store: pairs of title and token.

    They are not needed to push accounts, so files that cannot be read are ignored.
    """
    places = {one.where for one in wanted}
    for account in files.list_folder(layout.accounts) if layout is not None else ():
        if layout is not None and _in_store(layout.account_jwt(account)) in places:
            with contextlib.suppress(NatsSecurityError):
                for name in files.list_folder(layout.users_dir(account)):
                    user, ending = os.path.splitext(name)
                    path = layout.user_jwt(account, user)
                    text = module.snapshot.read(path, "store_path: the JWT") if ending == ".jwt" else None
                    if text is not None:
                        yield f"user {account}/{user}", text.strip()


def _in_store(path: str) -> str:
    return f"store_path {path}"


def read_public_keys(module: CarefulModule, accounts: Sequence[Wanted]) -> list[str]:
    """The public keys that the task names directly or by tokens."""
    return list(dict.fromkeys([*_account_keys(module, "public_keys"), *(one.subject for one in accounts)]))


def without_absent(module: CarefulModule, accounts: Sequence[Wanted]) -> list[Wanted]:
    """The accounts without those in the option absent_public_keys."""
    absent = frozenset(_account_keys(module, "absent_public_keys"))
    return [one for one in accounts if one.subject not in absent]


def _account_keys(module: CarefulModule, option: str) -> list[str]:
    return [
        parse_public_key(module, key, f"{option}[{index}]", "account").public_key
        for index, key in enumerate(module.params[option])
    ]


def tls_context(module: CarefulModule) -> ssl.SSLContext | None:
    """The context that verifies servers and has the client certificate; None if the task has no TLS options."""
    params = module.params
    if not any(
        params[name] for name in ("tls_ca_path", "tls_certificate_path", "tls_server_name", "tls_handshake_first")
    ):
        return None
    for option in ("tls_ca_path", "tls_certificate_path", "tls_key_path"):
        if params[option] is not None:
            files.check_regular(params[option], f"{option}: the file")
    try:
        context = default_context(params["tls_ca_path"])
    except (OSError, ssl.SSLError) as error:
        raise NatsSecurityError(
            f"tls_ca_path: {params['tls_ca_path']} does not hold certificates: {_reason(error)}."
        ) from None
    if params["tls_certificate_path"] is not None:
        try:
            # With a password given, OpenSSL does not prompt for the passphrase of a key.
            context.load_cert_chain(params["tls_certificate_path"], params["tls_key_path"], password="")
        except (OSError, ssl.SSLError) as error:
            raise NatsSecurityError(
                f"tls_certificate_path, tls_key_path: {params['tls_certificate_path']} and {params['tls_key_path']} are not a certificate and its key: "
                f"{_reason(error)}."
            ) from None
    return context


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def seconds(module: CarefulModule, option: str) -> float:
    """The duration in an option of the task, in seconds. Raises NatsSecurityError if it is not a duration."""
    try:
        return max(units.parse_duration(module.params[option]), 1) / units.NANOSECONDS
    except ValueError as error:
        raise NatsSecurityError(f"{option}: {error}.") from None


def account_server(module: CarefulModule) -> AccountServer:
    """The account server of the task."""
    context = tls_context(module)
    tls = Tls(context is not None, context, module.params["tls_server_name"])
    return at_url(module.params["account_server_url"], seconds(module, "timeout"), tls)


def connection_options(
    module: CarefulModule, accounts: Sequence[Wanted], operator: Claims | None, subjects: tuple[str, ...]
) -> Options:
    """The options for connections, as a user that may publish to these subjects. The JWT of the system account may be among the accounts."""
    params = module.params
    inbox = new_inbox(_inbox_prefix(params["inbox_prefix"]))
    return Options(
        servers=tuple(params["servers"]),
        login=_login(module, accounts, operator, inbox, subjects),
        inbox=inbox,
        connect_timeout=seconds(module, "connect_timeout"),
        timeout=seconds(module, "timeout"),
        tls=tls_context(module),
        tls_server_name=params["tls_server_name"],
        tls_handshake_first=params["tls_handshake_first"],
    )


def _inbox_prefix(text: str) -> str:
    """The prefix of the subjects for replies, without the wildcard at the end that permissions have."""
    prefix = text[:-2] if text.endswith(".>") else text
    if not re.fullmatch(r"[!-~]{1,256}", prefix) or not all(
        re.fullmatch(r"[^.*>]+", token) for token in prefix.split(".")
    ):
        raise NatsSecurityError(
            f"inbox_prefix: {text!r} is not a subject without wildcards, such as _INBOX_sys, of up to 256 printable ASCII characters."
        )
    return prefix


def _login(
    module: CarefulModule, accounts: Sequence[Wanted], operator: Claims | None, inbox: str, subjects: tuple[str, ...]
) -> Callable[[], Login]:
    params = module.params
    if params["creds_path"] is not None or params["creds"] is not None:
        text, where = params["creds"], "creds"
        if params["creds_path"] is not None:
            where = f"creds_path {params['creds_path']}"
            text = module.snapshot.read(params["creds_path"], "creds_path: the creds")
            if text is None:
                raise Missing(f"creds_path: there is no file {params['creds_path']}.")
        login = login_of_creds(text, where)
        keep_secret(module, login().pair.seed)
        keep_secret(module, login().jwt)
        return login
    account = _system_account(module, accounts, operator)
    (signer, *others), is_scoped = _system_signers(module, account, operator)
    subject = account.subject if account is not None else _system_account_key(operator) or signer.public_key
    return TemporaryUser(signer, subject, is_scoped, inbox, subjects, others=tuple(others))


def _system_account_key(operator: Claims | None) -> str:
    return operator.body.system_account if operator is not None else ""


def _system_account(module: CarefulModule, accounts: Sequence[Wanted], operator: Claims | None) -> Claims | None:
    found = read_token(module, "system_account_jwt", "account")
    if found is not None:
        return found[1]
    known = _system_account_key(operator)
    return next((claims_of(one) for one in accounts if one.subject == known), None)


def _system_signers(
    module: CarefulModule, account: Claims | None, operator: Claims | None
) -> tuple[list[KeyPair], bool]:
    """The keys that can sign the temporary user, and whether their scopes define the user's permissions."""
    seed, path = module.params["system_signer_seed"], module.params["system_signer_path"]
    known = _system_account_key(operator)
    strict = operator is not None and operator.body.strict_signing_key_usage
    scopes: dict[str, bool] = {known: False} if known and not strict else {}
    if account is not None and isinstance(account.body, Account):
        scopes = {} if strict else {account.subject: False}
        scopes.update((key.key, key.template is not None) for key in account.body.signing_keys)
    if seed is not None:
        pair: KeyPair | None = parse_seed(seed, "system_signer_seed", "account")
    elif path is None:
        raise NatsSecurityError(
            "There is no user to connect as. Set creds_path to the creds file of a user of the system account, or system_signer_path to the seed of a key "
            "of the system account, which signs a temporary user."
        )
    elif os.path.isdir(path):
        # Keys without a scope are preferred, because their user gets only the permissions that it needs.
        pairs = _seeds_in_folder(path, sorted(scopes, key=lambda key: scopes[key]))
        is_scoped = scopes[pairs[0].public_key]
        return [one for one in pairs if scopes[one.public_key] is is_scoped], is_scoped
    else:
        pair = read_seed_file(module, path, "system_signer_path", "account")
    if pair is None:
        raise Missing(f"system_signer_path: there is no file {path}.")
    if strict and pair.public_key == (account.subject if account is not None else known):
        raise NatsSecurityError(
            f"The system signer {pair.public_key} is the identity key of the system account, and its operator is strict: give one of its signing keys."
        )
    if account is not None and pair.public_key not in scopes:
        raise NatsSecurityError(
            f"The system signer {pair.public_key} is not a key of the system account, which has {', '.join(scopes)}."
        )
    return [pair], scopes.get(pair.public_key, False)


def _seeds_in_folder(folder: str, keys: list[str]) -> list[KeyPair]:
    ring = Keyring(flat=[folder])
    found = [ring.pair(key) for key in keys if ring.has(key)]
    if found:
        return found
    raise NatsSecurityError(
        f"system_signer_path: the folder {folder} has no seed of the system account ({', '.join(keys)})."
        if keys
        else f"system_signer_path: {folder} is a folder, so the operator's JWT, which names the system account, is needed."
    )
