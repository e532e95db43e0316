#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: a store with its keystore from a backup."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_restore
version_added: 0.1.0
short_description: Restore a NATS operator with all its keys from a backup
description:
  - Restores the files of a backup of M(natsops.security.nats_backup). A later run of M(natsops.security.nats_store) with the document of that time
    finds nothing to change.
  - The backup is compared with its manifest. Every JWT is verified up to the operator, and every seed is compared with the name of its file.
  - Existing files that are the same are kept. An existing JWT that is newer than that of the backup, or any other file that differs, is an error, and
    nothing is restored, unless O(force) is set.
  - Backups of C(nats auth operator backup), sealed with C(--key) or not, are restored too.
  - A run that is killed is completed by the next one.
extends_documentation_fragment:
  - natsops.security.attributes
  - natsops.security.attributes.actiongroup_nats
  - natsops.security.store
  - natsops.security.store.archive
attributes:
  action_group:
    membership:
      - natsops.security.nats
      - natsops.security.stores
      - natsops.security.keystores
author: NatsOps authors (@natsops)
requirements: [nkeys, "cryptography with O(password)"]
options:
  path:
    description:
      - The file of the backup.
    type: path
    required: true
  key_path:
    description:
      - The seed file of a curve key that the backup is sealed to.
    type: path
  key_seed:
    description:
      - The seed of that curve key, for example from a vault.
    type: str
  password:
    description:
      - The password that the backup is encrypted with.
    type: str
  operator:
    description:
      - The public key of the operator. If given, the backup of another operator is an error.
    type: str
  store:
    description:
      - The name of the store. If given, the backup of a store of another name is an error.
    type: str
  force:
    description:
      - Replace existing files that are newer than the backup, or differ from it. They are moved to the archive in the folder C(.natsops) of the store
        and of the keystore.
      - Revocations that were made after the backup are lost with the JWTs of their accounts and have to be made again.
      - The store of another operator is never replaced.
    type: bool
    default: false
  accept_unverified:
    description:
      - Also restore what does not verify up to the operator, such as a JWT that no key of its parent signed. It is in RV(problems) in any case.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Restore the operator on a new signing host
  natsops.security.nats_restore:
    path: /srv/backup/acme.backup
    key_seed: "{{ lookup('community.general.passwordstore', 'nats/backup') }}"
    operator: OBXRLALQTO33D3YDBUQQ3MMOHMF2DR3W7OTF3DG2VUCUCUKC2GE7R7EL
    stores_dir: /etc/nats/stores
    keys_dir: /etc/nats/keys
  no_log: true
"""

RETURN = r"""
store:
  description: The name of the store.
  returned: success
  type: str
  sample: ACME
store_path:
  description: The folder of the store.
  returned: success
  type: str
  sample: /etc/nats/stores/ACME
keys_path:
  description: The folder of the keystore.
  returned: success
  type: str
  sample: /etc/nats/keys
created:
  description: When the backup was made.
  returned: success
  type: str
  sample: "2027-01-31T12:00:00Z"
operator:
  description: The operator's C(name) and C(public_key). Null if the backup has none.
  returned: success
  type: dict
  sample: {"name": "ACME", "public_key": "OBXRLALQTO33D3YDBUQQ3MMOHMF2DR3W7OTF3DG2VUCUCUKC2GE7R7EL"}
holds:
  description: How many C(accounts), C(users), C(seeds) and C(creds) the backup has.
  returned: success
  type: dict
  sample: {"accounts": 3, "users": 1020, "seeds": 1027, "creds": 1020}
restored:
  description: How many of these were written.
  returned: success
  type: dict
  sample: {"accounts": 3, "users": 1020, "seeds": 1027, "creds": 1020}
replaced:
  description: The files that were moved to the archive.
  returned: success
  type: list
  elements: str
  sample: []
missing_seeds:
  description: The public keys that the JWTs name and whose seeds are not in the backup, with what each is for.
  returned: success
  type: dict
  sample: {}
problems:
  description: What in the backup does not verify up to the operator.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible_collections.natsops.security.plugins.module_utils.base.compile_once import compile_once

compile_once()

from ansible_collections.natsops.security.plugins.module_utils.tasks.backup import restore_task
from ansible_collections.natsops.security.plugins.module_utils.tasks.store_options import archive_spec, store_spec
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import run


def main() -> None:
    """Run the module."""
    run(
        restore_task,
        argument_spec={
            "path": {"type": "path", "required": True},
            "key_path": {"type": "path", "no_log": False},
            "key_seed": {"type": "str", "no_log": True},
            "password": {"type": "str", "no_log": True},
            "operator": {"type": "str"},
            **store_spec(),
            **archive_spec(),
            "store": {"type": "str"},
            "force": {"type": "bool", "default": False},
            "accept_unverified": {"type": "bool", "default": False},
        },
        mutually_exclusive=[("key_path", "key_seed")],
        if_missing={"changed": True, "diff": {"before": {}, "after": {}}},
    )


if __name__ == "__main__":
    main()
