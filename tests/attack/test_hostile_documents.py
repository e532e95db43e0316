# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Documents and tokens made to overload their readers: the time for each grows in proportion to its size, and none ends in a traceback."""

from __future__ import annotations

import functools
import pathlib
import shutil
import sys
import time
import types
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils import rules
from ansible_collections.natsops.security.plugins.module_utils.claims import (
    Account,
    Claims,
    Export,
    Import,
    Permission,
    Permissions,
)
from ansible_collections.natsops.security.plugins.module_utils.claims.comparison import describe, differences
from ansible_collections.natsops.security.plugins.module_utils.keys.keyring import Keyring
from ansible_collections.natsops.security.plugins.module_utils.reconcile import verdicts
from ansible_collections.natsops.security.plugins.module_utils.reconcile.wanted import How
from ansible_collections.natsops.security.plugins.module_utils.reconcile.wanted_claims import ACTIVATION_WORDS
from ansible_collections.natsops.security.plugins.module_utils.store import apply, layout, report
from ansible_collections.natsops.security.plugins.module_utils.store.document import (
    ACCOUNT_WORDS,
    OPERATOR_WORDS,
    SIGNING_KEY_WORDS,
    USER_WORDS,
    read_document,
)
from ansible_collections.natsops.security.tests.attack import hostile_claims, wrong_documents
from ansible_collections.natsops.security.tests.attack.hostile_claims import account, exports, imports

NOW = 1_800_000_000
#: About the number of repeated elements in claims of half a megabyte: a token is at most 1 MiB, in base64.
WHOLE = 12_000
#: The maximum CPU seconds of a rule for a whole token, and the factor allowed in this test, for slow machines.
SECONDS, SLOWER = 2.0, 3.0


def _rules(claims: Claims) -> None:
    rules.library_issues(claims, NOW)
    rules.server_issues(claims, NOW)


def _of_imports(importer: Account, exporter: Account) -> Callable[[], Any]:
    accounts = {
        "A": Claims(subject=hostile_claims.ACCOUNT.public_key, body=importer),
        "B": Claims(subject=hostile_claims.OTHER.public_key, body=exporter),
    }
    return functools.partial(verdicts.across, accounts, {"A": "a", "B": "b"}, "", {})


def _back(*subjects: str) -> list[Import]:
    """Imports of the other account from the first one."""
    return [Import(subject=subject, type="service", account=hostile_claims.ACCOUNT.public_key) for subject in subjects]


def _row(n: int) -> dict[str, Claims]:
    """A chain of `n` accounts, each of which imports from the next one."""
    found = {}
    for number in range(n):
        item = Import(subject="a.>", type="service", account=f"K{number + 1}")
        body = Account(imports=[item], exports=[Export(subject="a.>", type="service")])
        found[f"N{number}"] = Claims(subject=f"K{number}", body=body)
    return found


def _permitted(prefix: str, n: int) -> Claims:
    allowed = [f"{prefix}{number}" for number in range(5 * n)]
    return account(default_permissions=Permissions(publish=Permission(allow=allowed)))


Work = Callable[[int], Callable[[], Any]]


def _alone(name: str) -> Work:
    return lambda n: functools.partial(_rules, hostile_claims.ALONE[name](n))


def _between(name: str) -> Work:
    return lambda n: functools.partial(rules.user_issues, *hostile_claims.BETWEEN[name](n), NOW)


def _numbered_exports(n: int) -> Claims:
    return account(exports=exports(*(f"a{k}" for k in range(n))))


#: Functions that prepare work of a given size, by name.
WORKS: dict[str, Work] = {
    **{name: _alone(name) for name in hostile_claims.ALONE},
    **{name: _between(name) for name in hostile_claims.BETWEEN},
    "imports and exports": lambda n: _of_imports(
        Account(imports=imports(*(f"a{k}.x" for k in range(n // 2)))),
        Account(exports=exports(*(f"a{k}.*" for k in range(n)))),
    ),
    "imports and wide exports": lambda n: _of_imports(
        Account(imports=imports(*(f"a{k}.x" for k in range(n // 2)))),
        Account(exports=exports(*("*.*" + ".*" * (k % 3) for k in range(n)), kind="stream")),
    ),
    "imports both ways": lambda n: _of_imports(
        Account(imports=imports(*(f"s.a{k}.>" for k in range(n // 2)))),
        Account(imports=_back(*(f"s.b{k}.>" for k in range(n // 2)))),
    ),
    "different permissions": lambda n: functools.partial(differences, _permitted("a", n), _permitted("b", n)),
    "different exports": lambda n: functools.partial(differences, _numbered_exports(n), account()),
    "a description": lambda n: functools.partial(describe, _numbered_exports(n)),
}


def _steps(work: Callable[[], Any]) -> int:
    """The number of Python instructions that the work takes: the same number each time, independent of the load of the machine."""
    count = 0

    def traced(frame: types.FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return traced

    before = sys.gettrace()
    sys.settrace(traced)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.attack
@pytest.mark.parametrize("name", WORKS)
def test_what_a_rule_takes_grows_with_the_size_of_a_token(name: str) -> None:
    """Four times the size takes four times the steps. It would take sixteen times as many if each element was compared with each other."""
    small, large = WORKS[name](400), WORKS[name](1600)
    small()  # the first call also imports and compiles
    assert _steps(large) < 8 * _steps(small)


def _cpu_seconds(work: Callable[[], Any]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


@pytest.mark.attack
@pytest.mark.parametrize("name", WORKS)
def test_every_rule_takes_less_than_two_seconds_for_a_whole_token(name: str) -> None:
    assert _cpu_seconds(WORKS[name](WHOLE)) < SECONDS * SLOWER


# ---- every place of a document, every type


def _try(place: wrong_documents.Place, value: Any, folder: pathlib.Path) -> None:
    """Apply a document with a value in a place: either problems are reported briefly and nothing is written, or the value is of the right type."""
    wanted, problems = read_document(place.document(value))
    name = wanted.operator.name if wanted.operator is not None else ""
    where = layout.Layout(str(folder / "stores"), str(folder / "keys"), name or "?")
    how = How(NOW, diff=True)
    outcome = apply.run(
        wanted, where, lambda: Keyring((), [where.keys_dir]), how, apply.Run(bool(problems), 5, "a test")
    )
    found = [*problems, *outcome.plan.problems]
    assert len(report.problem_message(found, where.root)) < 20_000
    if found:
        assert not list(folder.iterdir())
        return
    assert value is None or place.is_right_type(value), f"{place.name} takes {value!r:.80}"
    shutil.rmtree(folder)
    folder.mkdir()


PLACES = {place.name: place for place in wrong_documents.places()}


@pytest.mark.parametrize("part", range(8))
def test_some_values_of_wrong_types_in_every_place_are_refused(part: int, memory: pathlib.Path) -> None:
    values = wrong_documents.VALUES
    for number, place in list(enumerate(PLACES.values()))[part::8]:
        for step in (0, 17, 38):
            _try(place, values[(number + step) % len(values)], memory)


@pytest.mark.attack
@pytest.mark.parametrize("name", PLACES)
def test_values_of_wrong_types_in_every_place_are_refused(name: str, memory: pathlib.Path) -> None:
    for value in wrong_documents.VALUES:
        _try(PLACES[name], value, memory)


def test_every_word_of_a_document_is_a_place() -> None:
    words = {
        "operator.": OPERATOR_WORDS,
        "accounts[].": ACCOUNT_WORDS,
        "accounts[].users[].": USER_WORDS,
        "accounts[].signing_keys[].": SIGNING_KEY_WORDS,
        "accounts[].imports[].activation.": ACTIVATION_WORDS,
    }
    missing = [prefix + word for prefix, found in words.items() for word in found if prefix + word not in PLACES]
    assert missing == []


def test_accounts_that_import_from_one_another_in_a_row_are_followed_as_far_as_servers_do() -> None:
    accounts = _row(1000)
    places = {name: name for name in accounts}
    assert verdicts.across(accounts, places, "", {}).problems == ()
    accounts = _row(1100)
    found = verdicts.across(accounts, {name: name for name in accounts}, "", {}).problems
    assert [problem.path for problem in found] == [f"N{number}.imports[0]" for number in range(1100 - 1024)]
    assert "1024 accounts" in found[0].message
