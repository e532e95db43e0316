# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Converts text to claims and back, byte for byte as NATS's Go library: `codec` for tokens, `decorated` for creds files and decorated files."""
