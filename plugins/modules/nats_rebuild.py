#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: a store with its keystore from loose files, or from live servers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_rebuild
version_added: 0.1.0
short_description: Rebuild the store of a NATS operator from loose files or live servers
description:
  - Makes a store with its keystore from existing JWTs, seeds and creds, in files of any name and any form, as C(nsc fix) does from C(.jwt),
    C(.nk) and C(.creds) files. They may also be in the configuration of a server, in JSON or in YAML.
  - With O(servers), the JWTs of all accounts are read from servers with a full resolver, and that of the operator from their configuration. The keys may be
    in the keystore O(keys_dir), in O(paths), or in signers elsewhere. Servers do not have the JWTs of users, so users are missing if their creds are not given.
  - The place of each JWT is determined only by signatures. If there are several JWTs with the same subject, the newest one is used that is signed by a
    current key of its operator or account. Seeds are verified with their checksums, and filed under their public keys. Creds are made of JWTs and seeds.
  - Returns what is missing, such as signing keys without a seed and users without creds, and what was not used, with the file and the reason.
  - A later run of M(natsops.security.nats_store) with the document of that time changes nothing, except for the roles of signing keys
    in RV(signing_keys_without_role) and what is missing.
  - Existing files that are the same are kept. An existing JWT that is newer than the one that was found, or any other file that differs, is an error, and
    nothing is written, unless O(force) is set. A run that is killed is completed by the next one.
  - If there is a backup, use M(natsops.security.nats_restore) instead.
extends_documentation_fragment:
  - natsops.security.attributes
  - natsops.security.attributes.actiongroup_nats
  - natsops.security.store
  - natsops.security.store.archive
  - natsops.security.connection
  - natsops.security.connection.tls
attributes:
  action_group:
    membership:
      - natsops.security.nats
      - natsops.security.stores
      - natsops.security.keystores
      - natsops.security.servers
      - natsops.security.system_account
author: NatsOps authors (@natsops)
requirements: [nkeys, "nats-py >= 2.16 with O(servers)"]
notes:
  - One of O(paths), O(contents) and O(servers) is needed.
  - An account server cannot list its accounts, so O(account_server_url) is an error here.
options:
  paths:
    description:
      - Files, and folders that are searched with all folders below them. Symbolic links in folders are not followed.
      - Seeds in the keystore O(keys_dir) are used without being named here. The creds in it are read only if it is one of these folders.
      - Accounts that a resolver has deleted (C(.jwt.deleted)), and the archive of a store (C(.natsops/archive)), are read only if they are named themselves,
        because otherwise what was removed would be restored.
    type: list
    elements: path
    default: []
  contents:
    description:
      - Texts with JWTs, seeds or creds in them, for example from a vault.
    type: list
    elements: str
    default: []
  operator:
    description:
      - The public key of the operator. Required if there are JWTs of several operators.
      - An attacker can create an operator of any name, so set this if none of the operator's keys is available.
    type: str
  store:
    description:
      - The name of the store. Defaults to the name of the operator.
    type: str
  force:
    description:
      - Replace existing files that are newer than what was found, or differ from it. They are moved to the archive in the folder C(.natsops) of the store
        and of the keystore.
      - The store of another operator is never replaced.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Rebuild the store from the old disk
  natsops.security.nats_rebuild:
    paths:
      - /mnt/old-disk/root
      - /mnt/old-disk/etc/nats
    operator: OBXRLALQTO33D3YDBUQQ3MMOHMF2DR3W7OTF3DG2VUCUCUKC2GE7R7EL
    stores_dir: /etc/nats/stores
    keys_dir: /etc/nats/keys
  register: rebuilt

- name: Rebuild the store from the cluster, the keystore and a folder with the creds of users
  natsops.security.nats_rebuild:
    servers: [tls://n1.example.com:4222]
    creds_path: /media/safe/sys.creds
    paths: [/srv/collected-creds]
    operator: OBXRLALQTO33D3YDBUQQ3MMOHMF2DR3W7OTF3DG2VUCUCUKC2GE7R7EL
    stores_dir: /etc/nats/stores
    keys_dir: /etc/nats/keys

- name: See what is missing
  ansible.builtin.debug:
    var: rebuilt.missing_seeds
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
operator:
  description: The operator's C(name) and C(public_key).
  returned: success
  type: dict
  sample: {"name": "ACME", "public_key": "OBXRLALQTO33D3YDBUQQ3MMOHMF2DR3W7OTF3DG2VUCUCUKC2GE7R7EL"}
holds:
  description: How many C(accounts), C(users), C(seeds) and C(creds) the store has.
  returned: success
  type: dict
  sample: {"accounts": 3, "users": 20, "seeds": 27, "creds": 20}
written:
  description: How many of these were written.
  returned: success
  type: dict
  sample: {"accounts": 3, "users": 20, "seeds": 27, "creds": 20}
replaced:
  description: The files that were moved to the archive.
  returned: success
  type: list
  elements: str
  sample: []
missing_seeds:
  description: The public keys that the JWTs name and whose seeds were not found, with what each is for.
  returned: success
  type: dict
  sample: {"ACNGDPHTAUYCSRSTT3LL3NOA6DXG2ZOJJD3KNRQTCTLZLCXW5WBGAF2O": "account app"}
users_without_creds:
  description: Users whose seeds were not found, as V(account/user).
  returned: success
  type: list
  elements: str
  sample: [app/orders]
accounts_without_users:
  description: Accounts of which no user was found. Servers do not have JWTs of users, only creds and stores do.
  returned: success
  type: list
  elements: str
  sample: [partner]
lost_users:
  description: Users that exist, but whose JWT was not found. They are connected to one of O(servers), or their account names them for its auth callout.
  returned: success
  type: list
  elements: str
  sample: ["app/orders UDAUGD2567MCKGLKERIAYKLXZJK6QZVHWBOXB3L7I2ABPF3ZMYEWQDWK: it is connected to n1."]
revoked:
  description: Users that were found, and that their accounts have revoked, as V(account/user).
  returned: success
  type: list
  elements: str
  sample: []
signing_keys_without_role:
  description:
    - Signing keys whose roles are in no JWT, with their owners. A JWT has the role only of a key with a scope. The roles of other keys are in the
      document, with C(public_key) beside C(role) if an operator or account has several.
  returned: success
  type: dict
  sample: {"ACNGDPHTAUYCSRSTT3LL3NOA6DXG2ZOJJD3KNRQTCTLZLCXW5WBGAF2O": "signing key of the account app"}
superseded:
  description: Further JWTs with the same subject, which are not used, with the reason and the file of the one that is used.
  returned: success
  type: list
  elements: str
  sample: ["account app ACNG... of 2026-01-31T12:00:00Z in /mnt/a/app.jwt: there is a newer one in /mnt/b/app.jwt."]
duplicates:
  description: JWTs that are in several files, except for those in creds.
  returned: success
  type: list
  elements: str
  sample: []
renamed:
  description: What is not filed under its own name, because the name is already used or is not a valid file name.
  returned: success
  type: list
  elements: str
  sample: []
foreign:
  description: Other operators, and JWTs that are not signed by a key of an operator or account that was found, with the reason.
  returned: success
  type: list
  elements: str
  sample: []
unused_seeds:
  description: Seeds that no JWT of an operator names, by public key, with where each was found.
  returned: success
  type: dict
  sample: {}
not_read:
  description: Files that could not be read, JWTs and seeds that are damaged, and what was removed earlier, with the reason.
  returned: success
  type: list
  elements: str
  sample: ["/mnt/a/app.nk: it holds no seed, or one that is mistyped or truncated."]
"""

from ansible_collections.natsops.security.plugins.module_utils.base.compile_once import compile_once

compile_once()

from ansible_collections.natsops.security.plugins.module_utils.tasks import cluster_options
from ansible_collections.natsops.security.plugins.module_utils.tasks.rebuild import rebuild_task
from ansible_collections.natsops.security.plugins.module_utils.tasks.store_options import archive_spec, store_spec
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import run


def main() -> None:
    """Run the module."""
    run(
        rebuild_task,
        argument_spec={
            "paths": {"type": "list", "elements": "path", "default": []},
            "contents": {"type": "list", "elements": "str", "default": [], "no_log": True},
            "operator": {"type": "str"},
            **store_spec(),
            **archive_spec(),
            "store": {"type": "str"},
            "force": {"type": "bool", "default": False},
            **cluster_options.connection_spec(),
        },
        mutually_exclusive=cluster_options.EXCLUSIVE[:3],
        required_together=cluster_options.TOGETHER,
        if_missing={
            "changed": True,
            **dict.fromkeys(("store", "store_path", "keys_path"), ""),
            "operator": {"name": "", "public_key": ""},
            **{name: {} for name in ("holds", "written", "missing_seeds", "signing_keys_without_role", "unused_seeds")},
            **{name: [] for name in ("users_without_creds", "accounts_without_users", "lost_users", "revoked")},
            **{name: [] for name in ("replaced", "superseded", "duplicates", "renamed", "foreign", "not_read")},
            "diff": {"before": {}, "after": {}},
        },
    )


if __name__ == "__main__":
    main()
