# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Bad input fails the task with one clear message and changes nothing on disk. `refuse` compares the whole folder, and looks for seeds."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey

if TYPE_CHECKING:
    from support.sites import Site

DAY = 86400


@pytest.fixture
def app(acme: Site) -> dict[str, Any]:
    """The options of a task about the account APP."""
    return {
        "name": "APP",
        "key_path": acme / "app.nk",
        "jwt_path": acme / "app.jwt",
        "operator_jwt_path": acme / "acme.jwt",
        "signer_path": acme / "acme-signing.nk",
    }


@pytest.fixture
def user(acme: Site) -> dict[str, Any]:
    """The options of a task that would create a user."""
    return {
        "name": "u",
        "key_path": acme / "u.nk",
        "jwt_path": acme / "u.jwt",
        "creds_path": acme / "u.creds",
        "account_jwt_path": acme / "app.jwt",
        "signer_path": acme / "app-signing.nk",
    }


# ---- files

TASKS = {
    "nkey": ("path",),
    "operator": ("key_path", "jwt_path", "signer_path"),
    "account": ("key_path", "jwt_path", "signer_path", "operator_jwt_path"),
    "user": ("key_path", "jwt_path", "creds_path", "signer_path", "account_jwt_path", "operator_jwt_path"),
    "activation": ("jwt_path", "signer_path", "account_jwt_path", "operator_jwt_path"),
    "creds": ("path", "jwt_path", "key_path"),
    "jwt_info": ("jwt_path",),
}
OPTIONS = [(module, option) for module, options in TASKS.items() for option in options]


def task_of(acme: Site, module: str) -> dict[str, Any]:
    """The options of a task that would succeed."""
    if not (acme.folder / "u.nk").exists():
        pair = acme.make_key("u.nk", "user")
        acme.make_jwt("u.jwt", "user", pair.public_key, acme.key("app.nk"))
    return {
        "nkey": {"path": acme / "new.nk", "type": "user"},
        "operator": {"name": "ACME", "key_path": acme / "acme.nk", "jwt_path": acme / "acme.jwt", "tags": ["a"]},
        "account": {
            "name": "APP",
            "key_path": acme / "app.nk",
            "jwt_path": acme / "app.jwt",
            "signer_path": acme / "acme-signing.nk",
            "tags": ["a"],
        },
        "user": {
            "name": "new",
            "key_path": acme / "new.nk",
            "creds_path": acme / "new.creds",
            "signer_path": acme / "app-signing.nk",
            "account_jwt_path": acme / "app.jwt",
        },
        "activation": {
            "jwt_path": acme / "new.jwt",
            "signer_path": acme / "app-signing.nk",
            "account_jwt_path": acme / "app.jwt",
            "importer": acme.key("app.nk").public_key,
            "import_subject": "orders.create",
            "import_type": "service",
        },
        "creds": {"path": acme / "new.creds", "jwt_path": acme / "u.jwt", "key_path": acme / "u.nk"},
        "jwt_info": {"jwt_path": acme / "u.jwt"},
    }[module]


@pytest.mark.parametrize("module", TASKS)
def test_the_tasks_below_succeed_with_good_input(acme: Site, module: str) -> None:
    assert acme.run(module, **task_of(acme, module))["changed"] is (module != "jwt_info")


@pytest.mark.parametrize(("module", "option"), OPTIONS)
def test_directory_in_the_place_of_a_file(acme: Site, module: str, option: str) -> None:
    (acme.folder / "folder").mkdir()
    message = acme.refuse(module, **{**task_of(acme, module), option: acme / "folder"})
    if option == "signer_path":
        assert "folder" in message
    else:
        assert message.endswith(f"cannot be read from {acme / 'folder'}: Is a directory.")


@pytest.mark.parametrize(("module", "option"), OPTIONS)
def test_file_without_permission_to_read(acme: Site, module: str, option: str) -> None:
    options = task_of(acme, module)
    path = acme.write("locked", "secret", 0o000)
    message = acme.refuse(module, {"rootless": True}, **{**options, option: path})
    assert message.endswith(f"cannot be read from {path}: Permission denied.")
    assert "secret" not in message


@pytest.mark.parametrize(("module", "option"), OPTIONS)
def test_foreign_file_stays_as_it_is(acme: Site, module: str, option: str) -> None:
    options = task_of(acme, module)
    for content in (b"\x7fELF\x00\xff\xfe", b"just notes\n", b""):
        path = acme.write("foreign", content)
        message = acme.refuse(module, {"check": not content}, **{**options, option: path})
        assert path in message
        assert "notes" not in message


@pytest.mark.parametrize(("module", "option"), OPTIONS)
def test_file_that_is_too_large(acme: Site, module: str, option: str) -> None:
    options = task_of(acme, module)
    path = acme.write("large", "x" * (4 * 1024 * 1024 + 1))
    assert acme.refuse(module, **{**options, option: path}).endswith(f"from {path}: it is larger than 4 MiB.")


@pytest.mark.parametrize(
    ("module", "option"), [pair for pair in OPTIONS if pair[1] in ("path", "jwt_path", "creds_path", "key_path")]
)
def test_folder_that_does_not_exist(acme: Site, module: str, option: str) -> None:
    options = {**task_of(acme, module), option: acme / "none/file"}
    message = acme.refuse(module, **options)
    assert "none/file" in message
    assert "folder" in message or "there is no file" in message


def test_missing_folder_of_the_jwt_leaves_no_new_key_behind(acme: Site, user: dict[str, Any]) -> None:
    for option in ("jwt_path", "creds_path"):
        message = acme.refuse("user", **{**user, option: acme / "none/u"})
        assert message == f"{option}: the folder of {acme / 'none/u'} does not exist."
    message = acme.refuse("nkey", path=acme / "new.nk", type="user", public_key_path=acme / "none/u.pub")
    assert message == f"public_key_path: the folder of {acme / 'none/u.pub'} does not exist."


def test_folder_that_cannot_be_written_to(acme: Site) -> None:
    (acme.folder / "locked").mkdir(mode=0o555)
    message = acme.refuse("nkey", {"rootless": True}, path=acme / "locked/k.nk", type="user")
    assert message == f"{acme / 'locked/k.nk'} cannot be written: Permission denied."


# ---- seeds and keys


def changed(seed: str, position: int = 30) -> str:
    return seed[:position] + ("A" if seed[position] != "A" else "B") + seed[position + 1 :]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (changed, "The seed is mistyped: its checksum is wrong."),
        (lambda seed: seed[:-1], "Not a whole seed: it has 57 characters instead of 58."),
        (lambda seed: seed + "A", "Not a whole seed: it has 59 characters instead of 58."),
        (lambda seed: seed.lower(), "There is no seed in it."),
        (lambda seed: seed[:20] + "1" + seed[21:], "has a character that keys do not have"),
    ],
)
@pytest.mark.parametrize("where", ["file", "content"])
def test_truncated_and_mistyped_seeds(acme: Site, user: dict[str, Any], where: str, spoil: Any, words: str) -> None:
    for option, key_type in (("key", "user"), ("signer", "account")):
        bad = spoil(nkey.create(key_type).seed)
        given = dict(user)
        del given[f"{option}_path"]
        if where == "file":
            given[f"{option}_path"] = acme.write("bad.nk", bad + "\n", 0o600)
        else:
            given[f"{option}_seed"] = bad
        message = acme.refuse("user", **given)
        assert words in message
        assert message.startswith(f"{option}_path: " if where == "file" else f"{option}_seed: ")
        assert bad not in message


def test_keys_of_the_wrong_type(acme: Site, app: dict[str, Any], user: dict[str, Any]) -> None:
    account = acme.key("app.nk").public_key
    assert acme.refuse("nkey", path=acme / "app.nk", type="user") == (
        f"path: this is the account key {account}, expected the key of a user."
    )
    assert acme.refuse("user", **{**user, "key_path": acme / "app.nk"}) == (
        f"key_path: this is the account key {account}, expected the key of a user."
    )
    operator = acme.key("acme.nk").public_key
    assert acme.refuse("user", **{**user, "signer_path": acme / "acme.nk"}) == (
        f"signer_path: this is the operator key {operator}, expected the key of an account."
    )
    message = acme.refuse("account", **app, signing_keys=[{"path": acme / "acme.nk"}])
    assert message == f"signing_keys[0].path: this is the operator key {operator}, expected the key of an account."
    message = acme.refuse("account", **app, signing_keys=[{"role": "app", "public_key": operator, "template": {}}])
    assert (
        message
        == f"signing_keys[0] (app).public_key: {operator} is an operator public key, expected an account public key."
    )
    seed = nkey.create("account").seed
    assert "key_seed: this is the account key" in acme.refuse(
        "user", **{name: value for name, value in user.items() if name != "key_path"}, key_seed=seed
    )


def test_public_keys_that_are_none(acme: Site, user: dict[str, Any]) -> None:
    del user["key_path"], user["creds_path"]
    good = nkey.create("user").public_key
    assert "is mistyped: its checksum is wrong" in acme.refuse("user", **user, public_key=changed(good))
    assert "it has 55 characters instead of 56" in acme.refuse("user", **user, public_key=good[:-1])
    assert "is not a public key" in acme.refuse("user", **user, public_key="")


def test_mistyped_keys_in_lists_are_noticed(acme: Site, app: dict[str, Any]) -> None:
    # Fixed keys, because one in a thousand mistyped keys looks like a mistyped seed, and is masked.
    user, account = (nkey.from_raw_seed(key_type, bytes(32)).public_key for key_type in ("user", "account"))
    for options, path in (
        ({"revocations": {changed(user): "now"}}, f"revocations[{changed(user)}]: "),
        ({"revocations": {account: "now"}}, f"revocations[{account}]: "),
        (
            {"exports": [{"name": "orders", "subject": "a", "type": "stream", "revocations": {user: "now"}}]},
            "exports[0] (orders).revocations[",
        ),
        ({"remove_revocations": [changed(user)]}, "remove_revocations["),
        ({"remove_signing_keys": [changed(account)]}, "remove_signing_keys["),
        ({"remove_signing_keys": ["*"]}, "remove_signing_keys[0]"),
    ):
        assert acme.refuse("account", **app, **options).startswith(path)
    message = acme.refuse(
        "operator", name="ACME", key_path=acme / "acme.nk", jwt_path=acme / "acme.jwt", remove_signing_keys=[account]
    )
    assert message.startswith("remove_signing_keys[0]: ")


def test_creds_info_without_creds_does_not_report_that_all_are_connected(acme: Site) -> None:
    message = acme.refuse("creds_info", paths=[], servers=["nats://127.0.0.1:1"])
    assert message == "paths: the list is empty; name at least one creds file."


def test_seed_in_the_place_of_a_public_key_is_not_shown(acme: Site, app: dict[str, Any]) -> None:
    seed = nkey.create("account").seed
    del app["key_path"]
    assert "public_key: " in acme.refuse("account", **app, public_key=seed)
    app["public_key"] = acme.key("app.nk").public_key
    assert "signing_keys[0].public_key: " in acme.refuse("account", **app, signing_keys=[{"public_key": seed}])
    assert "revocations[(a seed)]" in acme.refuse("account", **app, revocations={seed: "now"})


@pytest.mark.parametrize(("module", "option"), OPTIONS)
def test_seed_in_the_place_of_a_path_is_neither_used_nor_shown(acme: Site, module: str, option: str) -> None:
    seed = nkey.create("account").seed
    message = acme.refuse(module, **{**task_of(acme, module), option: seed})
    assert message == (
        f"{option} contains a seed, expected the path of a file. A seed itself goes into an option whose name ends in seed."
    )


def test_seed_in_an_option_that_does_not_exist_is_not_shown(acme: Site, user: dict[str, Any]) -> None:
    seed = nkey.create("user").seed
    message = acme.refuse("user", **user, seed=seed, creds_owner=seed)
    assert "Unsupported parameters for" in message
    assert "(a seed)" in acme.refuse("user", **user, **{seed: "x"})
    assert acme.refuse("nkey", path=acme / "k", type=seed).startswith("value of type must be one of: operator, account")


# ---- signers and parents


def test_signer_is_needed(acme: Site, app: dict[str, Any], user: dict[str, Any]) -> None:
    del app["signer_path"], user["signer_path"]
    assert acme.refuse("account", **app).startswith("One of signer_path, signer_seed and signers is needed")
    assert acme.refuse("user", **user).startswith("One of signer_path, signer_seed and signers is needed")


def test_expired_parent(acme: Site, app: dict[str, Any], user: dict[str, Any]) -> None:
    operator = acme.key("acme.nk")
    acme.make_jwt("acme.jwt", "operator", operator.public_key, operator, age=10 * DAY, expires_in=DAY)
    message = acme.refuse("account", **app)
    assert message.startswith("The JWT of the operator ACME expired at 2")
    assert message.endswith(": renew it before signing under it.")
    acme.make_jwt(
        "app.jwt", "account", acme.key("app.nk").public_key, acme.key("acme-signing.nk"), age=10 * DAY, expires_in=DAY
    )
    assert acme.refuse("user", **user).startswith("The JWT of the account APP expired at 2")


def test_parent_that_is_not_valid_yet(acme: Site, app: dict[str, Any]) -> None:
    operator = acme.key("acme.nk")
    acme.make_jwt("acme.jwt", "operator", operator.public_key, operator, not_before=int(time.time()) + DAY)
    message = acme.refuse("account", **app)
    assert message.startswith("The JWT of the operator ACME is not valid before 2")
    assert message.endswith("Z.")


def test_parent_of_another_kind(acme: Site, app: dict[str, Any], user: dict[str, Any]) -> None:
    assert acme.refuse("account", **{**app, "operator_jwt_path": acme / "app.jwt"}) == (
        f"operator_jwt_path {acme / 'app.jwt'} holds the JWT of an account (APP), expected one of an operator."
    )
    assert acme.refuse("user", **{**user, "account_jwt_path": acme / "acme.jwt"}).endswith(
        "expected one of an account."
    )


def test_forged_parent(acme: Site, app: dict[str, Any]) -> None:
    header, payload, signature = acme.text("acme.jwt").split(".")
    acme.write("acme.jwt", ".".join((header, payload, signature[:-8] + "AAAAAAAA")))
    message = acme.refuse("account", **app)
    assert "The token's signature is not that of its issuer" in message


def test_jwt_of_another_operator_in_the_place_of_ours(acme: Site) -> None:
    other = acme.make_key("other.nk", "operator")
    acme.make_jwt("other.jwt", "operator", other.public_key, other)
    message = acme.refuse("operator", name="ACME", key_path=acme / "acme.nk", jwt_path=acme / "other.jwt")
    assert message.startswith(f"The subject of the existing token is {other.public_key}, expected ")
    assert "it is left unchanged" in message


def test_account_of_another_operator_is_not_signed_under(acme: Site, user: dict[str, Any]) -> None:
    other = acme.make_key("other.nk", "operator")
    options = {"signing_keys": [{"key": acme.key("app-signing.nk").public_key}]}
    acme.make_jwt("app.jwt", "account", acme.key("app.nk").public_key, other, options)
    message = acme.refuse("user", **user, operator_jwt_path=acme / "acme.jwt")
    assert message.startswith(
        f"The JWT of the account APP is signed by {other.public_key}, which is not a key of the operator ACME"
    )


# ---- claims


def options_of(path: str, value: Any) -> dict[str, Any]:
    """`limits.connections` as nested options."""
    name, _unused, rest = path.partition(".")
    return {name: options_of(rest, value) if rest else value}


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("limits.payload", "10 potatoes", "'10 potatoes' is not a size: write 1048576, 10GiB, 500MB or unlimited."),
        ("limits.jetstream.disk_storage", "1.5GiB", "'1.5GiB' is not a size"),
        ("limits.jetstream.disk_storage", "-5", "'-5' is not a size"),
        ("limits.connections", "many", "'many' is not a whole number: write a whole number from 0, or unlimited."),
        ("limits.connections", "-2", "-2 is not between -1 and"),
        ("limits.connections", "9223372036854775808", "9223372036854775808 is not between"),
        ("limits.payload", "9EiB", "is not a size"),
        ("limits.payload", "99999999TiB", "is larger than NATS supports"),
        ("default_permissions.response.expires", "soon", "'soon' is not a duration: write a number with its unit"),
        ("default_permissions.response.expires", "400y", "is not a duration"),
        ("default_permissions.response.expires", "99999999w", "is longer than NATS supports"),
        ("trace.sampling", "150", "150"),
        ("revocations", {"*": "yesterday"}, "is not a time"),
        ("not_before", "tomorrow", "is not a time"),
        ("mappings", {"a": [{"subjekt": "b"}]}, "unsupported option; did you mean subject?"),
        ("mappings", {"a": "b"}, "expected a list"),
        ("limits.jetstream_tiers", {"R1": {"disk": 1}}, "unsupported option"),
    ],
)
def test_values_that_do_not_parse(acme: Site, app: dict[str, Any], path: str, value: Any, words: str) -> None:
    options = options_of(path, value)
    if path.startswith("trace"):
        options["trace"]["destination"] = "a"
    message = acme.refuse("account", **app, **options)
    assert path in message
    assert words in message


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"limits": 20}, r"limits: expected a dictionary with subscriptions, .*, not 20\."),
        ({"exports": ["foo"]}, r"exports\[0\]: expected a dictionary with name, .*, not 'foo'\."),
        ({"exports": [[5]]}, r"exports\[0\]: expected a dictionary with name, .*, not \[5\]\."),
        ({"signers": ["vault"]}, r"signers\[0\]: expected a dictionary with .*, not a text\."),
        ({"trace": "destination=a sampling=x"}, ".*sampling.*"),
        ({"trace": '{"destination": "a", "sampling": "x"}'}, ".*sampling.*"),
    ],
)
def test_values_of_the_wrong_shape(acme: Site, app: dict[str, Any], options: dict[str, Any], wanted: str) -> None:
    assert re.fullmatch(wanted, acme.refuse("account", **app, **options))


def test_everything_that_is_wrong_is_said_at_once(acme: Site, app: dict[str, Any]) -> None:
    message = acme.refuse(
        "account",
        **app,
        limits={"payload": "x", "connections": "y"},
        exports=[{"subject": "a", "type": "service", "response_threshold": "z"}],
    )
    assert [word in message for word in ("limits.payload", "limits.connections", "exports[0].response_threshold")] == [
        True
    ] * 3


def test_rules_of_nats_are_all_told_each_with_its_field(acme: Site, app: dict[str, Any]) -> None:
    message = acme.refuse(
        "account",
        **app,
        exports=[{"subject": "a b", "type": "stream"}, {"subject": "c", "type": "stream", "response_type": "Chunked"}],
        mappings={"m": [{"subject": "x", "weight": 70}, {"subject": "y", "weight": 70}]},
    )
    for field in ("exports[0].subject", "exports[1].response_type", "mappings.m"):
        assert field in message


def test_unknown_option_inside_a_claim(acme: Site, app: dict[str, Any]) -> None:
    message = acme.refuse("account", **app, limits={"conections": 5})
    assert message.startswith("Unsupported parameters for (")
    assert "limits.conections. Supported parameters include: connections, " in message
    message = acme.refuse("account", **app, exports=[{"subject": "a", "type": "steam"}])
    assert message == "value of type must be one of: stream, service, got: steam found in exports"
    message = acme.refuse("account", **app, exports=[{"type": "stream"}])
    assert message == "missing required arguments: subject found in exports"


def test_numbers_that_a_scope_cannot_hold(acme: Site, app: dict[str, Any]) -> None:
    template = {"limits": {"payload": 2**53}}
    message = acme.refuse(
        "account", **app, signing_keys=[{"path": acme / "new.nk", "role": "big", "template": template}]
    )
    assert "limits.payload" in message
    assert "2^53-1" in message or "9007199254740991" in message
    for zero in (0, "0"):
        template = {"limits": {"subscriptions": zero}}
        message = acme.refuse(
            "account", **app, signing_keys=[{"path": acme / "new.nk", "role": "none", "template": template}]
        )
        assert "limits.subscriptions" in message


@pytest.mark.parametrize("check", [True, False])
def test_token_over_1_mib(acme: Site, app: dict[str, Any], check: bool) -> None:
    long = "with.a.name.that.is.rather.long." * 20
    exports = [{"subject": f"{long}{number}", "type": "stream"} for number in range(1500)]
    message = acme.refuse("account", {"check": check}, **app, exports=exports)
    assert message.startswith("The token would have 1")
    assert message.endswith(" bytes; NATS reads tokens of up to 1048576 (1 MiB).")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"expires_in": "14d", "renew_before": "14d"},
            "renew_before (14d) has to be shorter than expires_in (14d): every run would renew the token.",
        ),
        ({"renew_before": "14d"}, "renew_before needs expires_in: a token that expires at a fixed time, or never,"),
        ({"expires_at": "2100-01-01", "renew_before": "14d"}, "renew_before needs expires_in"),
        ({"expires_in": "14"}, "expires_in: '14' is not a duration: write a number with its unit"),
        ({"expires_in": "1500ms"}, "expires_in: '1500ms' is not a duration of whole seconds"),
        ({"expires_in": "0"}, "expires_in: '0' is not a duration of whole seconds"),
        ({"expires_at": "in spring"}, "expires_at: 'in spring' is not a time: write RFC 3339"),
        ({"expires_in": "1d", "expires_at": "2100-01-01"}, "parameters are mutually exclusive: expires_in|expires_at"),
    ],
)
def test_life_that_makes_no_sense(acme: Site, app: dict[str, Any], options: dict[str, Any], words: str) -> None:
    assert words in acme.refuse("account", **app, **options)


def test_options_that_are_missing_or_exclude_each_other(acme: Site, app: dict[str, Any]) -> None:
    message = acme.refuse("account", jwt_path=acme / "app.jwt", name="APP")
    assert message == "state is present but any of the following are missing: key_path, key_seed, public_key"
    message = acme.refuse("account", **app, key_seed="something else")
    assert message == "parameters are mutually exclusive: key_path|key_seed|public_key"
    message = acme.refuse("account", **app, signing_keys=[{"role": "a"}])
    assert message.startswith("one of the following is required: public_key, path found in signing_keys")


def test_libraries_that_are_missing_are_named(acme: Site, app: dict[str, Any]) -> None:
    acme.write("blocked/nkeys.py", "raise ImportError('No module named nkeys')")
    without = ["env", f"PYTHONPATH={acme / 'blocked'}:{acme.collections}"]
    # Up to ansible-core 2.18, the result includes the traceback of the ImportError.
    result = acme.start("account", app, wrapped=without, traceback=True)
    assert result["failed"]
    assert "Failed to import the required Python library (nkeys)" in result["msg"]
