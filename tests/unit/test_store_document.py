# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The document of a store: all problems are reported at once, each with its place."""

from __future__ import annotations

import pathlib
import re
from typing import Any

import pytest
from support.planning import NOW, planned

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.rules.cycles import subjects_collide
from ansible_collections.natsops.security.plugins.module_utils.store import source


def problems(folder: pathlib.Path, accounts: list[Any], **operator: Any) -> list[str]:
    """Return the problems of a document with an operator and these accounts."""
    return planned({"operator": {"name": "ACME", **operator}, "accounts": accounts}, folder)[1]


def test_one_name_stands_for_a_list_of_it(tmp_path: pathlib.Path) -> None:
    callout = {"auth_users": "u", "allowed_accounts": "APP"}
    plan, found = planned(
        {
            "operator": {"name": "ACME"},
            "accounts": [{"name": "APP", "authorization": callout, "users": [{"name": "u"}]}],
        },
        tmp_path,
    )
    assert found == []
    body = plan.accounts["APP"].claims.body.authorization
    assert (body.auth_users, body.allowed_accounts) == ([plan.user_keys["APP"]["u"]], [plan.names.accounts["APP"]])


def paths(found: list[str]) -> list[str]:
    """Return the paths of problems, without the names after the indexes."""
    return [re.sub(r" \([^)]*\)", "", problem.split(": ")[0]) for problem in found]


def test_document_without_problems_has_a_plan_for_everything(tmp_path: pathlib.Path) -> None:
    definition = {
        "operator": {"name": "ACME", "signing_keys": ["main"], "system_account": "SYS"},
        "accounts": [{"name": "SYS"}, {"name": "APP", "users": [{"name": "orders"}]}],
    }
    plan, found = planned(definition, tmp_path)
    assert found == []
    assert [(entity.kind, entity.name, entity.action) for entity in plan.entities] == [
        ("store", "ACME", "created"),
        ("operator", "ACME", "created"),
        ("account", "SYS", "created"),
        ("account", "APP", "created"),
        ("user", "orders", "created"),
    ]
    assert list(tmp_path.iterdir()) == []


def test_all_problems_are_told_at_once_each_with_its_place(tmp_path: pathlib.Path) -> None:
    found = problems(
        tmp_path,
        [
            {"name": "A/B"},
            {"name": "APP", "limits": {"connections": "many"}, "users": [{"name": "a"}, {"name": "a"}]},
            {"name": "app", "nonsense": 1},
            {
                "name": "SYS",
                "users": [{"name": "u", "permissions": {"publish": {"allow": ["fine.>", "two words"]}}}],
            },
        ],
        system_account="NONE",
    )
    assert paths(found) == [
        "accounts[0].name",
        "accounts[1].users[1].name",
        "accounts[2].name",
        "operator.system_account",
        "accounts[1].limits.connections",
        "accounts[2].nonsense",
        "accounts[3].users[0].permissions.publish.allow[1]",
    ]


@pytest.mark.parametrize(
    ("definition", "path"),
    [
        (None, "definition"),
        ([], "definition"),
        ({}, "operator.name"),
        ({"operator": {"name": "A"}, "accounts": {}}, "accounts"),
        ({"operator": {"name": "A"}, "accounts": ["B"]}, "accounts[0]"),
        ({"operator": {"name": "A"}, "users": []}, "users"),
        ({"operator": {"name": "A", "signing_keys": "main"}}, "operator.signing_keys"),
        ({"operator": {"name": "A", "signing_keys": [{}]}}, "operator.signing_keys[0]"),
        ({"operator": {"name": "A", "signing_keys": ["x", "x"]}}, "operator.signing_keys[1].role"),
        (
            {"operator": {"name": "A", "signing_keys": [{"role": "x", "template": {}}]}},
            "operator.signing_keys[0].template",
        ),
        ({"operator": {"name": "A", "public_key": "OABC"}}, "operator.public_key"),
        ({"operator": {"name": "A", "renew_before": "3d"}}, "operator"),
        ({"operator": {"name": "A", "expires_in": "soon"}}, "operator.expires_in"),
        ({"operator": {"name": " A"}}, "operator.name"),
        ({"operator": {"name": ".."}}, "operator.name"),
        ({"operator": {"name": "x" * 300}}, "operator.name"),
    ],
)
def test_structure_is_checked(tmp_path: pathlib.Path, definition: Any, path: str) -> None:
    assert path in paths(planned(definition, tmp_path)[1])


def test_names_have_to_be_known(tmp_path: pathlib.Path) -> None:
    found = problems(
        tmp_path,
        [
            {
                "name": "APP",
                "signing_key_role": "gone",
                "imports": [{"account": "OTHER", "subject": "a", "type": "stream"}],
                "exports": [{"subject": "b", "type": "stream", "revocations": {"OTHER": "now"}}],
                "revocations": {"nobody": "now"},
                "authorization": {"auth_users": ["nobody"], "allowed_accounts": ["OTHER"]},
                "users": [{"name": "u", "signing_key_role": "writer"}],
            }
        ],
    )
    assert {
        "accounts[0].signing_key_role",
        "accounts[0].imports[0].account",
        "accounts[0].exports[0].revocations[OTHER]",
        "accounts[0].revocations[nobody]",
        "accounts[0].authorization.auth_users[0]",
        "accounts[0].authorization.allowed_accounts[0]",
        "accounts[0].users[0].signing_key_role",
    } <= set(paths(found))
    assert "has no signing key with the role writer; its roles are none." in "\n".join(found)


def test_accounts_from_elsewhere_are_named_by_public_key(tmp_path: pathlib.Path) -> None:
    other = nkey.create("account").public_key
    assert (
        problems(tmp_path, [{"name": "APP", "imports": [{"account": other, "subject": "a", "type": "stream"}]}]) == []
    )


def test_import_needs_an_export(tmp_path: pathlib.Path) -> None:
    found = problems(
        tmp_path,
        [
            {"name": "APP", "exports": [{"subject": "a.*", "type": "stream"}]},
            {
                "name": "PARTNER",
                "imports": [
                    {"account": "APP", "subject": "a.one", "type": "stream"},
                    {"account": "APP", "subject": "b", "type": "stream"},
                    {"account": "APP", "subject": "a.two", "type": "service"},
                ],
            },
        ],
    )
    assert paths(found) == ["accounts[1].imports[1].subject", "accounts[1].imports[2].type"]


def test_private_export_takes_no_token_in_the_document(tmp_path: pathlib.Path) -> None:
    plan, found = planned(
        {
            "operator": {"name": "ACME"},
            "accounts": [
                {"name": "APP", "exports": [{"subject": "a.>", "type": "stream", "token_required": True}]},
                {"name": "PARTNER", "imports": [{"account": "APP", "subject": "a.b", "type": "stream"}]},
            ],
        },
        tmp_path,
    )
    assert found == []
    assert ("activation", "stream a.b of APP", "PARTNER", "created") in [entity[:4] for entity in plan.entities]


@pytest.mark.parametrize("kind", ["service", "stream"])
def test_imports_that_form_a_cycle_are_refused(tmp_path: pathlib.Path, kind: str) -> None:
    def account(name: str, other: str) -> dict[str, Any]:
        return {
            "name": name,
            "exports": [{"subject": "a", "type": kind}],
            "imports": [{"account": other, "subject": "a", "type": kind}],
        }

    found = problems(tmp_path, [account("A", "B"), account("B", "C"), account("C", "A")])
    assert paths(found) == [f"accounts[{index}].imports[0]" for index in range(3)]
    assert "cycle" in found[0]


def test_imports_the_other_way_round_are_no_cycle(tmp_path: pathlib.Path) -> None:
    found = problems(
        tmp_path,
        [
            {
                "name": "A",
                "exports": [{"subject": "a", "type": "service"}],
                "imports": [{"account": "B", "subject": "b", "type": "service"}],
            },
            {
                "name": "B",
                "exports": [{"subject": "b", "type": "service"}],
                "imports": [{"account": "A", "subject": "a", "type": "service"}],
            },
        ],
    )
    assert found == []


@pytest.mark.parametrize(
    ("first", "second", "collide"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("a.*", "a.b", True),
        ("a.*", "*.b", True),
        ("a.>", "a", False),
        ("a.>", "*.b.c", True),
        ("a.*", "a.b.c", False),
        (">", "a", True),
    ],
)
def test_subjects_collide_when_something_matches_both(first: str, second: str, collide: bool) -> None:
    assert subjects_collide(first, second) is subjects_collide(first=second, second=first) is collide


def test_strict_operator_needs_signing_keys(tmp_path: pathlib.Path) -> None:
    found = problems(
        tmp_path, [{"name": "APP", "users": [{"name": "u"}]}], strict_signing_key_usage=True, signing_keys=["main"]
    )
    assert paths(found) == ["accounts[0].users[0].signing_key_role"]
    assert "accounts[0]" in paths(problems(tmp_path, [{"name": "APP"}], strict_signing_key_usage=True))


def test_rules_between_entities_are_held_to(tmp_path: pathlib.Path) -> None:
    found = problems(
        tmp_path,
        [
            {"name": "SYS", "limits": {"jetstream": {"disk_storage": "1GiB"}}},
            {"name": "APP", "limits": {"disallow_bearer": True}, "users": [{"name": "u", "bearer_token": True}]},
            {
                "name": "MORE",
                "mappings": {"a": [{"subject": "b", "weight": 60}, {"subject": "c", "weight": 60}]},
                "exports": [{"subject": "x.>", "type": "stream"}, {"subject": "x.y", "type": "stream"}],
                "signing_keys": [
                    {"role": "r", "template": {"permissions": {"publish": {"allow": ["{{nonsense()}}"]}}}}
                ],
                "users": [{"name": "u", "signing_key_role": "r", "bearer_token": True}],
            },
        ],
        system_account="SYS",
    )
    assert {
        "accounts[0].limits.jetstream",
        "accounts[1].users[0].bearer_token",
        "accounts[2].mappings.a",
        "accounts[2].exports[1].subject",
        "accounts[2].signing_keys[0].template.permissions.publish.allow[0]",
        "accounts[2].users[0].bearer_token",
    } <= set(paths(found))


def test_same_fault_of_many_users_is_told_for_each(tmp_path: pathlib.Path) -> None:
    users = [{"name": f"u{index}", "permissions": {"publish": {"allow": ["a..b"]}}} for index in range(3)]
    found = problems(tmp_path, [{"name": "APP", "users": users}])
    assert paths(found) == [f"accounts[0].users[{index}].permissions.publish.allow[0]" for index in range(3)]


def test_two_users_cannot_have_one_key(tmp_path: pathlib.Path) -> None:
    key = nkey.create("user").public_key
    users = [{"name": "a", "public_key": key}, {"name": "b", "public_key": key}]
    assert "accounts[0].users[1].public_key" in paths(problems(tmp_path, [{"name": "APP", "users": users}]))


def test_seed_in_a_wrong_place_is_not_shown(tmp_path: pathlib.Path) -> None:
    seed = nkey.create("user").seed
    found = problems(tmp_path, [{"name": "APP", "users": [{"name": "u", "public_key": seed}]}], public_key=seed)
    assert len(found) == 2
    assert seed not in "\n".join(found)


# ---- files


def read(path: pathlib.Path) -> Any:
    return source.parse_source(str(path), source.read_source(str(path)))


def test_yaml_and_json_say_the_same(tmp_path: pathlib.Path) -> None:
    yaml, json = tmp_path / "a.yml", tmp_path / "a.json"
    yaml.write_text("operator:\n  name: ACME\naccounts: []\n")
    json.write_text('{"operator": {"name": "ACME"}, "accounts": []}')
    assert read(yaml) == read(json)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.yml", "operator: [\n", "is not YAML at line 2"),
        ("a.json", '{"operator": ', "is not JSON"),
        ("a.yml", "!!python/object/apply:os.system [true]", "is not YAML"),
        ("a.yml", "a: &a [*a]\n", "it contains itself"),
        ("a.yml", "a: &a {b: {c: [{d: *a}]}}\n", "it contains itself"),
        (
            "a.yml",
            "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30)),
            "more than 5000000",
        ),
    ],
)
def test_file_that_does_not_parse_is_one_clear_error(tmp_path: pathlib.Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(NatsSecurityError, match=said):
        read(tmp_path / name)


def test_aliases_are_replaced_by_what_they_stand_for(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.yml").write_text("a: &a {b: [1]}\nc: [*a, *a]\nd: *a\n")
    assert read(tmp_path / "a.yml") == {"a": {"b": [1]}, "c": [{"b": [1]}, {"b": [1]}], "d": {"b": [1]}}


def test_file_that_is_not_there_is_one_clear_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(NatsSecurityError, match="there is no file"):
        read(tmp_path / "none.yml")


@pytest.mark.parametrize("account", [False, True])
def test_the_last_end_is_292_years_from_now(tmp_path: pathlib.Path, account: bool) -> None:
    def found(**options: Any) -> list[str]:
        user = {"name": "u", **({} if account else options)}
        return paths(problems(tmp_path, [{"name": "A", "users": [user], **(options if account else {})}]))

    last = 2**63 // 10**9  # seconds in Go's time.Duration
    place = "accounts[0]" if account else "accounts[0].users[0]"
    assert found(expires_at=str(NOW + last)) == []
    assert found(expires_at=str(NOW + last + 1)) == [f"{place}.expires_at"]
    assert found(expires_in=f"{last}s") == []
    assert found(expires_in=f"{last + 1}s") == [f"{place}.expires_in"]


@pytest.mark.parametrize(
    ("place", "document", "words"),
    [
        ("operator", {"operator": {"name": "ACME", "zzz": 1}}, ("name", "system_account", "expires_in", "tags")),
        ("accounts[0] (B)", {"accounts": [{"name": "B", "zzz": 1}]}, ("users", "limits", "signing_keys")),
        (
            "accounts[0] (B).users[0] (c)",
            {"accounts": [{"name": "B", "users": [{"name": "c", "zzz": 1}]}]},
            ("creds", "permissions"),
        ),
        (
            "accounts[0] (B).signing_keys[0] (r)",
            {"accounts": [{"name": "B", "signing_keys": [{"role": "r", "zzz": 1}]}]},
            ("role", "template"),
        ),
        (
            "operator.signing_keys[0] (r)",
            {"operator": {"name": "ACME", "signing_keys": [{"role": "r", "zzz": 1}]}},
            ("public_key", "role"),
        ),
        (
            "accounts[0] (B).imports[0]",
            {"accounts": [{"name": "B", "imports": [{"zzz": 1}]}]},
            ("activation", "subject"),
        ),
    ],
)
def test_an_unknown_option_is_reported_with_all_that_there_are(
    place: str, document: dict[str, Any], words: tuple[str, ...], tmp_path: pathlib.Path
) -> None:
    found = planned({"operator": {"name": "ACME"}, **document}, tmp_path)[1]
    (message,) = [problem for problem in found if problem.startswith(f"{place}.zzz: ")]
    listed = message.partition("available: ")[2].rstrip(".").split(", ")
    assert set(words) <= set(listed)
    assert listed == sorted(listed)


def test_what_a_document_would_pass_over_is_refused(tmp_path: pathlib.Path) -> None:
    key = nkey.create("account").public_key
    found = problems(
        tmp_path,
        [
            {
                "name": "APP",
                "force": True,
                "signing_keys": [{"role": "main", "key": key}],
                "users": [{"name": "orders", "force": True}, {"name": "b", "signing_key_rol": "main"}],
            }
        ],
        force=False,
    )
    assert sorted(paths(found)) == [
        "accounts[0].force",
        "accounts[0].signing_keys[0].key",
        "accounts[0].users[0].force",
        "accounts[0].users[1].signing_key_rol",
        "operator.force",
    ]
    assert any("did you mean signing_key_role?" in problem for problem in found)
