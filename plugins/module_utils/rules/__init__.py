# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Validation of claims: the rules of the Go library, of nats-server, and of tokens that belong together. Pure: no I/O, and claims are not changed."""

from __future__ import annotations

from .issues import Issue
from .library import library_issues
from .relations import import_issues, import_time_issues, issues_between, user_issues
from .server import server_issues, server_time_issues, token_issues
from .subjects import has_wildcards, subject_is_contained
from .trust import allowed_issuers_of_operator, did_sign, is_revoked, revoked_until

__all__ = [
    "Issue",
    "allowed_issuers_of_operator",
    "did_sign",
    "has_wildcards",
    "import_issues",
    "import_time_issues",
    "is_revoked",
    "issues_between",
    "library_issues",
    "revoked_until",
    "server_issues",
    "server_time_issues",
    "subject_is_contained",
    "token_issues",
    "user_issues",
]
