# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""External signers: verification of their signatures, programs that sign, descriptions, and tokens signed in batches.

Vault, OpenBao and PKCS#11 are tested in tests/signers.
"""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Sequence
from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.claims import Account, Claims, Operator, User
from ansible_collections.natsops.security.plugins.module_utils.decision.issue import Policy, issue
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.keys.nkey import KeyPair
from ansible_collections.natsops.security.plugins.module_utils.keys.signers import Signer
from ansible_collections.natsops.security.plugins.module_utils.keys.signers.ahead import ahead
from ansible_collections.natsops.security.plugins.module_utils.keys.signers.external import ExternalSigner, shown
from ansible_collections.natsops.security.plugins.module_utils.keys.signers.options import signer_of, signers_of
from ansible_collections.natsops.security.plugins.module_utils.token import codec
from ansible_collections.natsops.security.tests.unit.raw_tokens import ACCOUNT, OPERATOR, USER, key

NOW = 1_800_000_000
PROGRAM = str(pathlib.Path(__file__).parents[1] / "support" / "sign_program.py")
MESSAGES = [f"message {number}".encode() * 40 for number in range(30)]


class Own:
    """A signer with a key pair in this process. `change` changes the signatures to simulate faults."""

    def __init__(self, pair: KeyPair, change: Any = list, holds: bytes | None = None) -> None:
        self.pair, self.change, self.asked = pair, change, 0
        self.holds = pair._public if holds is None else holds

    def public_bytes(self) -> bytes:
        self.asked += 1
        return self.holds

    def sign_all(self, messages: Sequence[bytes]) -> Generator[bytes, None, None]:
        yield from self.change(self.pair.sign_all(messages))


def external(face: Any, public_key: str | None = None, key_type: str = "operator") -> ExternalSigner:
    return ExternalSigner("signers[0] (a face)", face, key_type, public_key)


def dies_after(count: int) -> Any:
    def change(signatures: list[bytes]) -> Generator[bytes, None, None]:
        yield from signatures[:count]
        raise NatsSecurityError("the connection was cut.")

    return change


# ---- verification of signatures


def test_external_signer_signs_what_a_seed_signs() -> None:
    signer: Signer = external(Own(OPERATOR), OPERATOR.public_key)
    assert signer.sign_all(MESSAGES) == OPERATOR.sign_all(MESSAGES)
    assert signer.sign(b"") == OPERATOR.sign(b"")
    assert (signer.public_key, signer.type) == (OPERATOR.public_key, "operator")


def test_public_key_is_asked_for_where_none_is_configured() -> None:
    assert external(Own(ACCOUNT), None, "account").public_key == ACCOUNT.public_key


def test_nothing_is_asked_before_something_is_to_be_signed() -> None:
    face = Own(OPERATOR)
    signer = external(face, OPERATOR.public_key)
    assert signer.sign_all([]) == []
    assert face.asked == 0
    signer.sign(b"a")
    signer.sign(b"b")
    assert face.asked == 1


def test_signer_that_holds_another_key_is_refused_before_it_signs() -> None:
    other = key("operator", 9)
    signer = external(Own(other), OPERATOR.public_key)
    with pytest.raises(NatsSecurityError, match=f"it holds the key {other.public_key}, and {OPERATOR.public_key} is"):
        signer.check()
    with pytest.raises(NatsSecurityError, match="No signature of it is used"):
        signer.sign(b"a")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda signatures: [*signatures[:12], OPERATOR.sign(b"other"), *signatures[13:]],
            "after 12 of 30 .*other data",
        ),
        (lambda signatures: [key("operator", 9).sign(MESSAGES[0])], "after 0 of 30 .*another key made it"),
        (lambda signatures: signatures[::-1], "after 0 of 30 "),
        (lambda signatures: signatures[:-1], "after 29 of 30 signatures: no more signatures were returned"),
        (lambda signatures: [*signatures, signatures[0]], "more signatures were returned"),
        (lambda signatures: [signatures[0][:63]], "a signature has 64 bytes, and 63 were returned"),
        (lambda signatures: [bytes(64)], "is not the signature of"),
        (dies_after(7), "after 7 of 30 signatures: the connection was cut"),
        (lambda signatures: [], "after 0 of 30 signatures: no more signatures were returned"),
    ],
)
def test_no_signature_is_used_unless_all_are_right(change: Any, message: str) -> None:
    signer = external(Own(OPERATOR, change), OPERATOR.public_key)
    with pytest.raises(NatsSecurityError, match=message) as caught:
        signer.sign_all(MESSAGES)
    assert str(caught.value).startswith(f"signers[0] (a face), for the key {OPERATOR.public_key}")


@pytest.mark.parametrize("holds", [b"", bytes(31), bytes(33), bytes(32)])
def test_what_is_no_public_key_is_refused(holds: bytes) -> None:
    with pytest.raises(NatsSecurityError, match=r"signers\[0\] \(a face\): "):
        external(Own(OPERATOR, holds=holds))


# ---- programs


@pytest.fixture
def seed_file(tmp_path: pathlib.Path) -> str:
    path = tmp_path / "operator.nk"
    path.write_text(OPERATOR.seed)
    return str(path)


def command(argv: list[str], **options: Any) -> ExternalSigner:
    return signer_of({"type": "command", "argv": argv, "public_key": OPERATOR.public_key, **options})


@pytest.mark.parametrize(("form", "batch"), [("raw", False), ("base64", False), ("base64url", False), ("", True)])
def test_program_signs_what_a_seed_signs(seed_file: str, form: str, batch: bool) -> None:
    messages = [*MESSAGES, b"", b"\n", bytes(range(256))] if batch else [MESSAGES[0], b""]
    signer = command([sys.executable, PROGRAM, seed_file, form], batch=batch)
    assert signer.sign_all(messages) == OPERATOR.sign_all(messages)


def test_batch_may_be_larger_than_pipes_are(seed_file: str) -> None:
    # A program that alternates between reading and writing blocks if its output is not read at the same time.
    messages = [number.to_bytes(2, "big") * 500 for number in range(2000)]
    signer = command([sys.executable, PROGRAM, seed_file], batch=True)
    assert signer.sign_all(messages) == OPERATOR.sign_all(messages)


def test_program_gets_the_public_key_and_its_form(tmp_path: pathlib.Path) -> None:
    said = tmp_path / "said"
    script = 'echo "$1 $NATS_SIGNER_PUBLIC_KEY $NATS_SIGNER_FORM" >"$2"; exit 1'
    for batch, form in ((False, "single"), (True, "batch")):
        with pytest.raises(NatsSecurityError, match="exited with 1"):
            command(["sh", "-c", script, "sh", "key={public_key}", str(said)], batch=batch).sign(b"a")
        assert said.read_text().split() == [f"key={OPERATOR.public_key}", OPERATOR.public_key, form]


def test_no_shell_reads_the_arguments(tmp_path: pathlib.Path) -> None:
    with pytest.raises(NatsSecurityError):
        command(["echo", f"$(touch {tmp_path}/made); touch {tmp_path}/made"]).sign(b"a")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("dies", "after 5 of 30 signatures: the program was ended by signal 9"),
        ("fails", "after 5 of 30 signatures: the program exited with 1: no access to the seed \\*+ after"),
        ("stops", "after 5 of 30 signatures: no more signatures were returned"),
        ("more", "more signatures were returned"),
        ("other data", "after 0 of 30 signatures: the answer is not the signature of"),
    ],
)
def test_program_that_fails_in_the_middle_of_a_batch(seed_file: str, fault: str, message: str) -> None:
    with pytest.raises(NatsSecurityError, match=message) as caught:
        command([sys.executable, PROGRAM, seed_file, fault], batch=True).sign_all(MESSAGES)
    assert OPERATOR.seed not in str(caught.value)


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["/nonexistent/sign"], "there is no program /nonexistent/sign that can be started"),
        (["/"], "there is no program / that can be started"),
        (["false"], "exited with 1: it wrote nothing to standard error"),
        (["true"], "no more signatures|0 bytes of output"),
        (["cat"], "bytes of output, expected a signature"),
        (["cat", "/dev/zero"], "writes more than 256 bytes|bytes of output"),
        (["sh", "-c", "kill -9 $$"], "was ended by signal 9"),
        (["sh", "-c", "sleep 2 & exit 3"], "exited with 3"),
        (["sh", "-c", "printf '%300s' x >&2; cat >&2; exit 2"], "exited with 2"),
    ],
)
def test_program_that_does_not_sign(argv: list[str], message: str, batch: bool) -> None:
    with pytest.raises(NatsSecurityError, match=message):
        command(argv, batch=batch).sign(b"what is to be signed")


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        ("#!/bin/sh\n", 0o644, "the program {path} is not executable: `chmod +x {path}`"),
        (
            "echo signature\n",
            0o755,
            "the program {path} cannot be started: Exec format error. A script needs a first line",
        ),
        ("#!/nonexistent/sh\n", 0o755, "the program {path} cannot be started: No such file or directory"),
    ],
)
def test_file_that_cannot_be_started_is_named_with_the_cure(
    text: str, mode: int, message: str, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "sign"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(NatsSecurityError) as caught:
        command([str(path)]).sign(b"what is to be signed")
    assert message.format(path=path) in str(caught.value)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("sleep 600", "did not read or write anything for 2 s"),
        ("sleep 600 & sleep 600", "did not read or write anything for 2 s"),
        ("exec >&- 2>&-; sleep 600", "closed its output and did not exit"),
    ],
)
def test_program_that_hangs_is_ended_with_what_it_started(script: str, message: str, tmp_path: pathlib.Path) -> None:
    pids = tmp_path / "pids"
    script = f"echo $$ >{pids}; {script}"
    began = time.monotonic()
    with pytest.raises(NatsSecurityError, match=message):
        command(["sh", "-c", script], timeout="2s").sign(b"a")
    assert time.monotonic() - began < 300
    group = int(pids.read_text())
    # Zombies of the process group are ignored because they no longer run.
    while running := [
        stat
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat")
        if (fields := _fields(stat)) and fields[2] == str(group) and fields[0] != "Z"
    ]:
        assert time.monotonic() - began < 300, running
        time.sleep(0.01)


def _fields(stat: pathlib.Path) -> list[str]:
    try:
        return stat.read_text().rpartition(")")[2].split()
    except OSError:
        return []


def test_seed_in_an_argument_is_refused() -> None:
    with pytest.raises(NatsSecurityError, match=r"signers\[0\]: argv\[1\] has a seed in it") as caught:
        command(["sign", f"--seed={OPERATOR.seed}"])
    assert OPERATOR.seed not in str(caught.value)


def test_what_a_signer_says_is_shown_without_secrets() -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END PRIVATE KEY-----"
    bearer = "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJqdGkiOiJ4In0.c2ln"
    text = f"no access: {OPERATOR.seed} {pem} hvs.CAESIJlWhNsN0e8mHxJUQpGm s.JymvRqyA4hxkEQlPVeqoKGSl {bearer} 4711 end"
    assert shown(text, ["4711"]) == "no access: " + "******** " * 6 + "end"
    assert len(shown("x" * 10000)) == 400


# ---- descriptions


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "signers[3].type: None is not a type of signer; available: command, transit, pkcs11."),
        ({"type": "kms"}, "signers[3].type: 'kms' is not a type of signer"),
        ({"type": "command"}, "signers[3]: a signer of type command needs argv."),
        ({"type": "command", "argv": ["x"]}, "signers[3]: a signer of type command needs public_key."),
        ({"type": "command", "argv": [], "public_key": "{O}"}, "signers[3]: argv has no program in it."),
        ({"type": "command", "argv": ["x"], "public_key": "{U}"}, "signers[3].public_key: a user key signs no tokens"),
        ({"type": "command", "argv": ["x"], "public_key": "{O}X"}, "signers[3].public_key: "),
        (
            {"type": "command", "argv": ["x"], "public_key": "{O}", "key_type": "account"},
            "signers[3].public_key: {O} is an operator public key, expected an account public key.",
        ),
        (
            {"type": "command", "argv": ["x"], "public_key": "{O}", "key": "op"},
            "signers[3].key belongs to a signer of type transit, this one is of type command.",
        ),
        ({"type": "command", "argv": ["x"], "public_key": "{O}", "sudo": 1}, "signers[3]: there is no option sudo"),
        ({"type": "command", "argv": ["x"], "public_key": "{O}", "timeout": "soon"}, "signers[3].timeout: 'soon' is"),
        ({"type": "command", "argv": ["x"], "public_key": "{O}", "timeout": "0"}, "signers[3].timeout: a signer needs"),
        ({"type": "transit"}, "signers[3]: a signer of type transit needs key."),
        (
            {"type": "transit", "key": "op", "token": "t", "token_path": "/t"},
            "signers[3]: token and token_path are mutually exclusive.",
        ),
        ({"type": "transit", "key": "op"}, "signers[3]: there is no token for Vault or OpenBao"),
        ({"type": "transit", "key": "op", "token_path": "/nonexistent"}, "signers[3].token_path: there is no file"),
        ({"type": "transit", "key": "op", "token": "a b"}, "signers[3]: the token for Vault or OpenBao has characters"),
        (
            {"type": "transit", "key": "op", "token": "t", "ca_path": "/nonexistent"},
            "signers[3].ca_path: there is no file /nonexistent.",
        ),
        ({"type": "transit", "key": "op", "token": "t", "key_version": 0}, "signers[3].key_version: 0 is not between"),
        ({"type": "pkcs11"}, "signers[3]: a signer of type pkcs11 needs library_path."),
        ({"type": "pkcs11", "library_path": "/x"}, "signers[3]: a signer of type pkcs11 needs token_label."),
        (
            {"type": "pkcs11", "library_path": "/x", "token_label": "nats"},
            "signers[3]: a signer of type pkcs11 needs key_label or key_id.",
        ),
        (
            {"type": "pkcs11", "library_path": "/x", "token_label": "nats", "key_id": "xyz"},
            "signers[3].key_id: 'xyz' is not an id in hexadecimal digits",
        ),
        (
            {"type": "pkcs11", "library_path": "/x", "token_label": "n", "key_id": "01", "pin": "1", "pin_path": "/p"},
            "signers[3]: pin and pin_path are mutually exclusive.",
        ),
        (
            {"type": "pkcs11", "library_path": "/x", "token_label": "nats", "key_id": "01", "pin_variable": "NOT_SET"},
            "signers[3].pin_variable: there is no NOT_SET in the environment of the task.",
        ),
    ],
)
def test_wrong_description_is_refused_with_its_place(
    options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BAO_TOKEN", "VAULT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    keys = {"{O}": OPERATOR.public_key, "{U}": USER.public_key}

    def filled(text: Any) -> Any:
        for name, value in keys.items():
            text = text.replace(name, value) if isinstance(text, str) else text
        return text

    with pytest.raises(NatsSecurityError) as caught:
        signer_of({name: filled(value) for name, value in options.items()}, "signers[3]")
    assert str(caught.value).startswith(filled(message))


def test_omitted_options_may_be_none() -> None:
    options = {"type": "command", "argv": ["true"], "public_key": ACCOUNT.public_key, "key": None, "timeout": None}
    signer = signer_of(options, "signers[0]")
    assert (signer.public_key, signer.type) == (ACCOUNT.public_key, "account")
    assert signers_of(None) == []


def test_two_signers_of_one_key_are_refused() -> None:
    options = {"type": "command", "argv": ["true"], "public_key": OPERATOR.public_key}
    with pytest.raises(NatsSecurityError, match=r"signers\[1\]: .* is already used by signers\[0\]"):
        signers_of([options, options])


# ---- threads


def test_work_ahead_keeps_its_order_and_raises_its_errors() -> None:
    assert list(ahead(lambda number: number * 2, range(100), 60)) == list(range(0, 200, 2))
    working = ahead(lambda number: 4 // number, [2, 1, 0, 1], None)
    assert [next(working), next(working)] == [2, 4]
    with pytest.raises(ZeroDivisionError):
        next(working)
    assert list(ahead(lambda number: number, [], None)) == []


def test_work_ahead_gives_up_what_hangs() -> None:
    release = threading.Event()
    with pytest.raises(NatsSecurityError, match=r"it did not answer for 0\.05 s"):
        list(ahead(lambda _unused: release.wait(600), [1, 2], 0.05))
    release.set()


def test_work_ahead_ends_with_whoever_takes_its_results() -> None:
    done: list[int] = []
    working = ahead(done.append, list(range(1_000_000)), None)
    next(working)
    working.close()
    count = len(done)
    assert count < 1_000_000
    time.sleep(0.05)
    assert len(done) == count


# ---- tokens


def test_tokens_signed_at_once_are_those_signed_alone() -> None:
    items: list[tuple[Claims, Signer, int]] = [
        (Claims(name="O", subject=OPERATOR.public_key, body=Operator()), OPERATOR, NOW)
    ]
    bodies = [User(), User(tags=["a"])]  # shared by many users
    for number in range(20):
        subject, body = key("user", 100 + number).public_key, bodies[number % 2]
        user = Claims(name=f"u{number}", subject=subject, expires=NOW + 60, audience="x" * (number % 2), body=body)
        items.append((user, ACCOUNT if number % 3 else key("account", 9), NOW + number))
        items.append((Claims(name="A", subject=key("account", number).public_key, body=Account()), OPERATOR, NOW))
    alone = [codec.encode(*item) for item in items]
    assert codec.encode_all(items) == alone
    assert codec.encode_all([]) == []
    outside = {pair.public_key: external(Own(pair), None, pair.type) for pair in (OPERATOR, ACCOUNT, key("account", 9))}
    assert codec.encode_all([(claims, outside[by.public_key], at) for claims, by, at in items]) == alone


def test_each_signer_is_asked_once_for_all_of_its_tokens() -> None:
    counts: list[int] = []

    def count(signatures: list[bytes]) -> list[bytes]:
        counts.append(len(signatures))
        return signatures

    signer = external(Own(ACCOUNT, count), None, "account")
    user = Claims(name="u", subject=USER.public_key, body=User())
    codec.encode_all([(user, signer, NOW + number) for number in range(50)])
    assert counts == [50]


def test_no_signer_is_asked_where_one_token_cannot_be_written() -> None:
    face = Own(ACCOUNT)
    signer = external(face, ACCOUNT.public_key, "account")
    right = Claims(name="u", subject=USER.public_key, body=User())
    wrong = Claims(name="a", subject=USER.public_key, body=Account())
    with pytest.raises(NatsSecurityError, match="subject of account claims is wrong"):
        codec.encode_all([(right, signer, NOW), (wrong, signer, NOW)])
    with pytest.raises(NatsSecurityError, match="1 MiB"):
        codec.encode(Claims(name="n" * 1_000_000, subject=USER.public_key, body=User()), signer, NOW)
    assert face.asked == 0


def test_what_is_signed_needs_the_public_key_only() -> None:
    user = Claims(name="u", subject=USER.public_key, body=User())
    public = nkey.from_public_key(ACCOUNT.public_key)
    text = codec.signing_input(user, public, NOW)
    assert codec.with_signature(text, ACCOUNT.sign(text.encode())) == codec.encode(user, ACCOUNT, NOW)
    with pytest.raises(NatsSecurityError, match="cannot sign: only its public key is available"):
        codec.encode(user, public, NOW)


def test_token_is_issued_and_kept_by_an_external_signer() -> None:
    signer = external(Own(OPERATOR), OPERATOR.public_key)
    account = Claims(name="A", subject=ACCOUNT.public_key, body=Account())
    issued = issue(account, None, signer, Policy(), NOW)
    assert issued.token == issue(account, None, OPERATOR, Policy(), NOW).token
    unreachable = external(Own(OPERATOR, dies_after(0)), OPERATOR.public_key)
    assert issue(account, issued.token, unreachable, Policy(), NOW + 60).token == issued.token
    renamed = Claims(name="B", subject=ACCOUNT.public_key, body=Account())
    with pytest.raises(NatsSecurityError, match="the connection was cut"):
        issue(renamed, issued.token, unreachable, Policy(), NOW + 60)


# ---- the guide


@pytest.mark.skipif(shutil.which("openssl") is None, reason="takes openssl")
def test_program_of_the_guide_signs_for_the_key_that_the_guide_prints(tmp_path: pathlib.Path) -> None:
    root = pathlib.Path(__file__).parents[2]
    pem = tmp_path / "key.pem"
    made = subprocess.run(
        ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(pem)], capture_output=True, check=False
    )
    if (
        made.returncode
        or b"-rawin" not in subprocess.run(["openssl", "pkeyutl", "-help"], capture_output=True, check=False).stderr
    ):
        pytest.skip("takes an openssl that signs with Ed25519")
    (lines,) = re.findall("```console\n(openssl pkey .*?)\n```", (root / "docs" / "signers.md").read_text(), re.DOTALL)
    printed = subprocess.run(
        ["bash", "-c", lines], capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout.strip()
    argv = [str(root / "examples" / "signers" / "sign-with-openssl"), str(pem)]
    signer = signer_of({"type": "command", "argv": argv, "public_key": printed})
    assert signer.type == "operator"
    assert len(signer.sign_all(MESSAGES[:3])) == 3
