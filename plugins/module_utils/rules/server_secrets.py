# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Which values of nats-server's configuration are secrets, and so belong into a file that is not shown.

From server/opts.go of nats-server 2.15: it compares the names of options in lower case, so `Password` is `password`.
"""

from __future__ import annotations

import re
from typing import Any

from ..base.recognition import may_hold_secrets

# authorization of clients, clusters, gateways, leaf nodes, websocket and MQTT; users in it; remote leaf nodes and their proxies; JetStream's
# encryption and TPM. The last line is what an option of a later version is likely to be called.
_SECRET_NAME = re.compile(
    r"user|username|pass|password|token|nkey|seed"
    r"|(prev_)?(key|ek|encryption_key)|encryption_password|srk_password"
    r"|.*_(pass|password|passphrase|secret|seed)|passphrase|secret"
)
# The user and password of a URL end at its last @. An unescaped / or blank in them is not a URL for Go, and the password stands there all the same; as
# it does without the scheme, or in URL(...) of a resolver.
_LOGIN_IN_URL = re.compile(r":.*@", re.DOTALL)
_SECRET_IN_TEXT = re.compile(
    rf"""(?:^|[\s{{,;])["']?(?:{_SECRET_NAME.pattern.replace(".*_", "[a-z0-9_]*_")})["']?\s*[:=\s]\s*["']?[^\s{{}}\[\],"']""",
    re.IGNORECASE,
)


def is_secret_option(name: str, value: Any) -> bool:
    """Whether the value of an option is not to be shown, because of its name or of what it is; `name` is the last one of its path."""
    if value is None or isinstance(value, (bool, dict, list, tuple)):
        return False
    if _SECRET_NAME.fullmatch(name.strip().lower()):
        return True
    return isinstance(value, str) and (_LOGIN_IN_URL.search(value) is not None or may_hold_secrets(value))


def may_have_secret_options(text: str) -> bool:
    """Whether a piece of configuration may have a value that is not to be shown. Comments count, as options are often only commented out."""
    return _SECRET_IN_TEXT.search(text) is not None or "@" in text or may_hold_secrets(text)
