# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Users and passwords in URLs: found, so that they can be masked, and removed from what is shown. Also in what is not a URL."""

from __future__ import annotations

import re
import urllib.parse

# In JSON too: a string ends with a quote. No scheme before it, so that the time is linear in the length of the text.
_WITH_PASSWORD = re.compile(r"://([^\s/?#@:\"]*:[^\s/?#@\"]+)@")

#: A shorter password is masked with what is around it only: by itself it is a part of words.
_SHORTEST = 4


def without_credentials(url: str) -> str:
    """The URL without anything that may be a user or a password: a password may have a / or @ that is not escaped."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    return scheme + separator + rest.rpartition("@")[2]


def secrets_of(url: str) -> list[str]:
    """What may be a password or token in a text that should be a URL, as it stands there and without its escapes."""
    user, at, _unused = url.rpartition("@")
    return _variants(user.partition("://")[2] or user) if at else []


def passwords_in(text: str) -> list[str]:
    """The passwords in the URLs of any text, with their users."""
    return [secret for user in _WITH_PASSWORD.findall(text) for secret in _variants(user)] if "://" in text else []


def _variants(user: str) -> list[str]:
    password = user.partition(":")[2] or user
    found = [user, password, urllib.parse.unquote(user), urllib.parse.unquote(password)]
    return list(dict.fromkeys([f"{user}@", *(text for text in found if len(text) >= _SHORTEST)]))
