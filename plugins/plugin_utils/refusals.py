# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What plugins on the controller share: the texts that they take, the values that they return, and what they refuse.

Nothing masks what they say for them, as a module masks its own result.
"""

from __future__ import annotations

from typing import Any, TypeVar

from ansible.errors import AnsibleFilterError, AnsibleLookupError
from jinja2 import Undefined

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.base.recognition import hide

try:
    # Since ansible-core 2.19 a text is a template only where it is marked as one, and those of a plugin are not.
    from ansible.template import trust_as_template as _since_2_19
except ImportError:
    from ansible.utils.unsafe_proxy import wrap_var as _wrap

    _since_2_19 = None

_Value = TypeVar("_Value")


def refusal(problem: object) -> AnsibleFilterError:
    """The error of a filter or a test, without the secrets that somebody may have given to it."""
    return AnsibleFilterError(hide(str(problem)))


def lookup_refusal(problem: object) -> AnsibleLookupError:
    """The same of a lookup."""
    return AnsibleLookupError(hide(str(problem)))


def text_of(value: Any, what: str) -> str:
    """A text that a template passes on, as plain text. NatsSecurityError for anything else, which is not shown."""
    # ansible-core before 2.19 passes undefined values and values from a vault on as they are: the text of the one is an error, that of the other its secret.
    if isinstance(value, (str, Undefined)) or getattr(value, "__ENCRYPTED__", False):
        return str(value)
    raise NatsSecurityError(f"{what}: expected a text, not {_kind_of(value)}.")


def texts_of(value: Any, what: str) -> list[str]:
    """Several such texts: a list of them, or one."""
    if value is None:
        return []
    if isinstance(value, (list, tuple)):
        return [text_of(item, f"{what}[{index}]") for index, item in enumerate(value)]
    return [text_of(value, what)]


def as_data(value: _Value) -> _Value:
    """A value with texts of others in it, which Ansible never takes for templates: those of ansible-core before 2.19 template what a fact holds. Later ones
    do not, and cannot wrap the lists and dictionaries that they pass on to plugins."""
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
