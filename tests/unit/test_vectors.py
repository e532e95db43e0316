# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Every golden vector of the Go library holds. `make vectors` runs the same checks on other files."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest

from ansible_collections.natsops.security.tests.vectors import check

VECTORS = pathlib.Path(__file__).resolve().parents[1] / "vectors"
CLAIMS = list(check.claims_vectors(VECTORS / "claims.jsonl"))
MISC = list(check.misc_vectors(VECTORS / "misc.json"))


@pytest.mark.parametrize("vector", CLAIMS, ids=lambda vector: vector.name)
def test_token_is_decoded_encoded_judged_and_kept_as_the_library_has_it(vector: check.Vector) -> None:
    assert check.failures(vector) == []


@pytest.mark.parametrize("vector", MISC, ids=lambda vector: vector.name)
def test_vector_holds(vector: check.Vector) -> None:
    assert check.failures(vector) == []


def _check(claims: pathlib.Path, misc: pathlib.Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(VECTORS / "check.py"), claims.name, str(misc)]
    return subprocess.run(command, cwd=claims.parent, capture_output=True, text=True, check=False)


def test_check_passes_over_lists_that_are_missing_or_unknown(tmp_path: pathlib.Path) -> None:
    (tmp_path / "claims.jsonl").write_text(json.dumps(CLAIMS[0].record) + "\n", encoding="utf-8")
    (tmp_path / "misc.json").write_text('{"of_tomorrow": [{"x": 1}]}', encoding="utf-8")
    done = _check(tmp_path / "claims.jsonl", tmp_path / "misc.json")
    assert (done.returncode, done.stdout) == (0, "1 passed, 0 failed\n")


def test_check_names_every_vector_that_fails_and_why(tmp_path: pathlib.Path) -> None:
    wrong = dict(CLAIMS[0].record, payload=dict(CLAIMS[0].record["payload"], name="another"))
    (tmp_path / "claims.jsonl").write_text(
        "".join(json.dumps(record) + "\n" for record in (wrong, CLAIMS[1].record)), encoding="utf-8"
    )
    misc = {"refused_tokens": [{"why": "nothing", "token": CLAIMS[0].record["token"], "error": "x"}]}
    (tmp_path / "misc.json").write_text(json.dumps(misc), encoding="utf-8")
    done = _check(tmp_path / "claims.jsonl", tmp_path / "misc.json")
    assert done.returncode == 1
    first, second, last = done.stdout.splitlines()
    assert first.startswith(f"{CLAIMS[0].name}: meaning: ")
    assert second == "refused_tokens-0000 nothing: decoded, though the library says 'x'"
    assert last == "1 passed, 2 failed"
