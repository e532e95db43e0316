# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A live cluster over NATS: which servers there are, which accounts they hold, and what reconciles them."""

from __future__ import annotations
