# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The attributes of the modules."""

from __future__ import annotations


class ModuleDocFragment:
    """Fragments natsops.security.attributes and natsops.security.attributes.actiongroup_nats."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in check mode and tell what it would change, without changing it.
    support: full
  diff_mode:
    description: Shows what changes in diff mode.
    support: full
  idempotent:
    description: Changes nothing when run twice in a row.
    support: full
  platform:
    description: The platforms that it runs on.
    platforms: posix
    support: full
  safe_file_operations:
    description: Uses Ansible's strict file operations, so that files are replaced whole or not at all.
    support: full
"""

    INFO = r"""
attributes:
  check_mode:
    description: Can run in check mode and tell what it would change, without changing it.
    support: full
    details: It never changes anything.
  diff_mode:
    description: Shows what changes in diff mode.
    support: N/A
    details: It never changes anything.
  idempotent:
    description: Changes nothing when run twice in a row.
    support: full
  platform:
    description: The platforms that it runs on.
    platforms: posix
    support: full
"""

    ACTIONGROUP_NATS = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/natsops.security.nats) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - natsops.security.nats
"""
