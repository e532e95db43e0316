# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""nats_nkey and nats_creds: key pairs and creds files are created, kept and removed."""

from __future__ import annotations

import os
import pathlib
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.disk import writing

if TYPE_CHECKING:
    from support.sites import Site

KEY_TYPES = {"operator": "O", "account": "A", "user": "U", "server": "N", "cluster": "C", "curve": "X"}


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_key_of_every_type_is_created_once_and_then_kept(site: Site, key_type: str) -> None:
    result = site.run("nkey", path=site / "k.nk", type=key_type, public_key_path=site / "k.pub")
    pair = site.core.nkey.from_seed(site.text("k.nk").rstrip("\n"))
    assert result["changed"]
    assert result["type"] == pair.type == key_type
    assert result["public_key"] == pair.public_key == site.text("k.pub").rstrip("\n")
    assert pair.public_key.startswith(KEY_TYPES[key_type])
    assert (site.mode("k.nk"), site.mode("k.pub")) == ("0600", "0644")
    site.keep("nkey", path=site / "k.nk", type=key_type, public_key_path=site / "k.pub")


def test_seed_is_in_the_result_only_when_it_is_asked_for(site: Site) -> None:
    site.run("nkey", path=site / "k.nk", type="user")
    seed = site.text("k.nk").strip()
    quiet = site.keep("nkey", path=site / "k.nk", type="user")
    told = site.keep("nkey", path=site / "k.nk", type="user", return_seed=True)
    assert "seed" not in quiet
    assert seed not in str(quiet)
    assert told["seed"] == seed


def test_seed_of_a_new_key_is_returned_when_it_is_asked_for(site: Site) -> None:
    told = site.start("nkey", {"path": site / "k.nk", "type": "user", "return_seed": True})
    assert told["seed"] == site.text("k.nk").strip()


def test_given_seed_is_returned_when_it_is_asked_for(site: Site) -> None:
    seed = site.core.nkey.create("user").seed
    told = site.run("nkey", path=site / "k.nk", type="user", seed=seed, return_seed=True)
    assert told["seed"] == seed


def test_given_seed_is_written_and_another_one_is_refused(site: Site) -> None:
    first, second = site.core.nkey.create("account"), site.core.nkey.create("account")
    assert site.run("nkey", path=site / "k.nk", type="account", seed=first.seed)["public_key"] == first.public_key
    assert site.text("k.nk") == first.seed + "\n"
    site.keep("nkey", path=site / "k.nk", type="account", seed=first.seed)
    message = site.refuse("nkey", path=site / "k.nk", type="account", seed=second.seed)
    assert message == (
        f"path: {site / 'k.nk'} holds the key {first.public_key}, the seed is that of {second.public_key}. "
        "It is left unchanged; regenerate=true replaces it."
    )


def test_regenerate_replaces_a_key_and_backup_keeps_the_old_one(site: Site) -> None:
    old = site.make_key("k.nk", "user")
    result = site.run("nkey", path=site / "k.nk", type="user", regenerate=True, backup=True)
    assert result["public_key"] == site.key("k.nk").public_key != old.public_key
    (backup,) = result["backup_files"]
    assert site.core.nkey.from_seed(pathlib.Path(backup).read_text().strip()).public_key == old.public_key
    assert pathlib.Path(backup).stat().st_mode & 0o777 == 0o600
    assert site.mode("k.nk") == "0600"


def test_regenerate_replaces_a_key_of_another_type(site: Site) -> None:
    site.make_key("k.nk", "user")
    site.run("nkey", path=site / "k.nk", type="account", regenerate=True)
    assert site.key("k.nk").type == "account"


def test_regenerate_with_the_seed_that_is_there_keeps_it(site: Site) -> None:
    pair = site.make_key("k.nk", "user")
    site.keep("nkey", path=site / "k.nk", type="user", seed=pair.seed, regenerate=True)


def test_regenerate_replaces_a_foreign_file_only_with_a_backup(site: Site) -> None:
    site.write("k.nk", "notes\n", 0o600)
    message = site.refuse("nkey", path=site / "k.nk", type="user", regenerate=True)
    assert "is not a seed file. Replacing it requires both regenerate=true and backup=true." in message
    result = site.run("nkey", path=site / "k.nk", type="user", regenerate=True, backup=True)
    (backup,) = result["backup_files"]
    assert pathlib.Path(backup).read_text() == "notes\n"
    assert site.key("k.nk").type == "user"


def test_key_is_read_from_creds_and_decorated_files_and_these_are_kept(acme: Site) -> None:
    user = acme.core.nkey.create("user")
    acme.write("k.nk", acme.core.decorated.decorate_seed(user.seed), 0o600)
    assert acme.keep("nkey", path=acme / "k.nk", type="user")["public_key"] == user.public_key


def test_absent_removes_a_key_and_its_public_half(site: Site) -> None:
    pair = site.make_key("k.nk", "user")
    site.write("k.pub", pair.public_key + "\n")
    result = site.run(
        "nkey", path=site / "k.nk", type="user", public_key_path=site / "k.pub", state="absent", backup=True
    )
    assert result["changed"]
    assert result["public_key"] == pair.public_key
    assert sorted(map(str, site.folder.iterdir())) == sorted(result["backup_files"])
    assert len(result["backup_files"]) == 2
    site.keep("nkey", path=site / "k.nk", type="user", public_key_path=site / "k.pub", state="absent")


def test_absent_leaves_a_public_key_file_alone_that_holds_something_else(site: Site) -> None:
    site.make_key("k.nk", "user")
    site.write("k.pub", "notes\n")
    message = site.refuse("nkey", path=site / "k.nk", type="user", public_key_path=site / "k.pub", state="absent")
    assert "public_key_path" in message


def test_public_key_file_that_holds_something_else_is_left_alone(site: Site) -> None:
    site.write("k.pub", "notes\n")
    message = site.refuse("nkey", path=site / "k.nk", type="user", public_key_path=site / "k.pub")
    assert "public_key_path" in message


def test_mode_of_a_seed_file_is_repaired_and_the_key_stays(site: Site) -> None:
    pair = site.make_key("k.nk", "user")
    (site.folder / "k.nk").chmod(0o644)
    assert site.run("nkey", path=site / "k.nk", type="user")["changed"]
    assert (site.mode("k.nk"), site.key("k.nk").public_key) == ("0600", pair.public_key)
    assert site.run("nkey", path=site / "k.nk", type="user", mode="0640")["changed"]
    assert site.mode("k.nk") == "0640"
    site.keep("nkey", path=site / "k.nk", type="user", mode="u=rw,g=r,o=")


def test_symbolic_link_stays_one(site: Site) -> None:
    site.write("real/k.nk", "")
    (site.folder / "real/k.nk").unlink()
    (site.folder / "k.nk").symlink_to("real/k.nk")
    site.run("nkey", path=site / "k.nk", type="user")
    assert (site.folder / "k.nk").is_symlink()
    assert site.key("real/k.nk").type == "user"


# ---- files while they are written


def test_file_is_never_open_to_others_while_it_is_written(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    real_open, real_write = os.open, os.write

    def watched_open(path: str, flags: int, mode: int = 0o777, **rest: Any) -> int:
        descriptor = real_open(path, flags, mode, **rest)
        if flags & (os.O_CREAT | os.O_WRONLY):
            status = os.fstat(descriptor)
            seen.append((status.st_mode & 0o777, status.st_size))
        return descriptor

    def watched_write(descriptor: int, data: bytes) -> int:
        assert os.fstat(descriptor).st_mode & 0o777 == 0o600
        return real_write(descriptor, data)

    monkeypatch.setattr(os, "open", watched_open)
    monkeypatch.setattr(os, "write", watched_write)
    old = os.umask(0)
    try:
        writing.put(site / "secret", "text", 0o600, None)
        writing.put(site / "secret", "new", 0o600, "text")
    finally:
        os.umask(old)
    assert seen == [(0o600, 0)] * 2
    assert site.text("secret") == "new"


def test_file_has_its_mode_and_content_when_it_appears_under_its_name(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_link = os.link
    seen = []

    def watched_link(source: str, target: str, **rest: Any) -> None:
        written = pathlib.Path("/proc/self/fd", source)
        seen.append((written.stat().st_mode & 0o777, written.read_text()))
        real_link(source, target, **rest)

    monkeypatch.setattr(os, "link", watched_link)
    writing.put(site / "secret", "text", 0o600, None)
    writing.put(site / "public", "text", 0o644, None)
    writing.put(site / "public", "new", 0o644, "text")
    assert seen == [(0o600, "text"), (0o644, "text"), (0o644, "new")]


def test_failed_write_leaves_the_old_file_and_no_temporary_one(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.write("k", "old")

    def fail(*_unused: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(Exception, match="k cannot be written: No space left on device"):
        writing.put(site / "k", "new", 0o600, "old")
    assert site.text("k") == "old"
    assert [path.name for path in site.folder.iterdir()] == ["k"]


@pytest.mark.skipif(not pathlib.Path("/usr/bin/strace").exists(), reason="strace is not on this machine")
def test_seed_and_creds_files_are_created_0600_under_any_umask(acme: Site) -> None:
    trace = acme.folder.parent / "trace"
    options = {
        "name": "u",
        "key_path": acme / "u.nk",
        "jwt_path": acme / "u.jwt",
        "creds_path": acme / "u.creds",
        "account_jwt_path": acme / "app.jwt",
        "signer_path": acme / "app-signing.nk",
    }
    command = ["strace", "-f", "-qq", "-e", "trace=open,openat,openat2,creat", "-o", str(trace)]
    result = acme.start("user", options, umask=0, wrapped=command)
    assert result["changed"], result
    assert [acme.mode(name) for name in ("u.nk", "u.creds", "u.jwt")] == ["0600", "0600", "0644"]
    lines = trace.read_text().splitlines()
    created = [line for line in lines if ("O_CREAT" in line or "O_TMPFILE" in line) and str(acme.folder) in line]
    assert len(created) == 3
    assert all(("O_EXCL" in line or "O_TMPFILE" in line) and ", 0600)" in line for line in created)


# ---- creds


@pytest.fixture
def user(acme: Site) -> Site:
    """ACME with the seed and JWT of a user."""
    pair = acme.make_key("u.nk", "user")
    signer, account = acme.key("app-signing.nk"), acme.key("app.nk").public_key
    acme.make_jwt("u.jwt", "user", pair.public_key, signer, {"issuer_account": account})
    return acme


def test_creds_file_is_written_as_natss_own_tools_write_it(user: Site) -> None:
    result = user.run("creds", path=user / "u.creds", jwt_path=user / "u.jwt", key_path=user / "u.nk")
    assert user.mode("u.creds") == "0600"
    assert user.text("u.creds") == (
        f"-----BEGIN NATS USER JWT-----\n{user.text('u.jwt')}\n------END NATS USER JWT------\n\n"
        "************************* IMPORTANT *************************\n"
        "NKEY Seed printed below can be used to sign and prove identity.\n"
        "NKEYs are sensitive and should be treated as secrets.\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.text('u.nk').strip()}\n------END USER NKEY SEED------\n\n"
        "*************************************************************\n"
    )
    assert result["public_key"] == user.key("u.nk").public_key
    assert result["claims"]["name"] == "U"
    assert result["diff"]["before"] == {}
    user.keep("creds", path=user / "u.creds", jwt_path=user / "u.jwt", key_path=user / "u.nk")


def test_creds_come_from_content_too(user: Site) -> None:
    options = {"path": user / "u.creds", "jwt": user.text("u.jwt"), "key_seed": user.text("u.nk")}
    user.run("creds", **options)
    assert user.key("u.creds").public_key == user.claims("u.creds").subject
    user.keep("creds", **options)


def test_creds_file_is_replaced_when_the_jwt_is_another_one(user: Site) -> None:
    options = {"path": user / "u.creds", "jwt_path": user / "u.jwt", "key_path": user / "u.nk"}
    user.run("creds", **options)
    account = user.key("app.nk").public_key
    user.make_jwt(
        "u.jwt",
        "user",
        user.key("u.nk").public_key,
        user.key("app-signing.nk"),
        {"issuer_account": account, "permissions": {"publish": {"allow": ["b"]}}},
    )
    result = user.run("creds", **options, backup=True)
    assert result["diff"]["after"]["permissions"] == {"publish": {"allow": ["b"]}}
    assert "permissions" not in result["diff"]["before"]
    (backup,) = result["backup_files"]
    assert pathlib.Path(backup).stat().st_mode & 0o777 == 0o600
    assert user.core.decorated.find_token(user.text("u.creds")) == user.text("u.jwt")


def test_creds_of_another_user_are_left_alone(user: Site) -> None:
    other = user.make_key("other.nk", "user")
    user.make_jwt("other.jwt", "user", other.public_key, user.key("app.nk"))
    user.run("creds", path=user / "u.creds", jwt_path=user / "u.jwt", key_path=user / "u.nk")
    message = user.refuse("creds", path=user / "u.creds", jwt_path=user / "other.jwt", key_path=user / "other.nk")
    assert message == (
        f"path {user / 'u.creds'}: this holds the creds of {user.key('u.nk').public_key}, not of {other.public_key}. It is left unchanged."
    )


def test_seed_of_another_user_is_refused(user: Site) -> None:
    other = user.make_key("other.nk", "user")
    message = user.refuse("creds", path=user / "u.creds", jwt_path=user / "u.jwt", key_path=user / "other.nk")
    assert f"The seed is that of {other.public_key}, the subject of the JWT is {user.key('u.nk').public_key}" in message


def test_foreign_file_in_the_place_of_creds_is_left_alone(user: Site) -> None:
    user.write("u.creds", "my notes")
    message = user.refuse("creds", path=user / "u.creds", jwt_path=user / "u.jwt", key_path=user / "u.nk")
    assert "u.creds: this is not a creds file, it is left unchanged." in message


def test_mode_of_a_creds_file_is_repaired(user: Site) -> None:
    options = {"path": user / "u.creds", "jwt_path": user / "u.jwt", "key_path": user / "u.nk"}
    user.run("creds", **options)
    before = user.text("u.creds")
    (user.folder / "u.creds").chmod(0o666)
    assert user.run("creds", **options)["changed"]
    assert (user.mode("u.creds"), user.text("u.creds")) == ("0600", before)


def test_absent_removes_creds_and_nothing_else(user: Site) -> None:
    user.run("creds", path=user / "u.creds", jwt_path=user / "u.jwt", key_path=user / "u.nk")
    result = user.run("creds", path=user / "u.creds", state="absent")
    assert result["public_key"] == user.key("u.nk").public_key
    assert not (user.folder / "u.creds").exists()
    user.keep("creds", path=user / "u.creds", state="absent")
    assert "is left unchanged" in user.refuse("creds", path=user / "u.nk", state="absent")


def test_account_jwt_is_refused_where_that_of_a_user_is_wanted(user: Site) -> None:
    message = user.refuse("creds", path=user / "u.creds", jwt_path=user / "app.jwt", key_path=user / "u.nk")
    assert message == f"jwt_path {user / 'app.jwt'} holds the JWT of an account (APP), expected one of a user."


def test_user_of_another_account_is_refused(user: Site) -> None:
    """The JWT of the account shows it: a key of another account has signed, or a key of the account for another one."""
    pair, signer, app = user.key("u.nk"), user.key("app-signing.nk"), user.key("app.nk").public_key
    other = user.make_key("other.nk", "account")
    task = {"path": user / "u.creds", "jwt_path": user / "u.jwt", "key_path": user / "u.nk"}
    user.make_jwt("u.jwt", "user", pair.public_key, other)
    message = user.refuse("creds", **task, account_jwt_path=user / "app.jwt")
    assert message.startswith(
        f"jwt: its JWT has the subject {pair.public_key}, and its signer is {other.public_key}, which is not a key of the account APP"
    )
    user.make_jwt("u.jwt", "user", pair.public_key, signer, {"issuer_account": other.public_key})
    assert user.refuse("creds", **task, account_jwt_path=user / "app.jwt") == (
        f"jwt: its JWT has the subject {pair.public_key} and is signed by {signer.public_key} for a user of the account "
        f"{other.public_key}, not of APP ({app})."
    )
    assert not (user.folder / "u.creds").exists()
    user.make_jwt("u.jwt", "user", pair.public_key, signer, {"issuer_account": app})
    user.run("creds", **task, account_jwt_path=user / "app.jwt")


def test_check_mode_passes_over_files_that_earlier_tasks_would_make(acme: Site) -> None:
    result = acme.check("creds", path=acme / "u.creds", jwt_path=acme / "none.jwt", key_path=acme / "none.nk")
    assert result["changed"]
    assert f"key_path: there is no file {acme / 'none.nk'} yet" in str(result["warnings"])
    message = acme.refuse("creds", path=acme / "u.creds", jwt_path=acme / "none.jwt", key_path=acme / "none.nk")
    assert message == f"key_path: there is no file {acme / 'none.nk'}."
