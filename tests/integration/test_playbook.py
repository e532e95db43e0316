# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Every module through a real ansible-playbook: options, results, check mode, diffs, warnings and failures as users meet them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from support.plays import Play

GROUP = "group/natsops.security.nats"


def task(name: str, module: str, options: dict[str, Any], **keywords: Any) -> dict[str, Any]:
    return {"name": name, f"natsops.security.nats_{module}": options, **keywords}


def realm() -> list[dict[str, Any]]:
    """Tasks that create an operator, two accounts, users, an activation and creds, and read them."""
    return [
        task(
            "operator",
            "operator",
            {
                "name": "ACME",
                "key_path": "{{ d }}/acme.nk",
                "jwt_path": "{{ d }}/acme.jwt",
                "signing_keys": [{"path": "{{ d }}/acme-signing.nk"}],
                "strict_signing_key_usage": True,
                "expires_in": "365d",
            },
        ),
        task("partner's key", "nkey", {"path": "{{ d }}/partner.nk", "type": "account"}, register="partner"),
        task(
            "account",
            "account",
            {
                "name": "APP",
                "key_path": "{{ d }}/app.nk",
                "jwt_path": "{{ d }}/app.jwt",
                "operator_jwt_path": "{{ d }}/acme.jwt",
                "signer_path": "{{ d }}/acme-signing.nk",
                "limits": {"connections": "{{ connections }}", "jetstream": {"disk_storage": "10GiB"}},
                "exports": [{"subject": "orders.create", "type": "service", "token_required": True}],
                "signing_keys": [
                    {"path": "{{ d }}/app-signing.nk"},
                    {
                        "path": "{{ d }}/app-reader.nk",
                        "role": "reader",
                        "template": {"permissions": {"subscribe": {"allow": ["{{ subject }}"]}}},
                    },
                ],
                "tags": ["Production"],
            },
        ),
        task(
            "activation",
            "activation",
            {
                "jwt_path": "{{ d }}/orders.jwt",
                "account_jwt_path": "{{ d }}/app.jwt",
                "signer_path": "{{ d }}/app-signing.nk",
                "importer": "{{ partner.public_key }}",
                "import_subject": "orders.create",
                "import_type": "service",
            },
            register="activation",
        ),
        task(
            "partner",
            "account",
            {
                "name": "PARTNER",
                "key_path": "{{ d }}/partner.nk",
                "jwt_path": "{{ d }}/partner.jwt",
                "operator_jwt_path": "{{ d }}/acme.jwt",
                "signer_path": "{{ d }}/acme-signing.nk",
                "imports": [
                    {
                        "subject": "orders.create",
                        "type": "service",
                        "account": "{{ activation.issuer_account }}",
                        "token": "{{ activation.token | default(omit, true) }}",
                    }
                ],
            },
        ),
        task(
            "user",
            "user",
            {
                "name": "orders",
                "key_path": "{{ d }}/orders.nk",
                "jwt_path": "{{ d }}/orders.jwt.user",
                "creds_path": "{{ d }}/orders.creds",
                "account_jwt_path": "{{ d }}/app.jwt",
                "operator_jwt_path": "{{ d }}/acme.jwt",
                "signer_path": "{{ d }}/app-signing.nk",
                "permissions": {"publish": {"allow": ["orders.>"]}},
            },
            register="user",
        ),
        task(
            "scoped user",
            "user",
            {
                "name": "dashboard",
                "key_path": "{{ d }}/dashboard.nk",
                "creds_path": "{{ d }}/dashboard.creds",
                "account_jwt_path": "{{ d }}/app.jwt",
                "signer_path": "{{ d }}/app-reader.nk",
                "signing_key_role": "reader",
            },
        ),
        task(
            "creds",
            "creds",
            {
                "path": "{{ d }}/copy.creds",
                "jwt": "{{ user.jwt | default('', true) }}",
                "key_path": "{{ d }}/orders.nk",
            },
            when="not ansible_check_mode",
        ),
        task(
            "info",
            "jwt_info",
            {
                "jwt_path": "{{ d }}/orders.creds",
                "parents": [{"jwt_path": "{{ d }}/app.jwt"}, {"jwt_path": "{{ d }}/acme.jwt"}],
                "valid_at": ["+14d", "2100-01-01"],
            },
            when="not ansible_check_mode",
        ),
    ]


def test_a_realm_is_predicted_made_kept_corrected_and_removed(play: Play) -> None:
    folder = play.folder / "realm"
    folder.mkdir(mode=0o700)
    variables = {"d": str(folder), "connections": 10, "subject": "prices.{{ '{{' }}name(){{ '}}' }}"}
    makers = ["operator", "partner's key", "account", "activation", "partner", "user", "scoped user"]

    predicted = play(realm(), "--check", "--diff", **variables)
    assert predicted.returncode == 0, predicted.output
    assert list(folder.iterdir()) == []
    assert [name for name, changed in predicted.changed.items() if changed] == makers
    assert "(a new account key: in" in predicted.output
    assert '+    "name": "APP"' in predicted.output

    made = play(realm(), "--diff", **variables)
    assert made.returncode == 0, made.output
    assert [name for name, changed in made.changed.items() if changed] == [*makers, "creds"]
    assert made.tasks["account"]["diff"] == predicted.tasks["account"]["diff"]
    assert made.tasks["account"]["reasons"] == ["there is no token yet"]
    info = made.tasks["info"]
    assert (info["valid"], info["verified"], info["has_seed"]) == (True, True, True)
    assert [told["valid"] for told in info["validity"]] == [True, False]
    assert made.tasks["scoped user"]["role"] == "reader"
    assert made.tasks["account"]["claims"]["tags"] == ["production"]
    assert (folder / "copy.creds").read_text() == (folder / "orders.creds").read_text()
    assert "{{name()}}" in json.dumps(made.tasks["account"]["claims"])
    assert {path.suffix: f"{path.stat().st_mode & 0o777:o}" for path in folder.iterdir()} == {
        ".nk": "600",
        ".creds": "600",
        ".jwt": "644",
        ".user": "644",
    }

    kept = play(realm(), "--diff", **variables)
    assert kept.returncode == 0, kept.output
    assert "changed=0" in kept.output
    assert all(not changed for changed in kept.changed.values())

    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}
    told = play(realm(), "--check", "--diff", **{**variables, "connections": 20})
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()} == before
    corrected = play(realm(), "--diff", **{**variables, "connections": 20})
    for played in (told, corrected):
        assert [name for name, changed in played.changed.items() if changed] == ["account"]
        assert played.tasks["account"]["reasons"] == ["limits.connections: 10 -> 20"]
        assert '-        "connections": 10,' in played.output
        assert '+        "connections": 20,' in played.output
    assert told.tasks["account"]["diff"] == corrected.tasks["account"]["diff"]

    removal = [
        task(
            "absent user",
            "user",
            {"jwt_path": "{{ d }}/orders.jwt.user", "creds_path": "{{ d }}/orders.creds", "state": "absent"},
        ),
        task("absent creds", "creds", {"path": "{{ d }}/copy.creds", "state": "absent"}),
        task("absent activation", "activation", {"jwt_path": "{{ d }}/orders.jwt", "state": "absent"}),
        task("absent account", "account", {"jwt_path": "{{ d }}/partner.jwt", "state": "absent", "backup": True}),
        task(
            "absent key", "nkey", {"path": "{{ d }}/partner.nk", "type": "account", "state": "absent", "backup": True}
        ),
    ]
    gone = play(removal, "--diff", **variables)
    assert gone.returncode == 0, gone.output
    assert all(gone.changed.values())
    assert len(gone.tasks["absent account"]["backup_files"]) == 1


def test_failures_are_one_message_each_and_module_defaults_reach_every_module(play: Play) -> None:
    folder = play.folder / "realm"
    folder.mkdir(mode=0o700)
    (folder / "notes").write_text("my notes\n")
    bad = [
        task("foreign file", "operator", {"name": "A", "key_path": "{{ d }}/notes", "jwt_path": "{{ d }}/a.jwt"}),
        task(
            "unknown option",
            "account",
            {"name": "A", "key_path": "{{ d }}/a.nk", "jwt_path": "{{ d }}/a.jwt", "limits": {"conections": 1}},
        ),
        task(
            "bad size",
            "account",
            {
                "name": "A",
                "key_path": "{{ d }}/a.nk",
                "jwt_path": "{{ d }}/a.jwt",
                "signer_path": "{{ d }}/a.nk",
                "limits": {"payload": "big"},
            },
        ),
        task("no signer", "user", {"name": "u", "key_path": "{{ d }}/u.nk", "jwt_path": "{{ d }}/u.jwt"}),
        task(
            "no account",
            "activation",
            {"jwt_path": "{{ d }}/a.jwt", "importer": "A", "import_subject": "a", "import_type": "stream"},
        ),
        task("wrong type", "nkey", {"path": "{{ d }}/k.nk", "type": "users"}),
        task("no jwt", "creds", {"path": "{{ d }}/c.creds", "jwt_path": "{{ d }}/none", "key_path": "{{ d }}/none"}),
        task("no file", "jwt_info", {"jwt_path": "{{ d }}/none"}),
    ]
    for item in bad:
        item["ignore_errors"] = True
    played = play(bad, d=str(folder))
    assert played.returncode == 0
    words = {
        "foreign file": f"key_path: {folder}/notes is not a seed file, it is left unchanged.",
        "unknown option": "limits.conections. Supported parameters include: connections",
        "bad size": "limits.payload: 'big' is not a size: write 1048576, 10GiB, 500MB or unlimited.",
        "no signer": "One of signer_path, signer_seed and signers is needed",
        "no account": "importer: 'A' is not a public key",
        "wrong type": "value of type must be one of: operator, account, user, server, cluster, curve, got: users",
        "no jwt": f"key_path: there is no file {folder}/none.",
        "no file": f"jwt_path: there is no file {folder}/none.",
    }
    for name, expected in words.items():
        assert played.tasks[name]["failed"], name
        assert expected in played.tasks[name]["msg"]
    assert [path.name for path in folder.iterdir()] == ["notes"]

    defaults = {GROUP: {"mode": "0640", "backup": True}}
    played = play(
        [{**task("key", "nkey", {"path": "{{ d }}/k.nk", "type": "user"}), "module_defaults": defaults}], d=str(folder)
    )
    assert f"{(folder / 'k.nk').stat().st_mode & 0o777:o}" == "640", played.output
