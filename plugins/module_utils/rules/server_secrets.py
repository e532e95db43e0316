# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Which values in the configuration of nats-server are secrets and must be written to a file that is not shown.

Based on server/opts.go of nats-server 2.15, which compares option names in lower case: `Password` is `password`.
"""

from __future__ import annotations

import re
from typing import Any

from ..base.recognition import may_hold_secrets

# Authorization of clients, clusters, gateways, leaf nodes, WebSocket and MQTT, and the users in it; remote leaf nodes and their proxies; JetStream
# encryption and TPM. The last line matches likely names of options in later versions.
_SECRET_NAME = re.compile(
    r"user|username|pass|password|token|nkey|seed"
    r"|(prev_)?(key|ek|encryption_key)|encryption_password|srk_password"
    r"|.*_(pass|password|passphrase|secret|seed)|passphrase|secret"
)
# The user and password of a URL end at its last @. Go rejects a URL with an unescaped / or space in them, but the text still contains the password.
# So does a URL without a scheme, and URL(...) of a resolver.
_LOGIN_IN_URL = re.compile(r":.*@", re.DOTALL)
_SECRET_IN_TEXT = re.compile(
    rf"""(?:^|[\s{{,;])["']?(?:{_SECRET_NAME.pattern.replace(".*_", "[a-z0-9_]*_")})["']?\s*[:=\s]\s*["']?[^\s{{}}\[\],"']""",
    re.IGNORECASE,
)


def is_secret_option(name: str, value: Any) -> bool:
    """Whether the value of an option must not be shown, because of the option's name or the value itself. `name` is the last component of its path."""
    if value is None or isinstance(value, (bool, dict, list, tuple)):
        return False
    if _SECRET_NAME.fullmatch(name.strip().lower()):
        return True
    return isinstance(value, str) and (_LOGIN_IN_URL.search(value) is not None or may_hold_secrets(value))


def may_have_secret_options(text: str) -> bool:
    """Whether a part of a configuration may have a value that must not be shown. Comments count, because options are often commented out."""
    return _SECRET_IN_TEXT.search(text) is not None or "@" in text or may_hold_secrets(text)
