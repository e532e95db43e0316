# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The EXAMPLES of the modules for stores, servers and creds run as one playbook, on one store and one nats-server.

Only paths, addresses, keys and names of hosts are replaced. `SKIPPED` has the reason for each example that does not run. `make attack` runs this, as the play
takes more than a minute; tests/unit/test_documented_tasks.py checks the options of all examples in `make test`.
"""

from __future__ import annotations

import copy
import getpass
import grp
import importlib
import os
import pathlib
import re
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.ports import free_ports
from support.servers import SERVER, running
from test_examples import MODULES as OF_SINGLE_TOKENS

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec

if TYPE_CHECKING:
    from support.plays import Play

_MODULES = "ansible_collections.natsops.security.plugins.modules."
#: In the order in which their examples run.
MODULES = (
    *("credentials", "resolver", "resolver_info", "store_info", "access_info", "policy", "report", "connections"),
    *("creds_info", "diagnose", "backup", "restore", "rebuild", "server_config", "revocation", "sign", "store"),
)
#: Modules whose examples do not run.
NOT_RUN = {"server": "It restarts services of systemd as root; extensions/molecule has hosts for that."}
SKIPPED = {
    "Make an operator with two accounts and their users": "The fixture runs it, because the server needs its operator.",
    "Push to an account server": "It needs an account server; tests/integration/test_resolver.py has one.",
    "Sign with a key in a smart card": "It needs a token with PKCS#11; tests/signers has one.",
}
#: Examples that fail as they should, with a part of the message.
FAILING = {
    "Check a document before it is merged, without any key": "user APP/orders: may publish to every subject",
    "Check a store against your own rules": "has no tag team:*",
    "Sign with the next key of the operator, unless a server does not trust it yet": "which the server n1 does not trust",
}
#: Examples that run after all others, because they take away what others use.
LAST = (
    "Remove one account, even while clients are connected",
    "Rename an account and a user, which keep their keys",
    "Keep the operator's seeds in a vault on the controller",
)
#: Options with a file of the folder from which a playbook is run.
_FILES = ("src", "html_path", "junit_path", "sarif_path", "policy_path", "vault_file")
BILLING = {
    "name": "BILLING",
    "signing_keys": [{"role": "main"}],
    "exports": [{"subject": "invoices.>", "type": "stream"}],
    "users": [{"name": "biller"}],
}
POLICY = {"rules": [{"rule": "user-expiry", "within": "30d"}]}


def examples(module: str) -> list[dict[str, Any]]:
    """The tasks in the EXAMPLES of a module."""
    source = importlib.import_module(f"{_MODULES}nats_{module}")
    found: list[dict[str, Any]] = yaml.safe_load(source.EXAMPLES)
    return found


class World:
    """A store that the first example of nats_store has made, with the files and names that the examples use, and the port of its server."""

    def __init__(self, play: Play) -> None:
        self.play, self.folder = play, play.folder / "world"
        self.data = self.folder / "data/nats/nsc"
        for name in ("srv", "written", "etc", "media", "orders", "www", "reports"):
            (self.folder / name).mkdir(parents=True)
        self.names: dict[str, Any] = {
            **dict.fromkeys(("owner", "service_user"), getpass.getuser()),
            "group": grp.getgrgid(os.getgid()).gr_name,
            "delegate_to": "localhost",
            "expected_servers": ["n1"],
        }
        self.keys: dict[str, str] = {}
        self.backup_key = nkey.create("curve")
        self.variables: dict[str, Any] = {}

    def run(self, tasks: list[dict[str, Any]], **variables: Any) -> Any:
        """Run tasks with this store as the default one."""
        environment = {"XDG_DATA_HOME": str(self.folder / "data"), "NATS_VAULT_PASSWORD": "a long password"}
        played = self.play(tasks, **environment, **variables)
        assert played.returncode == 0, played.output
        return played

    def make(self) -> None:
        """Run the first example of nats_store, and put the files in place."""
        first = self.adapt("store", examples("store")[0])
        document = copy.deepcopy(first["natsops.security.nats_store"]["definition"])
        document["accounts"].append(BILLING)
        for account in document["accounts"]:
            for user in account["users"]:
                user.update(expires_in="30d", renew_before="10d")
        source = self.write("srv/acme.yml", yaml.safe_dump(document))
        self.run([first, {"name": "Add an account", "natsops.security.nats_store": {"src": str(source)}}])
        self.write("srv/policy.yml", yaml.safe_dump(POLICY))
        self.write("media/backup.nk", self.backup_key.seed)
        creds = self.data / "keys/creds/ACME"
        shutil.copy(creds / "SYS/sys.creds", self.folder / "etc/sys.creds")
        for path in ("etc/orders.creds", "orders/nats.creds"):
            shutil.copy(creds / "APP/orders.creds", self.folder / path)
        shutil.copy(self.jwt(), self.folder / "etc/acme.jwt")
        shutil.copy(self.jwt("APP"), self.folder / "etc/app.jwt")
        operator = self.claims()
        for path in ("etc/acme.nk", "etc/acme-signing.nk"):  # the operator is strict
            shutil.copy(self.seed(operator.body.signing_keys[0]), self.folder / path)
        # The old disk of nats_rebuild, the collected creds, and the machine without the operator's keys of nats_sign.
        shutil.copytree(self.data / "keys", self.folder / "old/root")
        shutil.copytree(self.data / "stores", self.folder / "old/etc")
        shutil.copytree(creds, self.folder / "collected")
        shutil.copytree(self.folder / "data", self.folder / "online")
        for key in (operator.subject, *operator.body.signing_keys):
            self.seed(key, self.folder / "online/nats/nsc").unlink()
        self.keys = {
            "ACNGDPHTAUYCSRSTT3LL3NOA6DXG2ZOJJD3KNRQTCTLZLCXW5WBGAF2O": self.claims("PARTNER").subject,
            "OBXRLALQTO33D3YDBUQQ3MMOHMF2DR3W7OTF3DG2VUCUCUKC2GE7R7EL": operator.subject,
            "XAB3NANV3M6N7AHSQP2U5FRWKKUT7EG2ZXXABV4XVXYQRJGM4S2CZGHT": self.backup_key.public_key,
        }
        self.variables = {
            "app": {"jwt": self.jwt("APP").read_text()},
            "operator_material": {
                "jwt": self.jwt().read_text(),
                "system_account": self.claims("SYS").subject,
                "resolver_preload": {self.claims("SYS").subject: self.jwt("SYS").read_text()},
            },
            "vault_route_password": "a long password",
            "vault_backup_password": "another long password",
            "backup_seed": "{{ lookup('ansible.builtin.file', '" + str(self.folder / "media/backup.nk") + "') }}",
            "checksum_read_out_by_the_other_side": "{{ asked.unsigned.checksum }}",
        }

    def write(self, name: str, text: str) -> pathlib.Path:
        """Write a file of the world."""
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    def jwt(self, account: str = "") -> pathlib.Path:
        """The path of the operator's JWT or that of an account."""
        root = self.data / "stores/ACME"
        return root / "accounts" / account / f"{account}.jwt" if account else root / "ACME.jwt"

    def claims(self, account: str = "") -> Any:
        """The claims of the operator or of an account."""
        return codec.decode(self.jwt(account).read_text())

    def seed(self, key: str, root: pathlib.Path | None = None) -> pathlib.Path:
        """The path of a seed in the keystore."""
        (path,) = ((root or self.data) / "keys").rglob(f"{key}.nk")
        return path

    def config(self, port: int) -> pathlib.Path:
        """The configuration of the server."""
        system = self.claims("SYS").subject
        return self.write(
            "n1.conf",
            f"server_name: n1\nlisten: 127.0.0.1:{port}\noperator: {self.jwt()}\nsystem_account: {system}\n"
            f'resolver: {{ type: full, dir: "{self.folder}/resolver", allow_delete: true, interval: 1s }}\n'
            f"resolver_preload: {{ {system}: {self.jwt('SYS').read_text()} }}\n",
        )

    # ---- examples

    def adapt(self, module: str, task: dict[str, Any]) -> dict[str, Any]:
        """An example with its paths, addresses, keys and names of this machine."""
        # A store is restored and rebuilt on another host.
        other = self.folder / f"{module}-{len(task['name'])}" if module in ("restore", "rebuild") else self.data
        paths = {
            r"/etc/nats/(?=stores|keys)": f"{other}/",
            "/etc/orders": f"{self.folder}/orders",
            r"/etc/nats\b(?!/)|/etc/nats(?=/[a-z-]+\.)": f"{self.folder}/etc",
            "/mnt/old-disk/etc/nats": f"{self.folder}/old/etc",
            "/mnt/old-disk": f"{self.folder}/old",
            "/srv/collected-creds": f"{self.folder}/collected",
            "/srv/nats/keys": f"{self.data}/keys",
            "/srv/nats": f"{self.folder}/{'written' if module == 'store_info' else 'srv'}",
            "/media/safe(?=/sys)": f"{self.folder}/etc",
            r"/media/stick/requests?\.json": f"{self.folder}/media/requests.json",
            "/media/safe|/var/backups|/srv/backup": f"{self.folder}/media",
            "/srv/www|/var/lib/node_exporter": f"{self.folder}/www",
            "/srv/reports": f"{self.folder}/reports",
            "/usr/local/bin/nats-server": str(SERVER),
            r"lookup\('community\.general\.passwordstore', 'nats/backup'\)": "backup_seed",
            **self.keys,
        }
        pattern = re.compile("|".join(f"({one})" for one in paths))
        values = list(paths.values())

        def adapted(value: Any, option: str = "") -> Any:
            if option in self.names and isinstance(value, type(self.names[option])):
                return self.names[option]
            if isinstance(value, dict):
                return {adapted(name): adapted(item, name) for name, item in value.items() if name != "tls_ca_path"}
            if isinstance(value, list):
                return [adapted(item) for item in value]
            if option in _FILES and isinstance(value, str) and "/" not in value:
                return f"{self.folder}/srv/{value}"
            return pattern.sub(lambda found: values[found.lastindex - 1], value) if isinstance(value, str) else value

        changed: dict[str, Any] = adapted(task)
        return changed


@pytest.fixture
def world(play: Play) -> Iterator[World]:
    """A store and its server."""
    found = World(play)
    found.make()
    (port,) = free_ports(1)
    found.names["servers"] = [f"nats://127.0.0.1:{port}"]
    with running(found.config(port), port):
        yield found


@pytest.mark.attack
@pytest.mark.server
@pytest.mark.playbook
def test_examples_run(world: World) -> None:
    last_week = {
        "name": "Keep a report of last week",
        "natsops.security.nats_report": {
            "stores_dir": f"{world.data}/stores",
            "json_path": f"{world.folder}/reports/last-week.json",
        },
    }
    tasks, last = [last_week], []
    for module in MODULES:
        for example in examples(module):
            task = world.adapt(module, example)
            if "unsigned_path" in str(task):
                task.update(environment={"XDG_DATA_HOME": str(world.folder / "online")}, register="asked")
            task["ignore_errors"] = task["name"] in FAILING
            if task["name"] not in SKIPPED:
                (last if task["name"] in LAST else tasks).append(task)
    played = world.run([*tasks, *last], **world.variables)
    for name, message in FAILING.items():
        assert message in played.tasks[name]["msg"], name
    assert {name for name, result in played.tasks.items() if result.get("failed")} == set(FAILING)


def test_every_module_has_examples_that_run_or_a_reason() -> None:
    folder = pathlib.Path(importlib.import_module(_MODULES + "nats_store").__file__ or "").parent
    every = {path.stem.removeprefix("nats_") for path in folder.glob("nats_*.py")}
    assert {*MODULES, *OF_SINGLE_TOKENS, *NOT_RUN} == every
    names = [task["name"] for module in MODULES for task in examples(module)]
    assert len(names) == len(set(names))
    assert {*SKIPPED, *FAILING, *LAST} <= set(names)
