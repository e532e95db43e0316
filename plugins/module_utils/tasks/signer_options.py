# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The option group `signers`, documented in the fragment natsops.security.signers. keys/signers/options.py reads its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

if TYPE_CHECKING:
    from ..keys.signers.external import ExternalSigner


def signers_spec() -> dict[str, Any]:
    """The option `signers`."""
    return {
        "signers": {
            "type": "list",
            "elements": "dict",
            "options": {
                "type": {"type": "str", "choices": ["command", "transit", "pkcs11"], "required": True},
                "public_key": {"type": "str", "no_log": False},
                "key_type": {"type": "str", "choices": ["operator", "account"], "no_log": False},
                "timeout": {"type": "str"},
                "argv": {"type": "list", "elements": "str"},
                "batch": {"type": "bool"},
                "address": {"type": "str"},
                "namespace": {"type": "str"},
                "mount": {"type": "str"},
                "key": {"type": "str", "no_log": False},
                "key_version": {"type": "int", "no_log": False},
                "token": {"type": "str", "no_log": True},
                "token_path": {"type": "path", "no_log": False},
                "ca_path": {"type": "path"},
                "library_path": {"type": "path"},
                "token_label": {"type": "str", "no_log": False},
                "key_label": {"type": "str", "no_log": False},
                "key_id": {"type": "str", "no_log": False},
                "pin": {"type": "str", "no_log": True},
                "pin_path": {"type": "path", "no_log": False},
                "pin_variable": {"type": "str", "no_log": False},
            },
        }
    }


def external_signers(module: AnsibleModule) -> list[ExternalSigner]:
    """The signers that a task describes. Raises NatsSecurityError with the place of the fault."""
    described = module.params["signers"]
    if not described:
        return []
    from ..keys.signers.options import signers_of  # most tasks have none

    return signers_of(described)
