# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A cluster whose keys are rotated while the host of an application has the creds of a user."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from ansible_collections.natsops.security.plugins.module_utils.token import codec

from .fleets import lets_in
from .inventories import NAMES, Cluster, account_of_users


@dataclasses.dataclass
class Rotating:
    """Three servers, and the host of an application with the creds of the user app.

    The servers do not run as services, so the tasks of the role server are skipped, and a test restarts the servers where the role would.
    """

    cluster: Cluster
    role: str | None = None  # of the scoped key that signs the user

    def __post_init__(self) -> None:
        """Deliver the creds."""
        self.creds = self.cluster.folder / "host.creds"
        self.describe_hosts()
        variables = {"credentials_operator": "ACME", "credentials_stores_dir": str(self.cluster.folder / "stores")}
        keys = {"credentials_keys_dir": str(self.cluster.folder / "keys")}
        self.run(playbook="natsops.security.credentials", **variables, **keys)

    def describe_hosts(self, *unreachable: str) -> None:
        """Describe the host, and others that cannot be reached, which are to have creds of the same user."""
        users = [{"account": "APP", "name": "app", "path": str(self.creds), "born": "delivered", "role": self.role}]
        away = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
        hosts = {"app1": {"ansible_connection": "local"}, **dict.fromkeys(unreachable, away)}
        group = {"hosts": hosts, "vars": {"credentials_users": users}}
        (self.cluster.folder / "hosts.yml").write_text(json.dumps({"nats_clients": group}))

    def run(self, **variables: Any) -> str:
        """The output of the playbook."""
        status, output = self.attempt({}, **variables)
        assert status == 0, output
        return output

    def attempt(
        self, environment: dict[str, str], *more: str, playbook: str = "natsops.security.rotate", **variables: Any
    ) -> tuple[int, str]:
        """Run the playbook, with more variables of the environment. Return its exit status and its output."""
        hosts = str(self.cluster.folder / "hosts.yml")
        options = ("-i", hosts, "--skip-tags", "nats_server", *more)
        return self.cluster.attempt(*options, playbook=playbook, environment=environment, **variables)

    def restart(self) -> None:
        """Restart the servers, so that they trust the operator of the store."""
        for name in NAMES:
            self.cluster.stop(name)
            self.cluster.start(name)

    def _claims(self, path: str) -> Any:
        return codec.decode((self.cluster.folder / "stores/ACME" / path).read_text())

    @property
    def operator(self) -> Any:
        return self._claims("ACME.jwt")

    @property
    def account(self) -> Any:
        return self._claims("accounts/APP/APP.jwt")

    @property
    def user(self) -> Any:
        return self._claims("accounts/APP/users/app.jwt")

    @property
    def system_account(self) -> Any:
        return self._claims("accounts/SYS/SYS.jwt")

    @property
    def system_user(self) -> Any:
        return self._claims("accounts/SYS/users/u.jwt")

    def accepts(self) -> list[str]:
        """The running servers that accept the user with the creds that the host has."""
        ports = dict(zip(NAMES, self.cluster.ports, strict=False))
        creds = self.creds.read_text()
        running = [name for name in NAMES if name in self.cluster.processes]
        return [name for name in running if lets_in(f"nats://127.0.0.1:{ports[name]}", creds)]

    def held(self, account: str = "") -> set[str]:
        """The JWTs of the account APP, or of that with the public key, that servers have."""
        return {(self.cluster.folder / name / f"{account or self.account.subject}.jwt").read_text() for name in NAMES}


def foreseen(output: str) -> Any:
    """What the playbook rotate shows in check mode of each phase."""
    shown = output.partition("TASK [natsops.security.rotation : Show what is left in each phase]")[2].partition("=> ")[
        2
    ]
    return json.JSONDecoder().raw_decode(shown)[0]["msg"]


def scoped_document() -> dict[str, Any]:
    """A document in which a scoped key signs the user app."""
    document = account_of_users()
    account = document["accounts"][1]
    account["signing_keys"] = ["main", {"role": "clerk", "template": {"permissions": {"publish": {"allow": [">"]}}}}]
    account["users"][0]["signing_key_role"] = "clerk"
    return document


def callout_document() -> dict[str, Any]:
    """A document whose account has an auth callout with a curve key."""
    document = account_of_users()
    document["accounts"][1]["authorization"] = {"auth_users": ["app"], "xkey": {"role": "callout"}}
    return document


#: The creds of the user of the system account, as a value of resolver_creds_path.
SYSTEM_CREDS = "{{ operator_keys_dir }}/creds/ACME/SYS/u.creds"


# ---- strict mode


def identity_document(**more: Any) -> dict[str, Any]:
    """A document in which identity keys sign, with these options of the operator. Its signing keys are those of the accounts too."""
    keys = {"signing_keys": more.get("signing_keys", [])}
    return {
        "operator": {"name": "ACME", "system_account": "SYS", **more},
        "accounts": [
            {"name": "SYS", "users": [{"name": "u"}], **keys},
            {"name": "APP", "users": [{"name": "app"}], **keys},
        ],
    }
