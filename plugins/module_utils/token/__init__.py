# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Text to claims and back, byte for byte as NATS's own Go library: `codec` has tokens, `decorated` has creds and decorated files."""
