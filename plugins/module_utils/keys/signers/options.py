# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Creates signers from their options, which have the same names in every module, in the document of a store and in roles."""

from __future__ import annotations

import os
from typing import Any, Mapping

from ...base import units
from ...base.errors import NatsSecurityError
from ...disk.files import check_regular, read_text
from .. import nkey
from .external import ExternalSigner, shown

#: The types of signers, each with the options that only it has.
TYPES = {
    "command": ("argv", "batch"),
    "transit": ("address", "namespace", "mount", "key", "key_version", "token", "token_path", "ca_path"),
    "pkcs11": ("library_path", "token_label", "key_label", "key_id", "pin", "pin_path", "pin_variable"),
}
#: The options that all types have.
COMMON = ("type", "public_key", "key_type", "timeout")
#: The types of keys that sign tokens.
KEY_TYPES = ("operator", "account")
DEFAULT_TIMEOUT = "30s"
DEFAULT_MOUNT = "transit"
DEFAULT_PIN_VARIABLE = "PKCS11_PIN"

_REQUIRED = {
    "command": (("argv",), ("public_key",)),
    "transit": (("key",),),
    "pkcs11": (("library_path",), ("token_label",), ("key_label", "key_id")),
}
_EXCLUSIVE = (("token", "token_path"), ("pin", "pin_path"), ("pin", "pin_variable"), ("pin_path", "pin_variable"))


def signers_of(described: list[Mapping[str, Any]] | None, option: str = "signers") -> list[ExternalSigner]:
    """The signers of a list of options. NatsSecurityError, which names the place of the problem, if one cannot be created."""
    signers = [signer_of(one, f"{option}[{number}]") for number, one in enumerate(described or ())]
    places: dict[str, str] = {}
    for number, signer in enumerate(signers):
        place = f"{option}[{number}]"
        if places.setdefault(signer.public_key, place) != place:
            raise NatsSecurityError(
                f"{place}: the key {signer.public_key} is already used by {places[signer.public_key]}; give each key only one signer."
            )
    return signers


def signer_of(options: Mapping[str, Any], where: str = "signers[0]") -> ExternalSigner:
    """The signer that the options describe. `where` is their place, for messages. Options that are None count as omitted.

    The signer is contacted at once if the options have no public key, otherwise before the first signature. NatsSecurityError if options are missing or
    belong to another type of signer, or if the signer does not answer.
    """
    given = {name: value for name, value in options.items() if value is not None}
    kind = given.get("type")
    if kind not in TYPES:
        raise NatsSecurityError(f"{where}.type: {_shown(kind)} is not a type of signer; available: {', '.join(TYPES)}.")
    _check_options(given, kind, where)
    key_type = _key_type(given, where)
    try:
        timeout = units.parse_duration(given.get("timeout", DEFAULT_TIMEOUT)) / units.NANOSECONDS
    except ValueError as error:
        raise NatsSecurityError(f"{where}.timeout: {error}.") from None
    if timeout <= 0:
        raise NatsSecurityError(f"{where}.timeout: a signer needs time to answer, such as {DEFAULT_TIMEOUT}.")
    face, name = {"command": _command, "transit": _transit, "pkcs11": _pkcs11}[kind](given, where, timeout)
    return ExternalSigner(f"{where} ({name})", face, key_type, given.get("public_key"))


def _check_options(given: Mapping[str, Any], kind: str, where: str) -> None:
    for name in given:
        if name not in COMMON and name not in TYPES[kind]:
            others = [other for other, names in TYPES.items() if name in names]
            raise NatsSecurityError(
                f"{where}.{name} belongs to a signer of type {others[0]}, this one is of type {kind}."
                if others
                else f"{where}: there is no option {name}; a signer of type {kind} has {', '.join((*COMMON, *TYPES[kind]))}."
            )
    for names in _REQUIRED[kind]:
        if not any(name in given for name in names):
            raise NatsSecurityError(f"{where}: a signer of type {kind} needs {' or '.join(names)}.")
    for names in _EXCLUSIVE:
        if all(name in given for name in names):
            raise NatsSecurityError(f"{where}: {' and '.join(names)} are mutually exclusive.")


def _key_type(given: Mapping[str, Any], where: str) -> str:
    key_type = given.get("key_type")
    if key_type is not None and key_type not in KEY_TYPES:
        raise NatsSecurityError(f"{where}.key_type: {_shown(key_type)} is not one of {', '.join(KEY_TYPES)}.")
    if "public_key" not in given:
        return str(key_type or KEY_TYPES[0])
    try:
        found = nkey.from_public_key(str(given["public_key"]), key_type).type
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{where}.public_key: {error}") from None
    if found not in KEY_TYPES:
        raise NatsSecurityError(f"{where}.public_key: a {found} key signs no tokens; operator and account keys do.")
    return found


def _command(given: Mapping[str, Any], where: str, timeout: float) -> tuple[Any, str]:
    from .command import Command

    argv = [str(argument) for argument in given["argv"]]
    try:
        face = Command(argv, str(given["public_key"]), bool(given.get("batch", False)), timeout)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{where}: {error}") from None
    return face, f"the command {argv[0]}"


def _transit(given: Mapping[str, Any], where: str, timeout: float) -> tuple[Any, str]:
    from . import transit

    address = given.get("address") or _environment("ADDR") or "https://127.0.0.1:8200"
    server = transit.Server(
        address=str(address).rstrip("/"),
        token=_token(given, where),
        namespace=given.get("namespace") or _environment("NAMESPACE"),
        ca_path=given.get("ca_path") or _environment("CACERT"),
        timeout=timeout,
    )
    if server.ca_path is not None and not os.path.exists(server.ca_path):
        raise NatsSecurityError(f"{where}.ca_path: there is no file {server.ca_path}.")
    if server.ca_path is not None and not os.path.isdir(server.ca_path):
        check_regular(server.ca_path, f"{where}.ca_path: the file")
    mount = str(given.get("mount", DEFAULT_MOUNT)).strip("/")
    version = given.get("key_version")
    try:
        number = None if version is None else units.parse_integer(version, 1)
    except ValueError as error:
        raise NatsSecurityError(f"{where}.key_version: {error}.") from None
    try:
        face = transit.Transit(server, mount, str(given["key"]), number)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{where}: {error}") from None
    return face, f"the transit key {mount}/{given['key']} of {server.address}"


def _environment(name: str) -> str | None:
    """An environment variable of OpenBao, or else of Vault, as their command-line tools read it; None if neither is set."""
    return os.environ.get(f"BAO_{name}") or os.environ.get(f"VAULT_{name}") or None


def _token(given: Mapping[str, Any], where: str) -> str:
    token = given.get("token")
    if token is None and "token_path" in given:
        token = _secret_file(str(given["token_path"]), f"{where}.token_path", "token")
    token = str(token or _environment("TOKEN") or "").strip()
    if not token:
        raise NatsSecurityError(
            f"{where}: there is no token for Vault or OpenBao: give token or token_path, or BAO_TOKEN or VAULT_TOKEN in the environment."
        )
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise NatsSecurityError(f"{where}: the token for Vault or OpenBao has characters that no token has.")
    return token


def _pkcs11(given: Mapping[str, Any], where: str, timeout: float) -> tuple[Any, str]:
    from . import pkcs11

    key_id = given.get("key_id")
    try:
        raw_id = None if key_id is None else bytes.fromhex(str(key_id).replace(":", ""))
    except ValueError:
        raise NatsSecurityError(
            f"{where}.key_id: {_shown(key_id)} is not an id in hexadecimal digits, such as 01a2."
        ) from None
    check_regular(str(given["library_path"]), f"{where}.library_path: the library")
    found = pkcs11.Object(str(given["library_path"]), str(given["token_label"]), given.get("key_label"), raw_id or None)
    pin = _pin(given, where)
    try:
        face = pkcs11.Pkcs11(found, pin, timeout)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{where}: {error}") from None
    return face, f"the key {given.get('key_label') or key_id} of the PKCS#11 token {found.token_label}"


def _pin(given: Mapping[str, Any], where: str) -> str | None:
    if "pin" in given:
        return str(given["pin"])
    if "pin_path" in given:
        return _secret_file(str(given["pin_path"]), f"{where}.pin_path", "PIN")
    variable = given.get("pin_variable")
    if variable is not None and variable not in os.environ:
        raise NatsSecurityError(f"{where}.pin_variable: there is no {variable} in the environment of the task.")
    return os.environ.get(str(variable or DEFAULT_PIN_VARIABLE))


def _secret_file(path: str, option: str, what: str) -> str:
    text = read_text(path, f"{option}: the {what}")
    if text is None:
        raise NatsSecurityError(f"{option}: there is no file {path}.")
    secret = text.rstrip("\r\n")
    if not secret or "\n" in secret:
        raise NatsSecurityError(f"{option}: {path} does not hold a {what} on one line.")
    return secret


def _shown(value: Any) -> str:
    text = shown(repr(value))
    return text if len(text) <= 60 else "this"
