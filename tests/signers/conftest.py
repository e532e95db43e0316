# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the signer tests, which use a real OpenBao server, SoftHSM, and programs. `make signers` runs them."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest
from support.vaults import Bao, Hsm, openbao, softhsm, softhsm_is_missing


@pytest.fixture(scope="session")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    """An OpenBao server for all tests of a process. Tests must not stop it or change keys of other tests."""
    with openbao(tmp_path_factory.mktemp("bao")) as server:
        yield server


@pytest.fixture
def own_bao(tmp_path: pathlib.Path) -> Iterator[Bao]:
    """An OpenBao server for one test."""
    with openbao(tmp_path) as server:
        yield server


@pytest.fixture
def hsm(tmp_path: pathlib.Path) -> Hsm:
    """A SoftHSM token for one test."""
    reason = softhsm_is_missing()
    if reason:
        pytest.skip(reason)
    return softhsm(tmp_path / "hsm")


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ADDR", "TOKEN", "NAMESPACE", "CACERT"):
        for tool in ("BAO", "VAULT"):
            monkeypatch.delenv(f"{tool}_{name}", raising=False)
    monkeypatch.delenv("PKCS11_PIN", raising=False)
