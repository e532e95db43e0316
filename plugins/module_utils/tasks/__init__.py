# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The code that modules share: running a task, options with their rules, results, secrets."""
