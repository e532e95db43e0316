# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Format a document of nats_store as readable YAML: sizes with units, identifying fields first, and templates of scopes marked `!unsafe`.

Pure: from a document to text. The text passes yamllint.
"""

from __future__ import annotations

from typing import Any

import yaml

from ansible_collections.natsops.security.plugins.module_utils.base.units import show_size
from ansible_collections.natsops.security.plugins.module_utils.claims import Account, Operator, User
from ansible_collections.natsops.security.plugins.module_utils.claims.options import shown_fields

_SCHEMA = "https://raw.githubusercontent.com/natsops/security/main/schemas/document.schema.json"
_FIRST = ("name", "role", "public_key", "state", "subject", "type", "account")
_LAST = ("users",)
_TEMPLATES = ("{{", "{%", "{#")


class _Unsafe(str):
    """A string that Ansible must not template."""


#: That of yamllint's default configuration.
_LONGEST_LINE = 80


class _Short(list):  # type: ignore[type-arg]
    """A list that is written on one line."""


def written(document: dict[str, Any], origin: str = "") -> str:
    """The document as YAML. `origin` is a comment about its source, which is put at the beginning."""
    head = [f"yaml-language-server: $schema={_SCHEMA}", *origin.splitlines()]
    body = yaml.dump(_tidy(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=60)
    # A line that cannot be shorter, such as that of a public key with a time, is longer than yamllint allows by default.
    end = ["yamllint enable"] if max(map(len, body.splitlines())) <= _LONGEST_LINE else []
    lines = ["---", *(f"# {line}".rstrip() for line in ("yamllint disable rule:line-length", *head, *end))]
    return "\n".join(lines) + "\n" + body


def _tidy(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        words = [word for word in _FIRST if word in value]
        words += [word for word in value if word not in (*_FIRST, *_LAST)]
        words += [word for word in _LAST if word in value]
        return {word: _tidy(value[word], word) for word in words}
    if isinstance(value, list):
        items = [_tidy(item) for item in value]
        if name == "signing_keys":
            items = [item["role"] if isinstance(item, dict) and list(item) == ["role"] else item for item in items]
        return _Short(items) if _is_short(items) else items
    if name in _SIZES and isinstance(value, int) and not isinstance(value, bool):
        return show_size(value)
    if isinstance(value, str) and any(mark in value for mark in _TEMPLATES):
        return _Unsafe(value)
    return value


def _is_short(items: list[Any]) -> bool:
    return bool(items) and all(isinstance(item, str) for item in items) and len(", ".join(items)) <= 40


def _sizes(cls: type) -> set[str]:
    """The names of all options that are sizes, including nested ones."""
    found = set()
    for field, _holders in shown_fields(cls):
        if field.kind.of is not None:
            found |= _sizes(field.kind.of)
        elif "size" in field.kind.accepts or "size in a scope" in field.kind.accepts:
            found.add(field.attribute)
    return found


_SIZES = _sizes(Operator) | _sizes(Account) | _sizes(User)


class _Dumper(yaml.SafeDumper):
    """A dumper that indents lists below their keys, and writes no aliases."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:  # noqa: ARG002 (of PyYAML)
        """Always indent lists."""
        return super().increase_indent(flow, False)

    def ignore_aliases(self, _data: Any) -> bool:
        """Always true: values that occur twice are written twice."""
        return True


_Dumper.add_representer(_Short, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, True))
_Dumper.add_representer(_Unsafe, lambda dumper, data: dumper.represent_scalar("!unsafe", str(data), style="'"))
