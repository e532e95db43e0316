# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A document written as YAML: it reads back as the same document, both from src and as Ansible variables, and passes yamllint."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yamllint import linter
from yamllint.config import YamlLintConfig

from ansible_collections.natsops.security.plugins.module_utils.base.units import INT64_MAX, parse_size, show_size
from ansible_collections.natsops.security.plugins.module_utils.store.source import parse_source
from ansible_collections.natsops.security.plugins.plugin_utils.written_document import written

DOCUMENT: dict[str, Any] = {
    "operator": {"signing_keys": [{"role": "main"}, {"role": "spare", "public_key": "O1"}], "name": "ACME"},
    "accounts": [
        {
            "users": [{"signing_key_role": "reader", "name": "yes"}, {"name": "18:00:00", "expires_at": "2027-01-31"}],
            "limits": {"jetstream": {"disk_storage": 10 * 1024**3, "memory_storage": 500 * 10**6, "streams": 1024}},
            "name": "APP",
            "signing_keys": [
                {"template": {"permissions": {"publish": {"allow": ["a.{{name()}}.>", ">"]}}}, "role": "reader"}
            ],
            "description": "A long description, " * 20,
            "exports": [],
            "mappings": {"a": [{"subject": "*", "weight": 50}]},
        }
    ],
}


def test_it_reads_back_as_the_same_with_sizes_as_people_write_them() -> None:
    text = written(DOCUMENT, "From ACME.")
    read = parse_source("acme.yml", text)
    limits = read["accounts"][0]["limits"]["jetstream"]
    assert limits == {"disk_storage": "10GiB", "memory_storage": "500MB", "streams": 1024}
    read["accounts"][0]["limits"]["jetstream"] = DOCUMENT["accounts"][0]["limits"]["jetstream"]
    keys = read["operator"]["signing_keys"]
    assert keys == ["main", {"role": "spare", "public_key": "O1"}]
    keys[0] = {"role": "main"}
    assert read == DOCUMENT
    assert "\n  name: ACME\n" in text
    assert "- name: APP\n" in text
    assert "# From ACME.\n" in text


def test_templates_of_scopes_are_none_for_ansible() -> None:
    assert "[!unsafe 'a.{{name()}}.>', '>']" in written(DOCUMENT)


def test_yamllint_has_nothing_to_say() -> None:
    found = linter.run(written(DOCUMENT, "From a place with a long name, " * 5), YamlLintConfig("extends: default"))
    assert list(found) == []


def test_yamllint_takes_a_line_that_cannot_be_shorter() -> None:
    revocations = {"U" + "A" * 55: "2027-01-31T12:00:00Z"}
    text = written({"accounts": [{"name": "A", "revocations": revocations}]})
    assert max(map(len, text.splitlines())) > 80
    assert list(linter.run(text, YamlLintConfig("extends: default"))) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'{{x}}'", "{{x}}"),
        ("yes", "yes"),
        ("[b, {c: d}]", ["b", {"c": "d"}]),
        ("{b: [c]}", {"b": ["c"]}),
    ],
)
def test_unsafe_is_read_as_it_is(text: str, value: Any) -> None:
    assert parse_source("a.yml", f"a: !unsafe {text}") == {"a": value}


@settings(deadline=None, derandomize=True)
@given(st.integers(-1, INT64_MAX) | st.sampled_from([2**40, 10**12, 1024, 1023, 0, -1]))
def test_sizes_read_back_as_the_same(size: int) -> None:
    assert parse_size(show_size(size)) == size
