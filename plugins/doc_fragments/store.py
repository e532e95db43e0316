# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The option group of modules that work on a store in the layout of nsc: where it is, and how long to wait for its lock."""

from __future__ import annotations


class ModuleDocFragment:
    """Fragment natsops.security.store."""

    DOCUMENTATION = r"""
options:
  stores_dir:
    description:
      - The folder of stores. If omitted, that of C(nsc), C($XDG_DATA_HOME/nats/nsc/stores), which is C(~/.local/share/nats/nsc/stores) by default.
    type: path
  keys_dir:
    description:
      - The folder of the keystore. If omitted, that of C(nsc), C($NKEYS_PATH) or C($XDG_DATA_HOME/nats/nsc/keys).
    type: path
  lock_timeout:
    description:
      - How long to wait for another run on the same store, such as V(60s). V(0) does not wait.
    type: str
    default: 60s
"""
