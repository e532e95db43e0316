# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Shared code of plugins on the controller: the texts that they accept, the values that they return, and their errors.

Plugins must mask secrets in their errors themselves, because only the results of modules are masked.
"""

from __future__ import annotations

from typing import Any, TypeVar

from ansible.errors import AnsibleFilterError, AnsibleLookupError
from jinja2 import Undefined

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.base.recognition import hide

try:
    # Since ansible-core 2.19, a string is only templated if it is marked as a template. Strings that a plugin returns are not.
    from ansible.template import trust_as_template as _since_2_19
except ImportError:
    from ansible.utils.unsafe_proxy import wrap_var as _wrap

    _since_2_19 = None

_Value = TypeVar("_Value")


def refusal(problem: object) -> AnsibleFilterError:
    """The error of a filter or a test, with secrets of its input masked."""
    return AnsibleFilterError(hide(str(problem)))


def lookup_refusal(problem: object) -> AnsibleLookupError:
    """The error of a lookup, with secrets of its input masked."""
    return AnsibleLookupError(hide(str(problem)))


def text_of(value: Any, what: str) -> str:
    """A string from a template, as a plain string. NatsSecurityError for anything else; the message does not show the value."""
    # ansible-core before 2.19 passes on undefined values and values from a vault as they are. str() raises an error for the former, and decrypts the latter.
    if isinstance(value, (str, Undefined)) or getattr(value, "__ENCRYPTED__", False):
        return str(value)
    raise NatsSecurityError(f"{what}: expected a text, not {_kind_of(value)}.")


def texts_of(value: Any, what: str) -> list[str]:
    """Strings from a template, which passes a list of them or a single one. NatsSecurityError for anything else."""
    if value is None:
        return []
    if isinstance(value, (list, tuple)):
        return [text_of(item, f"{what}[{index}]") for index, item in enumerate(value)]
    return [text_of(value, what)]


def as_data(value: _Value) -> _Value:
    """A value with untrusted strings, marked so that Ansible does not template it. This is only needed before ansible-core 2.19, which templates facts.
    Later versions do not, and cannot wrap the lists and dictionaries that they pass to plugins."""
    if _since_2_19 is not None:
        return value
    wrapped: _Value = _wrap(value)
    return wrapped


def _kind_of(value: Any) -> str:
    if value is None:
        return "null"
    for kinds, name in (((bool,), "a boolean"), ((int, float), "a number"), ((dict,), "a dictionary")):
        if isinstance(value, kinds):
            return name
    return "a list" if isinstance(value, (list, tuple)) else type(value).__name__
