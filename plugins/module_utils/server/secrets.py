# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Which values of a configuration are secret, kept apart from the rest, and hidden wherever a configuration or a message of a server is shown."""

from __future__ import annotations

import json
import re
from typing import Any, Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote

from ..base import recognition
from ..base.errors import NatsSecurityError
from ..base.recognition import MASK
from ..rules.server_secrets import is_secret_option, may_have_secret_options
from ..token import codec
from . import language, reading
from .language import Variable

#: How the names of variables begin that stand for secrets. No option of the server begins so.
VARIABLE = "secret_"
_COMMENT = re.compile(r"(#|//)[^\r\n]*")
_LOGIN_IN_MESSAGE = re.compile(r"(?<=://)[^\s\"'\]]*@")
_NOT_A_NAME = re.compile("[^A-Za-z0-9]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
#: A value this short would be found everywhere in a message.
_SHORTEST = 3


def is_secret(option: str, value: Any) -> bool:
    """Whether a value is secret, by the name of its option or by what it is: a login in a URL, a seed, the JWT of a user."""
    if value is None or isinstance(value, (Mapping, list, tuple)):
        return False
    if is_secret_option(option, value) or option.startswith(VARIABLE):
        return True
    # A header, among whose names this one stands for a login; elsewhere it is a block.
    return isinstance(value, str) and (option.lower() == "authorization" or _is_user_token(value))


def _is_user_token(text: str) -> bool:
    # A bearer needs nothing else to connect.
    if not text.startswith("eyJ"):
        return False
    try:
        nats = codec.public_payload(text).get("nats")
    except NatsSecurityError:
        return False
    return isinstance(nats, dict) and nats.get("type") == "user"


def split(members: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The members with a variable in the place of every secret, and the variables with their values."""
    variables: dict[str, Any] = {}

    def without(value: Any, path: tuple[Any, ...]) -> Any:
        if isinstance(value, Mapping):
            return {name: without(member, (*path, name)) for name, member in value.items()}
        if isinstance(value, (list, tuple)):
            return [without(member, (*path, index + 1)) for index, member in enumerate(value)]
        if not is_secret(_option(path), value):
            return value
        name = _name(path, variables)
        variables[name] = str(value)  # a password of digits is none for the server
        return Variable(name)

    return without(members, ()), variables


def _option(path: Sequence[Any]) -> str:
    """The option that a value belongs to; the list it is in has the name."""
    return next((part for part in reversed(path) if isinstance(part, str)), "")


def _name(path: Sequence[Any], taken: Mapping[str, Any]) -> str:
    # Different paths may make the same name.
    name = base = VARIABLE + _NOT_A_NAME.sub("_", "_".join(map(str, path)))
    number = 2
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    return name


def values_of(value: Any, path: Sequence[Any] = ()) -> Iterator[str]:
    """Every secret in a configuration, as text."""
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield from values_of(member, (*path, name))
    elif isinstance(value, (list, tuple)):
        for member in value:
            yield from values_of(member, path)
    elif is_secret(_option(path), value):
        yield str(value)


def values_in_text(text: str, file: str) -> list[str]:
    """Every secret in the text of a configuration file; none where it cannot be read."""
    try:
        return list(values_of(reading.read(text, file, lambda _unused: "").data))
    except NatsSecurityError:
        return []


def hidden(value: Any, path: Sequence[Any] = ()) -> Any:
    """The configuration with MASK in the place of every secret."""
    if isinstance(value, Mapping):
        return {name: hidden(member, (*path, name)) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [hidden(member, path) for member in value]
    return MASK if is_secret(_option(path), value) else value


def hidden_text(text: str, file: str) -> str | None:
    """The text of a configuration file with MASK in the place of every secret; None where it cannot be read."""
    try:
        values = reading.read(text, file, lambda _unused: "").values
    except NatsSecurityError:
        return None
    # A variable has the value of the option that it stands for.
    secrets = {str(value.value) for value in values if is_secret(_option(value.path), value.value)}
    parts, at = [], 0
    for value in values:
        parts.append(_hidden_comments(text[at : value.start]))
        parts.append(language.text_of(MASK) if str(value.value) in secrets else text[value.start : value.end])
        at = value.end
    return "".join([*parts, _hidden_comments(text[at:])])


def _hidden_comments(text: str) -> str:
    """What stands between two values, without what is commented out there."""
    return _COMMENT.sub(
        lambda match: f"{match.group(1)} {MASK}" if may_have_secret_options(match.group()) else match.group(), text
    )


def hidden_message(message: str, secrets: Iterable[str]) -> str:
    """A message of the server for a person: without these secrets, logins in URLs, and control characters."""
    for secret in sorted(filter(lambda text: len(text) >= _SHORTEST, secrets), key=len, reverse=True):
        for form in (
            secret,
            json.dumps(secret)[1:-1],
            json.dumps(secret, ensure_ascii=False)[1:-1],
            quote(secret, safe=""),
        ):
            message = message.replace(form, MASK)
    return _CONTROL.sub(" ", recognition.hide(_LOGIN_IN_MESSAGE.sub("...@", message)))
