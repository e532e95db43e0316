# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Reports of a playbook run: the text lines and the Markdown made from results."""

from __future__ import annotations

import pathlib
from typing import Any

import yaml

from ansible_collections.natsops.security.plugins.plugin_utils.reasons import Told, changes_of, lines, markdown

ROOT = pathlib.Path(__file__).resolve().parents[2]
NORMAL = "natsops.security.normal"
SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"


def store(entities: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"entities": entities, "summary": {"created": 0, "changed": 1, "kept": 3}, **more}


def entity(kind: str, name: str, action: str, *reasons: str, account: str = "") -> dict[str, Any]:
    return {"kind": kind, "name": name, "action": action, "reasons": list(reasons), "account": account}


def shown(result: dict[str, Any], module: str = "nats_store", named: str = "") -> list[str]:
    return lines(changes_of(result, module, named))


def test_a_store_is_shown_by_names_what_is_extra_last() -> None:
    result = store(
        [
            entity("user", "old", "extra", "it is not in the document", account="APP"),
            entity("operator", "ACME", "kept"),
            entity("account", "APP", "changed", "limits.connections: 10 -> 20", "tags: added blue"),
            entity("user", "orders", "changed", "expires in 6d, renewal window 14d", account="APP"),
            entity("signing_key", "main", "removed", "it is not in the document", account="APP"),
        ],
        created_users={"SYS": ["sys"]},
    )
    assert shown(result) == [
        "SYS/sys: created",
        "account APP: limits.connections: 10 -> 20; tags: added blue",
        "APP/orders: expires in 6d, renewal window 14d",
        "signing key main of APP: removed, it is not in the document",
        "APP/old: extra, it is not in the document",
    ]


def test_many_users_that_are_created_share_a_line_and_many_changes_are_counted() -> None:
    created = store([], created_users={"APP": [f"u{number}" for number in range(25)]})
    (line,) = shown(created)
    assert line.startswith("APP, 25 users (u0, u1, ")
    assert line.endswith("u19 and 5 more): created")
    changed = store([entity("user", f"u{number}", "changed", f"{number}", account="APP") for number in range(150)])
    assert len(shown(changed)) == 101
    assert shown(changed)[-1] == "... and 50 more"


def test_single_modules_and_what_talks_to_servers() -> None:
    claims = {"name": "orders", "type": "user"}
    assert shown({"changed": True, "claims": claims, "reasons": ["tags: added a"]}, "nats_user") == [
        "user orders: tags: added a"
    ]
    assert shown({"changed": True, "claims": claims, "reasons": ["there is no token yet"]}, "nats_user") == [
        "user orders: created"
    ]
    gone = {"changed": True, "claims": {}, "reasons": ["its state is absent"]}
    assert shown(gone, "nats_user", "orders") == ["user orders: removed"]
    assert shown({"changed": False, "claims": claims, "reasons": []}, "nats_user") == []
    pushed = [
        {"name": "APP", "action": "pushed", "reasons": ["n1 does not have it"]},
        {"name": "SYS", "action": "unchanged", "reasons": []},
    ]
    assert shown({"accounts": pushed}, "nats_resolver") == ["account APP: pushed, n1 does not have it"]
    revoked = [{"name": "guest", "public_key": "U1", "action": "added", "until": "2027-01-31T12:00:00Z"}]
    assert shown({"revocations": revoked}, "nats_revocation", "APP") == [
        "revocation of APP/guest: added, what was issued up to 2027-01-31T12:00:00Z is refused"
    ]
    assert shown({"skipped": True, "changed": False}, "nats_resolver") == []


def test_a_name_cannot_break_a_line_color_a_terminal_or_show_a_secret() -> None:
    result = store([entity("account", f"a\n\x1b[31m{SEED}\u202e", "changed", "x")])
    (line,) = shown(result)
    assert line.isprintable()
    assert SEED not in line


def told(**changed: Any) -> Told:
    change = changes_of(store([entity("account", "APP", "changed", "limits.connections: 10 -> 20")]), "nats_store")
    whole = Told("localhost", "The store", "nats_store", True, True, False, change, "1 changed", ())
    return whole._replace(**changed)


def test_markdown_for_a_comment() -> None:
    assert markdown([told()], True) == (
        "## NATS: what would change\n\n### `The store` on `localhost`\n\n1 changed\n\n"
        "```diff\n! account APP: limits.connections: 10 -> 20\n```\n"
    )
    assert markdown([told(prepared="tokens to sign: 1\n  1 by ACME\n")], True).endswith(
        "limits.connections: 10 -> 20\n\n  tokens to sign: 1\n    1 by ACME\n```\n"
    )
    assert "(check mode)" in markdown([told()], False)
    assert markdown([told(changes=(), changed=False)], True) == "## NATS: nothing would change\n"
    assert "**The task failed.**" in markdown([told(failed=True)], True)


def test_markdown_in_names_stays_text() -> None:
    hostile = store([entity("account", "```\n<img src=x>", "changed", "``` [x](http://evil)")])
    text = markdown([told(task="a `b` <img>", changes=changes_of(hostile, "nats_store"))], True)
    assert "### ``a `b` <img>`` on" in text.replace("`` a `b` <img> ``", "``a `b` <img>``")
    fence = next(line for line in text.splitlines() if line.endswith("diff"))
    assert fence == "````diff"
    assert text.count("\n````\n") == 1


def test_every_module_leaves_notes() -> None:
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())
    routed = {name for name, how in runtime["plugin_routing"]["modules"].items() if how["action_plugin"] == NORMAL}
    assert {path.stem for path in ROOT.glob("plugins/modules/nats_*.py")} - {"nats_store"} == routed
