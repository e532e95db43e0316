# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Paths that are not files, name one file twice, lead out of a store or are not text; files as editors save them; copies of seeds."""

from __future__ import annotations

import itertools
import os
import pathlib
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from support import scenarios
from support.declarations import MODULES, options_of
from support.faults import Ended, FaultyModules
from support.scenarios import request_of
from support.sites import Site

from ansible_collections.natsops.security.plugins.module_utils.claims import Account, Claims
from ansible_collections.natsops.security.plugins.module_utils.decision.issue import Policy, decide
from ansible_collections.natsops.security.plugins.module_utils.decision.unsigned import (
    Requests,
    write_requests,
)
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey

NOW = 1_800_000_000
#: Seconds, longer than any task takes on a busy machine: a task that waits for a pipe never ends.
PATIENCE = 120


def paths_of(spec: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The options of a module that are paths; suboptions as `signing_keys.path`."""
    for name, option in spec.items():
        if "path" in (option.get("type"), option.get("elements")):
            yield prefix + name
        if "options" in option:
            yield from paths_of(option["options"], f"{prefix}{name}.")


OPTIONS = [(name[len("nats_") :], option) for name in MODULES for option in paths_of(options_of(name))]
#: Options that name a folder, or may name one.
FOLDERS = {"signer_path", "system_signer_path", "store_path", "signers.ca_path"}
#: Options read later, only on the server, or by the action plugin on the controller (see test_vault.py).
NOT_READ = {
    ("resolver", "signer_path"),
    *(("resolver", f"signers.{name}") for name in ("token_path", "ca_path", "library_path", "pin_path")),
    ("server_config", "resolver.dir"),
    ("server_config", "data_dir"),
    ("store", "vault_file"),
}
#: Options of the access modules other than those for the sources of JWTs.
BESIDE_SOURCES = (
    *("junit_path", "sarif_path", "policy_path"),
    *("html_path", "json_path", "metrics_path", "previous_path", "keys_dir"),
)


def is_folder(option: str) -> bool:
    """Whether an option names a folder, or may name one."""
    return option.endswith("dir") or option in FOLDERS


@pytest.fixture
def ready(acme: Site) -> Site:
    """ACME with the files that the tasks below need."""
    acme.make_key("acme-importer.nk", "account")
    pair = acme.make_key("given.nk", "user")
    acme.make_jwt("given.jwt", "user", pair.public_key, acme.key("app.nk"))
    operator, account = acme.key("acme.nk"), acme.key("app.nk")
    decision = decide(
        Claims(name="APP", subject=account.public_key, body=Account()), None, operator.public_key, Policy(), NOW
    )
    acme.write("requests.json", write_requests(Requests(NOW, (request_of("account APP", decision, None),))), 0o600)
    return acme


def base(site: Site, module: str) -> dict[str, Any]:
    """The options of a task that succeeds, unless the module connects to a server."""
    closed = {"servers": ["nats://127.0.0.1:9"], "connect_timeout": "1s", "timeout": "1s"}
    if module.startswith("resolver"):
        closed.update(creds_path=make_creds(site), jwt_paths=[site / "app.jwt"])
    return {
        "access_info": lambda: {"jwt_paths": [site / "app.jwt"], "questions": [{"unused_exports": True}]},
        "policy": lambda: {
            "jwt_paths": [site / "acme.jwt", site / "app.jwt"],
            "policy_path": site.write("rules.yml", "rules: []"),
            "fail_on": "none",
        },
        "report": lambda: {
            "jwt_paths": [site / "acme.jwt", site / "app.jwt"],
            "json_path": site / "x.json",
        },
        "operator": lambda: scenarios.operator(site),
        "account": lambda: scenarios.account(site),
        "user": lambda: scenarios.user(site),
        "activation": lambda: scenarios.activation(site),
        "creds": lambda: {"path": site / "x.creds", "jwt_path": site / "given.jwt", "key_path": site / "given.nk"},
        "jwt_info": lambda: {"jwt_path": site / "given.jwt"},
        "nkey": lambda: {"path": site / "x.nk", "type": "user", "public_key_path": site / "x.pub"},
        "sign": lambda: {"path": site / "requests.json", "signer_path": site / "acme.nk"},
        "store": lambda: scenarios.store(site, scenarios.DOCUMENT),
        "backup": lambda: {**make_store(site), "path": site / "x.backup", "password": "p"},
        "restore": lambda: {
            "path": make_backup(site),
            "password": "p",
            "stores_dir": site / "r",
            "keys_dir": site / "s",
        },
        "rebuild": lambda: {
            **make_store(site),
            "stores_dir": site / "r",
            "keys_dir": site / "s",
            "paths": [site / "stores", site / "keys"],
        },
        "store_info": lambda: {"stores_dir": site / "stores", "keys_dir": site / "keys", "store": "ACME"},
        "server": lambda: {"binary_path": site / "none"},
        "server_config": lambda: {"name": "n1", "operator": {"jwt": site.text("acme.jwt")}},
        "resolver": lambda: closed,
        "resolver_info": lambda: closed,
        "connections": lambda: {**closed, "account": site.key("app.nk").public_key, "creds_path": make_creds(site)},
        "diagnose": lambda: {**closed, "user_creds_path": make_creds(site), "creds_path": make_creds(site)},
        "credentials": lambda: {"users": [_credentials_user(site, site / "x.creds")]},
        "creds_info": lambda: {
            "paths": [make_creds(site)],
            "servers": ["nats://127.0.0.1:9"],
            "connect_timeout": "1s",
        },
        "revocation": lambda: {
            "jwt_path": site / "app.jwt",
            "signer_path": site / "acme.nk",
            "revocations": [{"user": site.key("given.nk").public_key, "at": "now"}],
        },
    }[module]()


def make_store(site: Site) -> dict[str, Any]:
    """The options that locate a store, which is created if missing."""
    where = {"stores_dir": site / "stores", "keys_dir": site / "keys"}
    if not (site.folder / "stores").exists():
        site.start("store", {**where, "definition": scenarios.DOCUMENT})
    return {**where, "store": "ACME"}


def make_backup(site: Site) -> str:
    """The path of a backup of that store, which is created if missing."""
    if not (site.folder / "given.backup").exists():
        site.start("backup", {**make_store(site), "path": site / "given.backup", "password": "p"})
    return site / "given.backup"


def _credentials_user(site: Site, path: str) -> dict[str, Any]:
    return {
        "account": "APP",
        "name": "u",
        "path": path,
        "account_public_key": site.key("app.nk").public_key,
        "creds": site.text(make_creds(site)),
    }


def task(site: Site, module: str, option: str, path: str) -> dict[str, Any]:
    """The options of such a task, with a path in one of them."""
    options = base(site, module)
    name, _dot, inner = option.partition(".")
    if module in ("access_info", "policy", "report") and name not in ("jwt_paths", *BESIDE_SOURCES):
        del options["jwt_paths"]
        if name not in ("src", "stores_dir"):
            options.update(servers=["nats://127.0.0.1:9"], creds_path=make_creds(site), connect_timeout="1s")
    if module == "report" and name == "keys_dir":
        options.update(make_store(site))
    if module == "rebuild" and name not in ("paths", "stores_dir", "keys_dir"):
        options.update(servers=["nats://127.0.0.1:9"], creds_path=make_creds(site), connect_timeout="1s")
    if name == "signers":
        options.pop("signer_path", None)
        options["signers"] = [signer_with(inner, path)]
    elif name == "parents":
        options["parents"] = [{"jwt_path": path}]
    elif name == "signing_keys":
        options["signing_keys"] = [{"path": path}]
    elif name == "resolver" and inner:
        options["resolver"] = {inner: path}
    elif name == "jwt_paths":
        options["jwt_paths"] = [path]
    elif name == "paths":
        options["paths"] = [path]
    elif module == "credentials":
        options["users"] = [_credentials_user(site, path)]
    elif module == "revocation" and name in ("stores_dir", "keys_dir"):
        del options["jwt_path"], options["signer_path"]
        options.update(store="ACME", account="APP", stores_dir=site / "stores", keys_dir=site / "keys")
        options[name] = path
    elif name == "nats_key_path":
        del options["password"]
        options[name] = path
    elif name == "src":
        options.pop("definition", None)
        options["src"] = path
    else:
        options[name] = path
    if name in ("system_signer_path", "system_account_jwt_path"):
        del options["creds_path"]
        options.setdefault("system_signer_path", site / "app.nk")
    if name in ("tls_certificate_path", "tls_key_path"):
        options.update({"tls_certificate_path": site / "none", "tls_key_path": site / "none", name: path})
    return options


def signer_with(option: str, path: str) -> dict[str, Any]:
    """The options of an external signer, with a path in one of them."""
    signer = {"type": "transit", "key": "k", "address": "http://127.0.0.1:9", "token": "t"}
    if option in ("library_path", "pin_path"):
        signer = {"type": "pkcs11", "library_path": "none.so", "token_label": "t", "key_label": "k"}
    if option == "token_path":
        del signer["token"]
    return {**signer, option: path}


def make_creds(site: Site) -> str:
    """The path of the creds of a user, which are created here."""
    text = site.core.decorated.format_creds(site.text("given.jwt"), site.key("given.nk"))
    return site.write("given.creds", text, 0o600)


def end_of(modules: FaultyModules, module: str, options: dict[str, Any], **how: Any) -> Ended:
    """The result of a task. The task must end although no process opens the other end of a pipe."""
    modules.begin(module, options, how)
    assert modules.has_ended(PATIENCE), f"nats_{module} waits"
    return modules.end()


def refused(modules: FaultyModules, site: Site, module: str, options: dict[str, Any]) -> str:
    """The message of a task, which must fail with this single message and change nothing."""
    before = site.snapshot()
    ended = end_of(modules, module, options)
    assert ended.result.get("failed"), ended.result
    for word in ("Traceback", "This is a fault of natsops.security", "Errno"):
        assert word not in str(ended.result) + ended.errors, ended.result
    assert site.snapshot() == before
    message: str = ended.result["msg"]
    return message


# ---- paths that are not files


def _pipe(path: str) -> str:
    os.mkfifo(path)
    return "named pipe"


def _socket(path: str) -> str:
    with socket.socket(socket.AF_UNIX) as one:
        folder = os.open(pathlib.Path(path).parent, os.O_RDONLY)
        try:
            one.bind(f"/proc/self/fd/{folder}/{pathlib.Path(path).name}")
        finally:
            os.close(folder)
    return "socket"


def _device(path: str) -> str:
    pathlib.Path(path).symlink_to("/dev/zero")
    return "character device"


def _link_to_pipe(path: str) -> str:
    os.mkfifo(path + ".pipe")
    pathlib.Path(path).symlink_to(path + ".pipe")
    return "named pipe"


NO_FILES = [_pipe, _socket, _device, _link_to_pipe]


def try_no_files(site: Site, modules: FaultyModules, module: str, option: str, makers: Sequence[Any]) -> None:
    """Put something other than a file at a path, and expect the task to refuse it."""
    for make in makers:
        path = site / f"{option}{make.__name__}"
        kind = make(path)
        given = task(site, module, option, path)
        if module == "server" or (module, option) in NOT_READ:
            end_of(modules, module, given)
            continue
        message = refused(modules, site, module, given)
        assert path in message, message
        expected = ("no store", "not a store", "not a folder", "no folder", "no program", "cannot be run")
        if option.endswith("dir") or option in ("store_path", "binary_path"):
            assert any(words in message for words in expected), message
        else:
            assert kind in message, message


#: The modules whose options `make test` gives pipes; `make attack` does so for all.
USUAL = ("credentials", "resolver", "store", "user")


@pytest.mark.parametrize(
    "module",
    [
        pytest.param(name, marks=() if name in USUAL else pytest.mark.attack)
        for name in sorted({module for module, _unused in OPTIONS})
    ],
)
def test_pipe_is_named_and_not_waited_for(ready: Site, modules_with_faults: FaultyModules, module: str) -> None:
    for option in (option for name, option in OPTIONS if name == module):
        try_no_files(ready, modules_with_faults, module, option, NO_FILES[:1])


@pytest.mark.attack
@pytest.mark.parametrize(("module", "option"), OPTIONS)
def test_what_is_no_file_is_named_and_not_waited_for(
    ready: Site, modules_with_faults: FaultyModules, module: str, option: str
) -> None:
    try_no_files(ready, modules_with_faults, module, option, NO_FILES)


@pytest.fixture(scope="module")
def made_store(
    tmp_path_factory: pytest.TempPathFactory, modules_with_faults: FaultyModules
) -> Callable[[Site], dict[str, Any]]:
    folder = tmp_path_factory.mktemp("made")

    def options(where: Any) -> dict[str, Any]:
        return {
            "definition": scenarios.DOCUMENT,
            "stores_dir": str(where / "stores"),
            "keys_dir": str(where / "keys"),
        }

    assert not modules_with_faults.run("store", options(folder)).result.get("failed")

    def make(site: Site) -> dict[str, Any]:
        for name in ("stores", "keys"):
            shutil.copytree(folder / name, site.folder / name)
        return options(site.folder)

    return make


def every_file(folder: pathlib.Path) -> list[pathlib.Path]:
    """The files of a store and its keystore, except .gitignore."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".gitignore"]


def test_pipes_in_a_store_are_named_and_not_waited_for(
    site: Site, made_store: Callable[[Site], dict[str, Any]], modules_with_faults: FaultyModules
) -> None:
    options = made_store(site)
    changed = {**options, "definition": scenarios.changed_document(), "prune": True, "cut_off": True}
    info = {"stores_dir": options["stores_dir"], "keys_dir": options["keys_dir"], "store": "ACME"}
    for path in every_file(site.folder):
        kept = path.read_bytes()
        path.unlink()
        os.mkfifo(path)
        for module, given in (("store", options), ("store", changed), ("store_info", info)):
            ended = end_of(modules_with_faults, module, given, check=module == "store")
            told = ended.result["msg"] if ended.result.get("failed") else str(ended.result.get("problems"))
            # Creds are not read to show a store if the seed of the user is available, nor to archive them.
            is_unread = path.suffix == ".nk" or (path.suffix == ".creds" and given is not options)
            assert str(path) in told or "named pipe" in told or is_unread, (module, str(path), told)
        path.unlink()
        path.write_bytes(kept)
        path.chmod(0o600)
    assert modules_with_faults.run("store", options, check=True).result["changed"] is False


# ---- one file under two names


def spellings(path: str) -> list[str]:
    """Several paths of one file that does not exist yet."""
    folder, name = str(pathlib.Path(path).parent), pathlib.Path(path).name
    link = f"{folder}-link"
    if not pathlib.Path(link).exists():
        pathlib.Path(link).symlink_to(folder)
    dangling = f"{folder}/dangling-{name}"
    if not pathlib.Path(dangling).is_symlink():
        pathlib.Path(dangling).symlink_to(name)
    return [
        path,
        f"{folder}//{name}",
        f"{folder}/./{name}",
        f"{folder}/../{pathlib.Path(folder).name}/{name}",
        f"{link}/{name}",
        dangling,
        os.path.relpath(path),
    ]


WRITTEN = {
    "operator": ("jwt_path", "key_path", "signing_keys.path"),
    "account": ("jwt_path", "key_path", "signing_keys.path"),
    "user": ("jwt_path", "creds_path", "key_path"),
    "activation": ("jwt_path",),
    "creds": ("path",),
    "nkey": ("path", "public_key_path"),
}
#: Options that may name the same file: the signer may be one of the keys of the task.
ALLOWED = {frozenset({"signer_path", "key_path"}), frozenset({"signer_path", "signing_keys.path"})}


def set_path(options: dict[str, Any], option: str, path: str) -> None:
    """Set an option to a path; for signing keys, the path of the first one."""
    name, _dot, inner = option.partition(".")
    if name == "signers":
        options.pop("signer_path", None)
        options[name] = [{**signer_with(inner, path), **(options.get(name) or [{}])[0], inner: path}]
    elif inner:
        options[name] = [{inner: path}, *options.get(name, [])[1:]]
    else:
        options[name] = path


@pytest.mark.parametrize("module", WRITTEN)
def test_no_two_options_name_one_file(ready: Site, modules_with_faults: FaultyModules, module: str) -> None:
    options = [option for name, option in OPTIONS if name == module]
    turn = itertools.count()
    for first, second in itertools.combinations(options, 2):
        names = frozenset({first, second})
        if not names & set(WRITTEN[module]) or names in ALLOWED:
            continue
        ways = spellings(ready / "new-file")
        for way in [ways[next(turn) % len(ways)]]:
            given = base(ready, module)
            set_path(given, first, ready / "new-file")
            set_path(given, second, way)
            given["state"] = ("present", "absent")[next(turn) % 2]
            message = refused(modules_with_faults, ready, module, given)
            assert "one file" in message, message
            assert first.split(".")[0] in message
            assert second.split(".")[0] in message


def test_two_signing_keys_are_two_files(ready: Site, modules_with_faults: FaultyModules) -> None:
    for way in spellings(ready / "new-file"):
        for module in ("operator", "account"):
            given = base(ready, module)
            given["signing_keys"] = [{"path": ready / "new-file"}, {"path": way}]
            message = refused(modules_with_faults, ready, module, given)
            assert "signing_keys[0].path and signing_keys[1].path are one file" in message


def test_hard_links_are_one_file(ready: Site, modules_with_faults: FaultyModules) -> None:
    os.link(ready / "app.nk", ready / "other.nk")
    given = {**base(ready, "account"), "key_path": ready / "app.nk", "signing_keys": [{"path": ready / "other.nk"}]}
    assert "key_path and signing_keys[0].path are one file" in refused(
        modules_with_faults, ready, "account", given
    ) or ("signing_keys[0].path and key_path are one file" in refused(modules_with_faults, ready, "account", given))


def test_new_key_never_replaces_a_file(ready: Site) -> None:
    for content in ("", "notes\n", "\n\n"):
        for option, module in (("key_path", "user"), ("path", "nkey"), ("key_path", "operator")):
            path = ready.write("taken", content)
            ready.refuse(module, **{**base(ready, module), option: path})
            assert ready.text("taken") == content


# ---- texts that are not paths or names


NO_PATHS = (
    ("nul\0nul", "NUL"),
    ("half\ud800", "surrogate"),
    ("half\udcff", "surrogate"),
    ("x" * 300, "300 bytes"),
    ("/y" * 3000, "up to 4095"),
    ("slash/", "slash"),
    ("", "empty"),
)


def try_no_paths(site: Site, modules: FaultyModules, module: str, option: str, texts: Sequence[Any]) -> None:
    """Set an option to texts that cannot be paths, and expect the task to refuse them."""
    for text, words in texts:
        if text in ("", "slash/") and is_folder(option):
            continue
        path = text and f"{site.folder}/{text}"
        message = refused(modules, site, module, task(site, module, option, path))
        assert words in message, (text[:20], message)
        assert option.split(".")[0] in message
        message.encode()


@pytest.mark.attack
def test_text_that_is_no_path_is_refused(ready: Site, modules_with_faults: FaultyModules) -> None:
    for turn, (module, option) in enumerate(OPTIONS):
        try_no_paths(ready, modules_with_faults, module, option, [NO_PATHS[turn % len(NO_PATHS)]])


@pytest.mark.attack
@pytest.mark.parametrize(("module", "option"), OPTIONS)
def test_texts_that_are_no_paths_are_refused(
    ready: Site, modules_with_faults: FaultyModules, module: str, option: str
) -> None:
    try_no_paths(ready, modules_with_faults, module, option, NO_PATHS)


@pytest.mark.parametrize("module", ["store", "store_info"])
@pytest.mark.parametrize("name", ["..", ".", "a/b", "../../x", "/etc", "a\0b", "a\\b", " a", "x" * 241, "half\ud800"])
def test_store_is_a_name_and_no_path(ready: Site, modules_with_faults: FaultyModules, module: str, name: str) -> None:
    (ready.folder / "stores").mkdir(mode=0o755)
    (ready.folder / "stores/ACME").mkdir()
    ready.write("stores/.nsc", "{}")
    message = refused(modules_with_faults, ready, module, {**base(ready, module), "store": name})
    assert message.startswith("store")
    message.encode()


@pytest.mark.parametrize("name", ["..", "a/b", "a\0b", "half\ud800", "x" * 241])
@pytest.mark.parametrize("where", ["operator", "account", "user"])
def test_names_in_a_document_are_no_paths(
    ready: Site, modules_with_faults: FaultyModules, where: str, name: str
) -> None:
    document: dict[str, Any] = {"operator": {"name": "O"}, "accounts": [{"name": "A", "users": [{"name": "u"}]}]}
    part = {"operator": document["operator"], "account": document["accounts"][0]}.get(
        where, document["accounts"][0]["users"][0]
    )
    part["name"] = name
    message = refused(modules_with_faults, ready, "store", scenarios.store(ready, document))
    assert "name" in message
    message.encode()


@pytest.mark.parametrize("name", ["keys", "creds", ".natsops"])
def test_store_is_not_the_keystore(ready: Site, modules_with_faults: FaultyModules, name: str) -> None:
    options = {"definition": {"operator": {"name": name}}, "stores_dir": ready / "all", "keys_dir": ready / "all"}
    assert "is part of the keystore" in refused(modules_with_faults, ready, "store", options)


# ---- links in a store


def folders_of(site: Site) -> list[pathlib.Path]:
    """The folders of a store and its keystore, except the two that the task names."""
    return [path for path in sorted(site.folder.rglob("*")) if path.is_dir() and path.parent != site.folder]


def test_links_in_a_store_are_not_followed(
    site: Site, made_store: Callable[[Site], dict[str, Any]], modules_with_faults: FaultyModules, tmp_path: pathlib.Path
) -> None:
    options = made_store(site)
    changed = {**options, "definition": scenarios.changed_document(), "prune": True, "cut_off": True}
    outside = tmp_path / "outside"
    for folder in folders_of(site):
        shutil.copytree(folder, outside)
        for path in (outside, *outside.rglob("*")):
            path.chmod(0o755)
        kept = tmp_path / "kept"
        folder.rename(kept)
        folder.symlink_to(outside)
        before = [(str(path), path.stat().st_mode, path.stat().st_mtime_ns) for path in sorted(outside.rglob("*"))]
        message = refused(modules_with_faults, site, "store", changed)
        assert str(folder) in message, message
        assert "symbolic link" in message, message
        after = [(str(path), path.stat().st_mode, path.stat().st_mtime_ns) for path in sorted(outside.rglob("*"))]
        assert before == after
        folder.unlink()
        kept.rename(folder)
        shutil.rmtree(outside)
    for path in every_file(site.folder / "stores"):
        target = tmp_path / "target"
        path.rename(target)
        target.chmod(0o644)
        path.symlink_to(target)
        content = target.read_bytes()
        assert "symbolic link" in refused(modules_with_faults, site, "store", changed)
        assert (target.read_bytes(), target.stat().st_mode & 0o777) == (content, 0o644)
        path.unlink()
        target.rename(path)
        path.chmod(0o600)


def test_links_to_the_folders_that_a_task_names_are_followed(
    site: Site, modules_with_faults: FaultyModules, tmp_path: pathlib.Path
) -> None:
    for name in ("stores", "keys"):
        (tmp_path / name).mkdir()
        (site.folder / name).symlink_to(tmp_path / name)
    options = scenarios.store(site, scenarios.DOCUMENT)
    assert modules_with_faults.run("store", options).result["changed"]
    assert modules_with_faults.run("store", options).result["changed"] is False
    assert (tmp_path / "stores/ACME/ACME.jwt").exists()


# ---- files as editors save them

FORMS: dict[str, Callable[[str], str]] = {
    "crlf": lambda text: text.replace("\n", "\r\n"),
    "bom": lambda text: "\ufeff" + text,
    "bom and crlf": lambda text: "\ufeff" + text.replace("\n", "\r\n"),
    "blank lines": lambda text: "\n\n" + text.replace("\n", "\n\n") + "\n\n",
    "blanks": lambda text: "".join(f"  {line}\t\n" for line in text.splitlines()),
}
#: The forms that NATS clients read.
READ_BY_CLIENTS = {"crlf", "bom", "bom and crlf"}
#: The reasons for which a module writes a JWT and creds again, with the forms that NATS clients do not read.
REWRITTEN = {
    "its file has content other than the JWT": {"bom", "bom and crlf"},
    "the creds file holds content other than the JWT and the seed": FORMS.keys() - READ_BY_CLIENTS,
}


@pytest.mark.parametrize("form", FORMS)
def test_files_are_read_as_editors_leave_them(ready: Site, form: str) -> None:
    change = FORMS[form]
    ready.run("user", **scenarios.user(ready))
    key = ready.key("u.nk").public_key
    jwt = ready.text("u.jwt")
    for name in ("u.nk", "u.jwt", "app.jwt", "app-signing.nk"):
        ready.write(name, change(ready.text(name)), 0o600 if name == "u.nk" else 0o644)
    ready.write("u.creds", change(ready.text("u.creds")), 0o600)
    reasons = [reason for reason, forms in REWRITTEN.items() if form in forms]
    foreseen = ready.start("user", scenarios.user(ready), check=True)
    result = ready.run("user", **scenarios.user(ready))
    assert (result["public_key"], result["jwt"], result["reasons"]) == (key, jwt, reasons)
    assert (result["changed"], foreseen["changed"], foreseen["reasons"]) == (bool(reasons), bool(reasons), reasons)
    ready.keep("user", **scenarios.user(ready))
    assert (ready.folder / "u.nk").read_bytes() == change(ready.key("u.nk").seed + "\n").encode()
    assert ready.core.decorated.find_token(ready.text("u.creds")) == jwt
    assert ready.core.decorated.find_seed(ready.text("u.creds")).public_key == key


@pytest.mark.parametrize("form", FORMS)
def test_stores_are_read_as_editors_leave_them(
    site: Site, made_store: Callable[[Site], dict[str, Any]], modules_with_faults: FaultyModules, form: str
) -> None:
    options = made_store(site)
    change = FORMS[form]
    before = {path: path.read_text() for path in every_file(site.folder) if ".natsops" not in str(path)}
    for path, text in before.items():
        if path.suffix in (".nk", ".creds", ".jwt"):
            path.write_bytes(change(text).encode())
    result = modules_with_faults.run("store", options).result
    assert not result.get("failed"), result["msg"]
    for path, text in before.items():
        if path.suffix == ".jwt":
            assert path.read_bytes() == text.encode()
        elif path.suffix == ".creds":
            assert path.read_bytes() == (change(text) if form in READ_BY_CLIENTS else text).encode()
        elif path.suffix == ".nk":
            assert path.read_bytes() == change(text).encode()
    assert modules_with_faults.run("store", options).result["changed"] is False


def test_dots_of_a_seed_are_not_counted(ready: Site) -> None:
    for content in (ready.text("app.nk"), "x.y.z." + ready.text("app.nk"), ready.text("app.nk")[:-5] + "\n"):
        path = ready.write("seed", content, 0o600)
        for module, options in (("jwt_info", {}), ("user", scenarios.user(ready)), ("creds", base(ready, "creds"))):
            option = {"jwt_info": "jwt_path", "user": "account_jwt_path", "creds": "jwt_path"}[module]
            message = ready.refuse(module, **{**options, option: path})
            assert "parts between" not in message


# ---- copies

_WATCH = """
import os, pathlib, sys
folder = pathlib.Path(sys.argv[1])
os.setgid(65534); os.setuid(65534)
print("ready", flush=True)
while not (folder / "stop").exists():
    for path in folder.iterdir():
        if "~" in path.name or path.name.startswith(".natsops-"):
            try:
                if b"SU" in path.read_bytes():
                    print("read", path, flush=True)
                    sys.exit()
            except OSError:
                pass
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_copies_of_seeds_are_for_their_owner_from_the_first_byte(
    modules_with_faults: FaultyModules, memory: pathlib.Path
) -> None:
    memory.chmod(0o755)
    watcher = subprocess.Popen([sys.executable, "-c", _WATCH, str(memory)], stdout=subprocess.PIPE, text=True)
    assert watcher.stdout is not None
    assert watcher.stdout.readline() == "ready\n"
    path = str(memory / "k.nk")
    modules_with_faults.run("nkey", {"path": path, "type": "user"})
    for _unused in range(12):
        result = modules_with_faults.run(
            "nkey", {"path": path, "type": "user", "regenerate": True, "backup": True, "mode": "0600"}
        ).result
        (copy,) = result["backup_files"]
        assert pathlib.Path(copy).stat().st_mode & 0o777 == 0o600
    (memory / "stop").touch()
    assert watcher.communicate(timeout=PATIENCE)[0] == ""


def test_copies_have_the_mode_of_what_they_are_of_where_that_is_narrower(ready: Site) -> None:
    pair = nkey.create("user")
    for mode, expected in ((0o400, 0o400), (0o640, 0o600), (0o666, 0o600)):
        path = ready.write("k.nk", pair.seed + "\n", mode)
        result = ready.start("nkey", {"path": path, "type": "user", "regenerate": True, "backup": True})
        (copy,) = result["backup_files"]
        assert pathlib.Path(copy).stat().st_mode & 0o777 == expected
        assert pathlib.Path(copy).read_text() == pair.seed + "\n"
