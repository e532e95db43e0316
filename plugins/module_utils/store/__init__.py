# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A whole operator on disk in the layout of nsc.

`layout` has the paths, `reading` and `record` read the store, `document` reads what is wanted, `reconcile` decides, `apply` writes, and `inventory`
describes a store.
"""
