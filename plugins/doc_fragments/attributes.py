# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The attributes of the modules."""

from __future__ import annotations


class ModuleDocFragment:
    """Fragments natsops.security.attributes and natsops.security.attributes.actiongroup_nats."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in check mode and report what it would change, without changing it.
    support: full
    details:
      - If a store or a file does not exist that an earlier task of the play may create, check mode warns of it, and what the task reads from it is empty
        in its result. The real run fails if it is still missing then.
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
    description: Can run in check mode and report what it would change, without changing it.
    support: full
    details:
      - It never changes anything.
      - If a store or a file does not exist that an earlier task of the play may create, check mode warns of it, and what the task reads from it is empty
        in its result. The real run fails if it is still missing then.
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

    ON_CONTROLLER = r"""
options: {}
attributes:
  action:
    description: Has a corresponding action plugin, so that some of its tasks run on the controller.
    support: full
    details:
      - A task that names no file and no C(signers) works on content alone, and is done on the controller, in Ansible's own process. No connection to
        the host is used, so C(delegate_to), C(become) and C(environment) have no effect on it, and the Python library C(nkeys) is needed on the
        controller. A loop of 1,000 such tasks takes seconds.
      - Any other task, and one with C(async), runs on its host. If that is the controller (connection C(local), the Python of Ansible itself, neither
        C(become) nor C(environment)), it runs in Ansible's own process too.
"""

    # It begins as ON_CONTROLLER does. ansible-test accepts nothing but a literal here, so the text is there twice.
    IN_PROCESS = r"""
options: {}
attributes:
  action:
    description: Has a corresponding action plugin, so that some of its tasks run on the controller.
    support: full
    details:
      - If the host of the task is the controller, it runs in Ansible's own process, which takes a tenth of the time. That needs the connection C(local), the
        Python of Ansible itself (C(ansible_python_interpreter), as it is for an implicit C(localhost)), and none of C(become), C(environment) and C(async).
"""

    ACTIONGROUP_NATS = r"""
options: {}
attributes:
  action_group:
    description:
      - Use one of the groups below in C(module_defaults), such as C(group/natsops.security.nats), to set defaults for this module and others. The modules
        of each group but that one have options in common.
    support: full
    membership:
      - natsops.security.nats
"""
