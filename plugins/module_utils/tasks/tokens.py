# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The code that the modules of keys and tokens share: keys and tokens from paths or content, files with their attributes, results."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Iterable, NamedTuple

from ..base.errors import NatsSecurityError
from ..base.recognition import may_hold_secrets
from ..claims import Claims
from ..claims.comparison import describe
from ..disk import foreseen
from ..disk.files import FILE_MODE
from ..keys import nkey
from ..keys.keyring import Keyring
from ..keys.new import NewKey, read_new_key
from ..keys.nkey import KeyPair
from ..reconcile.creds import read_creds
from ..reconcile.place import CREDS_SURROUNDED, SURROUNDED, Found
from ..token import codec, decorated
from .attributes import set_attributes
from .signer_options import external_signers
from .task import CarefulModule, a_or_an, keep_secret, keep_secrets_of, of_type, parse_seed, warn_of_missing

if TYPE_CHECKING:
    from ..keys import signers
    from ..keys.signers.external import ExternalSigner

# ---- keys


class Key(NamedTuple):
    """A key that a task manages. In check mode a new key is not created, so it has no pair."""

    type: str
    pair: KeyPair | None
    path: str | None = None
    is_new: bool = False
    placeholder: str = ""  # represents a key that does not exist yet in a plan; the same in check mode

    @property
    def public_key(self) -> str:
        """The public key, or the placeholder of one that check mode does not create."""
        return self.pair.public_key if self.pair is not None else self.placeholder

    @property
    def planned(self) -> str:
        """The public key in a plan: the placeholder for a new key."""
        return self.placeholder if self.is_new else self.public_key


def new_key(key_type: str, path: str, pair: KeyPair | None) -> Key:
    """A key that is to be written to a path. In check mode the pair is None."""
    return Key(key_type, pair, path, True, NewKey(key_type, f"in {path}"))


def new_content(module: CarefulModule, key_type: str) -> Key:
    """A new key without a file. The task returns its seed."""
    pair = nkey.create(key_type)
    keep_secret(module, pair.seed)
    return Key(key_type, pair, None, True, NewKey(key_type, "that is returned"))


def read_seed_file(module: CarefulModule, path: str, option: str, key_type: str) -> KeyPair | None:
    """The key pair in a seed file, decorated file or creds file; None if there is no file."""
    text = module.snapshot.read(path, f"{option}: the seed")
    if text is None:
        return None
    keep_secrets_of(module, text)
    try:
        pair = decorated.seed_in(text)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{option}: {path} is not a seed file, it is left unchanged. {error}") from None
    return of_type(pair, key_type, option)


def parse_public_key(module: CarefulModule, public_key: str, option: str, key_type: str | None) -> Key:
    """A public key that a task names. A `key_type` of None accepts any type.

    In check mode the text may also be the placeholder of a key that an earlier task would create.
    """
    new = read_new_key(public_key) if module.check_mode else None
    if new is not None and key_type in (None, new.type):
        return Key(new.type, None, placeholder=new)
    try:
        pair = nkey.from_public_key(public_key.strip(), key_type)
        return Key(pair.type, pair)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{option}: {error}") from None


def own_key(module: CarefulModule, key_type: str) -> Key:
    """The key of the token's subject, from key_path (created if missing), key_seed or public_key."""
    params = module.params
    if params["key_path"] is not None:
        return key_file(module, params["key_path"], "key_path", key_type)
    if params["key_seed"] is not None:
        return Key(key_type, parse_seed(params["key_seed"], "key_seed", key_type))
    return parse_public_key(module, params["public_key"], "public_key", key_type)


def key_file(module: CarefulModule, path: str, option: str, key_type: str) -> Key:
    """The key of a seed file. If there is no file, a new key that is not written yet."""
    pair = read_seed_file(module, path, option, key_type)
    if pair is not None:
        return Key(key_type, pair, path)
    check_folder(module, path, option)
    if module.check_mode:
        return new_key(key_type, path, None)
    pair = nkey.create(key_type)
    keep_secret(module, pair.seed)
    return new_key(key_type, path, pair)


def check_folder(module: CarefulModule, path: str, option: str) -> None:
    """Raise NatsSecurityError if the folder of a file does not exist. In check mode only warn if an earlier task may create it."""
    if os.path.isdir(os.path.dirname(os.path.realpath(path))):
        return
    message = f"{option}: the folder of {path} does not exist."
    if not module.check_mode or not foreseen.is_reachable(path):
        raise NatsSecurityError(message)
    warn_of_missing(module, message)


def write_key(module: CarefulModule, key: Key) -> bool:
    """Write a new key, or correct the permissions of an existing one. Returns whether anything changed."""
    if key.path is None:
        return False
    if key.is_new:
        module.snapshot.put(key.path, key.pair.seed + "\n" if key.pair is not None else "", FILE_MODE)
    return key.is_new | set_attributes(module, key.path, "0600")


class Signer(NamedTuple):
    """The keys that may sign, in `ring`. `named` is the public key that the task names, or empty."""

    ring: Keyring
    named: str = ""
    asks: bool = False  # whether to request the signature of a key elsewhere if no key is available here


def signer(module: CarefulModule, key_type: str, own: Key | None = None) -> Signer:
    """The key that signs, from signer_seed, signer_path, signers, or the key of the token's subject. An empty `key_type` accepts any type.

    If signer_path is a folder, it contains seed files named after their public keys, PUBLICKEY.nk, either flat or as in nsc's keystore.
    """
    seed, path = module.params["signer_seed"], module.params["signer_path"]
    signers = external_signers(module)
    asks = module.params.get("unsigned_path") is not None
    if signers:
        if seed is not None or (path is not None and not os.path.isdir(path)):
            raise NatsSecurityError(
                "signers: cannot be combined with a seed that signs; signer_path may be a folder of seeds."
            )
        return _external(signers, key_type, path, own)._replace(asks=asks)
    if asks and seed is None and path is None:
        return Signer(Keyring(_with_seed(own)), own.planned if own is not None else "", True)
    if path is not None and os.path.isdir(path):
        return Signer(Keyring(flat=[path]), asks=asks)
    if seed is not None:
        pair = parse_seed(seed, "signer_seed", key_type)
    elif path is not None:
        found = read_seed_file(module, path, "signer_path", key_type)
        if found is None:
            refuse_missing(module, "signer_path", path)
            return Signer(Keyring(), NewKey(key_type or "operator", f"in {path}"))
        pair = found
    elif own is not None:
        return Signer(Keyring(_with_seed(own)), own.planned)
    else:
        raise NatsSecurityError("One of signer_path, signer_seed and signers is needed: the key that signs.")
    return Signer(Keyring([pair]), pair.public_key)


def _external(signers: list[ExternalSigner], key_type: str, folder: str | None, own: Key | None) -> Signer:
    """The external signers of a type of key, and a folder of seeds. The named key is that of the token's subject if a signer holds it, or the only one."""
    fitting = [one for one in signers if key_type in ("", one.type)]
    if folder is not None:
        return Signer(Keyring(flat=[folder], signers=fitting))
    if not fitting:
        held = "; ".join(f"{one.name} holds {a_or_an(one.type)} key" for one in signers)
        raise NatsSecurityError(f"signers: {a_or_an(key_type)} key has to sign, and there is none: {held}.")
    keys = [one.public_key for one in fitting]
    named = keys[0] if len(keys) == 1 else ""
    if own is not None and own.planned in keys:
        named = own.planned
    return Signer(Keyring(_with_seed(own), signers=fitting), named)


def signer_among(module: CarefulModule, key_type: str, allowed: list[str]) -> signers.Signer | None:
    """The signer of the task, with one of the `allowed` keys if several are available; None if the task names no signer. An external signer is contacted."""
    if not any(module.params[option] for option in ("signer_seed", "signer_path", "signers")):
        return None
    signing = signer(module, key_type)
    found = next(filter(signing.ring.has, [signing.named] if signing.named else allowed), None)
    if found is None:
        path = module.params["signer_path"]
        where = f"signer_path: the folder {path}" if path is not None else "signers: the list"
        raise NatsSecurityError(f"{where} has none of the keys that may sign: {', '.join(allowed) or 'none'}.")
    if isinstance(found, NewKey):
        return None  # in check mode, if an earlier task of the play would create the key
    contact_signers(signing.ring, [found])
    return signing.ring.signer(found)


def contact_signers(ring: Keyring, public_keys: Iterable[str]) -> None:
    """Contact the external signers of these keys without signing anything. Raises NatsSecurityError with the faults of all of them."""
    faults = ring.contact_signers(public_keys)
    if faults:
        raise NatsSecurityError(" ".join(faults))


def _with_seed(key: Key | None) -> list[KeyPair]:
    return [key.pair] if key is not None and key.pair is not None and key.pair.has_seed else []


def refuse_missing(module: CarefulModule, option: str, path: str) -> None:
    """Raise NatsSecurityError for a file that does not exist. In check mode only warn, because an earlier task may create it."""
    if not module.check_mode:
        raise NatsSecurityError(f"{option}: there is no file {path}.")
    module.warn(f"{option}: there is no file {path} yet. What depends on it is not checked.")


def require_jwt_for_folder(module: CarefulModule, signing: Signer, found: Found | None) -> None:
    """Raise NatsSecurityError if there are several keys, such as a folder of them, but no parent JWT that lists which of them may sign."""
    if found is None and not signing.named:
        path = module.params["signer_path"]
        many = f"signer_path: {path} is a folder" if path is not None else "signers: there are several keys"
        if path is None and not module.params["signers"]:
            many = "unsigned_path: no key is named"
        raise NatsSecurityError(f"{many}, so the JWT with the keys that may sign is required.")


# ---- tokens


def read_token(module: CarefulModule, option: str, kind: str) -> tuple[str, Claims] | None:
    """The token and claims from the options `X_path` or `X`; None if neither is given. The file must exist, except in check mode.

    Raises NatsSecurityError for a JWT of another kind.
    """
    path, content = module.params[f"{option}_path"], module.params[option]
    if path is None and content is None:
        return None
    if path is not None:
        found = token_file(module, path, f"{option}_path", kind)
        if found is None:
            refuse_missing(module, f"{option}_path", path)
        return found
    return _decode(content, kind, option, f"{option}: this")


def token_file(module: CarefulModule, path: str, option: str, kind: str) -> tuple[str, Claims] | None:
    """The token and claims in a file, plain, decorated or creds; None if there is no file."""
    text = module.snapshot.read(path, f"{option}: the JWT")
    where = f"{option} {path}"
    return None if text is None else _decode(text, kind, where, f"{where} is left unchanged, what it holds")


class Source(NamedTuple):
    """Where the JWT of a task is read and written: the file that an option names. Without a path, it is read from the option `jwt` and returned."""

    option: str
    path: str | None = None


def sources(module: CarefulModule, *path_options: str) -> list[Source]:
    """The files that the task names for its JWT. If it names none, the option `jwt`."""
    params = module.params
    files = [Source(option, params[option]) for option in path_options if params[option] is not None]
    if files and params["jwt"] is not None:
        raise NatsSecurityError(f"jwt cannot be combined with {files[0].option}: the file has what is there now.")
    return files or [Source("jwt")]


def own_token(module: CarefulModule, source: Source, kind: str) -> tuple[str, Claims] | None:
    """The current token of a task and its claims; None if there is no token."""
    if source.path is None:
        content = module.params[source.option]
        found = None if content is None else _decode(content, kind, source.option, f"{source.option}: this")
    else:
        check_folder(module, source.path, source.option)
        found = token_file(module, source.path, source.option, kind)
    if module.params.get("unsigned_path") is None:
        return found
    from .unsigned import came_back  # few tasks have keys elsewhere

    return came_back(module, kind, found) or found


def _decode(text: str, kind: str, where: str, subject: str) -> tuple[str, Claims]:
    """The token and claims in a text. Raises NatsSecurityError if it is not a JWT of the kind.

    `where` is the origin of the text, and `subject` begins the message that it is not a JWT.
    """
    token = decorated.token_in(text)
    try:
        claims = codec.decode_any_kind(token)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{subject} is not a JWT of {a_or_an(kind)}: {error}") from None
    if claims.kind != kind:
        raise NatsSecurityError(
            f"{where} holds the JWT of {a_or_an(claims.kind)} ({claims.name or claims.subject}), expected one of {a_or_an(kind)}."
        )
    return token, claims


def parent(module: CarefulModule, kind: str) -> Found | None:
    """The JWT of the parent, an operator or an account; None if the task has none."""
    found = read_token(module, f"{kind}_jwt", kind)
    return None if found is None else Found(*found)


# ---- files and results


def write_file(module: CarefulModule, path: str, text: str | None, mode: str, result: dict[str, Any]) -> bool:
    """Write a text to a file if the content differs, and correct the file's attributes. Returns whether anything changed.

    In check mode, a text that is not created is None if it would contain a seed, and empty otherwise. A file that has the same token, seed or key in
    another form that NATS clients read, such as decorated or with surrounding white space, is left unchanged. The same token in a form that they do not read
    is a reason of the result.
    """
    old = module.snapshot.read(path)
    changed = (
        not text
        or old is None
        or not (old == text or decorated.is_same(old, decorated.find_token(text), _seed_in(text) or ""))
    )
    if changed and text is not None and old is not None and _seed_in(old) and not _seed_in(text):
        raise NatsSecurityError(f"{path} holds a seed, which would be lost: it is left unchanged.")
    if changed:
        if module.params.get("backup") and old is not None:
            back_up(module, path, result)
        if "reasons" in result and old is not None and decorated.token_in(old) == decorated.find_token(text or ""):
            result["reasons"] = [*result["reasons"], CREDS_SURROUNDED if _seed_in(old) else SURROUNDED]
        module.snapshot.put(path, text or "", _creation_mode(mode))
    return changed | set_attributes(module, path, mode, written=changed)


def back_up(module: CarefulModule, path: str, result: dict[str, Any]) -> None:
    """Copy a file in its folder and add the path of the copy to a result. A copy that may have a seed is readable by its owner only."""
    mode = FILE_MODE if may_hold_secrets(module.snapshot.read(path) or "") else 0o777
    copy = module.snapshot.back_up(path, mode)
    if copy is not None:
        result.setdefault("backup_files", []).append(copy)


def _seed_in(text: str) -> str | None:
    try:
        return decorated.seed_in(text).seed
    except NatsSecurityError:
        return None


def _creation_mode(mode: Any) -> int:
    try:
        return int(str(mode), 8) & 0o7777
    except ValueError:  # a symbolic mode, which Ansible sets afterwards
        return 0o600


def check_creds_file(module: CarefulModule, path: str, key: Key, option: str = "creds_path") -> None:
    """Raise NatsSecurityError if a creds file cannot be created, or the existing file is not the creds file of this user."""
    if not (key.is_new if key.pair is None else key.pair.has_seed):
        raise NatsSecurityError(f"{option} needs the user's seed, from key_path or key_seed: a creds file holds it.")
    text = module.snapshot.read(path, option)
    problem = read_creds(text, key.public_key, None).problem if text is not None else ""
    if problem:
        raise NatsSecurityError(f"{option} {path}: {problem}")


def absent(module: CarefulModule, places: list[Source], kind: str) -> dict[str, Any]:
    """Remove the JWT files of one subject, and return the result. If one of the files is not such a JWT, raises NatsSecurityError and removes none.

    A JWT that is given as content is only reported as removed.
    """
    result: dict[str, Any] = {}
    held = {place.path: _held(module, place, kind) for place in places}
    removed = {path: found[1] for path, found in held.items() if found is not None}
    for path in removed:
        if path is None:
            continue
        if module.params.get("backup"):
            back_up(module, path, result)
        module.snapshot.remove(path)
    gone = next(iter(removed.values()), None)
    result.update(
        changed=gone is not None,
        reasons=["its state is absent"] if gone is not None else [],
        public_key=gone.subject if gone is not None else None,
        claims={},
        diff={"before": describe(gone) if gone is not None else {}, "after": {}},
    )
    return result


def _held(module: CarefulModule, place: Source, kind: str) -> tuple[str, Claims] | None:
    if place.path is not None:
        return token_file(module, place.path, place.option, kind)
    return own_token(module, place, kind)
