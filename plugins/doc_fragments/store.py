# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The option groups of modules that work on a store in the layout of nsc: where it is, how long to wait for its lock, and how seeds are archived."""

from __future__ import annotations


class ModuleDocFragment:
    """Fragment natsops.security.store."""

    DOCUMENTATION = r"""
options:
  stores_dir:
    description:
      - The folder of stores. Defaults to that of C(nsc), C($XDG_DATA_HOME/nats/nsc/stores), which is C(~/.local/share/nats/nsc/stores) by default.
    type: path
  keys_dir:
    description:
      - The folder of the keystore. Defaults to that of C(nsc), C($NKEYS_PATH) or C($XDG_DATA_HOME/nats/nsc/keys).
    type: path
  lock_timeout:
    description:
      - How long to wait for another run on the same store, such as V(60s). V(0) does not wait.
    type: str
    default: 60s
"""

    ARCHIVE = r"""
options:
  archive_key:
    description:
      - A public curve key (C(X...)). Seeds and creds that are moved to the archive of the keystore are encrypted to it, so that only the holder of its seed
        can read them. M(natsops.security.nats_nkey) with C(type=curve) makes one. Keep its seed elsewhere.
      - An archived file then has the format of a backup of M(natsops.security.nats_backup) that is sealed to this key. It is opened by the same commands.
      - If omitted, they are archived without encryption. Files that are already in the archive are not changed, with or without this option.
    type: str
"""
