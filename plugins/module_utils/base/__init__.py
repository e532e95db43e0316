# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What every layer above may use and that knows nothing of NATS's tokens: errors, units, the syntax of Go's standard library."""
