#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: the backup of a store with its keystore, in one file."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_backup
version_added: 0.1.0
short_description: Back up a NATS operator with all its keys into one file
description:
  - Writes one file with a store, its archive, its record and journal in the keystore, the seeds of the keys in its JWTs, and the creds.
  - The file is sealed to curve keys, so that the host that makes backups cannot read them, or encrypted with a password as C(ansible-vault) does. Both can
    be opened with a short command without this collection.
  - A file that is already a backup of the same contents, for the same recipients or with the same password, is not changed. A file that is anything other
    than a backup of this store is an error and is not changed either.
  - M(natsops.security.nats_restore) restores the files.
  - Seeds of other operators in a shared keystore are not in the backup, and neither is the archive of the keystore.
extends_documentation_fragment:
  - natsops.security.attributes
  - natsops.security.attributes.actiongroup_nats
  - natsops.security.store
  - ansible.builtin.files
attributes:
  action_group:
    membership:
      - natsops.security.nats
      - natsops.security.stores
      - natsops.security.keystores
      - natsops.security.files
author: NatsOps authors (@natsops)
requirements: [nkeys, "cryptography with O(password)"]
options:
  path:
    description:
      - The file of the backup.
    type: path
    required: true
  recipients:
    description:
      - The public curve keys (C(X...)) that open the backup; each can open it alone. M(natsops.security.nats_nkey) with C(type=curve) makes one.
      - Exactly one of this, O(password), O(nats_key_path) and O(nats_key_seed) is needed.
    type: list
    elements: str
  password:
    description:
      - The password to encrypt the backup with, for example from a vault.
    type: str
  nats_key_path:
    description:
      - The seed file of a curve key. The backup is then written in the form of C(nats auth operator backup --key), which C(nats auth operator restore --key)
        reads with this file. M(natsops.security.nats_restore) reads it too.
      - This form has only JWTs and seeds. It cannot contain roles of signing keys without a scope, curve keys of an auth callout, or the record of the
        keystore. An operator, account or user whose seed is missing is an error.
    type: path
  nats_key_seed:
    description:
      - The seed of that curve key, for example from a vault.
    type: str
  store:
    description:
      - The name of the store's folder in O(stores_dir). May be omitted if there is only one.
    type: str
  backup:
    description:
      - Keep a copy of the earlier file, with the time in its name, if it is replaced.
    type: bool
    default: false
  mode:
    description:
      - The permissions of the file. Defaults to V(0600).
"""

EXAMPLES = r"""
- name: Back up the operator to a key whose seed is in a safe
  natsops.security.nats_backup:
    path: /var/backups/acme.backup
    stores_dir: /etc/nats/stores
    keys_dir: /etc/nats/keys
    recipients: [XAB3NANV3M6N7AHSQP2U5FRWKKUT7EG2ZXXABV4XVXYQRJGM4S2CZGHT]
    backup: true

- name: Write a backup that `nats auth operator restore --key backup.nk` reads
  natsops.security.nats_backup:
    path: /var/backups/acme.nats
    nats_key_path: /media/safe/backup.nk

- name: Back it up with a password
  natsops.security.nats_backup:
    path: /var/backups/acme.vault
    password: "{{ vault_backup_password }}"
  no_log: true
"""

RETURN = r"""
path:
  description: The file of the backup.
  returned: success
  type: str
  sample: /var/backups/acme.backup
store:
  description: The name of the store.
  returned: success
  type: str
  sample: ACME
operator:
  description: The operator's C(name) and C(public_key). Null if the store has none.
  returned: success
  type: dict
  sample: {"name": "ACME", "public_key": "OBXRLALQTO33D3YDBUQQ3MMOHMF2DR3W7OTF3DG2VUCUCUKC2GE7R7EL"}
holds:
  description: How many C(accounts), C(users), C(seeds) and C(creds) the backup has.
  returned: success
  type: dict
  sample: {"accounts": 3, "users": 1020, "seeds": 1027, "creds": 1020}
missing_seeds:
  description: The public keys that the JWTs name and whose seeds are not in the keystore, with what each is for.
  returned: success
  type: dict
  sample: {"OBXRLALQTO33D3YDBUQQ3MMOHMF2DR3W7OTF3DG2VUCUCUKC2GE7R7EL": "operator ACME"}
problems:
  description: What in the store does not verify up to the operator. It is in the backup, and M(natsops.security.nats_restore) restores it only with
    O(natsops.security.nats_restore#module:accept_unverified).
  returned: success
  type: list
  elements: str
  sample: []
backup_files:
  description: The copies of what was replaced.
  returned: if O(backup) kept one
  type: list
  elements: str
  sample: ["/var/backups/acme.backup.4711.2027-01-31@12:00:00~"]
"""

from ansible_collections.natsops.security.plugins.module_utils.base.compile_once import compile_once

compile_once()

from ansible_collections.natsops.security.plugins.module_utils.tasks.backup import backup_task
from ansible_collections.natsops.security.plugins.module_utils.tasks.store_options import store_spec
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import run

_ONE_OF = ("recipients", "password", "nats_key_path", "nats_key_seed")


def main() -> None:
    """Run the module."""
    run(
        backup_task,
        argument_spec={
            "path": {"type": "path", "required": True},
            "recipients": {"type": "list", "elements": "str"},
            "password": {"type": "str", "no_log": True},
            "nats_key_path": {"type": "path", "no_log": False},
            "nats_key_seed": {"type": "str", "no_log": True},
            **store_spec(),
            "store": {"type": "str"},
            "backup": {"type": "bool", "default": False},
        },
        required_one_of=[_ONE_OF],
        mutually_exclusive=[_ONE_OF],
        writes=("path",),
        add_file_common_args=True,
        if_missing={
            "operator": None,
            "holds": {},
            "missing_seeds": {},
            "problems": [],
            "diff": {"before": {}, "after": {}},
        },
    )


if __name__ == "__main__":
    main()
