# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""nats_store with an operator of 1,000 users whose keys are in OpenBao, in SoftHSM, behind a program, or offline: its tokens, and the state after failures."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from support.elsewhere import Elsewhere, new_elsewhere
from support.faults import killed_run
from support.plays import Play
from support.sites import MODULE, Modules, Site
from support.vaults import PIN, ROOT_TOKEN, Bao, Between, Hsm

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey

USERS = 1000
#: The number of JWT files: of the operator, two accounts and the users. The activation is inside the JWT of an account.
TOKENS = USERS + 3

# Runs code in the process of the module after the 500th signature of a signer.
_AT_500 = """
import os, shutil, signal
from ansible_collections.natsops.security.plugins.module_utils.keys.signers.external import ExternalSigner
verify = ExternalSigner._verify
def verify_or_fail(self, messages, number, signature):
    if number == 500:
        {then}
    verify(self, messages, number, signature)
ExternalSigner._verify = verify_or_fail
"""


class Operator:
    """An operator with external keys, the folder of its store, and the options of the task."""

    def __init__(self, site: Site, elsewhere: Elsewhere, signers: list[dict[str, Any]]) -> None:
        self.site, self.elsewhere, self.signers = site, elsewhere, signers

    def options(self, **options: Any) -> dict[str, Any]:
        """The options of the task."""
        site = self.site
        where = {"stores_dir": site / "stores", "keys_dir": site / "keys"}
        return {"definition": self.elsewhere.document(USERS), **where, "signers": self.signers, **options}

    @property
    def tokens(self) -> list[pathlib.Path]:
        """The paths of the JWT files in the store."""
        return list(self.site.folder.rglob("*.jwt"))

    def start_and(self, then: str) -> subprocess.CompletedProcess[str]:
        """The result of a run that executes the code `then` after half of the signatures."""
        code = MODULE + _AT_500.format(then=then) + "run('nats_store', json.load(sys.stdin))"
        return subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(self.options()),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            env=dict(os.environ, PYTHONPATH=str(self.site.collections)),
        )


@pytest.fixture
def elsewhere(tmp_path: pathlib.Path) -> Elsewhere:
    """The keys, in a folder that only the signer command reads."""
    return new_elsewhere(tmp_path / "elsewhere")


@pytest.fixture
def by_openbao(bao: Bao, site: Site, elsewhere: Elsewhere) -> Operator:
    """An operator whose keys are in OpenBao."""
    for pair in elsewhere.pairs:
        bao.import_key(pair.public_key, pair._raw_seed or b"")
    return Operator(
        site, elsewhere, [bao.signer(pair.public_key, public_key=pair.public_key) for pair in elsewhere.pairs]
    )


@pytest.fixture
def by_softhsm(hsm: Hsm, site: Site, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    """An operator whose keys are in a SoftHSM token."""
    hsm.import_keys({pair.public_key: (pair._raw_seed or b"", pair._public) for pair in elsewhere.pairs})
    for name, value in hsm.environment.items():
        monkeypatch.setenv(name, value)
    site.modules = Modules(site.collections)  # with this environment
    yield Operator(
        site, elsewhere, [hsm.signer(pair.public_key, public_key=pair.public_key) for pair in elsewhere.pairs]
    )
    site.modules.stop()


@pytest.fixture
def by_command(site: Site, elsewhere: Elsewhere) -> Operator:
    """An operator whose keys are behind a program."""
    return Operator(site, elsewhere, elsewhere.commands())


@pytest.mark.parametrize("signed", ["by_openbao", "by_softhsm", "by_command"])
def test_store_has_the_tokens_that_seeds_sign_also_after_a_kill(signed: str, request: pytest.FixtureRequest) -> None:
    operator: Operator = request.getfixturevalue(signed)
    killed = operator.start_and("os.kill(os.getpid(), signal.SIGKILL)")
    assert killed.returncode == -signal.SIGKILL, killed.stdout
    assert operator.tokens == []
    result = operator.site.run("store", **operator.options())
    assert result["summary"]["created"] == TOKENS + 2  # also the store and the activation
    operator.elsewhere.assert_signed_as_by_seeds(operator.site.folder / "stores", TOKENS)
    assert len(list(operator.site.folder.rglob("*.nk"))) == USERS + 1  # also the account without a key in the document
    operator.site.keep("store", **operator.options())


def test_openbao_that_is_killed_in_the_middle(own_bao: Bao, bao: Bao, site: Site, elsewhere: Elsewhere) -> None:
    for server in (own_bao, bao):
        for pair in elsewhere.pairs:
            server.import_key(pair.public_key, pair._raw_seed or b"")
    keys = [pair.public_key for pair in elsewhere.pairs]
    with Between(own_bao.stop, own_bao.port, after=60_000) as between:
        address = f"http://127.0.0.1:{between.port}"
        operator = Operator(site, elsewhere, [own_bao.signer(key, public_key=key, address=address) for key in keys])
        failed = site.start("store", operator.options())
    assert "of 1000 signatures: it cannot be reached" in failed["msg"]
    assert "No signature of it is used." in failed["msg"]
    assert operator.tokens == []
    operator.signers = [bao.signer(key, public_key=key) for key in keys]
    site.run("store", **operator.options())
    elsewhere.assert_signed_as_by_seeds(site.folder / "stores", TOKENS)


def test_softhsm_that_goes_away_in_the_middle(by_softhsm: Operator, hsm: Hsm) -> None:
    away = hsm.folder / "away"
    failed = by_softhsm.start_and(f"os.rename({str(hsm.folder / 'tokens')!r}, {str(away)!r})")
    message = json.loads(failed.stdout)["msg"]
    assert "of 1000 signatures: " in message
    assert "No signature of it is used." in message
    assert by_softhsm.tokens == []
    away.rename(hsm.folder / "tokens")
    by_softhsm.site.run("store", **by_softhsm.options())
    by_softhsm.elsewhere.assert_signed_as_by_seeds(by_softhsm.site.folder / "stores", TOKENS)


def test_program_that_dies_in_the_middle(by_command: Operator) -> None:
    signers = by_command.elsewhere.commands("dies late")
    failed = by_command.site.start("store", by_command.options(signers=signers))
    assert "of 1000 signatures: " in failed["msg"]
    assert "No signature of it is used." in failed["msg"]
    assert by_command.tokens == []
    by_command.site.run("store", **by_command.options())
    by_command.elsewhere.assert_signed_as_by_seeds(by_command.site.folder / "stores", TOKENS)


@pytest.mark.parametrize("check", [True, False])
def test_what_cannot_sign_is_refused_before_anything_is_written(
    by_openbao: Operator, by_softhsm: Operator, bao: Bao, check: bool
) -> None:
    transit, token = by_openbao.signers, by_softhsm.signers
    expired = bao.token('path "transit/*" { capabilities = ["read", "update"] }')
    bao.client().auth.token.revoke(expired)
    other = nkey.create("account")
    bao.import_key(other.public_key, other._raw_seed or b"")
    cases = [
        ([{**one, "token": expired} for one in transit], "the token is unknown, has expired, or was revoked"),
        ([*transit[:3], {**transit[3], "key": other.public_key}], f"it holds the key {other.public_key}, and "),
        ([{**one, "pin": "0815-of-another"} for one in token], "the PIN is wrong"),
        (
            [*token[:3], {**token[3], "key_label": token[2]["key_label"]}],
            f"it holds the key {token[2]['public_key']}, and ",
        ),
    ]
    for signers, message in cases:
        found = by_openbao.site.refuse("store", {"check": check}, **by_openbao.options(signers=signers))
        assert message in found
        assert "signers[3] (the " in found
        assert expired not in found
        assert "0815" not in found


def test_store_has_the_tokens_that_seeds_sign_by_a_file_that_travels(
    site: Site, elsewhere: Elsewhere, tmp_path: pathlib.Path
) -> None:
    file = tmp_path / "requests.json"
    document = elsewhere.document(USERS)
    document["accounts"] = document["accounts"][:1]
    where = {"stores_dir": site / "stores", "keys_dir": site / "keys", "unsigned_path": str(file)}
    asked = site.run("store", definition=document, **where)["unsigned"]
    assert len(asked["requests"]) == USERS + 2
    site.keep("store", definition=document, **where)
    signed = site.start(
        "sign", {"path": str(file), "checksum": asked["checksum"], "signer_path": str(elsewhere.folder)}
    )
    assert signed["waiting"] == []
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    assert str(file) in site.refuse("store", definition=document, **where)
    assert not list(site.folder.rglob("*.jwt"))
    file.write_bytes(content)
    assert killed_run("nats_store", {"definition": document, **where}, USERS, site.collections) is None
    site.run("store", definition=document, **where)
    elsewhere.assert_signed_as_by_seeds(site.folder / "stores", USERS + 2)
    site.keep("store", definition=document, **where)


def test_nothing_that_signers_log_in_with_is_printed(by_openbao: Operator, by_softhsm: Operator, play: Play) -> None:
    site, token = by_openbao.site, "s.of-a-signer-that-signs-nothing"
    elsewhere = by_openbao.elsewhere
    mine = [*by_openbao.signers[:3], by_softhsm.signers[3]]
    other = {**by_openbao.signers[0], "token": token, "public_key": nkey.create("operator").public_key}
    variables = {
        "operator_definition": elsewhere.document(1),
        "operator_stores_dir": site / "stores",
        "operator_keys_dir": site / "keys",
        "operator_signers": [*mine, other],
        "credentials_users": [{"account": "APP", "name": "born", "path": site / "born.creds"}],
    }
    tasks = [
        {"ansible.builtin.include_role": {"name": f"natsops.security.{role}"}} for role in ("operator", "credentials")
    ]
    done = play(tasks, "-vvvv", **variables)
    assert done.returncode == 0, done.output
    assert site.claims("born.creds").issuer == elsewhere.account_signing.public_key
    for secret in (token, PIN, ROOT_TOKEN):
        assert secret not in done.output
        assert secret not in json.dumps(done.tasks)
