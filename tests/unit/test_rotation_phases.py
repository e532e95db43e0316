# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The filters of the role rotation: which key goes, the report of a run, and what is left in each phase."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.filter.nats_rotation import (
    nats_rotation,
    nats_rotation_left,
    nats_rotation_receivers,
    nats_rotation_report,
)

OPERATOR = {"kind": "operator", "name": "ACME", "public_key": "O1"}
APP = {"kind": "user", "account": "APP", "name": "app", "public_key": "U2"}
SERVERS = {"servers": [{"name": "n1"}, {"name": "n2"}], "accounts": [{"name": "SYS", "action": "kept"}]}


def key(public_key: str, generation: str, name: str = "main", account: str = "APP", kind: str = "signing_key") -> Any:
    return {
        "kind": kind,
        "account": account,
        "name": name,
        "public_key": public_key,
        "generation": generation,
    }


def info(*entities: Any, strict: bool = False) -> dict[str, Any]:
    return {"entities": [OPERATOR, *entities], "strict_mode": {"enabled": strict}}


def changed(*names: str, **state: Any) -> dict[str, Any]:
    """A result of nats_store that changed JWTs, such as `user app`. All users are of the account APP."""
    kinds = [name.split(" ", 1) for name in names]
    entities = [{"kind": kind, "name": name, "account": "APP", "action": "changed"} for kind, name in kinds]
    kept = {"kind": "user", "name": "kept", "account": "APP", "action": "kept"}
    return {"entities": [*entities, kept], "rotations": [state] if state else []}


def left(rotation: Any, report: Any, store: Any, connected: Any = None, **more: Any) -> dict[str, Any]:
    given = {"users": {}, "differing": [], **more}
    return nats_rotation_left(rotation, report, store, SERVERS, connected or {}, **given)


@pytest.mark.parametrize(
    ("entities", "asked", "old", "found"),
    [
        ([key("A1", "current")], {}, "", "done"),
        ([key("A1", "current")], {"key": "A1"}, "A1", "add"),
        ([key("A1", "current"), key("A2", "next")], {}, "A1", "resign"),
        ([key("A2", "current"), key("A1", "retiring")], {}, "A1", "drain"),
        ([key("A2", "current")], {"key": "A1"}, "A1", "done"),
        ([key("A2", "current"), key("A9", "next", name="other"), key("A8", "next", account="")], {}, "", "done"),
    ],
)
def test_phase_is_recognized_by_the_keys_of_the_role(entities: Any, asked: Any, old: str, found: str) -> None:
    seen = nats_rotation(info(*entities), slot="APP/main", **asked)
    if not old:
        assert seen["old"] == ""
        return
    assert (seen["old"], seen["found"], seen["exists"], seen["jwt"]) == (old, found, True, "account APP")


def test_each_kind_names_the_jwt_with_the_key() -> None:
    found = info(APP, key("O2", "current", account=""), key("X1", "current", name="callout", kind="curve_key"))
    asked: dict[str, dict[str, Any]] = {
        "user": {"user": "APP/app"},
        "signing_key": {"slot": "main"},
        "curve_key": {"slot": "APP/callout"},
        "operator": {"operator": "ACME"},
        "strict_mode": {"strict_mode": True},
    }
    seen = {kind: nats_rotation(found, **given) for kind, given in asked.items()}
    assert {kind: one["kind"] for kind, one in seen.items()} == {kind: kind for kind in asked}
    assert {kind: one["jwt"] for kind, one in seen.items()} == {
        "user": "account APP",
        "signing_key": "operator ACME",
        "curve_key": "curve key APP/callout",
        "operator": "operator ACME",
        "strict_mode": "operator ACME",
    }
    assert [one["generations"]["current"] for one in seen.values()] == ["U2", "O2", "X1", "O1", ""]


def test_user_is_signed_again_without_a_phase_before_it() -> None:
    assert nats_rotation(info(APP), user="APP/app", key="U2")["found"] == "resign"
    turned = nats_rotation(info({**APP, "retiring": "U1"}), user="APP/app")
    assert (turned["old"], turned["found"]) == ("U1", "drain")
    assert nats_rotation(info(APP), user="APP/none")["exists"] is False


def test_operator_has_keys_beside_its_identity_key() -> None:
    following = key("O2", "next", name="ACME", account="", kind="identity_key")
    seen = nats_rotation(info(following), operator="ACME")
    assert (seen["old"], seen["found"]) == ("O1", "resign")


def test_store_without_an_operator() -> None:
    seen = nats_rotation({"entities": [], "strict_mode": None}, operator="ACME")
    assert (seen["operator"], seen["exists"], seen["is_strict"], seen["old"]) == ("", False, False, "")


@pytest.mark.parametrize(
    ("asked", "hosts"),
    [
        ({"slot": "APP/main"}, ["a", "b"]),
        ({"user": "APP/app"}, ["a"]),
        ({"strict_mode": True}, ["a", "b", "c"]),
        ({"slot": "APP/callout"}, []),
        ({"slot": "main"}, []),
        ({"operator": "ACME"}, []),
    ],
)
def test_hosts_need_creds_of_the_users_concerned(asked: dict[str, Any], hosts: list[str]) -> None:
    found = info(APP, key("O2", "current", account=""), key("X1", "current", name="callout", kind="curve_key"))
    gone = {"account": "APP", "name": "app", "state": "absent"}
    users = {
        "b": [gone, {"account": "APP", "name": "other"}],
        "a": [{"account": "APP", "name": "app", "state": None}],
        "c": [{"account": "OTHER", "name": "app"}],
        "d": [gone],
        "e": [],
    }
    assert nats_rotation_receivers(nats_rotation(found, **asked), users) == hosts


def test_report_has_the_same_keys_for_a_key_and_for_strict_mode() -> None:
    slot = nats_rotation(info(key("A1", "current")), slot="APP/main", key="A1")
    store = changed("account APP", "user app", current="A2", next=None, retiring="A1", retired=[])
    of_key = nats_rotation_report(slot, store, "resign")
    assert of_key == {
        "slot": "APP/main",
        "old": "A1",
        "current": "A2",
        "next": None,
        "retiring": "A1",
        "added": [],
        "untrusting": [],
        "resigned": ["user app"],
    }
    strict = nats_rotation(info(), strict_mode=True)
    first = nats_rotation_report(strict, changed("operator ACME", "account APP"), "add", {}, ["n2"])
    report = nats_rotation_report(strict, changed("operator ACME", "account APP", "user app"), "resign", first)
    assert report == {
        **dict.fromkeys(["old", "current", "next", "retiring"]),
        "slot": "strict_mode",
        "added": ["operator ACME", "account APP"],
        "untrusting": ["n2"],
        "resigned": ["account APP", "user app"],
    }


def test_report_keeps_what_was_exposed_in_an_earlier_phase() -> None:
    rotated = nats_rotation(info(key("O2", "current", account="")), slot="main", key="O2")
    first = nats_rotation_report(rotated, changed(current="O2", next="O3", exposed={"accounts": ["APP"]}), "add")
    second = nats_rotation_report(rotated, changed("account APP", current="O3", retiring="O2"), "resign", first, [])
    last = nats_rotation_report(rotated, changed("operator ACME", current="O3", retiring=None), "retire", second)
    assert (last["exposed"], last["resigned"], last["retiring"]) == ({"accounts": ["APP"]}, ["account APP"], None)


def test_what_is_left_of_an_account_key() -> None:
    rotated = nats_rotation(info(key("A1", "current")), slot="APP/main", key="A1")
    store = changed("account APP", "user app", "activation PARTNER/orders", current="A2", retiring="A1")
    connected = {
        "connections": [
            {"name": "orders", "server": "n2"},
            {"name": "orders", "server": "n2"},
            {"name": "gone", "server": "n1", "closed_at": None},
        ]
    }
    users = {"app1": [{"account": "APP", "name": "app"}], "app2": [{"account": "APP", "name": "kept"}]}
    given = {"connected": connected, "users": users, "differing": ["app3"]}
    report = nats_rotation_report(rotated, store, "resign")
    assert left(rotated, report, store, **given) == {
        "phase": "add",
        "left": {
            "add": ["account APP"],
            "trust": [],
            "resign": ["user app", "activation PARTNER/orders"],
            "push": ["account APP"],
            "distribute": ["app1", "app3"],
            "drain": ["orders on n2"],
            "retire": ["account APP"],
        },
        "tokens": {"add": 1, "resign": 2, "push": 1, "retire": 1},
        "hosts": {"trust": 0, "push": 2, "distribute": 2},
        "restarts": [],
    }
    assert left(rotated, report, store, compromised=True)["left"]["retire"] == []


@pytest.mark.parametrize(
    ("generations", "changes", "phase", "names"),
    [
        (["current"], [], "add", {"add", "resign", "push", "retire"}),
        (["current", "next"], [], "resign", {"resign", "push", "retire"}),
        (["current", "next"], ["account APP"], "resign", {"resign", "push", "retire"}),
        (["retiring", "current"], [], "retire", {"retire"}),
        (["other", "current"], [], "done", set()),
    ],
)
def test_what_is_left_of_a_curve_key(generations: list[str], changes: list[str], phase: str, names: set[str]) -> None:
    """The account is signed and pushed when the service has the next key, which may be in a later run."""
    keys = [
        key(f"X{number}", one, name="callout", kind="curve_key")
        for number, one in enumerate(generations)
        if one != "other"
    ]
    rotated = nats_rotation(info(*keys), slot="APP/callout", key="X0")
    store = changed(*changes)
    seen = left(rotated, nats_rotation_report(rotated, store, "resign"), store)
    account, curve_key = ["account APP"], ["curve key APP/callout"]
    wanted = {"add": curve_key, "resign": account, "push": account, "retire": curve_key}
    assert (seen["phase"], {one: left for one, left in seen["left"].items() if left}) == (
        phase,
        {one: wanted[one] for one in names},
    )
    assert seen["hosts"]["push"] == (2 if "push" in names else 0)
    assert (seen["tokens"]["resign"], seen["tokens"]["retire"]) == (int("resign" in names), 0)


def test_what_is_left_of_a_key_of_the_operator() -> None:
    rotated = nats_rotation(info(key("O2", "current", account="")), slot="main", key="O2")
    store = changed("account APP", current="O2", next="O3")
    report = nats_rotation_report(rotated, store, "resign", {}, [])
    seen = left(rotated, report, store)
    assert (seen["phase"], seen["left"]["trust"], seen["restarts"]) == ("add", ["n1", "n2"], ["n1", "n2"])
    following = nats_rotation(
        info(key("O2", "current", account=""), key("O3", "next", account="")), slot="main", key="O2"
    )
    report = nats_rotation_report(following, store, "resign", {}, ["n2"])
    seen = left(following, report, store)
    assert (seen["phase"], seen["left"]["trust"], seen["hosts"]["trust"]) == ("trust", ["n2"], 1)
    done = nats_rotation(info(key("O3", "current", account="")), slot="main", key="O2")
    report = nats_rotation_report(done, changed(current="O3"), "resign", {}, [])
    assert left(done, report, changed()) | {"hosts": None} == {
        "phase": "done",
        "left": {phase: [] for phase in ("add", "trust", "resign", "push", "distribute", "drain", "retire")},
        "tokens": {"add": 0, "resign": 0, "push": 0, "retire": 0},
        "hosts": None,
        "restarts": [],
    }


@pytest.mark.parametrize(("strict", "phase", "restarts"), [(False, "switch", ["n1", "n2"]), (True, "done", [])])
def test_last_phase_of_strict_mode_is_the_switch(strict: bool, phase: str, restarts: list[str]) -> None:
    rotated = nats_rotation(info(strict=strict), strict_mode=True)
    report = nats_rotation_report(rotated, changed(), "resign", {}, [])
    seen = left(rotated, report, changed())
    assert (seen["phase"], seen["restarts"], "retire" in seen["left"]) == (phase, restarts, False)


def test_servers_that_do_not_answer_are_the_reason_to_wait() -> None:
    rotated = nats_rotation(info(key("A2", "current"), key("A1", "retiring")), slot="APP/main")
    report = nats_rotation_report(rotated, changed(current="A2", retiring="A1"), "resign")
    seen = left(rotated, report, changed(), {"msg": "n2 did not answer.", "connections": []})
    assert (seen["phase"], seen["left"]["drain"]) == ("drain", ["n2 did not answer."])
