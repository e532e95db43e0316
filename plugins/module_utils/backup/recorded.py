# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What a run of nats_store leaves beside the files of nsc, for a store that was rebuilt: whose it is, the JWTs on record, and the roles of signing keys.

With it the next run takes the store for its own, and has nothing to write but the roles that no JWT says.
"""

from __future__ import annotations

import json
from typing import Mapping

from ..claims import Claims
from ..store.record import identity_text
from .contents import Contents
from .rebuild import roles_of


def record_files(contents: Contents, operator: str, accounts: Mapping[str, Claims]) -> dict[str, str]:
    """The files of the record by path, of a verified store: the operator by its public key, and the accounts by the names of their files."""
    layout = contents.layout
    files = {layout.recorded(""): contents.files[layout.operator_jwt]}
    files.update((layout.recorded(name), contents.files[layout.account_jwt(name)]) for name in accounts)
    roles = json.dumps(roles_of(accounts.values()), indent=1, sort_keys=True) + "\n"
    files.update({layout.recorded_roles: roles, layout.roles: roles})
    files[layout.recorded_store] = identity_text(operator, False)
    return files
