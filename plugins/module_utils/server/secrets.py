# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Find the secret values of a configuration, write them to separate files, and hide them in output and in messages of a server."""

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

#: The prefix of variables for secrets. No option of the server has it.
VARIABLE = "secret_"
_COMMENT = re.compile(r"(#|//)[^\r\n]*")
_LOGIN_IN_MESSAGE = re.compile(r"(?<=://)[^\s\"'\]]*@")
_NOT_A_NAME = re.compile("[^A-Za-z0-9]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
#: The minimum length of a value that is hidden in a message: a shorter one would match everywhere.
_SHORTEST = 3


def is_secret(option: str, value: Any) -> bool:
    """Whether a value is secret, by the name of its option or by its form: credentials in a URL, a seed, or the JWT of a user."""
    if value is None or isinstance(value, (Mapping, list, tuple)):
        return False
    if is_secret_option(option, value) or option.startswith(VARIABLE):
        return True
    # `authorization` is an HTTP header with credentials if its value is a string; otherwise it is a block.
    return isinstance(value, str) and (option.lower() == "authorization" or _is_user_token(value))


def _is_user_token(text: str) -> bool:
    # The JWT of a bearer is enough to connect.
    if not text.startswith("eyJ"):
        return False
    try:
        nats = codec.public_payload(text).get("nats")
    except NatsSecurityError:
        return False
    return isinstance(nats, dict) and nats.get("type") == "user"


def split(members: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The members with every secret replaced by a variable, and the values of these variables."""
    variables: dict[str, Any] = {}

    def without(value: Any, path: tuple[Any, ...]) -> Any:
        if isinstance(value, Mapping):
            return {name: without(member, (*path, name)) for name, member in value.items()}
        if isinstance(value, (list, tuple)):
            return [without(member, (*path, index + 1)) for index, member in enumerate(value)]
        if not is_secret(_option(path), value):
            return value
        name = _name(path, variables)
        variables[name] = str(value)  # the server does not accept a number as a password
        return Variable(name)

    return without(members, ()), variables


def _option(path: Sequence[Any]) -> str:
    """The name of the option that a value belongs to. For an item of a list, it is that of the list."""
    return next((part for part in reversed(path) if isinstance(part, str)), "")


def _name(path: Sequence[Any], taken: Mapping[str, Any]) -> str:
    # Different paths can result in the same name.
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
    """Every secret in the text of a configuration file; empty if it cannot be parsed."""
    try:
        return list(values_of(reading.read(text, file, lambda _unused: "").data))
    except NatsSecurityError:
        return []


def hidden(value: Any, path: Sequence[Any] = ()) -> Any:
    """The configuration with every secret replaced by MASK."""
    if isinstance(value, Mapping):
        return {name: hidden(member, (*path, name)) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [hidden(member, path) for member in value]
    return MASK if is_secret(_option(path), value) else value


def hidden_text(text: str, file: str) -> str | None:
    """The text of a configuration file with every secret replaced by MASK; None if it cannot be parsed."""
    try:
        values = reading.read(text, file, lambda _unused: "").values
    except NatsSecurityError:
        return None
    # A variable has the same value as the option that uses it, so secrets are compared by value.
    secrets = {str(value.value) for value in values if is_secret(_option(value.path), value.value)}
    parts, at = [], 0
    for value in values:
        parts.append(_hidden_comments(text[at : value.start]))
        parts.append(language.text_of(MASK) if str(value.value) in secrets else text[value.start : value.end])
        at = value.end
    return "".join([*parts, _hidden_comments(text[at:])])


def _hidden_comments(text: str) -> str:
    """The text between two values, with comments masked that may contain secrets."""
    return _COMMENT.sub(
        lambda match: f"{match.group(1)} {MASK}" if may_have_secret_options(match.group()) else match.group(), text
    )


def hidden_message(message: str, secrets: Iterable[str]) -> str:
    """A message of the server without these secrets, credentials in URLs, and control characters."""
    for secret in sorted(filter(lambda text: len(text) >= _SHORTEST, secrets), key=len, reverse=True):
        for form in (
            secret,
            json.dumps(secret)[1:-1],
            json.dumps(secret, ensure_ascii=False)[1:-1],
            quote(secret, safe=""),
        ):
            message = message.replace(form, MASK)
    return _CONTROL.sub(" ", recognition.hide(_LOGIN_IN_MESSAGE.sub("...@", message)))
