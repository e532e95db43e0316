# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The role and playbook natsops.security.operator, run on copies of the examples as users run them; seeds in a vault; the fact for other roles."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import pathlib
import re
import shutil
from collections.abc import Iterator
from typing import Any

import nats
import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from support.plays import Play, run_playbook
from support.ports import free_ports
from support.servers import running
from support.sites import SEED

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec

pytestmark = pytest.mark.playbook

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
PASSWORD = "correct horse battery staple"
STORE_TASK = "natsops.security.operator : Reconcile the store with the document"


@dataclasses.dataclass
class Ran:
    """The outcome of one run of ansible-playbook."""

    returncode: int
    output: str

    @property
    def changed(self) -> int:
        """How many tasks changed something, on all hosts."""
        return sum(map(int, re.findall(r" changed=(\d+)", self.output[self.output.rindex("PLAY RECAP") :])))

    @property
    def changed_tasks(self) -> list[str]:
        """The names of these tasks."""
        parts = re.split(r"^TASK \[(.*)\] \**$", self.output, flags=re.MULTILINE)
        return [
            name
            for name, text in zip(parts[1::2], parts[2::2], strict=True)
            if re.search("^changed: ", text, re.MULTILINE)
        ]


@dataclasses.dataclass
class Operation:
    """A copy of an example, and the playbook run on it."""

    folder: pathlib.Path
    arguments: list[str]
    environment: dict[str, str]

    def run(self, *arguments: str, playbook: str = "natsops.security.operator", **variables: Any) -> Ran:
        """Run the playbook."""
        status, output = run_playbook(
            playbook,
            *self.arguments,
            *arguments,
            inventory=self.folder / "inventory.yml",
            variables=variables,
            environment=self.environment,
        )
        return Ran(status, output)

    def make(self, *arguments: str, **how: Any) -> Ran:
        """Run the playbook, which must succeed."""
        ran = self.run(*arguments, **how)
        assert ran.returncode == 0, ran.output
        return ran

    def material(self, *arguments: str, **variables: Any) -> dict[str, Any]:
        """The fact operator_material for other roles, as a host has it."""
        told = self.folder / "told.json"
        playbook = self.folder / "and_then.yml"
        keep = {
            "name": "Tell",
            "ansible.builtin.copy": {"content": "{{ operator_material | to_json }}", "dest": str(told), "mode": "0600"},
            "delegate_to": "localhost",
        }
        hosts = "{{ operator_hosts | default('localhost') }}"
        plays = [
            {"ansible.builtin.import_playbook": "natsops.security.operator"},
            {"hosts": hosts, "gather_facts": False, "tasks": [keep]},
        ]
        playbook.write_text(yaml.safe_dump(plays, sort_keys=False))
        self.make(*arguments, playbook=str(playbook), **variables)
        material: dict[str, Any] = json.loads(told.read_text())
        told.unlink()
        playbook.unlink()
        return material

    @property
    def seeds(self) -> dict[str, str]:
        """The seeds in the keystore, by public key."""
        return {path.stem: path.read_text() for path in (self.folder / "nats/keys/keys").rglob("*.nk")}

    def vaulted(self, vault: str = "operator-seeds.vault") -> dict[str, str]:
        """The seeds in a vault, by public key."""
        text = (self.folder / "nats" / vault).read_bytes()
        seeds: dict[str, str] = yaml.safe_load(VaultLib([("default", VaultSecret(PASSWORD.encode()))]).decrypt(text))
        return seeds

    def put_back(self, seeds: dict[str, str]) -> None:
        """Write seeds into the keystore."""
        for key, seed in seeds.items():
            path = self.folder / f"nats/keys/keys/{key[0]}/{key[1:3]}/{key}.nk"
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_text(seed)
            path.chmod(0o600)

    def snapshot(self) -> dict[str, tuple[Any, ...]]:
        """The mode, modification time and content of everything in the folder, by path."""
        return {
            str(path): (path.stat().st_mode, path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
            for path in sorted(self.folder.rglob("*"))
        }

    def jwt(self, path: str = "ACME.jwt") -> Any:
        """The claims in a JWT of the store, verified."""
        return codec.decode((self.folder / "nats/stores/ACME" / path).read_text())


def operation(play: Play, example: str) -> Operation:
    """A copy of an example."""
    folder = play.folder / example
    shutil.copytree(EXAMPLES / example, folder)
    arguments = ["-e", "operator_hosts=nats"] if example == "group-variables" else []
    return Operation(folder, arguments, play.environment(NATS_VAULT_PASSWORD=PASSWORD, ANSIBLE_VERBOSITY="3"))


@pytest.fixture
def group_variables(play: Play) -> Operation:
    """The example with the document in group variables."""
    return operation(play, "group-variables")


@pytest.fixture
def document(play: Play) -> Operation:
    """The example with the document as a file, and the operator's seeds in a vault."""
    return operation(play, "document")


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory, collections_path: pathlib.Path) -> pathlib.Path:
    made = operation(Play(tmp_path_factory.mktemp("made"), collections_path), "document")
    made.make()
    return made.folder


@pytest.fixture
def made(_made: pathlib.Path, document: Operation) -> Operation:
    """The example with the document as a file, after its first run."""
    shutil.copytree(_made / "nats", document.folder / "nats")
    return document


def assert_nothing_leaked(ran: Ran, *seeds: dict[str, str]) -> None:
    """Check that a run printed no seed and no password."""
    assert PASSWORD not in ran.output
    for found in seeds:
        assert found
        for seed in found.values():
            assert seed not in ran.output
    assert SEED.search(ran.output) is None


# ---- the examples


def test_document_in_group_variables_is_foretold_made_and_then_kept(group_variables: Operation) -> None:
    told = group_variables.make("--check", "--diff")
    assert not (group_variables.folder / "nats").exists()
    made = group_variables.make("-vvv", "--diff")
    assert told.changed_tasks == made.changed_tasks == [STORE_TASK]
    assert_nothing_leaked(made, group_variables.seeds)

    before = group_variables.snapshot()
    again = group_variables.make()
    assert again.changed == 0
    assert group_variables.snapshot() == before
    imports = group_variables.jwt("accounts/PARTNER/PARTNER.jwt").body.imports
    assert {item.subject: bool(item.token) for item in imports} == {"orders.create": True, "prices.>": False}


def test_document_in_a_file_is_foretold_made_and_then_kept_with_seeds_in_the_vault(document: Operation) -> None:
    told = document.make("--check", "--diff")
    assert not (document.folder / "nats").exists()
    made = document.make("-vvv", "--diff")
    assert told.changed_tasks == [STORE_TASK]
    assert made.changed_tasks[0] == STORE_TASK
    assert_nothing_leaked(made, document.seeds, document.vaulted())

    operator = document.jwt()
    assert set(document.vaulted()) == {operator.subject, *operator.body.signing_keys}
    assert all(nkey.from_seed(seed).public_key == key for key, seed in document.vaulted().items())
    vault = document.folder / "nats/operator-seeds.vault"
    assert vault.read_text().startswith("$ANSIBLE_VAULT;")
    assert f"{vault.stat().st_mode & 0o7777:04o}" == "0600"
    assert {key[0] for key in document.seeds} == {"A", "U"}

    before = document.snapshot()
    again = document.make("-vvv", "--diff")
    assert again.changed == 0
    assert document.snapshot() == before
    assert_nothing_leaked(again, document.seeds, document.vaulted())

    # The seeds in the vault sign what is new.
    source = document.folder / "acme.yml"
    source.write_text(
        source.read_text().replace("connections: 1000", "connections: 500").replace("main, spare", "main, spare, new")
    )
    seeds = document.vaulted()
    document.make()
    operator = document.jwt()
    assert document.jwt("accounts/SENSORS/SENSORS.jwt").body.limits.connections == 500
    assert len(operator.body.signing_keys) == 3
    assert set(document.vaulted()) == {operator.subject, *operator.body.signing_keys}
    assert seeds.items() <= document.vaulted().items()
    assert document.make().changed == 0


# ---- the vault


def test_run_killed_at_any_point_of_moving_seeds_is_completed(made: Operation) -> None:
    seeds = made.vaulted()
    tokens_before = {path: path.read_bytes() for path in made.folder.rglob("*.jwt")}

    # Before the vault is written, the keystore has all seeds. After that, one seed still has to be removed from it.
    vault = made.folder / "nats/operator-seeds.vault"
    for left, has_vault in ((seeds, False), (dict([seeds.popitem()]), True)):
        made.put_back(left)
        if not has_vault:
            vault.unlink()
        whole = {**seeds, **left}
        ran = made.make("-vvv", "--diff")
        assert_nothing_leaked(ran, whole)
        assert made.vaulted() == whole
        assert {key[0] for key in made.seeds} == {"A", "U"}
        seeds = whole
    assert {path: path.read_bytes() for path in made.folder.rglob("*.jwt")} == tokens_before


def test_seeds_of_accounts_go_to_the_vault_too_and_those_of_another_operator_stay(document: Operation) -> None:
    other = document.folder / "other.json"
    other.write_text(
        json.dumps({"operator": {"name": "OTHER", "signing_keys": ["main"]}, "accounts": [{"name": "THEIRS"}]})
    )
    vault = document.folder / "nats/other.vault"
    document.make(operator_src=str(other), operator_vault_file=str(vault), operator_vault_keys="accounts")
    theirs = document.vaulted("other.vault")
    assert sorted(key[0] for key in theirs) == ["A", "O", "O"]
    document.put_back(theirs)

    document.make(operator_vault_keys="accounts")
    assert sorted({key[0] for key in document.vaulted()}) == ["A", "O"]
    assert not set(theirs) & set(document.vaulted())
    assert {key: seed for key, seed in document.seeds.items() if key[0] != "U"} == theirs
    assert document.make(operator_vault_keys="accounts").changed == 0


def test_wrong_password_or_none_changes_nothing_and_is_not_told(made: Operation) -> None:
    before = made.snapshot()
    for password, told in (("another one altogether", "cannot be decrypted"), ("", "vault_password is empty")):
        made.environment["NATS_VAULT_PASSWORD"] = password
        ran = made.run("-vvv", "--diff")
        assert ran.returncode != 0
        assert told in ran.output
        assert not password or password not in ran.output
        assert made.snapshot() == before


def test_role_runs_for_several_operators_in_one_play_and_mixes_nothing(document: Operation) -> None:
    """With two vaults, with no vault, and for several hosts at once."""
    nats_folder = document.folder / "nats"
    common = {"operator_stores_dir": str(nats_folder / "stores"), "operator_keys_dir": str(nats_folder / "keys")}
    roles = [
        {
            "name": "natsops.security.operator",
            **common,
            "operator_definition": {"operator": {"name": name}, "accounts": [{"name": "APP"}]},
            **(
                {"operator_vault_file": str(nats_folder / f"{name}.vault"), "operator_vault_password": PASSWORD}
                if name != "C"
                else {}
            ),
        }
        for name in "ABC"
    ]
    playbook = document.folder / "several.yml"
    keys = [
        {
            "name": "Look",
            "ansible.builtin.debug": {"msg": "{{ operator_material.name }} {{ operator_material.public_key }}"},
        }
    ]
    plays = [
        {
            "hosts": "all",
            "gather_facts": False,
            "roles": [{"role": role.pop("name"), "vars": role} for role in roles],
            "tasks": keys,
        }
    ]
    playbook.write_text(yaml.safe_dump(plays, sort_keys=False))
    (document.folder / "inventory.yml").write_text(
        "all: {hosts: {one: {ansible_host: 192.0.2.1}, two: {ansible_host: 192.0.2.2}}}\n"
    )
    for changed in (True, False):
        ran = document.make(playbook=str(playbook))
        assert (ran.changed > 0) is changed, ran.output
        assert len(re.findall(r'"msg": "C O[A-Z2-7]{55}"', ran.output)) == 2
        assert [len(document.vaulted(f"{name}.vault")) for name in "AB"] == [1, 1]
        (key,) = document.vaulted("B.vault")
        assert codec.decode((nats_folder / "stores/B/B.jwt").read_text()).subject == key
        assert sum(key[0] == "O" for key in document.seeds) == 1


# ---- variables


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"operator_vault_keys": "users"}, "operator_vault_keys must be one of: operator, accounts"),
        ({"operator_prune": "perhaps"}, "operator_prune"),
        ({"operator_definition": ["a"]}, "operator_definition"),
        ({"operator_definition": {"operator": {"name": "ACME"}}}, "mutually exclusive"),
    ],
)
def test_wrong_variable_is_refused(document: Operation, variables: dict[str, Any], told: str) -> None:
    ran = document.run(**variables)
    assert ran.returncode != 0
    assert told in ran.output, ran.output
    assert not (document.folder / "nats").exists()


# ---- the fact for other roles


@contextlib.contextmanager
def server(folder: pathlib.Path, material: dict[str, Any]) -> Iterator[str]:
    """The URL of a nats-server that is configured from the fact alone."""
    (port,) = free_ports(1)
    config = folder / "server.conf"
    config.write_text(
        f'listen: "127.0.0.1:{port}"\n'
        f"operator: {material['jwt']}\n"
        f"system_account: {material['system_account']}\n"
        "resolver: MEMORY\n"
        f"resolver_preload: {json.dumps(material['resolver_preload'])}\n"
    )
    with running(config, port) as started:
        yield started.url


async def _order(url: str, creds: pathlib.Path) -> bytes:
    """The answer that PARTNER's buyer gets to an order from SHOP."""
    shop = await nats.connect(
        url, user_credentials=str(creds / "SHOP/orders.creds"), allow_reconnect=False, connect_timeout=60
    )
    buyer = await nats.connect(
        url, user_credentials=str(creds / "PARTNER/buyer.creds"), allow_reconnect=False, connect_timeout=60
    )
    admin = await nats.connect(
        url, user_credentials=str(creds / "SYS/sys.creds"), allow_reconnect=False, connect_timeout=60
    )

    async def take(message: Any) -> None:
        await message.respond(b"taken: " + message.data)

    await shop.subscribe("orders.create", cb=take)
    await shop.flush()  # twice, see the interop tests
    await shop.flush()
    answer = await buyer.request("shop.orders.create", b"tea", timeout=60)
    for client in (shop, buyer, admin):
        await client.close()
    return bytes(answer.data)


@pytest.mark.server
def test_fact_is_all_that_a_server_needs(group_variables: Operation) -> None:
    material = group_variables.material()
    assert set(material) == {
        "name",
        "public_key",
        "jwt",
        "system_account",
        "resolver_preload",
        "store_path",
        "keys_path",
        "creds_path",
    }
    operator = group_variables.jwt()
    assert (material["name"], material["public_key"]) == ("ACME", operator.subject)
    assert codec.decode(material["jwt"]) == operator
    assert material["system_account"] == operator.body.system_account
    accounts = {name: group_variables.jwt(f"accounts/{name}/{name}.jwt") for name in ("SYS", "SHOP", "PARTNER")}
    assert set(material["resolver_preload"]) == {claims.subject for claims in accounts.values()}
    assert material["store_path"] == str(group_variables.folder / "nats/stores/ACME")
    with server(group_variables.folder, material) as url:
        assert asyncio.run(_order(url, pathlib.Path(material["creds_path"]))) == b"taken: tea"
    assert group_variables.material() == material
