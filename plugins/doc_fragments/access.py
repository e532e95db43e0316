# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The options of modules that ask who may do what: what they are asked about."""

from __future__ import annotations


class ModuleDocFragment:
    """Fragment natsops.security.access."""

    DOCUMENTATION = r"""
options:
  definition:
    description:
      - A document as M(natsops.security.nats_store) takes it. It need not have been issued, and no key is needed.
      - Answers then hold for what the document would be when issued for the first time, now. New keys are named in words.
      - One of this, O(src), O(stores_dir), O(store), O(servers), O(account_server_url), O(jwts) and O(jwt_paths) is needed.
    type: dict
  src:
    description:
      - The file of a document, YAML or JSON.
    type: path
  stores_dir:
    description:
      - The folder of stores, as for M(natsops.security.nats_store).
    type: path
  store:
    description:
      - The name of the store's folder in O(stores_dir), or where that is omitted, in the folder of C(nsc). May be omitted where there is one store only.
      - What cannot be read in it does not count, and is reported.
    type: str
  lock_timeout:
    description:
      - How long to wait for a run that changes the store, such as V(60s). V(0) does not wait.
    type: str
    default: 60s
  jwts:
    description:
      - JWTs of an operator, accounts and users, or creds, in addition to a store or a cluster or alone. Of two about the same account or user, the one that
        was issued later counts.
    type: list
    elements: str
  jwt_paths:
    description:
      - Files of such JWTs, or creds files.
    type: list
    elements: path
  cluster_name:
    description:
      - The name of the cluster that the answers are for. Mappings may hold in one cluster only. Defaults to none.
    type: str
    default: ""
  jetstream:
    description:
      - Whether servers have JetStream. Then they give every account a service of their own, C($JS.API.>).
    type: bool
    default: true
  at:
    description:
      - The time that the answers are for, such as V(2026-12-31T00:00:00Z). Defaults to now.
    type: str
"""
