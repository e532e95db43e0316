# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What is common to the modules of keys and tokens: argument specs, keys and tokens from paths or content, files with their attributes, results."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from typing import Any, Callable, Iterator, NamedTuple

from .. import rules
from ..base import units
from ..base.errors import NatsSecurityError
from ..claims import Claims, ScopeTemplate, SigningKey
from ..claims.comparison import describe
from ..claims.options import Problem, argument_spec, read_options, sort_shown
from ..decision.issue import Decision, Policy, decide, issue
from ..disk.files import FILE_MODE, reported
from ..disk.writing import back_up as back_up_file
from ..keys import nkey
from ..keys.nkey import KeyPair
from ..keys.recognition import may_hold_secrets
from ..token import codec, decorated
from .task import CarefulModule, a_or_an, keep_secret, keep_secrets_of, now, of_type, parse_seed

#: How the words for a key begin that check mode does not make.
_NEW = "(a new "

# ---- argument specs


def key_spec() -> dict[str, Any]:
    """The key that a token is about."""
    return {
        "key_path": {"type": "path", "no_log": False},
        "key_seed": {"type": "str", "no_log": True},
        "public_key": {"type": "str", "no_log": False},
    }


def signer_spec() -> dict[str, Any]:
    """The key that signs."""
    return {"signer_path": {"type": "path"}, "signer_seed": {"type": "str", "no_log": True}}


def parent_spec(kind: str) -> dict[str, Any]:
    """The JWT of the operator or account above."""
    return {f"{kind}_jwt_path": {"type": "path"}, f"{kind}_jwt": {"type": "str"}}


def token_spec() -> dict[str, Any]:
    """What every token has, and when it is renewed."""
    return {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "jwt_path": {"type": "path"},
        "audience": {"type": "str"},
        "not_before": {"type": "str"},
        "expires_in": {"type": "str"},
        "expires_at": {"type": "str"},
        "renew_before": {"type": "str"},
        "force": {"type": "bool", "default": False},
        "backup": {"type": "bool", "default": False},
    }


def signing_keys_spec(options: dict[str, Any]) -> dict[str, Any]:
    """Signing keys by public key or by path, with whatever else is said of each."""
    own = {"public_key": {"type": "str", "no_log": False}, "path": {"type": "path"}}
    return {
        "type": "list",
        "elements": "dict",
        "no_log": False,
        "options": dict(own, **{name: spec for name, spec in options.items() if name != "key"}),
        "required_one_of": [("public_key", "path")],
        "mutually_exclusive": [("public_key", "path")],
    }


# ---- keys


class Key(NamedTuple):
    """A key that a task is about. In check mode a new one is not made: then there is no pair."""

    type: str
    pair: KeyPair | None
    path: str | None = None
    is_new: bool = False
    words: str = ""

    @property
    def public_key(self) -> str:
        """The public key, or words for one that check mode does not make."""
        return self.pair.public_key if self.pair is not None else self.placeholder

    @property
    def placeholder(self) -> str:
        """What stands for a new key in a diff, the same in check mode and in the real run."""
        return self.words or f"{_NEW}{self.type} key in {self.path})"


def read_seed_file(module: CarefulModule, path: str, option: str, key_type: str) -> KeyPair | None:
    """The key pair in a seed file, decorated file or creds file; None where there is no file."""
    text = module.snapshot.read(path, f"{option}: the seed")
    if text is None:
        return None
    keep_secrets_of(module, text)
    try:
        pair = decorated.find_seed(text)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{option}: {path} is not a seed file, it is left as it is. {error}") from None
    return of_type(pair, key_type, option)


def parse_public_key(module: CarefulModule, public_key: str, option: str, key_type: str | None) -> Key:
    """A public key that a task names, None is of any type; in check mode also the words for one that an earlier task did not make."""
    if module.check_mode and public_key.startswith(_NEW):
        return Key(key_type or public_key[len(_NEW) :].split()[0], None, words=public_key)
    try:
        pair = nkey.from_public_key(public_key.strip(), key_type)
        return Key(pair.type, pair)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{option}: {error}") from None


def own_key(module: CarefulModule, key_type: str) -> Key:
    """The key that the token is about, from key_path (made when missing), key_seed or public_key."""
    params = module.params
    if params["key_path"] is not None:
        return key_file(module, params["key_path"], "key_path", key_type)
    if params["key_seed"] is not None:
        return Key(key_type, parse_seed(params["key_seed"], "key_seed", key_type))
    return parse_public_key(module, params["public_key"], "public_key", key_type)


def key_file(module: CarefulModule, path: str, option: str, key_type: str) -> Key:
    """The key of a seed file; where there is none a new key, not written yet."""
    pair = read_seed_file(module, path, option, key_type)
    if pair is not None:
        return Key(key_type, pair, path)
    if module.check_mode:
        return Key(key_type, None, path, True)
    check_folder(module, path, option)
    pair = nkey.create(key_type)
    keep_secret(module, pair.seed)
    return Key(key_type, pair, path, True)


def check_folder(module: CarefulModule, path: str, option: str) -> None:
    """NatsSecurityError for a file that cannot be written because its folder is not there; in check mode an earlier task may be the one to make it."""
    if not module.check_mode and not os.path.isdir(os.path.dirname(os.path.realpath(path))):
        raise NatsSecurityError(f"{option}: the folder of {path} does not exist.")


def write_key(module: CarefulModule, key: Key) -> bool:
    """Write a new key, and put right who may read an old one. Whether anything changed."""
    if key.path is None:
        return False
    if key.is_new and key.pair is not None:
        module.snapshot.put(key.path, key.pair.seed + "\n", FILE_MODE)
    return key.is_new | set_attributes(module, key.path, "0600")


def signer_key(module: CarefulModule, key_type: str, allowed: list[str]) -> Key | None:
    """The key that signs, from signer_seed or signer_path; None where neither is given. An empty type is any.

    `allowed` are the public keys that may sign, best first, as far as that is known. A signer_path that is a folder holds seeds under the
    names of their public keys, PUBLICKEY.nk, flat or as in nsc's keystore; the first allowed one in it signs.
    """
    seed, path = module.params["signer_seed"], module.params["signer_path"]
    if seed is not None:
        pair = parse_seed(seed, "signer_seed", key_type)
        return Key(pair.type, pair)
    if path is None:
        return None
    if not os.path.isdir(path):
        found = read_seed_file(module, path, "signer_path", key_type)
        if found is None:
            refuse_missing(module, "signer_path", path)
            return Key(key_type or "operator", None, path, True)
        return Key(found.type, found, path)
    for public_key in allowed:
        for name in (f"{public_key}.nk", os.path.join("keys", public_key[0], public_key[1:3], f"{public_key}.nk")):
            found = read_seed_file(module, os.path.join(path, name), "signer_path", key_type)
            if found is not None and found.public_key == public_key:
                return Key(found.type, found, path)
    keys = ", ".join(allowed)
    raise NatsSecurityError(
        f"signer_path: the folder {path} has none of the keys that may sign: {keys}."
        if keys
        else f"signer_path: {path} is a folder, so the JWT that says which keys may sign is needed."
    )


# ---- who signs


def refuse_missing(module: CarefulModule, option: str, path: str) -> None:
    """An error for a file that is not there; a warning in check mode, where an earlier task may be the one that would make it."""
    if not module.check_mode:
        raise NatsSecurityError(f"{option}: there is no file {path}.")
    module.warn(f"{option}: there is no file {path} yet. What depends on it is not checked.")


def refuse_absent(module: CarefulModule, message: str) -> None:
    """An error for what a JWT does not have; a warning in check mode, where an earlier task may be the one that would add it."""
    if not module.check_mode:
        raise NatsSecurityError(message)
    module.warn(f"{message} Unless an earlier task is to add it, this task will fail.")


def operator_signer(module: CarefulModule, operator: Claims | None, own: Key, issuer: str) -> Key:
    """The key that signs an account: one that its operator allows, as far as that is known, or the account's own.

    `issuer` signed the JWT that is there; it is preferred where several would do.
    """
    allowed = (
        []
        if operator is None
        else sorted(rules.allowed_issuers_of_operator(operator), key=lambda key: (key != issuer, key))
    )
    signer = signer_key(module, "", allowed)
    if signer is None:
        raise NatsSecurityError("One of signer_path and signer_seed is needed: an account is signed by its operator.")
    if signer.type != "operator" and signer.public_key != own.public_key:
        raise NatsSecurityError(
            f"The signer is the {signer.type} key {signer.public_key}; an account is signed by an operator key, or by its own."
        )
    if operator is not None and signer.pair is not None and signer.public_key not in allowed:
        name = f"operator {operator.name or operator.subject}"
        if signer.public_key == operator.subject:
            raise NatsSecurityError(
                f"The signer is the identity key of the {name}, which is strict: sign with one of its signing keys, "
                f"{', '.join(allowed) or 'of which it has none'}."
            )
        raise NatsSecurityError(
            f"The signer {signer.public_key} is no key of the {name}, which allows {', '.join(allowed) or 'none'}."
        )
    return signer


class AccountSigning(NamedTuple):
    """The key that signs on behalf of an account, and what the account says of it."""

    signer: Key
    account: str
    scope: SigningKey | None = None  # the signing key's entry in the account, where it has a template

    @property
    def issuer_account(self) -> str:
        """What claims have as their issuer account: nothing where the account's own key signs."""
        return "" if self.signer.public_key == self.account else self.account

    @property
    def role(self) -> str:
        """The role of the scope; empty where there is none."""
        return self.scope.role if self.scope is not None else ""

    @property
    def is_bearer(self) -> bool:
        """Whether the scope makes every user a bearer."""
        return self.scope is not None and self.scope.template is not None and self.scope.template.bearer_token


def account_signing(
    module: CarefulModule, account: Claims | None, operator: Claims | None, issuer: str
) -> AccountSigning:
    """Who signs for an account: its own key or a signing key, by role where the task names one."""
    role = module.params.get("signing_key_role")
    if account is None:
        return _signing_without_account(module, role)
    name = f"account {account.name or account.subject}"
    if operator is not None and account.issuer not in (trusted := rules.allowed_issuers_of_operator(operator)):
        raise NatsSecurityError(
            f"The JWT of the {name} is signed by {account.issuer}, no key of the operator {operator.name or operator.subject}, "
            f"which allows {', '.join(sorted(trusted)) or 'none'}: no server of it would accept what is signed under it."
        )
    entries = {key.key: key for key in account.body.signing_keys}
    strict = operator is not None and operator.body.strict_signing_key_usage
    if role is None:
        # A scope is taken only when it is asked for, or when its seed is given.
        allowed = [key for key, entry in entries.items() if entry.template is None]
        allowed += [] if strict else [account.subject]
        allowed.sort(key=lambda key: key != issuer)
    else:
        allowed = [key for key, entry in entries.items() if entry.role == role]
        if not allowed:
            roles = ", ".join(sorted(entry.role for entry in entries.values() if entry.role)) or "none"
            refuse_absent(
                module, f"signing_key_role: the {name} has no signing key with the role {role}; its roles are {roles}."
            )
            # Only scopes have roles.
            to_come = SigningKey(role=role, template=ScopeTemplate())
            return AccountSigning(Key("account", None, module.params["signer_path"], True), account.subject, to_come)
    signer = signer_key(module, "account", allowed)
    if signer is None:
        raise NatsSecurityError(f"One of signer_path and signer_seed is needed: a key of the {name} signs.")
    if signer.pair is None:
        return AccountSigning(signer, account.subject)
    if signer.public_key != account.subject and signer.public_key not in entries:
        raise NatsSecurityError(
            f"The signer {signer.public_key} is no key of the {name}, which has {', '.join([account.subject, *entries])}."
        )
    if role is not None and signer.public_key not in allowed:
        raise NatsSecurityError(
            f"The signer {signer.public_key} does not have the role {role} in the {name}; {', '.join(allowed)} has."
        )
    if strict and signer.public_key == account.subject:
        raise NatsSecurityError(
            f"The signer is the identity key of the {name}, and its operator is strict: sign with one of the account's signing keys."
        )
    entry = entries.get(signer.public_key)
    return AccountSigning(signer, account.subject, entry if entry is not None and entry.template is not None else None)


def _signing_without_account(module: CarefulModule, role: str | None) -> AccountSigning:
    path = module.params["account_jwt_path"]
    if role is not None and path is None:
        raise NatsSecurityError(
            "signing_key_role needs account_jwt_path or account_jwt: the roles stand in the account's JWT."
        )
    signer = signer_key(module, "account", [])
    if signer is None:
        raise NatsSecurityError(
            "One of signer_path and signer_seed is needed: the account's key or one of its signing keys."
        )
    if path is not None:
        # Check mode, before an earlier task made the account. Only scopes have roles.
        scope = None if role is None else SigningKey(role=role, template=ScopeTemplate())
        return AccountSigning(signer, f"{_NEW}account key, told by {path})", scope)
    account = module.params["account"]
    return AccountSigning(
        signer, parse_public_key(module, account, "account", "account").public_key if account else signer.public_key
    )


def revocation_time(revocations: dict[str, int], public_key: str) -> int:
    """The time up to which tokens about a key are revoked, by itself or with all; 0 for none."""
    return max(revocations.get(public_key, 0), revocations.get("*", 0))


# ---- tokens


def read_token(module: CarefulModule, option: str, kind: str) -> tuple[str, Claims] | None:
    """The token and claims from an option `X_path` or `X`; None where neither is given. It has to be of the kind, and there unless in check mode."""
    path, content = module.params[f"{option}_path"], module.params[option]
    if path is None and content is None:
        return None
    if path is not None:
        found = token_file(module, path, f"{option}_path", kind)
        if found is None:
            refuse_missing(module, f"{option}_path", path)
        return found
    return _decode(content, option, kind)


def token_file(module: CarefulModule, path: str, option: str, kind: str) -> tuple[str, Claims] | None:
    """The token and claims in a file, plain, decorated or creds; None where there is no file."""
    text = module.snapshot.read(path, f"{option}: the JWT")
    return None if text is None else _decode(text, f"{option} {path}", kind)


def own_token(module: CarefulModule, path: str, option: str, kind: str) -> tuple[str, Claims] | None:
    """The token and claims that a task is about, from the file where they are or will be; None where there is no file."""
    check_folder(module, path, option)
    return token_file(module, path, option, kind)


def _decode(text: str, where: str, kind: str) -> tuple[str, Claims]:
    token = decorated.find_token(text)
    try:
        claims = codec.decode_any_kind(token)
    except NatsSecurityError as error:
        raise NatsSecurityError(
            f"{where} is left as it is, what it holds is not a JWT of {a_or_an(kind)}: {error}"
        ) from None
    if claims.kind != kind:
        raise NatsSecurityError(
            f"{where} holds the JWT of {a_or_an(claims.kind)} ({claims.name or claims.subject}), one of {a_or_an(kind)} is wanted."
        )
    return token, claims


def parent(module: CarefulModule, kind: str) -> Claims | None:
    """The claims of the operator or account above, which has to be valid now."""
    found = read_token(module, f"{kind}_jwt", kind)
    if found is None:
        return None
    claims = found[1]
    at = now()
    if claims.expires and claims.expires < at:
        raise NatsSecurityError(
            f"The JWT of the {kind} {claims.name or claims.subject} expired at {units.show_time(claims.expires)}: renew it before signing under it."
        )
    if claims.not_before > at:
        raise NatsSecurityError(
            f"The JWT of the {kind} {claims.name or claims.subject} is valid from {units.show_time(claims.not_before)} only."
        )
    return claims


def policy(module: CarefulModule, issued_after: int = 0) -> Policy:
    """When the token is to be renewed, and what it may lose."""
    params = module.params
    spans = {name: _parse(units.parse_seconds, params[name], name) for name in ("expires_in", "renew_before")}
    return Policy(
        expires_in=spans["expires_in"],
        expires_at=_parse(units.parse_time, params["expires_at"], "expires_at"),
        renew_before=spans["renew_before"] or 0,
        force=params["force"],
        issued_after=issued_after,
        remove_revocations=frozenset(params.get("remove_revocations") or ()),
        remove_signing_keys=frozenset(params.get("remove_signing_keys") or ()),
    )


def _parse(parse: Callable[[Any], int], value: Any, option: str) -> int | None:
    if value is None:
        return None
    try:
        return parse(value)
    except ValueError as error:
        raise NatsSecurityError(f"{option}: {error}.") from None


def wanted_claims(module: CarefulModule, body: type, subject: str, overrides: dict[str, Any] | None = None) -> Claims:
    """The claims that the task's options describe. NatsSecurityError says everything that is wrong with them at once."""
    params = dict(module.params, **(overrides or {}))
    problems: list[Problem] = []
    envelope = {name: params.get(name) for name in ("name", "audience", "not_before")}
    claims: Claims = read_options(Claims, envelope, "", problems)
    claims.subject = subject
    claims.body = read_options(body, {name: params.get(name) for name in argument_spec(body)}, "", problems)
    if problems:
        raise NatsSecurityError(" ".join(map(str, problems)))
    return claims


def signing_keys(module: CarefulModule, key_type: str) -> tuple[list[Key], list[dict[str, Any]]]:
    """The signing keys that a task lists by path or public key, and what else it says of each, with `key` as the public key."""
    keys, options = [], []
    for index, item in enumerate(module.params["signing_keys"] or ()):
        where = f"signing_keys[{index}]"
        if item.get("path") is not None:
            key = key_file(module, item["path"], f"{where}.path", key_type)
        else:
            key = parse_public_key(module, item["public_key"], f"{where}.public_key", key_type)
        keys.append(key)
        rest = {name: value for name, value in item.items() if name not in ("path", "public_key")}
        options.append(dict(rest, key=key.public_key))
    return keys, options


def _check_claims(module: CarefulModule, claims: Claims) -> Claims:
    """Hold claims to the rules of the Go library and of the server. What blocks is an error, all of it at once; the rest are warnings.

    The claims that the rules were held to, with a valid public key in the place of every one that check mode does not make.
    """
    stand_ins: dict[str, str] = {}
    claims = _with_stand_ins(claims, stand_ins)
    found = [*rules.library_issues(claims, now()), *rules.server_issues(claims)]
    told = dict.fromkeys(
        (_words_of(str(issue_), stand_ins), issue_.blocking) for issue_ in found if not issue_.time_check
    )
    blocking = [words for words, blocks in told if blocks]
    if blocking:
        raise NatsSecurityError(" ".join(blocking))
    for words, _unused in told:
        module.warn(words)
    return claims


def _with_stand_ins(value: Any, stand_ins: dict[str, str]) -> Any:
    if isinstance(value, str):
        if value.startswith(_NEW) and value not in stand_ins:
            stand_ins[value] = nkey.create(value[len(_NEW) :].split()[0]).public_key
        return stand_ins.get(value, value)
    if isinstance(value, list):
        return [_with_stand_ins(item, stand_ins) for item in value]
    if isinstance(value, dict):
        return {_with_stand_ins(key, stand_ins): _with_stand_ins(item, stand_ins) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        members = {name: _with_stand_ins(item, stand_ins) for name, item in vars(value).items()}
        return dataclasses.replace(value, **members)
    return value


def _words_of(message: str, stand_ins: dict[str, str]) -> str:
    for words, public_key in stand_ins.items():
        message = message.replace(public_key, words)
    return message


class Outcome(NamedTuple):
    """What came of a token: the token that holds, None where check mode would issue one, and the decision."""

    token: str | None
    decision: Decision


def issue_token(module: CarefulModule, wanted: Claims, existing: str | None, signer: Key, how: Policy) -> Outcome:
    """Keep or issue the token; in check mode decide only. Claims against the rules are an error, warnings go to the user."""
    at = now()
    decision = decide(wanted, existing, signer.public_key, how, at)
    claims = _check_claims(module, decision.claims)
    if module.check_mode and not decision.is_kept:
        # What cannot be encoded, because it is too large for one, is an error now. The key is another one, the token is not kept.
        codec.encode(claims, nkey.create(signer.type), claims.issued_at)
    for warning in decision.warnings:
        module.warn(warning)
    if decision.is_kept or module.check_mode or signer.pair is None:
        return Outcome(existing.strip() if decision.is_kept and existing else None, decision)
    issued = issue(wanted, existing, signer.pair, how, at)
    for found in rules.token_issues(wanted.kind, issued.token):
        module.warn(str(found))
    return Outcome(issued.token, issued.decision)


# ---- files and results


def write_file(module: CarefulModule, path: str, text: str | None, mode: str, result: dict[str, Any]) -> bool:
    """Put a text into a file where that holds something else, and put right its attributes. Whether anything changed.

    The text is None where check mode does not make it. What says the same in another form, with white space or decorated, is left alone.
    """
    old = module.snapshot.read(path)
    changed = text is None or old is None or not _says_the_same(old, text)
    if changed and text is not None and old is not None and _seed_in(old) and not _seed_in(text):
        raise NatsSecurityError(f"{path} holds a seed, which would be lost: it is left as it is.")
    if changed and not module.check_mode and text is not None:
        if module.params.get("backup") and old is not None:
            back_up(module, path, result)
        module.snapshot.put(path, text, _creation_mode(mode))
    return changed | set_attributes(module, path, mode)


def back_up(module: CarefulModule, path: str, result: dict[str, Any]) -> None:
    """Copy a file beside itself and add the path of the copy to a result. What may hold a seed is for its owner alone, whatever the mode of the file."""
    mode = FILE_MODE if may_hold_secrets(module.snapshot.read(path) or "") else 0o777
    result.setdefault("backup_files", []).append(back_up_file(path, mode))


def _says_the_same(old: str, text: str) -> bool:
    return decorated.find_token(old) == decorated.find_token(text) and _seed_in(text) in (None, _seed_in(old))


def _seed_in(text: str) -> str | None:
    try:
        return decorated.find_seed(text).seed
    except NatsSecurityError:
        return None


def _creation_mode(mode: Any) -> int:
    try:
        return int(str(mode), 8) & 0o7777
    except ValueError:  # symbolic: set by Ansible right after
        return 0o600


def set_attributes(module: CarefulModule, path: str, mode: Any) -> bool:
    """Correct the mode and owner of a file. Whether anything changed."""
    if module.check_mode and not os.path.exists(path):
        return False
    # Those of what a link leads to, which is what has been written.
    path = os.path.realpath(path)
    with _as_errors(module), reported(path, f"The attributes of {path} cannot be set"):
        arguments = module.load_file_common_arguments(dict(module.params, mode=mode), path=path)
        return bool(module.set_fs_attributes_if_different(arguments, False))


@contextlib.contextmanager
def _as_errors(module: CarefulModule) -> Iterator[None]:
    """NatsSecurityError, with path and reason in its message, in place of Ansible's own way to fail, which has them beside it."""

    def fail(msg: str, path: str = "", details: str = "", **_unused: Any) -> None:
        raise NatsSecurityError(f"The attributes of {path} cannot be set: {msg}{f': {details}' if details else ''}.")

    module.fail_json = fail
    try:
        yield
    finally:
        del module.fail_json


def check_creds_file(module: CarefulModule, path: str, key: Key, option: str = "creds_path") -> None:
    """NatsSecurityError where a creds file cannot be made, or something else is in its place."""
    if key.pair is not None and not key.pair.has_seed:
        raise NatsSecurityError(f"{option} needs the user's seed, from key_path or key_seed: a creds file holds it.")
    text = module.snapshot.read(path, option)
    if text is None:
        return
    try:
        held = decorated.find_seed(text).public_key
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{option}: {path} is not a creds file, it is left as it is. {error}") from None
    if held != key.public_key:
        raise NatsSecurityError(
            f"{option}: {path} holds the creds of {held}, not of {key.public_key}. It is left as it is."
        )


def absent(module: CarefulModule, paths: list[tuple[str, str]], kind: str) -> dict[str, Any]:
    """The result of removing the JWT files of one subject, each (path, option). Any other file among them is an error, and none is removed."""
    result: dict[str, Any] = {}
    held = {path: token_file(module, path, option, kind) for path, option in paths}
    removed = {path: found[1] for path, found in held.items() if found is not None}
    for path in removed if not module.check_mode else ():
        if module.params.get("backup"):
            back_up(module, path, result)
        module.snapshot.remove(path)
    gone = next(iter(removed.values()), None)
    result.update(
        changed=gone is not None,
        reasons=["the task wants it absent"] if gone is not None else [],
        public_key=gone.subject if gone is not None else None,
        claims={},
        diff={"before": describe(gone) if gone is not None else {}, "after": {}},
    )
    return result


def show_claims(claims: Claims) -> dict[str, Any]:
    """Claims as a result: as the options have them, with the times and issuer of the token."""
    shown = describe(claims)
    shown.update(type=claims.kind, issuer=claims.issuer, issued_at=units.show_time(claims.issued_at))
    if claims.expires:
        shown["expires"] = units.show_time(claims.expires)
    return shown


def result_of(outcome: Outcome, keys: list[Key]) -> dict[str, Any]:
    """What every module of tokens returns. The diff is the same in check mode and in the real run: a new key has no name in it yet."""
    decision = outcome.decision
    claims = show_claims(decision.claims)
    if outcome.token is None:
        # Check mode makes no token, so it cannot tell its times.
        claims = {name: value for name, value in claims.items() if name not in ("issued_at", "expires")}
    new_keys = {key.public_key: key.placeholder for key in keys if key.is_new}
    return {
        "claims": claims,
        "reasons": decision.reasons,
        "diff": {"before": decision.before, "after": _rename(decision.after, new_keys)},
    }


def put_in_place(module: CarefulModule, outcome: Outcome, keys: list[Key], subject: str) -> dict[str, Any]:
    """Write new keys, then the token into jwt_path, in this order, so that a run that is killed in between is completed by the next. The result."""
    result = result_of(outcome, keys)
    changed = not outcome.decision.is_kept
    for key in keys:
        changed |= write_key(module, key)
    changed |= write_file(module, module.params["jwt_path"], outcome.token, module.params["mode"] or "0644", result)
    result.update(changed=changed, public_key=subject, jwt=outcome.token)
    return result


def _rename(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, list):
        renamed = [_rename(item, names) for item in value]
        return renamed if renamed == value else sort_shown(renamed)
    if isinstance(value, dict):
        return {_rename(key, names): _rename(item, names) for key, item in value.items()}
    return value
