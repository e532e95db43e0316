# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The plan for a document and an empty store, without a task."""

from __future__ import annotations

import pathlib
from typing import Any

from ansible_collections.natsops.security.plugins.module_utils.keys.keyring import Keyring
from ansible_collections.natsops.security.plugins.module_utils.reconcile.engine import reconcile
from ansible_collections.natsops.security.plugins.module_utils.reconcile.plan import Plan
from ansible_collections.natsops.security.plugins.module_utils.reconcile.wanted import How
from ansible_collections.natsops.security.plugins.module_utils.store import reading
from ansible_collections.natsops.security.plugins.module_utils.store.document import read_document
from ansible_collections.natsops.security.plugins.module_utils.store.layout import Layout
from ansible_collections.natsops.security.plugins.module_utils.store.unfinished import complete

NOW = 1_800_000_000


def planned(definition: Any, folder: pathlib.Path, **wishes: bool) -> tuple[Plan, list[str]]:
    """Return the plan for a document, and all problems in the form `path: message`."""
    document, problems = read_document(definition)
    where = Layout(str(folder / "stores"), str(folder / "keys"), (document.operator and document.operator.name) or "?")
    plan = reconcile(document, reading.read_store(where), Keyring((), [where.keys_dir]), How(NOW, **wishes))
    complete(plan, reading.read_store(where))
    return plan, [str(problem) for problem in dict.fromkeys([*problems, *plan.problems])]
