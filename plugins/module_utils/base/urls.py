# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Finds users and passwords in URLs, so that they can be masked, and removes them from what is shown. Texts that are not valid URLs are accepted too."""

from __future__ import annotations

import re
import urllib.parse

# The text may be JSON, where a quote ends a string. The scheme is not matched, so that the time is linear in the length of the text.
_WITH_PASSWORD = re.compile(r"://([^\s/?#@:\"]*:[^\s/?#@\"]+)@")

#: A shorter password is masked only together with its user and the @, because by itself it may be a part of other words.
_SHORTEST = 4


def without_credentials(url: str) -> str:
    """The URL without everything between its scheme and its last @. A password may contain an unescaped / or @, so all of that may be user and password."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    return scheme + separator + rest.rpartition("@")[2]


def secrets_of(url: str) -> list[str]:
    """What may be a password or token in a text that should be a URL, both as written and unescaped."""
    user, at, _unused = url.rpartition("@")
    return _variants(user.partition("://")[2] or user) if at else []


def passwords_in(text: str) -> list[str]:
    """The passwords in the URLs of a text, alone and with their users, both as written and unescaped."""
    return [secret for user in _WITH_PASSWORD.findall(text) for secret in _variants(user)] if "://" in text else []


def _variants(user: str) -> list[str]:
    password = user.partition(":")[2] or user
    found = [user, password, urllib.parse.unquote(user), urllib.parse.unquote(password)]
    return list(dict.fromkeys([f"{user}@", *(text for text in found if len(text) >= _SHORTEST)]))
