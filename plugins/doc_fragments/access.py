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
      - A document as for M(natsops.security.nats_store). It does not have to be issued, and no key is needed.
      - Answers then describe the document as if it were issued for the first time now. New keys are shown as placeholders.
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
      - The name of the store's folder in O(stores_dir), or if that is omitted, in the folder of C(nsc). May be omitted if there is only one store.
      - Files in it that cannot be read are ignored and reported.
    type: str
  lock_timeout:
    description:
      - How long to wait for a run that changes the store, such as V(60s). V(0) does not wait.
    type: str
    default: 60s
  jwts:
    description:
      - JWTs of an operator, accounts and users, or creds, in addition to a store or a cluster or alone. If there are two for the same account or user, the
        one that was issued later is used.
    type: list
    elements: str
  jwt_paths:
    description:
      - Files of such JWTs, or creds files.
    type: list
    elements: path
  cluster_name:
    description:
      - The name of the cluster that the answers are for. Mappings can be limited to one cluster. Defaults to none.
    type: str
    default: ""
  jetstream:
    description:
      - Whether servers have JetStream. If so, they provide the service C($JS.API.>) to every account.
    type: bool
    default: true
  at:
    description:
      - The time that the answers are for, such as V(2026-12-31T00:00:00Z). Defaults to now.
    type: str
"""
