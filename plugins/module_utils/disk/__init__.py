# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Files on the host, whatever is in them: read with a clear error, written whole or not at all."""
