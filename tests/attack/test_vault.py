# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The vault that stores seeds instead of the keystore: no seed is lost or shown if files are damaged or runs are interrupted.

Runs on the ansible-core in use, or on all versions listed in NATSOPS_ANSIBLE_CORES, see .ci/cores.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import shutil
import subprocess
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from support.kills import kill_whole
from support.plays import Play, cores
from support.sites import SEED

from ansible_collections.natsops.security.plugins.module_utils.base.recognition import secrets_in
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec

if TYPE_CHECKING:
    from support.plays import Played
    from support.sites import Site

PASSWORD = "correct horse battery staple"
CORES = cores()
MODULE = "natsops.security.nats_store"
DOCUMENT = {
    "operator": {"name": "ACME", "signing_keys": ["main", "spare"]},
    "accounts": [{"name": "APP", "signing_keys": ["main"], "users": [{"name": "u"}]}],
}


class Realm:
    """An operator's store, keystore and vault, and runs of nats_store on them."""

    def __init__(self, play: Play, binaries: pathlib.Path = CORES[0]) -> None:
        self.play, self.binaries = play, binaries
        self.folder = play.folder / "realm"
        self.vault = self.folder / "seeds.vault"
        self.folder.mkdir(mode=0o700)
        self.options = {
            "definition": DOCUMENT,
            "stores_dir": str(self.folder / "stores"),
            "keys_dir": str(self.folder / "keys"),
            "vault_file": str(self.vault),
            "vault_password": "{{ password }}",
        }

    def run(self, *arguments: str, password: str | None = PASSWORD, after: Any = (), **options: Any) -> Played:
        """Run the task, which may fail. Asserts that its output contains no seed and not the password."""
        chosen = {name: value for name, value in {**self.options, **options}.items() if value is not None}
        task = {"name": "store", MODULE: chosen, "register": "made", "ignore_errors": True}
        # The password is not in the play: Ansible shows the lines around a task that fails.
        given = self.play.folder / "password.json"
        given.write_text(json.dumps({} if password is None else {"password": password}))
        played = self.play([task, *after], "-vvv", "--diff", "-e", f"@{given}", *arguments, binaries=self.binaries)
        assert secrets_in(played.output) == []
        assert PASSWORD not in played.output
        return played

    def make(self, *arguments: str, **how: Any) -> dict[str, Any]:
        """The result of the task, which must succeed."""
        played = self.run(*arguments, **how)
        result = played.tasks["store"]
        assert not result.get("failed"), result["msg"]
        return result

    def refuse(self, **how: Any) -> str:
        """The message of the task, which must fail and change nothing."""
        before = self.snapshot()
        result = self.run(**how).tasks["store"]
        assert result.get("failed"), result
        assert self.snapshot() == before
        message: str = result["msg"]
        return message

    def snapshot(self) -> dict[str, tuple[Any, ...]]:
        """The mode, modification time and content of everything in the folder except locks, by path."""
        return {
            str(path): (path.stat().st_mode, path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
            for path in sorted(self.folder.rglob("*"))
            if path.name != "lock"
        }

    @property
    def stored(self) -> dict[str, str]:
        """The seeds of operator and accounts in the keystore, by public key."""
        found = {}
        for path in (self.folder / "keys/keys").glob("[OA]/*/*.nk"):
            with contextlib.suppress(FileNotFoundError):  # a running task may remove the file
                found[path.stem] = path.read_text().strip()
        return found

    @property
    def vaulted(self) -> dict[str, str]:
        """The seeds in the vault, by public key, as Ansible itself decrypts it."""
        if not self.vault.exists():
            return {}
        text = VaultLib([("default", VaultSecret(PASSWORD.encode()))]).decrypt(self.vault.read_text())
        return dict(yaml.safe_load(text))

    def fill(self, seeds: dict[str, str], text: str = "{}") -> None:
        """Write seeds to the keystore. `text` is the format of the files."""
        for key, seed in seeds.items():
            path = self.folder / f"keys/keys/{key[0]}/{key[1:3]}/{key}.nk"
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_text(text.format(seed))
            path.chmod(0o600)

    def encrypt(self, content: Any, password: str = PASSWORD) -> None:
        """Write a vault with this content."""
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        self.vault.write_bytes(VaultLib().encrypt(text, VaultSecret(password.encode())))

    @property
    def operator_keys(self) -> set[str]:
        """The public keys of the operator."""
        claims = codec.decode((self.folder / "stores/ACME/ACME.jwt").read_text())
        return {claims.subject, *claims.body.signing_keys}


@pytest.fixture(params=CORES, ids=lambda path: path.parent.name)
def every_core(request: pytest.FixtureRequest, play: Play) -> Realm:
    """An empty folder, on each of the ansible-core versions."""
    return Realm(play, request.param)


@pytest.fixture
def realm(play: Play) -> Realm:
    """An empty folder."""
    return Realm(play)


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory, collections_path: pathlib.Path) -> Realm:
    """The state after the first run, made once. Tests must not change it."""
    found = Realm(Play(tmp_path_factory.mktemp("first"), collections_path))
    found.make()
    return found


@pytest.fixture
def made(realm: Realm, first_run: Realm) -> Realm:
    """A copy of the state after the first run, with the path of this vault in its record."""
    shutil.copytree(first_run.folder, realm.folder, dirs_exist_ok=True)
    record = realm.folder / "keys/.natsops/stores/ACME/vaulted.json"
    record.write_text(record.read_text().replace(str(first_run.vault), str(realm.vault)))
    assert str(realm.vault) in record.read_text()
    return realm


def test_seeds_go_to_the_vault_and_come_from_it(every_core: Realm) -> None:
    realm = every_core
    foretold = realm.make("--check")
    assert [path.name for path in realm.folder.iterdir()] == []
    result = realm.make()
    assert foretold["changed"] is result["changed"] is True
    assert len(foretold["vault"]["moved"]) == len(result["vault"]["moved"]) == 3
    assert result["vault"] == {"path": str(realm.vault), "moved": sorted(realm.operator_keys)}

    seeds = realm.vaulted
    assert set(seeds) == realm.operator_keys
    assert all(nkey.from_seed(seed).public_key == key for key, seed in seeds.items())
    assert {key[0] for key in realm.stored} == {"A"}
    assert f"{realm.vault.stat().st_mode & 0o777:03o}" == "600"
    before = realm.snapshot()
    assert realm.make("--check")["changed"] is False
    assert realm.make()["changed"] is False
    assert realm.snapshot() == before

    view = [str(realm.binaries / "ansible-vault"), "view", str(realm.vault), "--vault-password-file", "/dev/stdin"]
    shown = subprocess.run(
        view, input=PASSWORD, capture_output=True, text=True, check=True, env=realm.play.environment(realm.binaries)
    )
    assert yaml.safe_load(shown.stdout) == seeds

    # The keys in the vault sign the changes, and new keys are added to the vault.
    document = {
        **DOCUMENT,
        "operator": {**DOCUMENT["operator"], "signing_keys": ["main", "spare", "new"], "tags": ["t"]},
    }
    assert len(realm.make("--check", definition=document)["vault"]["moved"]) == 1
    assert len(realm.make(definition=document)["vault"]["moved"]) == 1
    assert seeds.items() < realm.vaulted.items()
    assert set(realm.vaulted) == realm.operator_keys


@pytest.mark.parametrize(
    "text",
    [
        "{}\r\n\r\n",
        *(pytest.param(text, marks=pytest.mark.attack) for text in ("{}\n", "{}\n\n", "\n{}", "  {}  \n \n")),
    ],
)
def test_seed_files_with_empty_lines_lose_no_seed(every_core: Realm, text: str) -> None:
    realm = every_core
    realm.make(vault_file=None, vault_password=None)
    seeds = {key: seed for key, seed in realm.stored.items() if key[0] == "O"}
    assert len(seeds) == 3
    realm.fill(dict(sorted(seeds.items())[:2]), text)
    assert set(realm.make()["vault"]["moved"]) == set(seeds)
    assert realm.vaulted == seeds
    assert {key[0] for key in realm.stored} == {"A"}


def test_no_variable_of_any_host_holds_a_seed_after_the_role(play: Play) -> None:
    """This holds before ansible-core 2.22 and since."""
    for binaries in CORES:
        folder = play.folder / binaries.parent.name
        folder.mkdir(mode=0o700)
        vault, told = folder / "seeds.vault", folder / "told.json"
        role = {
            "operator_definition": DOCUMENT,
            "operator_stores_dir": str(folder / "stores"),
            "operator_keys_dir": str(folder / "keys"),
            "operator_vault_file": str(vault),
            "operator_vault_password": PASSWORD,
            "operator_vault_keys": "accounts",
        }
        tasks = [
            {"name": "role", "ansible.builtin.include_role": {"name": "natsops.security.operator"}, "vars": role},
            {
                "name": "tell",
                "ansible.builtin.copy": {
                    "content": "{{ [hostvars, vars] | string }}",
                    "dest": str(told),
                    "mode": "0600",
                },
            },
        ]
        for _unused in range(2):
            played = play(tasks, "-vvv", "--diff", binaries=binaries)
            assert played.returncode == 0, played.output
            seeds = yaml.safe_load(VaultLib([("default", VaultSecret(PASSWORD.encode()))]).decrypt(vault.read_text()))
            assert sorted(key[0] for key in seeds) == ["A", "A", "O", "O", "O"]
            for text in (told.read_text(), played.output, json.dumps(played.tasks)):
                assert "operator_material" in text or text is played.output
                assert [key for key, seed in seeds.items() if seed in text] == []
                assert secrets_in(text) == []


# ---- wrong and damaged vaults


def swapped(seeds: dict[str, str]) -> dict[str, str]:
    keys = list(seeds)
    return dict(zip(keys, [seeds[key] for key in [*keys[1:], keys[0]]], strict=True))


def with_another(seeds: dict[str, str]) -> dict[str, str]:
    other = nkey.create("operator")
    return {**seeds, other.public_key: other.seed}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (swapped, "has the seed of"),
        (with_another, "which is not a key of this operator"),
        pytest.param(lambda seeds: {**seeds, next(iter(seeds)): ""}, "Not a seed", marks=pytest.mark.attack),
        (lambda seeds: {**seeds, next(iter(seeds)): next(iter(seeds.values()))[:-1]}, "Not a whole seed"),
        pytest.param(lambda seeds: {**seeds, "name": "x"}, "is not a public key", marks=pytest.mark.attack),
        pytest.param(lambda seeds: dict(list(seeds.items())[1:]), "lacks the seeds of", marks=pytest.mark.attack),
        (lambda _seeds: {}, "lacks the seeds of"),
        pytest.param(lambda seeds: list(seeds.values()), "not a YAML dictionary", marks=pytest.mark.attack),
        pytest.param(
            lambda seeds: {**seeds, next(iter(seeds)): [1]}, "not a YAML dictionary", marks=pytest.mark.attack
        ),
        (lambda seeds: yaml.safe_dump(seeds) + yaml.safe_dump(dict(list(seeds.items())[:1])), "two seeds of"),
        pytest.param(lambda _seeds: "a: b: c", "not a YAML dictionary", marks=pytest.mark.attack),
        pytest.param(lambda seeds: "\x00" + str(seeds), "not a YAML dictionary", marks=pytest.mark.attack),
    ],
)
def test_vault_of_other_content_is_refused_and_nothing_changes(
    made: Realm, change: Callable[[dict[str, str]], Any], said: str
) -> None:
    seeds = made.vaulted
    made.encrypt(change(seeds))
    # The same while a seed is still in the keystore, also if there is something to sign.
    made.fill(dict(list(seeds.items())[-1:]))
    for options in ({}, {"definition": {**DOCUMENT, "accounts": [{"name": "APP", "tags": ["t"]}]}}):
        message = made.refuse(**options)
        assert said in message
        assert str(made.vault) in message


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param(
            lambda text: text[:-3] + ("0" if text[-3] != "0" else "1") + text[-2:],
            "cannot be decrypted",
            marks=pytest.mark.attack,
        ),
        (lambda text: text[:200], "cannot be decrypted"),
        pytest.param(
            lambda text: text.replace("1.1;AES256", "1.1;AES"), "cannot be decrypted", marks=pytest.mark.attack
        ),
        pytest.param(
            lambda text: text.replace("$ANSIBLE_VAULT", "$ANSIBLE"),
            "is not encrypted with ansible-vault",
            marks=pytest.mark.attack,
        ),
        (lambda _text: "", "is not encrypted with ansible-vault"),
        pytest.param(lambda _text: "SUAB: plain\n", "is not encrypted with ansible-vault", marks=pytest.mark.attack),
        pytest.param(lambda text: text.splitlines()[0] + "\nzz\n", "cannot be decrypted", marks=pytest.mark.attack),
        (lambda text: "\udcff" + text, "text file"),
    ],
)
def test_damaged_vault_is_refused_and_nothing_changes(made: Realm, damage: Callable[[str], str], said: str) -> None:
    seeds = made.vaulted
    made.vault.write_bytes(damage(made.vault.read_text()).encode("utf-8", "surrogateescape"))
    made.fill(dict(list(seeds.items())[-1:]))
    assert said in made.refuse()


@pytest.mark.attack
def test_wrong_password_none_and_a_missing_vault_are_refused_and_nothing_changes(made: Realm) -> None:
    seeds = made.vaulted
    assert "cannot be decrypted" in made.refuse(password="another one")
    assert "vault_password is empty" in made.refuse(password="")
    assert "--vault-id" in made.refuse(vault_password=None)
    assert "vault_password" in made.refuse(vault_file=None)
    away = made.vault.rename(made.folder / "away")
    message = made.refuse()
    assert f"there is no file {made.vault}" in message
    assert all(key in message for key in seeds)
    away.rename(made.vault)
    assert made.make()["changed"] is False


@pytest.mark.attack
def test_vault_that_cannot_be_written_leaves_the_seeds_in_the_keystore(realm: Realm) -> None:
    for path in (realm.folder / "none/seeds.vault", realm.folder):
        result = realm.run(vault_file=str(path)).tasks["store"]
        assert result["failed"]
        assert str(path) in result["msg"]
    assert sorted(key[0] for key in realm.stored) == ["A", "A", "O", "O", "O"]
    seeds = realm.stored
    assert realm.make(vault_keys="accounts")["changed"] is True
    assert realm.vaulted == seeds
    assert realm.stored == {}


def test_play_has_the_password(every_core: Realm) -> None:
    """The play has a password with a label, and another one that does not decrypt the vault."""
    realm = every_core
    (realm.play.folder / "password").write_text(PASSWORD + "\n")
    (realm.play.folder / "other").write_text("another one\n")
    how = ["--vault-id", f"other@{realm.play.folder / 'other'}", "--vault-id", f"nats@{realm.play.folder / 'password'}"]
    identity = {"ANSIBLE_VAULT_ENCRYPT_IDENTITY": "nats"}
    options = {**realm.options, "vault_password": None}
    chosen = {name: value for name, value in options.items() if value is not None}
    task = {"name": "store", MODULE: chosen}
    for changed in (True, False):
        played = realm.play([task], "-vvv", *how, binaries=realm.binaries, **identity)
        assert played.returncode == 0, played.output
        assert played.tasks["store"]["changed"] is changed
    assert realm.vault.read_text().startswith("$ANSIBLE_VAULT;1.2;AES256;nats\n")
    assert set(realm.vaulted) == realm.operator_keys


@pytest.mark.attack
def test_vault_behind_a_link_stays_behind_it(realm: Realm) -> None:
    target = realm.folder / "elsewhere.vault"
    realm.vault.symlink_to(target)
    realm.make()
    assert realm.vault.is_symlink()
    assert target.is_file()
    assert set(realm.vaulted) == realm.operator_keys


# ---- interrupted and concurrent runs


def start(realm: Realm, **options: Any) -> subprocess.Popen[bytes]:
    """The process of a run that has been started."""
    playbook = realm.play.folder / f"{len(list(realm.play.folder.iterdir()))}.yml"
    task = {"name": "store", MODULE: {**realm.options, "vault_password": PASSWORD, **options}}
    playbook.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
    return subprocess.Popen(
        [str(realm.binaries / "ansible-playbook"), str(playbook)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=realm.play.environment(realm.binaries),
    )


@pytest.mark.parametrize(
    "moment", ["vault", "seed", *(pytest.param(name, marks=pytest.mark.attack) for name in ("keys", "record"))]
)
def test_run_that_is_killed_loses_no_seed_and_the_next_one_completes_it(realm: Realm, moment: str) -> None:
    realm.make(vault_file=None, vault_password=None)
    seeds = realm.stored
    process = start(realm, vault_keys="accounts")

    def has_come() -> bool:
        if moment == "vault":
            return realm.vault.exists()
        if moment == "record":
            return (realm.folder / "keys/.natsops/stores/ACME/vaulted.json").exists()
        return moment == "keys" or len(realm.stored) < len(seeds)

    while process.poll() is None:
        with contextlib.suppress(FileNotFoundError):  # the run may remove a folder during the search
            if has_come():
                break
        time.sleep(0.001)
    kill_whole(process)
    assert {**realm.stored, **realm.vaulted} == seeds
    realm.make(vault_keys="accounts")
    assert realm.vaulted == seeds
    assert realm.stored == {}
    assert [path.name for path in realm.folder.iterdir() if path.name.startswith(".")] == []
    assert realm.make(vault_keys="accounts")["changed"] is False


@pytest.mark.attack
def test_every_state_between_keystore_and_vault_is_completed(made: Realm) -> None:
    seeds = made.vaulted
    keys = sorted(seeds)
    for in_vault, in_keystore in ((keys[:1], keys), (keys, keys[1:]), (keys[1:], keys[:1]), (keys, keys)):
        made.encrypt({key: seeds[key] for key in in_vault})
        made.fill({key: seeds[key] for key in in_keystore})
        assert set(made.make("--check")["vault"]["moved"]) == set(in_keystore)
        assert set(made.make()["vault"]["moved"]) == set(in_keystore)
        assert made.vaulted == seeds
        assert {key[0] for key in made.stored} == {"A"}


def test_runs_at_the_same_time_lose_no_seed(realm: Realm) -> None:
    """Two runs on one store with one vault, each of which adds a key, and a run of another operator with the same vault, which fails."""
    realm.make()
    before = realm.vaulted
    roles = ["main", "spare"]
    others = {"operator": {"name": "OTHER", "signing_keys": ["main"]}, "accounts": []}
    documents = [{**DOCUMENT, "operator": {"name": "ACME", "signing_keys": [*roles, new]}} for new in ("one", "two")]
    processes = [start(realm, definition=document) for document in [*documents, others]]
    outputs = [process.communicate()[0].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 2], "\n".join(outputs)
    assert "not a key of this operator" in outputs[2]
    assert len(realm.vaulted) == 5
    assert before.items() < realm.vaulted.items()
    assert set(realm.vaulted) == realm.operator_keys
    assert all(nkey.from_seed(seed).public_key == key for key, seed in realm.vaulted.items())


# ---- the module without the action plugin


def test_module_shows_no_seed_and_takes_none_out_that_is_not_the_same(site: Site) -> None:
    """The result contains no seed, as a connection may print it at -vvv. Site checks this too."""
    store = {"stores_dir": site / "stores", "keys_dir": site / "keys"}
    vault = {"file": "/srv/seeds.vault", "transport_key": "00" * 32}
    result = site.start("store", {**store, "definition": DOCUMENT, "_vault": vault})
    assert sorted(result["_sealed"]) == result["vault"]["moved"]
    assert len(result["_sealed"]) == 3
    assert not SEED.findall(json.dumps(result))
    first, second = sorted(result["_sealed"])[:2]
    digests = {first: "00" * 32}
    message = site.refuse("store", store="ACME", **store, _vault={"file": "/srv/seeds.vault", "digests": digests})
    assert message == (
        f"vault_file: /srv/seeds.vault and the keystore have different seeds of {first}. Both are left unchanged."
    )
    path = site.folder / f"keys/keys/O/{second[1:3]}/{second}.nk"
    path.write_text(site.core.nkey.create("operator").seed)
    assert "the seed of another key" in site.refuse(
        "store", store="ACME", **store, _vault={"file": "/srv/seeds.vault", "digests": {second: "00" * 32}}
    )
    assert "the action plugin" in site.refuse("store", **store, definition=DOCUMENT, vault_file="/srv/seeds.vault")
