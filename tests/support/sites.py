# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Runs modules as Ansible runs them, on a folder of seeds and JWTs."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import time
from typing import Any

# Does what Ansible's wrapper does in the Python of the managed host, but without a zip file.
MODULE = """
import json, runpy, sys, syslog
from ansible.module_utils import basic

syslog.syslog = lambda *arguments: print("syslog:", *arguments, file=sys.stderr)

def run(module, arguments):
    if "inject_invocation" in basic.PASS_VARS:  # since ansible-core 2.22, results have the invocation only if it is asked for
        arguments["_ansible_inject_invocation"] = True
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
    basic._ANSIBLE_PROFILE = "legacy"
    runpy.run_module("ansible_collections.natsops.security.plugins.modules." + module, run_name="__main__", alter_sys=True)
"""

_ONE_MODULE = MODULE + "run(sys.argv[1], json.load(sys.stdin))"

# Forks a process for each module from one that has imported the shared code: 0.02 s per module instead of 0.3 s.
_MODULES = (
    MODULE
    + """
import ctypes, os, tempfile
import ansible_collections.natsops.security.plugins.module_utils.tasks.cluster_options
import ansible_collections.natsops.security.plugins.module_utils.tasks.diagnose

def give_up_capabilities():
    # capset(2), version 3, this process: none effective, permitted or inheritable.
    done = ctypes.CDLL(None, use_errno=True).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())
    assert done == 0, os.strerror(ctypes.get_errno())

for line in iter(sys.stdin.readline, ""):
    module, arguments, rootless = json.loads(line)
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        child = os.fork()
        if not child:
            os.dup2(output.fileno(), 1)
            os.dup2(errors.fileno(), 2)
            if rootless:
                give_up_capabilities()
            run(module, arguments)
            sys.exit("the module did not exit")
        status = os.waitpid(child, 0)[1]
        output.seek(0)
        errors.seek(0)
        print(json.dumps([os.waitstatus_to_exitcode(status), output.read(), errors.read()]), flush=True)
"""
)


def as_read(output: str) -> str:
    """The result that a module prints, as Ansible reads it: since ansible-core 2.22 it takes out the secrets that the module asks it to mask."""
    try:
        result = json.loads(output)
    except ValueError:
        return output
    if isinstance(result, dict) and result.pop("_ansible_new_secrets", None):
        return json.dumps(result)
    return output


#: A complete seed within any text. Public keys are too short to match.
SEED = re.compile(r"S[OAUNCX]A[A-P][A-Z2-7]{54}")


def _environment(collections: pathlib.Path) -> dict[str, str]:
    return dict(os.environ, PYTHONPATH=str(collections))


def _without_keys(reasons: Any) -> str:
    """Return reasons with every key replaced by KEY, because check mode shows a placeholder for a key that it does not create."""
    return re.sub(r"\(a new \w+ key: [^)]*\)|\b[OAU][A-Z2-7]{55}\b", "KEY", json.dumps(reasons))


class Modules:
    """Runs modules, each in its own process."""

    def __init__(self, collections: pathlib.Path, python: str | pathlib.Path = sys.executable) -> None:
        self.process = subprocess.Popen(
            [str(python), "-c", _MODULES],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=_environment(collections),
            cwd=collections,  # modules that get relative paths write here
        )

    def run(self, module: str, arguments: dict[str, Any], rootless: bool = False) -> tuple[int, str, str]:
        """Return the exit code, stdout and stderr of a module. `rootless` drops root's capabilities: file modes apply, and files cannot change owner."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([module, arguments, rootless]) + "\n")
        self.process.stdin.flush()
        returncode, output, errors = json.loads(self.process.stdout.readline())
        return returncode, as_read(output), errors

    def stop(self) -> None:
        """Stop the process that forks the others."""
        self.process.communicate(timeout=60)


@dataclasses.dataclass
class Site:
    """A folder of seeds and JWTs, and the modules run on it. `site / "app.nk"` is a path in it."""

    folder: pathlib.Path
    collections: pathlib.Path
    core: Any  # the core's modules: nkey, codec, decorated, claims, options
    modules: Modules

    def __truediv__(self, name: str) -> str:
        return str(self.folder / name)

    # ---- files

    def text(self, name: str) -> str:
        """Return the content of a file."""
        return (self.folder / name).read_text()

    def mode(self, name: str) -> str:
        """Return the permissions of a file in the form `0644`."""
        return f"{(self.folder / name).stat().st_mode & 0o7777:04o}"

    def snapshot(self) -> dict[str, tuple[Any, ...]]:
        """Return the metadata, except the access time, and the content of every file in the folder, by path."""
        found = {}
        for path in sorted([self.folder, *self.folder.rglob("*")]):
            status = path.lstat()
            content = path.read_bytes() if path.is_file() else None
            found[str(path)] = (
                status.st_mode,
                status.st_uid,
                status.st_gid,
                status.st_ino,
                status.st_mtime_ns,
                status.st_ctime_ns,
                content,
            )
        return found

    def key(self, name: str) -> Any:
        """Return the key pair of a seed file."""
        return self.core.decorated.seed_in(self.text(name))

    def claims(self, name: str) -> Any:
        """Return the claims of a JWT or creds file. The signature is verified."""
        return self.core.codec.decode(self.core.decorated.find_token(self.text(name)))

    # ---- files that the core creates

    def make_key(self, name: str, key_type: str) -> Any:
        """Create a key pair, write its seed to a file and return the key pair."""
        pair = self.core.nkey.create(key_type)
        self.write(name, pair.seed + "\n", 0o600)
        return pair

    def write(self, name: str, text: str | bytes, mode: int = 0o644) -> str:
        """Write a file and return its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(mode)
        return str(path)

    def make_jwt(
        self,
        file: str,
        kind: str,
        subject: str,
        signer: Any,
        options: dict[str, Any] | None = None,
        *,
        age: int = 10,
        expires_in: int | None = None,
        **envelope: Any,
    ) -> str:
        """Write a JWT to a file and return it. It was issued `age` seconds ago and expires `expires_in` seconds after that time."""
        body, problems = self.core.claims.body_type(kind), []
        issued_at = int(time.time()) - age
        claims = self.core.options.read_options(self.core.claims.Claims, {"name": file.split(".")[0].upper()}, "", [])
        claims.subject = subject
        given = dict(options or {})
        issuer_account = given.pop("issuer_account", "")
        claims.body = self.core.options.read_options(body, given, "", problems)
        assert problems == []
        if issuer_account:
            claims.body.issuer_account = issuer_account
        if expires_in is not None:
            claims.expires = issued_at + expires_in
        for member, value in envelope.items():
            setattr(claims, member, value)
        token: str = self.core.codec.encode(claims, signer, issued_at)
        self.write(file, token)
        return token

    # ---- modules

    def start(self, module: str, options: dict[str, Any], **how: Any) -> dict[str, Any]:
        """Run a module and return its result. `how` may have check, umask, rootless, wrapped (a command prefix), and traceback if one is allowed."""
        arguments = {
            **options,
            "_ansible_check_mode": how.get("check", False),
            "_ansible_diff": True,
            "_ansible_remote_tmp": str(self.collections),
        }
        wrapped = [*how.get("wrapped", ())]
        if wrapped or "umask" in how:
            done = subprocess.run(
                [*wrapped, sys.executable, "-c", _ONE_MODULE, f"nats_{module}"],
                input=json.dumps(arguments),
                capture_output=True,
                text=True,
                check=False,
                umask=how.get("umask", -1),
                env=_environment(self.collections),
            )
            returncode, output, errors = done.returncode, as_read(done.stdout), done.stderr
        else:
            rootless = how.get("rootless", False) and os.getuid() == 0
            returncode, output, errors = self.modules.run(f"nats_{module}", arguments, rootless)
        for word in ("This is a fault of natsops.security", *(() if how.get("traceback") else ("Traceback",))):
            assert word not in output + errors, output + errors
        result: dict[str, Any] = json.loads(output)
        assert returncode == (1 if result.get("failed") else 0)
        assert "Invoked with" in errors or result.get("failed")
        self._assert_nothing_leaked(options, result, errors)
        return result

    def _assert_nothing_leaked(self, options: dict[str, Any], result: dict[str, Any], log: str) -> None:
        """Assert that the module's result and the system log contain no seed of the files in the folder or of the options."""
        seeds = set(SEED.findall(json.dumps(options)))
        for path in self.folder.rglob("*"):
            if path.is_file() and os.access(path, os.R_OK):
                seeds.update(SEED.findall(path.read_bytes().decode("utf-8", "replace")))
        wanted = {result.get("seed")} if options.get("return_seed") else set()
        if options.get("return_secrets"):
            wanted.update(SEED.findall(result.get("creds") or ""))
        for seed in seeds - wanted:
            assert seed not in json.dumps(result)
        for seed in seeds:
            assert seed not in log

    def run(self, module: str, **options: Any) -> dict[str, Any]:
        """Return the result of a task that succeeds. Before it, check mode changes nothing and reports the same as the real run."""
        told = self.check(module, **options)
        result = self.start(module, options)
        assert not result.get("failed"), result["msg"]
        for name in ("changed", "diff"):
            assert told.get(name) == result.get(name), f"{name} in check mode"
        assert _without_keys(told.get("reasons")) == _without_keys(result.get("reasons"))
        return result

    def check(self, module: str, **options: Any) -> dict[str, Any]:
        """Return the result of a task that succeeds in check mode and changes no file."""
        before = self.snapshot()
        result = self.start(module, options, check=True)
        assert not result.get("failed"), result["msg"]
        assert self.snapshot() == before
        return result

    def keep(self, module: str, **options: Any) -> dict[str, Any]:
        """Return the result of a task that succeeds, reports no change and changes no file."""
        before = self.snapshot()
        result = self.run(module, **options)
        assert (result["changed"], result.get("reasons", [])) == (False, [])
        diffs = result.get("diff") or []
        assert all(diff["before"] == diff["after"] for diff in (diffs if isinstance(diffs, list) else [diffs]))
        assert self.snapshot() == before
        return result

    def refuse(self, module: str, how: dict[str, Any] | None = None, **options: Any) -> str:
        """Return the message of a task that fails and changes no file."""
        before = self.snapshot()
        result = self.start(module, options, **(how or {}))
        assert result.get("failed"), result
        assert self.snapshot() == before
        message: str = result["msg"]
        return message


def changed(result: dict[str, Any]) -> dict[str, Any]:
    """Return the action and the reasons of each entity that a task of nats_store did not keep, by path such as `user/APP/u`."""
    created = {f"user/{account}/{name}" for account, names in result["created_users"].items() for name in names}
    return dict.fromkeys(created, ("created", [])) | {
        "/".join(filter(None, (entity["kind"], entity.get("account"), entity["name"]))): (
            entity["action"],
            entity.get("reasons", []),
        )
        for entity in result["entities"]
        if entity["action"] != "kept"
    }
