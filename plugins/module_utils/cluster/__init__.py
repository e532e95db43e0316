# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A live cluster over NATS: its servers, the accounts that they hold, and the code that reconciles these accounts."""

from __future__ import annotations
