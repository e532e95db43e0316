# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What plugins on the controller say: nothing masks it for them, as a module masks its own result."""

from __future__ import annotations

from ansible.errors import AnsibleFilterError

from ansible_collections.natsops.security.plugins.module_utils.base.recognition import hide


def refusal(problem: object) -> AnsibleFilterError:
    """The error of a filter, without the secrets that somebody may have given to it."""
    return AnsibleFilterError(hide(str(problem)))
