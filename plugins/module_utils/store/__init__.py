# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A whole operator on disk in nsc's own layout: `layout` reads it, `document` is what is wanted, `plan` decides, `apply` writes, `inventory` describes."""
