# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The record of nats_store for a rebuilt store: the operator, the JWTs on record, and the roles of signing keys.

With this record the next run accepts the store as its own. It only has to write the roles that are in no JWT.
"""

from __future__ import annotations

import json
from typing import Mapping

from ..claims import Claims
from ..store.record import identity_text
from .contents import Contents
from .rebuild import roles_of


def record_files(contents: Contents, operator: str, accounts: Mapping[str, Claims]) -> dict[str, str]:
    """The files of the record of a verified store, by path. `operator` is its public key, `accounts` are by the names of their files."""
    layout = contents.layout
    files = {layout.recorded(""): contents.files[layout.operator_jwt]}
    files.update((layout.recorded(name), contents.files[layout.account_jwt(name)]) for name in accounts)
    roles = json.dumps(roles_of(accounts.values()), indent=1, sort_keys=True) + "\n"
    files.update({layout.recorded_roles: roles, layout.roles: roles})
    files[layout.recorded_store] = identity_text(operator, False)
    return files
