# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Decides whether a token is kept or a new one is issued, and why; and documents of tokens that wait for their signature."""
