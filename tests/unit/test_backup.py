# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Backups: sealed, encrypted, read and opened without this collection. Changed or truncated backups and those of another operator are refused."""

from __future__ import annotations

import base64
import gzip
import io
import itertools
import json
import pathlib
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.backup import archive, natscli, vault
from ansible_collections.natsops.security.plugins.module_utils.backup.bundle import (
    Keys,
    read_bundle,
    write_encrypted,
    write_sealed,
)
from ansible_collections.natsops.security.plugins.module_utils.backup.contents import Contents, counted, look_into
from ansible_collections.natsops.security.plugins.module_utils.backup.gather import gather
from ansible_collections.natsops.security.plugins.module_utils.backup.restore import compare
from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.claims import Account, Claims, Operator, User
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.keys.sealed import open_sealed, read_sealed, seal
from ansible_collections.natsops.security.plugins.module_utils.store.layout import Layout
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated
from ansible_collections.natsops.security.tests.unit.raw_tokens import key

ROOT = pathlib.Path(__file__).parents[2]
STORES = ROOT / "tests" / "data" / "nsc-stores"
NOW = 1_800_000_000
takes_cryptography = pytest.mark.skipif(
    vault.CRYPTOGRAPHY_IMPORT_ERROR is not None, reason="takes cryptography, as Ansible does"
)
ME, OTHER = key("curve", 41), key("curve", 42)
OPERATOR, ACCOUNT, SIGNING, USER = key("operator", 43), key("account", 44), key("account", 45), key("user", 46)


def of_nsc(name: str) -> Contents:
    """Return the contents of a store that nsc created."""
    return gather(Layout(str(STORES / name / "stores"), str(STORES / name / "keys"), name.upper()))


@pytest.fixture(params=["full", "plain"])
def contents(request: pytest.FixtureRequest) -> Contents:
    return of_nsc(request.param)


def small(age: int = 0, operator: nkey.KeyPair = OPERATOR) -> Contents:
    """Return the contents of a store of one account and one user."""
    layout = Layout("stores", "keys", "ACME")
    user = codec.encode(Claims(name="u", subject=USER.public_key, body=User()), ACCOUNT, NOW - age)
    files = {
        layout.marker: '{"managed":false,"name":"ACME","kind":"operator","version":"1"}',
        layout.operator_jwt: codec.encode(
            Claims(name="ACME", subject=operator.public_key, body=Operator()), operator, NOW - age
        ),
        layout.account_jwt("APP"): codec.encode(
            Claims(name="APP", subject=ACCOUNT.public_key, body=Account()), operator, NOW - age
        ),
        layout.user_jwt("APP", "u"): user,
        layout.creds("APP", "u"): decorated.format_creds(user, USER),
        **{layout.key(pair.public_key): pair.seed for pair in (operator, ACCOUNT, USER)},
    }
    return Contents("ACME", files)


# ---- writing and reading


def test_sealed_backup_is_read_by_each_recipient(contents: Contents) -> None:
    text = write_sealed(contents, [ME.public_key, OTHER.public_key], NOW)
    for pair in (ME, OTHER):
        found = read_bundle(text, Keys([key("curve", 9), pair]))
        assert (found.contents, found.created) == (contents, NOW)
        assert found.held.problems == []
    assert not any(pair.seed in text for pair in (ME, OTHER))
    about = json.loads(text)
    assert (about["store"], about["created"]) == (contents.name, "2027-01-15T08:00:00Z")


@takes_cryptography
def test_encrypted_backup_is_read_with_its_password(contents: Contents) -> None:
    text = write_encrypted(contents, "Straße 4711", NOW)
    assert text.startswith("$ANSIBLE_VAULT;1.1;AES256\n")
    assert max(map(len, text.splitlines())) == 80
    assert read_bundle(text, Keys(password="Straße 4711")).contents == contents


def test_archive_is_the_same_bytes_for_the_same_contents(contents: Contents) -> None:
    backwards = Contents(contents.name, dict(reversed(contents.files.items())))
    assert archive.write_archive(contents, NOW) == archive.write_archive(backwards, NOW)


def test_backup_says_what_it_holds_and_what_is_missing() -> None:
    manifest = read_bundle(write_sealed(of_nsc("plain"), [ME.public_key], NOW), Keys([ME])).manifest
    assert manifest["holds"] == {"accounts": 2, "users": 4, "seeds": 6, "creds": 4}
    assert list(manifest["missing_seeds"].values()) == ["user KEYLESS/keyless"]
    assert manifest["operator"]["name"] == "PLAIN"
    assert read_bundle(write_sealed(of_nsc("full"), [ME.public_key], NOW), Keys([ME])).held.missing_seeds == {}


def test_names_that_are_long_or_not_ascii_are_kept() -> None:
    contents = small()
    long = "é" * 110
    files = {**contents.files, f"stores/ACME/accounts/{long}/{long}.jwt": contents.files["stores/ACME/ACME.jwt"]}
    text = write_sealed(Contents("ACME", files), [ME.public_key], NOW)
    assert read_bundle(text, Keys([ME])).contents.files == files


# ---- without this collection


def _unpacked(data: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as found:
        return {entry.name: found.extractfile(entry).read().decode() for entry in found}  # type: ignore[union-attr]


def test_python_of_the_guide_opens_a_sealed_backup(contents: Contents, tmp_path: pathlib.Path) -> None:
    (code,) = re.findall("```python\n(.*?)```", (ROOT / "docs" / "backup.md").read_text(), re.DOTALL)
    (tmp_path / "acme.backup").write_text(write_sealed(contents, [OTHER.public_key, ME.public_key], NOW))
    (tmp_path / "my-curve.nk").write_text(ME.seed + "\n")
    subprocess.run([sys.executable, "-c", code, ME.public_key], check=True, cwd=tmp_path)
    files = _unpacked((tmp_path / "acme.tar.gz").read_bytes())
    del files[archive.MANIFEST]
    assert files == contents.files


@takes_cryptography
def test_ansible_vault_and_tar_put_the_files_in_their_place(contents: Contents, tmp_path: pathlib.Path) -> None:
    program = str(pathlib.Path(sys.executable).parent / "ansible-vault")
    if not pathlib.Path(program).exists():
        pytest.skip("takes ansible-vault")
    (tmp_path / "acme.backup").write_text(write_encrypted(contents, "secret", NOW))
    (tmp_path / "password").write_text("secret\n")
    opening = [program, "decrypt", "--vault-password-file", "password", "--output", "acme.tar.gz", "acme.backup"]
    subprocess.run(opening, check=True, cwd=tmp_path, capture_output=True)
    (tmp_path / "nsc").mkdir()
    subprocess.run(["tar", "-xzf", "acme.tar.gz", "-C", "nsc"], check=True, cwd=tmp_path)
    layout = Layout(str(tmp_path / "nsc" / "stores"), str(tmp_path / "nsc" / "keys"), contents.name)
    assert gather(layout) == contents
    assert pathlib.Path(layout.operator_jwt).stat().st_mode & 0o777 == 0o600


@takes_cryptography
def test_what_ansible_vault_encrypts_is_read(tmp_path: pathlib.Path) -> None:
    program = str(pathlib.Path(sys.executable).parent / "ansible-vault")
    if not pathlib.Path(program).exists():
        pytest.skip("takes ansible-vault")
    contents = small()
    (tmp_path / "acme").write_bytes(archive.write_archive(contents, NOW))
    (tmp_path / "password").write_text("secret\n")
    for label in ([], ["--vault-id", "ops@password", "--encrypt-vault-id", "ops"]):
        given = label or ["--vault-password-file", "password"]
        done = subprocess.run(
            [program, "encrypt", *given, "--output", "-", "acme"], cwd=tmp_path, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert read_bundle(done.stdout.decode(), Keys(password="secret")).contents == contents


# ---- refused backups


@takes_cryptography
def test_backup_for_others_is_not_opened() -> None:
    text = write_sealed(small(), [ME.public_key], NOW)
    with pytest.raises(
        NatsSecurityError, match=f"it is sealed to {ME.public_key}, and the given key is {OTHER.public_key}"
    ):
        read_bundle(text, Keys([OTHER]))
    with pytest.raises(NatsSecurityError, match="the given key is none"):
        read_bundle(text, Keys())
    encrypted = write_encrypted(small(), "secret", NOW)
    with pytest.raises(NatsSecurityError, match="encrypted with a password, and none is given"):
        read_bundle(encrypted, Keys([ME]))
    with pytest.raises(NatsSecurityError, match="the password is wrong, or the text was changed"):
        read_bundle(encrypted, Keys(password="Secret"))


@takes_cryptography
@pytest.mark.parametrize("recipient", ["", USER.public_key, ME.public_key[:-1] + "A", ME.seed])
def test_backup_is_sealed_to_public_curve_keys_only(recipient: str) -> None:
    with pytest.raises(NatsSecurityError, match="No backup can be sealed to this recipient") as caught:
        write_sealed(small(), [ME.public_key, recipient], NOW)
    assert ME.seed not in str(caught.value)
    with pytest.raises(NatsSecurityError, match="at least one curve key"):
        write_sealed(small(), [], NOW)
    with pytest.raises(NatsSecurityError, match="must not be empty"):
        write_encrypted(small(), "", NOW)


def _changed(text: str, change: Callable[[dict[str, Any]], Any]) -> str:
    whole = json.loads(text)
    change(whole)
    return json.dumps(whole)


def _flip(text: str, at: int) -> str:
    data = bytearray(base64.b64decode(text))
    data[at] ^= 1
    return base64.b64encode(bytes(data)).decode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda whole: whole.update(content=_flip(whole["content"], 500)), "it was changed"),
        (lambda whole: whole.update(content=_flip(whole["content"], 2)), "it was changed"),
        (lambda whole: whole.update(content=whole["content"][:-400]), "it was changed"),
        (lambda whole: whole.update(content="%"), "it is not a sealed backup, or is truncated"),
        (
            lambda whole: whole["recipients"].update({ME.public_key: _flip(whole["recipients"][ME.public_key], 60)}),
            "changed",
        ),
        (lambda whole: whole.update(recipients=[]), "it is not a sealed backup, or is truncated"),
        (lambda whole: whole.update(key=OTHER.public_key), "it was changed"),
        (lambda whole: whole.update(key=USER.public_key), "is not a public curve key"),
        (lambda whole: whole.update(version=2), "it is of version '2'; only version 1 is supported"),
        (lambda whole: whole.update(format="other"), "it is not a sealed backup"),
        (lambda whole: whole.update(store="OTHER"), "does not match its header"),
        (lambda whole: whole.update(created="2027-01-15T09:00:00Z"), "does not match its header"),
    ],
)
def test_changed_sealed_backup_is_refused(change: Callable[[dict[str, Any]], Any], message: str) -> None:
    with pytest.raises(NatsSecurityError, match=message):
        read_bundle(_changed(write_sealed(small(), [ME.public_key], NOW), change), Keys([ME]))


@takes_cryptography
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_backup_that_is_cut_off_is_refused(share: float) -> None:
    keys = Keys([ME], "secret")
    for text in (write_sealed(small(), [ME.public_key], NOW), write_encrypted(small(), "secret", NOW)):
        with pytest.raises(NatsSecurityError, match="The backup"):
            read_bundle(text[: int(len(text) * share)], keys)


@takes_cryptography
@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", "hello", "[" * 100_000, "$ANSIBLE_VAULT;9;X\n00", "$ANSIBLE_VAULT;1.1;AES256\nzz"]
)
def test_what_is_no_backup_is_refused(text: str) -> None:
    for keys in (Keys([ME], "secret"), Keys([ME, OTHER], "secret"), Keys((), "secret")):
        with pytest.raises(NatsSecurityError, match=r"^The backup"):
            read_bundle(text, keys)


def _tar(members: dict[str, bytes], **attributes: Any) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as written:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            for attribute, value in attributes.items() if name != archive.MANIFEST else ():
                setattr(entry, attribute, value)
            written.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def _with_manifest(files: dict[str, bytes], **members: Any) -> dict[str, bytes]:
    import hashlib

    contents = small()
    manifest = {
        "format": archive.FORMAT,
        "version": 1,
        "created": "2027-01-15T08:00:00Z",
        "store": "ACME",
        "holds": counted(contents),
        "sha256": {path: hashlib.sha256(data).hexdigest() for path, data in files.items()},
        **members,
    }
    return {archive.MANIFEST: json.dumps(manifest).encode(), **files}


def _files(change: Callable[[dict[str, bytes]], Any] = lambda files: None) -> dict[str, bytes]:
    files = {path: text.encode() for path, text in small().files.items()}
    change(files)
    return files


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            _tar(_with_manifest(_files(lambda files: files.update({"/etc/passwd": b"x"})))),
            "'/etc/passwd' is not a path in",
        ),
        (
            _tar(_with_manifest(_files(lambda files: files.update({"stores/ACME/../B/x": b"x"})))),
            "is not a path in a backup",
        ),
        (
            _tar(_with_manifest(_files(lambda files: files.update({"stores/OTHER/x": b"x"})))),
            "neither in the store ACME",
        ),
        (
            _tar(_with_manifest(_files(lambda files: files.update({"keys/creds/OTHER/a": b"x"})))),
            "neither in the store ACME",
        ),
        (
            _tar(_with_manifest(_files(lambda files: files.update({"keys/.natsops/stores/OTHER/journal": b"x"})))),
            "neither in the store",
        ),
        (
            _tar(_with_manifest(_files(lambda files: files.update({"keys/authorized_keys": b"x"})))),
            "neither in the store",
        ),
        (_tar(_with_manifest(_files(lambda files: files.update({"stores/ACME/x": b"\xff"})))), "is not a text"),
        (_tar(_with_manifest(_files()), type=tarfile.SYMTYPE, linkname="/etc/shadow"), "in it is not a file"),
        (_tar(_with_manifest(_files()), type=tarfile.CHRTYPE), "in it is not a file"),
        (_tar({**_with_manifest(_files()), "stores/ACME/more": b"x"}), "stores/ACME/more is not in the manifest"),
        (_tar({**_with_manifest(_files()), "stores/ACME/ACME.jwt": b"x"}), "ACME.jwt does not match the manifest"),
        (_tar(dict(list(_with_manifest(_files()).items())[:-1])), " is missing"),
        (_tar(_with_manifest(_files(), holds={"accounts": 2})), "it holds {'accounts': 1"),
        (_tar(_with_manifest(_files(), version=7)), "it is of version '7'"),
        (_tar(_with_manifest(_files(), format="other")), "it has no manifest"),
        (_tar(_with_manifest(_files(), store=None)), "its manifest has no store"),
        (_tar(_with_manifest(_files(), created="soon")), "created in its manifest"),
        (_tar(_files()), "it has no manifest"),
        (gzip.compress(b"hello" * 1000, mtime=0), "it holds no archive|it has no manifest"),
        (b"hello", "it holds no compressed archive"),
        (_tar(_with_manifest(_files()))[:-40], "it is truncated|it holds no compressed archive"),
    ],
    ids=itertools.count(),
)
def test_archive_that_is_not_what_it_says_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(NatsSecurityError, match=message):
        archive.read_archive(data)


def test_archive_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_BYTES", 1 << 20)
    with pytest.raises(NatsSecurityError, match="it is larger than"):
        archive.read_archive(gzip.compress(bytes(1 << 22)))


def test_paths_that_have_no_place_are_not_written() -> None:
    contents = small()
    files = {**contents.files, "keys/creds/OTHER/APP/u.creds": "x"}
    with pytest.raises(NatsSecurityError, match=r"'keys/creds/OTHER/APP/u.creds' is neither in the store ACME nor"):
        write_sealed(Contents("ACME", files), [ME.public_key], NOW)


def test_backup_of_another_operator_is_refused() -> None:
    foreign = key("operator", 99)
    for text in (
        write_sealed(small(operator=foreign), [ME.public_key], NOW),
        natscli.write_natscli(small(operator=foreign)),
    ):
        assert read_bundle(text, Keys([ME]), foreign.public_key).held.problems == []
        with pytest.raises(NatsSecurityError, match=f"another operator: .*expected {OPERATOR.public_key}"):
            read_bundle(text, Keys([ME]), OPERATOR.public_key)


# ---- verification of contents


def token(subject: nkey.KeyPair, body: Any, signer: nkey.KeyPair) -> str:
    return codec.encode(Claims(subject=subject.public_key, body=body), signer, 1)


FOREIGN = key("operator", 9)


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("stores/ACME/ACME.jwt", None, "there is no operator"),
        ("stores/ACME/ACME.jwt", "x", "ACME.jwt: Not a token"),
        (
            "stores/ACME/ACME.jwt",
            token(OPERATOR, Operator(), FOREIGN),
            "not a key of the operator itself",
        ),
        (
            "stores/ACME/accounts/APP/APP.jwt",
            token(ACCOUNT, Account(), FOREIGN),
            "which is not a key of the operator.",
        ),
        (
            "stores/ACME/accounts/APP/APP.jwt",
            token(ACCOUNT, Account(), ACCOUNT),
            "which is not a key of the operator.",
        ),
        ("stores/ACME/accounts/APP/APP.jwt", None, "u.jwt has no account"),
        (
            "stores/ACME/accounts/APP/users/u.jwt",
            token(USER, User(), SIGNING),
            "which is not a key of the account APP",
        ),
        (
            "stores/ACME/accounts/APP/users/u.jwt",
            token(ACCOUNT, Account(), OPERATOR),
            "expected one of user claims",
        ),
        (
            f"keys/keys/U/{USER.public_key[1:3]}/{USER.public_key}.nk",
            ACCOUNT.seed,
            f"it holds the seed of {ACCOUNT.public_key}",
        ),
        (f"keys/keys/U/{USER.public_key[1:3]}/{USER.public_key}.nk", USER.seed[:-1], "Not a whole seed"),
        (
            "keys/.natsops/stores/ACME/record/store.json",
            json.dumps({"operator": FOREIGN.public_key}),
            "the record of another operator, O",
        ),
        (
            "keys/.natsops/stores/ACME/record/operator.jwt",
            token(FOREIGN, Operator(), FOREIGN),
            "is not a JWT of the operator",
        ),
        (
            "keys/.natsops/stores/ACME/record/operator.jwt",
            token(OPERATOR, Operator(), FOREIGN),
            "is not a JWT of the operator",
        ),
        (
            "keys/.natsops/stores/ACME/record/accounts/APP.jwt",
            token(ACCOUNT, Account(), FOREIGN),
            "which is not a key of the",
        ),
        ("keys/.natsops/stores/ACME/record/accounts/APP.jwt", "x", "Not a token"),
        ("keys/creds/ACME/APP/u.creds", "x", "u.creds: Not a token"),
        (
            "keys/creds/ACME/APP/u.creds",
            decorated.creds_text(token(SIGNING, Account(), OPERATOR), USER.seed),
            "the subject of the JWT is",
        ),
    ],
)
def test_what_does_not_verify_is_a_problem(path: str, text: str | None, message: str) -> None:
    contents = small()
    assert look_into(contents).problems == []
    files = {name: content for name, content in contents.files.items() if name != path}
    if text is not None:
        files[path] = text
    problems = look_into(Contents("ACME", files)).problems
    assert any(message in problem for problem in problems), problems
    assert not any(pair.seed[:-2] in " ".join(problems) for pair in (OPERATOR, ACCOUNT, USER))
    # A store with problems can be backed up, and reading the backup reports them.
    found = read_bundle(write_sealed(Contents("ACME", files), [ME.public_key], NOW), Keys([ME]))
    assert found.held.problems == problems


def test_accounts_of_a_managed_store_may_sign_themselves() -> None:
    contents = small()
    path = contents.layout.account_jwt("APP")
    own = codec.encode(Claims(name="APP", subject=ACCOUNT.public_key, body=Account()), ACCOUNT, 1)
    marker = contents.files[contents.layout.marker].replace("false", "true")
    files = {**contents.files, path: own, contents.layout.marker: marker}
    assert look_into(Contents("ACME", files)).problems == []


# ---- gathering and restoring


def _place(contents: Contents, folder: pathlib.Path) -> Layout:
    for path, text in contents.files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return Layout(str(folder / "stores"), str(folder / "keys"), contents.name)


def test_backup_has_the_journal_and_the_keys_in_it_but_no_keys_of_others(tmp_path: pathlib.Path) -> None:
    contents = small()
    layout = _place(contents, tmp_path)
    born, foreign = key("account", 51), key("account", 52)
    for pair in (born, foreign):
        path = pathlib.Path(layout.key(pair.public_key))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pair.seed)
    for path, text in {
        layout.journal: json.dumps({"for": "account NEW", "key": born.public_key}) + '\n{"for": "to',
        layout.roles: "{}",
        layout.lock: "process 1",
        layout.removed: "AX 1\n",
        layout.recorded("APP"): contents.files["stores/ACME/accounts/APP/APP.jwt"],
        f"{layout.keys_dir}/creds/OTHER/APP/x.creds": "x",
        f"{layout.keys_dir}/.natsops/stores/OTHER/journal": "x",
        f"{layout.archive(True, 'then')}/keys/A/{foreign.public_key}.nk.archived": foreign.seed,
    }.items():
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(path).write_text(text)
    found = gather(layout)
    assert set(found.files) - set(contents.files) == {
        "keys/.natsops/stores/ACME/journal",
        "keys/.natsops/stores/ACME/removed",
        "keys/.natsops/stores/ACME/record/accounts/APP.jwt",
        "stores/ACME/.natsops/roles.json",
        layout.key(born.public_key)[len(str(tmp_path)) + 1 :],
    }
    assert foreign.seed not in found.files.values()


def test_what_is_no_store_is_not_backed_up(tmp_path: pathlib.Path) -> None:
    with pytest.raises(NatsSecurityError, match="is not a store"):
        gather(Layout(str(tmp_path), str(tmp_path), "ACME"))


def test_restoring_into_an_empty_place_writes_everything() -> None:
    contents = small()
    assert compare(contents, lambda path: None).to_write == list(contents.files)
    assert compare(contents, contents.files.get).to_write == []
    assert compare(contents, contents.files.get).conflicts == []


def test_restoring_over_something_newer_is_a_conflict() -> None:
    old, new = small(age=100), small()
    tokens = [path for path in new.files if path.endswith((".jwt", ".creds"))]
    assert compare(old, new.files.get).conflicts == tokens
    assert compare(new, old.files.get).to_write == tokens
    assert compare(new, old.files.get).conflicts == []


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (f"keys/keys/U/{USER.public_key[1:3]}/{USER.public_key}.nk", "SUAX"),
        ("stores/ACME/ACME.jwt", "broken"),
        (
            "stores/ACME/ACME.jwt",
            token(FOREIGN, Operator(), FOREIGN),
        ),
        (
            "stores/ACME/ACME.jwt",
            codec.encode(Claims(name="other", subject=OPERATOR.public_key, body=Operator()), OPERATOR, NOW),
        ),
        ("stores/ACME/.nsc", "{}"),
    ],
)
def test_restoring_over_something_else_is_a_conflict(path: str, found: str) -> None:
    contents = small()
    assert path in contents.files
    assert compare(contents, lambda one: found if one == path else None).conflicts == [path]


# ---- backups of the nats CLI


def test_backup_of_nats_that_says_something_twice_is_refused() -> None:
    text = natscli.write_natscli(of_nsc("full"))
    twice = text.rstrip()[:-1] + ', "accounts": []}'
    with pytest.raises(NatsSecurityError, match="it has 'accounts' twice in one object"):
        natscli.read_natscli(twice)


def test_backup_of_nats_there_and_back() -> None:
    contents = of_nsc("full")
    found = natscli.read_natscli(natscli.write_natscli(contents))
    curve_keys = {path for path in contents.files if path.startswith("keys/keys/X/")}
    assert {path: text for path, text in found.files.items() if path != "keys/.gitignore"} == {
        path: text for path, text in contents.files.items() if path not in curve_keys
    }


def test_backup_of_nats_needs_the_seeds() -> None:
    with pytest.raises(NatsSecurityError, match=r"the seed of the user KEYLESS/keyless, U[A-Z2-7]+, is missing"):
        natscli.write_natscli(of_nsc("plain"))


def test_sealed_backup_of_nats_is_read() -> None:
    contents = small()
    text = natscli.write_natscli(contents)
    sealed = base64.b64encode(ME.seal(text.encode(), ME.public_key)).decode()
    assert read_bundle(sealed, Keys([OTHER, ME])).contents.files.items() >= contents.files.items()
    with pytest.raises(NatsSecurityError, match="does not open"):
        read_bundle(sealed, Keys([OTHER]))
    with pytest.raises(NatsSecurityError, match="does not open"):
        read_bundle(_flip(sealed, 100), Keys([ME]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda whole: whole.update(name="../x"), "cannot be a name"),
        (lambda whole: whole.update(name=7), "its name is not a text"),
        (lambda whole: whole.update(token="x"), "the operator: Not a token"),
        (lambda whole: whole["key"].update(key=OPERATOR.seed[:-1]), "the operator: Not a whole seed"),
        (lambda whole: whole["accounts"].append(whole["accounts"][0]), "APP.jwt is listed twice"),
        (lambda whole: whole["accounts"].append(7), r"accounts\[1\] is not an account"),
        (lambda whole: whole["accounts"][0]["users"].append(7), r"users\[1\] is not a user"),
        (lambda whole: whole["accounts"][0].update(name="a/b"), "cannot be a name"),
        (
            lambda whole: whole["accounts"][0].update(token=token(ACCOUNT, Account(), FOREIGN)),
            "which is not a key of the operator",
        ),
    ],
)
def test_wrong_backup_of_nats_is_refused(change: Callable[[dict[str, Any]], Any], message: str) -> None:
    with pytest.raises(NatsSecurityError, match=message) as caught:
        read_bundle(_changed(natscli.write_natscli(small()), change), Keys())
    assert OPERATOR.seed[:-1] not in str(caught.value)


# ---- sealing and encryption


@takes_cryptography
def test_anything_is_sealed_and_opened() -> None:
    for content in (b"", b"x", bytes(100_000)):
        sealed = read_sealed(seal(content, [ME.public_key], {"note": "of a test"}))
        assert sealed.about["note"] == "of a test"
        assert open_sealed(sealed, [ME]) == content
        assert vault.decrypt(vault.encrypt(content, "pw"), "pw") == content
