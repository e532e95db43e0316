# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Check mode of every module that writes files returns the result of the real run, fails with the same message, and writes nothing."""

from __future__ import annotations

import functools
import pathlib
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from support.scenarios import DOCUMENT, SCENARIOS, Scenario, changed_document, request_of, store
from support.server_cases import Kit
from support.servers import SERVER
from support.sites import Site

from ansible_collections.natsops.security.plugins.module_utils.claims import Account, Claims
from ansible_collections.natsops.security.plugins.module_utils.decision.issue import Policy, decide
from ansible_collections.natsops.security.plugins.module_utils.decision.unsigned import (
    Requests,
    write_requests,
)

NOW = 1_800_000_000


# ---- situations


def _requests(site: Site) -> dict[str, Any]:
    operator, account = site.key("acme.nk"), site.key("app.nk")
    claims = Claims(name="APP", subject=account.public_key, body=Account())
    decision = decide(claims, None, operator.public_key, Policy(), NOW)
    if not (site.folder / "requests.json").exists():
        site.write("requests.json", write_requests(Requests(NOW, (request_of("account APP", decision, None),))), 0o600)
    return {"path": site / "requests.json", "signed_path": site / "signed.json", "signer_path": site / "acme.nk"}


def _store(site: Site) -> dict[str, Any]:
    return store(site, DOCUMENT)


def _backup(site: Site, **more: Any) -> dict[str, Any]:
    return {
        "stores_dir": site / "stores",
        "keys_dir": site / "keys",
        "path": site / "acme.backup",
        "password": "p",
        **more,
    }


def _restore(site: Site) -> dict[str, Any]:
    return {"path": site / "acme.backup", "password": "p", "stores_dir": site / "r", "keys_dir": site / "s"}


def _rebuild(site: Site, **more: Any) -> dict[str, Any]:
    operator = site.claims("stores/ACME/ACME.jwt").subject
    return {
        "paths": [site / "stores", site / "keys"],
        "operator": operator,
        "stores_dir": site / "r",
        "keys_dir": site / "s",
        **more,
    }


def _policy(site: Site) -> dict[str, Any]:
    return {
        "jwt_paths": [site / "acme.jwt", site / "app.jwt"],
        "policy": {"rules": []},
        "fail_on": "none",
        "junit_path": site / "junit.xml",
        "sarif_path": site / "policy.sarif",
    }


def _report(site: Site, **more: Any) -> dict[str, Any]:
    return {
        "jwt_paths": [site / "acme.jwt", site / "app.jwt"],
        "json_path": site / "report.json",
        "html_path": site / "report.html",
        "metrics_path": site / "report.prom",
        **more,
    }


def _server_config(site: Site, **more: Any) -> dict[str, Any]:
    (site.folder / "etc").mkdir(exist_ok=True)
    return Kit(site).options(
        **{
            "config_dir": site / "etc",
            "binary_path": str(SERVER),
            "operator": {"jwt": site.text("acme.jwt")},
            "resolver": {"type": "memory"},
            **more,
        }
    )


def _full(site: Site, **more: Any) -> dict[str, Any]:
    """A configuration of a new operator with a system account."""
    return _server_config(site, operator=Kit(site).operator(), **{"resolver": {"type": "full"}, **more})


def _changed_config(before: dict[str, Any], after: dict[str, Any], has_system_account: bool = False) -> Scenario:
    """A configuration that changes options of the one that is there."""
    make = _full if has_system_account else _server_config
    return Scenario(
        "server_config", functools.partial(make, **after), (("server_config", functools.partial(make, **before)),)
    )


def _foreign_certificate(site: Site) -> dict[str, Any]:
    """A certificate with the key of another one."""
    for name in ("one", "two"):
        if not (site.folder / f"{name}.pem").exists():
            names = ("-keyout", site / f"{name}.key", "-out", site / f"{name}.pem", "-subj", f"/CN={name}")
            make = ("openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "30", *names)
            subprocess.run(make, check=True, capture_output=True)
    return _server_config(site, tls={"cert_file": site / "one.pem", "key_file": site / "two.key"})


def _another_operator(site: Site) -> dict[str, Any]:
    """A resolver's folder with an account of another operator."""
    (site.folder / "jwt").mkdir(exist_ok=True)
    (site.folder / "jwt" / f"{site.claims('app.jwt').subject}.jwt").write_text(site.text("app.jwt"))
    return _full(site, resolver={"type": "full", "dir": site / "jwt"})


#: Tasks of the modules that SCENARIOS does not cover, as tests/attack/test_pairs.py does not need them.
MORE = {
    "sign": Scenario("sign", _requests),
    "backup": Scenario("backup", _backup, (("store", _store),)),
    "backup replaced": Scenario(
        "backup",
        lambda site: _backup(site, backup=True),
        (("store", _store), ("backup", _backup), ("store", lambda site: store(site, changed_document(), cut_off=True))),
    ),
    "restore": Scenario("restore", _restore, (("store", _store), ("backup", _backup))),
    "rebuild": Scenario("rebuild", _rebuild, (("store", _store),)),
    "policy": Scenario("policy", _policy),
    "report": Scenario("report", _report),
    "report changed": Scenario("report", lambda site: _report(site, mode="0600"), (("report", _report),)),
    "server_config": Scenario("server_config", _server_config),
    "server_config changed": Scenario(
        "server_config", lambda site: _server_config(site, name="n2"), (("server_config", _server_config),)
    ),
    "server_config encrypted": _changed_config({"jetstream": {}}, {"jetstream": {"key": "new", "cipher": "aes"}}),
    "server_config of another key": _changed_config({"jetstream": {"key": "old"}}, {"jetstream": {"key": "new"}}),
    "server_config without the key": _changed_config({"jetstream": {"key": "old"}}, {"jetstream": {"cipher": "aes"}}),
    "server_config cached": _changed_config({"resolver": {"type": "full"}}, {"resolver": {"type": "cache"}}, True),
    "server_config in memory": _changed_config({"resolver": {"type": "cache"}}, {"resolver": {"type": "memory"}}, True),
    "server_config without a system account": _changed_config({}, {"resolver": {"type": "full"}}),
    "server_config with a foreign certificate": Scenario("server_config", _foreign_certificate),
    "server_config of another operator": Scenario("server_config", _another_operator, (("server_config", _full),)),
}
ALL = {**SCENARIOS, **MORE}


class Situation(NamedTuple):
    """How the files of a task are prepared, which options are added, and whether the task runs without root's privileges."""

    prepare: Callable[[Site, list[str]], None]
    more: dict[str, Any] = {}
    rootless: bool = False


def _as_it_is(_site: Site, _paths: list[str]) -> None:
    pass


def _each(change: Callable[[pathlib.Path], None], only_there: bool = False) -> Callable[[Site, list[str]], None]:
    def prepare(_site: Site, paths: list[str]) -> None:
        for path in map(pathlib.Path, paths):
            if path.exists() or not only_there:
                change(path)

    return prepare


def _another_owner(path: pathlib.Path) -> None:
    shutil.chown(path, 65534, 65534)


def _folder(path: pathlib.Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def _link(path: pathlib.Path) -> None:
    target = path.with_name(path.name + ".elsewhere")
    if path.exists():
        path.rename(target)
    path.symlink_to(target)


def _nowhere(path: pathlib.Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("gone/away")


def _loop(path: pathlib.Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(path)


def _read_only(site: Site, paths: list[str]) -> None:
    for folder in {site.folder, *(pathlib.Path(path).parent for path in paths)}:
        if folder.is_dir():
            folder.chmod(0o555)


SITUATIONS = {
    "plain": Situation(_as_it_is),
    "another mode": Situation(_each(lambda path: path.chmod(0o666), only_there=True)),
    "another owner": Situation(_each(_another_owner, only_there=True), {"owner": "root"}),
    "another owner without the right": Situation(
        _each(_another_owner, only_there=True), {"owner": "root"}, rootless=True
    ),
    "unknown owner": Situation(_as_it_is, {"owner": "no-such-user"}),
    "unknown group": Situation(_as_it_is, {"group": "no-such-group"}),
    "mode that is none": Situation(_as_it_is, {"mode": "u=rwz"}),
    "number that is no mode": Situation(_as_it_is, {"mode": "99999"}),
    "attributes that are none": Situation(_as_it_is, {"attributes": "+Q"}),
    "folder in its place": Situation(_each(_folder)),
    "link": Situation(_each(_link)),
    "link to nowhere": Situation(_each(_nowhere)),
    "link to itself": Situation(_each(_loop)),
    "something else": Situation(_each(lambda path: path.write_text("something else\n") and None)),
    "read-only folder": Situation(_read_only, rootless=True),
    "read-only files": Situation(_each(lambda path: path.chmod(0o400), only_there=True), rootless=True),
}


# ---- comparing

_NEW = re.compile(r"\(a new \w+ key: [^()]*(?:\([^()]*\))?\)")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_COPY = re.compile(r"\.\d+\.\d{4}-\d\d-\d\d@\d\d:\d\d:\d\d~")
_KEY = re.compile(r"\b[OAUX][A-Z2-7]{55}\b")
#: Values that are random or derived from random values, and those that Ansible adds for a file that exists.
_RANDOM = {
    "jwt",
    "token",
    "seed",
    "backup_files",
    "iat",
    "jti",
    "issued_at",
    "expires",
    "until",
    "issued_again_at",
    "invocation",
    "uid",
    "gid",
    "owner",
    "group",
    "mode",
    "size",
    "state",
}


def _known(value: Any, foretold: str) -> Any:
    """A result without values that check mode cannot know: new keys, times, and what depends on them."""
    if isinstance(value, dict):
        return {
            _known(name, foretold): _known(item, foretold)
            for name, item in value.items()
            if name not in _RANDOM and not name.startswith("_ansible")
        }
    if isinstance(value, list):
        return [_known(item, foretold) for item in value]
    if isinstance(value, str):
        text = _COPY.sub(".COPY", _TIME.sub("TIME", _NEW.sub("NEW", value)))
        return _KEY.sub(lambda match: match.group() if match.group() in foretold else "NEW", text)
    return value


def warns_of(told: dict[str, Any], message: str) -> bool:
    """Whether check mode warns that the real run fails with this message unless an earlier task creates what is missing."""
    return f"{message} Unless an earlier task makes it, the real run fails." in str(told.get("warnings"))


def differences(site: Site, module: str, options: dict[str, Any], rootless: bool = False) -> dict[str, Any]:
    """The differences between check mode and the real run after it, by the name of the result."""
    before = site.snapshot()
    told = site.start(module, options, check=True, rootless=rootless)
    after = site.snapshot()
    came = site.start(module, options, rootless=rootless)
    found: dict[str, Any] = {}
    if after != before:
        found["written"] = [path for path in {**before, **after} if before.get(path) != after.get(path)]
    if bool(told.get("failed")) != bool(came.get("failed")):
        message = came.get("msg", "(none)")
        if warns_of(told, message):
            return found
        return {**found, "failed": (told.get("msg", "(none)"), message)}
    seen = str(told)
    for name in {*told, *came} - _RANDOM - {"warnings"}:
        pair = [_known({name: result.get(name)}, seen).get(name) for result in (told, came)]
        if pair[0] != pair[1]:
            found[name] = tuple(pair)
    return found


_WRITTEN = re.compile(r"(?:jwt|creds|key|public_key|signed|html|json|metrics|junit|sarif)_path|path")


def _paths(options: dict[str, Any]) -> Iterator[str]:
    """The files that a task writes."""
    for name, value in options.items():
        if _WRITTEN.fullmatch(name):
            yield value
        elif name in ("signing_keys", "users"):
            yield from (item["path"] for item in value if "path" in item)


@pytest.fixture
def ready(acme: Site) -> Iterator[Site]:
    """ACME and an importer. Afterwards, all folders are made writable so that they can be removed."""
    acme.make_key("acme-importer.nk", "account")
    yield acme
    for folder in [acme.folder, *acme.folder.rglob("*")]:
        if folder.is_dir():
            folder.chmod(0o755)


def made(site: Site, name: str) -> tuple[str, dict[str, Any]]:
    """The module and options of a task, after running the tasks that it depends on."""
    for module, options in ALL[name].before:
        done = site.start(module, options(site))
        assert not done.get("failed"), done
    return ALL[name].module, ALL[name].options(site)


#: One combination for each kind of task that failed in the past. All other combinations take minutes.
ALWAYS = (
    ("nkey replaced", "plain"),
    ("nkey", "mode that is none"),
    ("nkey", "unknown owner"),
    ("operator changed", "read-only folder"),
    ("credentials", "plain"),
    ("sign", "read-only folder"),
    ("store", "read-only folder"),
    ("server_config", "read-only folder"),
    ("report changed", "another owner without the right"),
)
#: Tasks that cover each way of writing files.
_EACH_WAY = (
    *("operator changed", "user changed", "user absent", "nkey", "nkey absent", "credentials renewed", "sign"),
    *("store", "restore", "backup replaced", "report changed", "server_config changed", "revocation"),
)
CASES = [
    pytest.param(name, situation, marks=() if (name, situation) in ALWAYS else pytest.mark.attack)
    for name in ALL
    for situation in SITUATIONS
    if situation == "plain" or name in _EACH_WAY or (name, situation) in ALWAYS
]


@pytest.mark.parametrize(("name", "situation"), CASES)
def test_check_mode_returns_what_the_real_run_does(ready: Site, name: str, situation: str) -> None:
    how = SITUATIONS[situation]
    module, options = made(ready, name)
    options = {**options, **how.more}
    how.prepare(ready, list(_paths(options)))
    assert differences(ready, module, options, how.rootless) == {}
    if (name, situation) not in ALWAYS:  # again, with what the first run wrote
        assert differences(ready, module, options, how.rootless) == {}


@pytest.mark.parametrize(("attribute", "tool"), [("owner", "chown"), ("group", "chgrp")])
def test_reason_is_named_on_every_core_where_the_right_is_missing(ready: Site, attribute: str, tool: str) -> None:
    module, options = made(ready, "report changed")
    path = next(_paths(options))
    _another_owner(pathlib.Path(path))
    result = ready.start(module, {**options, attribute: "root"}, rootless=True)
    assert result["msg"] == f"The attributes of {path} cannot be set: {tool} failed: Operation not permitted."


# ---- what an earlier task of the play may create

_ELSEWHERE = {
    "nkey": ("path",),
    "operator": ("key_path", "jwt_path"),
    "credentials prepared": ("users.path",),
    "report": ("json_path",),
    "sign": ("signed_path",),
    "backup": ("path",),
    "server_config": ("config_dir",),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in ("nkey", "server_config") else pytest.mark.attack) for name in _ELSEWHERE],
)
def test_check_mode_warns_of_a_folder_that_an_earlier_task_may_make(ready: Site, name: str) -> None:
    module, options = made(ready, name)
    for option in _ELSEWHERE[name]:
        *outer, inner = option.split(".")
        holder = options[outer[0]][0] if outer else options
        holder[inner] = ready / f"none/{pathlib.Path(holder[inner]).name}"
    told = ready.check(module, **options)
    message = ready.refuse(module, None, **options)
    assert warns_of(told, message), (message, told)


@pytest.mark.parametrize("name", ["nkey", pytest.param("operator", marks=pytest.mark.attack)])
def test_no_task_makes_a_folder_where_a_file_is(ready: Site, name: str) -> None:
    module, options = made(ready, name)
    path = next(_paths(options))
    options = {
        option: value.replace(path, ready / "app.jwt/x") if isinstance(value, str) else value
        for option, value in options.items()
    }
    assert differences(ready, module, options) == {}
    assert ready.refuse(module, {"check": True}, **options)


def test_jwt_does_not_take_the_place_of_creds(ready: Site) -> None:
    module, options = made(ready, "user")
    assert ready.start(module, options)["changed"]
    options.update(jwt_path=options["creds_path"], creds_path=None, tags=["new"])
    assert differences(ready, module, options) == {}
    assert "holds a seed, which would be lost" in ready.refuse(module, {"check": True}, **options)
