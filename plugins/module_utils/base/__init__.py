# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Shared by all layers above, without knowledge of NATS tokens: errors, units, texts, and the syntax of Go's standard library."""
