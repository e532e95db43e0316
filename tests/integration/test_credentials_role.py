# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The role natsops.security.credentials on several hosts: keys created there, one task that signs for all hosts, bad input, failures of single hosts."""

from __future__ import annotations

import base64
import copy
import dataclasses
import json
import re
import shutil
import time
from typing import Any

import pytest
import yaml
from support.aging import age
from support.fleets import FULL, Fleet, Realm
from support.plays import Play, run_playbook
from support.ports import free_ports
from support.servers import running
from support.sites import Site

from ansible_collections.natsops.security.plugins.module_utils.cluster import trying
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

pytestmark = pytest.mark.playbook

DOCUMENT: dict[str, Any] = {
    "operator": {"name": "ACME", "signing_keys": ["main"], "system_account": "SYS", "strict_signing_key_usage": True},
    "accounts": [
        {"name": "SYS", "signing_keys": [{"role": "main"}], "users": [{"name": "sys"}]},
        {"name": "APP", "signing_keys": [{"role": "main"}]},
        {"name": "OTHER", "signing_keys": [{"role": "main"}], "users": [{"name": "orders"}]},
    ],
}


@dataclasses.dataclass
class Hosts:
    """Application hosts, which are folders on this machine, and the store of the signing host."""

    site: Site
    environment: dict[str, str]
    users: dict[str, list[dict[str, Any]]] = dataclasses.field(default_factory=dict)
    variables: dict[str, Any] = dataclasses.field(default_factory=dict)
    tasks: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    host_variables: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Create the store without users of the applications, and define one user on each host."""
        self.store(DOCUMENT)
        for host in ("h1", "h2"):
            self.give(host, "orders-" + host)

    def store(self, definition: dict[str, Any], **options: Any) -> dict[str, Any]:
        """The result of nats_store on the signing host."""
        arguments = {"stores_dir": self.site / "stores", "keys_dir": self.site / "keys", **options}
        return self.site.run("store", definition=definition, **arguments)

    def give(self, host: str, name: str, **more: Any) -> dict[str, Any]:
        """Define a user on a host. Returns its entry in credentials_users."""
        folder = self.site.folder / host
        folder.mkdir(exist_ok=True)
        entry = {"account": "APP", "name": name, "path": str(folder / f"{name}.creds"), **more}
        self.users.setdefault(host, []).append(entry)
        return entry

    def run(self, *arguments: str, succeeds: bool = True, playbook: str = "", **environment: str) -> str:
        """The output of ansible-playbook for `playbook`, or for a play with the role if that is empty."""
        hosts = {
            name: {"ansible_connection": "local", "credentials_users": users, **self.host_variables.get(name, {})}
            for name, users in self.users.items()
        }
        folder = self.site.folder.parent
        (folder / "inventory.yml").write_text(yaml.safe_dump({"nats_clients": {"hosts": hosts}}))
        handlers = [
            {"name": name, "ansible.builtin.shell": f"echo {{{{ inventory_hostname }}}} {name} >> {folder}/handled"}
            for name in ("restart", "reload")
        ]
        roles = [{"ansible.builtin.include_role": {"name": "natsops.security.credentials"}}, *self.tasks]
        play = {"hosts": "nats_clients", "gather_facts": False, "tasks": roles, "handlers": handlers}
        (folder / "handlers.yml").write_text(yaml.safe_dump(handlers))
        (folder / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))
        variables = {
            "credentials_stores_dir": self.site / "stores",
            "credentials_keys_dir": self.site / "keys",
            "credentials_operator": "ACME",
            **self.variables,
        }
        status, output = run_playbook(
            playbook or str(folder / "play.yml"),
            *arguments,
            inventory=folder / "inventory.yml",
            variables=variables,
            environment={**self.environment, **environment},
        )
        assert (status == 0) is succeeds, output
        return output

    @property
    def handled(self) -> list[str]:
        """The handlers that have run, with their hosts."""
        path = self.site.folder.parent / "handled"
        return sorted(path.read_text().split("\n")[:-1]) if path.exists() else []

    def claims(self, host: str, name: str) -> Any:
        """The claims in a creds file, after checking that its seed belongs to its JWT."""
        text = self.site.text(f"{host}/{name}.creds")
        claims = codec.decode(decorated.find_token(text))
        assert decorated.find_seed(text).public_key == claims.subject
        return claims


@pytest.fixture
def hosts(site: Site, play: Play) -> Hosts:
    """Two hosts with a user each, and the store."""
    return Hosts(site, play.environment())


def changes(output: str) -> dict[str, int]:
    """How many tasks changed something, by host."""
    return {name: int(count) for name, count in re.findall(r"^(\S+)\s*: ok=\d+\s+changed=(\d+)", output, re.MULTILINE)}


def test_keys_are_born_on_the_hosts_and_one_task_signs_for_all(hosts: Hosts) -> None:
    hosts.users["h1"][0].update(
        claims={"permissions": {"publish": {"allow": ["orders.>"]}}}, notify="restart", mode="0640"
    )
    before = hosts.site.snapshot()
    predicted = hosts.run("--check")
    assert hosts.site.snapshot() == before
    folder = hosts.site.folder.parent
    kept = {name: str(folder / name) for name in ("remote", "local")}
    temporary = {"ANSIBLE_REMOTE_TEMP": kept["remote"], "ANSIBLE_LOCAL_TEMP": kept["local"], "TMPDIR": str(folder)}
    output = hosts.run("-vvv", "--diff", ANSIBLE_KEEP_REMOTE_FILES="true", **temporary)
    ran = changes(predicted)
    assert changes(output) == {**ran, "h1": ran["h1"] + 1}  # the handler, a command, is skipped in check mode
    assert len(re.findall(r"^changed: .*localhost", output, re.MULTILINE)) == 1
    assert hosts.claims("h1", "orders-h1").body.access.permissions.publish.allow == ["orders.>"]
    assert hosts.site.mode("h1/orders-h1.creds") == "0640"
    assert hosts.site.mode("h2/orders-h2.creds") == "0600"
    assert [path.name for path in (hosts.site.folder / "h1").iterdir()] == ["orders-h1.creds"]
    assert hosts.handled == ["h1 restart"]
    # Search everything that the controller, the signing host and the modules wrote, including temporary files, which Ansible is configured to keep.
    assert (folder / "remote").is_dir()
    for host in ("h1", "h2"):
        seed = decorated.find_seed(hosts.site.text(f"{host}/orders-{host}.creds")).seed
        raw = base64.b64encode(seed.encode())
        files = [path for path in folder.rglob("*") if path.is_file() and path.parent != hosts.site.folder / host]
        assert [path for path in files if seed.encode() in path.read_bytes() or raw in path.read_bytes()] == []
    shutil.rmtree(folder / "remote")
    before = hosts.site.snapshot()
    assert changes(hosts.run()) == {"h1": 0, "h2": 0}
    assert hosts.site.snapshot() == before
    assert hosts.handled == ["h1 restart"]


def test_host_that_fails_fails_alone_and_the_next_run_completes_it(hosts: Hosts) -> None:
    hosts.give("h3", "orders-h3")
    foreign = hosts.store(DOCUMENT, return_users=["OTHER/orders"])
    creds = hosts.site.text("keys/creds/ACME/OTHER/orders.creds")
    hosts.site.write("h1/orders-h1.creds", creds, 0o600)
    (hosts.site.folder / "h3").rmdir()
    output = hosts.run("-vvv", succeeds=False)
    assert f"a user of the account {foreign['accounts']['OTHER']['public_key']}, which is not APP of ACME" in output
    assert f"there is no folder {hosts.site / 'h3'} for the creds file" in output
    assert hosts.site.text("h1/orders-h1.creds") == creds
    assert hosts.claims("h2", "orders-h2").name == "orders-h2"
    (hosts.site.folder / "h1/orders-h1.creds").unlink()
    (hosts.site.folder / "h3").mkdir()
    assert changes(hosts.run())["h2"] == 0
    assert {hosts.claims(host, f"orders-{host}").name for host in ("h1", "h3")} == {"orders-h1", "orders-h3"}


def test_host_that_is_unreachable_misses_its_creds_alone(hosts: Hosts) -> None:
    hosts.users = {"h0": [], **hosts.users}
    hosts.give("h0", "orders-h0")
    hosts.host_variables["h0"] = {
        "ansible_connection": "ssh",
        "ansible_host": "127.0.0.1",
        "ansible_port": free_ports(1)[0],
    }
    output = hosts.run(succeeds=False)
    assert re.search(r"^h0 .*unreachable=1", output, re.MULTILINE)
    assert {hosts.claims(host, f"orders-{host}").name for host in ("h1", "h2")} == {"orders-h1", "orders-h2"}
    assert not (hosts.site.folder / "stores/ACME/accounts/APP/users/orders-h0.jwt").exists()
    del hosts.host_variables["h0"]
    changed = changes(hosts.run())
    assert changed["h0"] > 0
    assert (changed["h1"], changed["h2"]) == (0, 0)
    assert hosts.claims("h0", "orders-h0").name == "orders-h0"


@pytest.mark.attack
def test_what_is_at_the_path_and_is_something_else_stays(hosts: Hosts) -> None:
    hosts.run()
    folder = hosts.site.folder
    creds = {host: (folder / f"{host}/orders-{host}.creds").read_text() for host in ("h1", "h2")}
    (folder / "h1/orders-h1.creds").unlink()
    (folder / "h1/orders-h1.creds").symlink_to(folder / "h2/orders-h2.creds")
    hosts.site.write("h2/orders-h2.creds", creds["h1"], 0o600)
    before = hosts.site.snapshot()
    output = hosts.run(succeeds=False)
    assert f"{folder}/h1/orders-h1.creds is a symbolic link. It is left unchanged" in output
    assert "holds the creds of another user of APP, orders-h1, not of orders-h2. It is left unchanged." in output
    assert hosts.site.snapshot() == before
    hosts.site.write("h2/orders-h2.creds", creds["h2"].replace("SU", "SA"), 0o600)
    before = hosts.site.snapshot()
    output = hosts.run(succeeds=False)
    assert "/h2/orders-h2.creds does not hold the creds of a user. It is left unchanged." in output
    assert hosts.site.snapshot() == before


def test_nothing_is_made_where_the_signing_host_cannot_sign(hosts: Hosts) -> None:
    hosts.users["h2"][0].update(account="NONE")
    hosts.users["h1"][0].update(role="writer")
    before = hosts.site.snapshot()
    output = hosts.run(succeeds=False)
    assert (
        "h2: credentials_users[0] (NONE/orders-h2): there is no account NONE, and its state is existing; available: APP, OTHER, SYS."
        in output
    )
    assert "h1: credentials_users[0] (APP/orders-h1).signing_key_role: " in output
    assert "\naccounts[" not in output
    assert "writer" in output
    assert hosts.site.snapshot() == before


def test_two_hosts_that_claim_one_user(hosts: Hosts) -> None:
    for host in ("h1", "h2"):
        hosts.give(host, "shared")
    before = hosts.site.snapshot()
    output = hosts.run(succeeds=False)
    assert "APP/shared: the hosts h1, h2 ask for the same user" in output
    assert hosts.site.snapshot() == before

    keys = {}
    for host in ("h1", "h2"):
        account = hosts.site.claims("stores/ACME/accounts/APP/APP.jwt")
        signer = decorated.seed_in(
            next((hosts.site.folder / "keys/keys").rglob(f"{account.body.signing_keys[0].key}.nk")).read_text()
        )
        pair = hosts.site.make_key(f"{host}.nk", "user")
        options = {"issuer_account": account.subject}
        jwt = hosts.site.make_jwt("shared.jwt", "user", pair.public_key, signer, options)
        jwt = codec.encode(dataclasses.replace(codec.decode(jwt), name="shared"), signer, 1)
        hosts.site.write(f"{host}/shared.creds", decorated.format_creds(jwt, pair), 0o600)
        keys[host] = pair.public_key
    before = hosts.site.snapshot()
    output = hosts.run(succeeds=False)
    assert (
        f"The user APP/shared has different keys: h1 has {keys['h1']}, h2 has {keys['h2']}. A user has one key."
        in output
    )
    assert not (hosts.site.folder / "stores/ACME/accounts/APP/users/shared.jwt").exists()
    for host in ("h1", "h2"):
        assert hosts.claims(host, "shared").subject == keys[host]


def test_jwt_is_renewed_with_the_same_key_and_handlers_run_on_its_host_alone(hosts: Hosts) -> None:
    for host in ("h1", "h2"):
        hosts.users[host][0].update(claims={"expires_in": "10d"}, notify=["restart", "reload"])
    hosts.run()
    first = {host: hosts.claims(host, f"orders-{host}") for host in ("h1", "h2")}
    path = hosts.site.folder / "h1/orders-h1.creds"
    path.chmod(0o644)
    hosts.users["h1"][0].update(claims={"expires_in": "10d", "renew_before": "9d", "tags": ["x"]})
    hosts.tasks = [{"ansible.builtin.debug": {"msg": "{{ credentials_facts }}"}}]
    output = hosts.run()
    second = hosts.claims("h1", "orders-h1")
    assert (second.subject, second.body.tags) == (first["h1"].subject, ["x"])
    assert hosts.claims("h2", "orders-h2") == first["h2"]
    assert hosts.handled == ["h1 reload", "h1 reload", "h1 restart", "h1 restart", "h2 reload", "h2 restart"]
    assert hosts.site.mode("h1/orders-h1.creds") == "0600"
    assert first["h2"].subject in output
    assert '"expires": "' in output


@pytest.mark.attack
def test_renamed_user_keeps_its_key_and_its_file(hosts: Hosts) -> None:
    hosts.run()
    key = hosts.claims("h1", "orders-h1").subject
    (entry,) = hosts.users["h1"]
    entry["name"] = "buyer"
    assert "creds of another user of APP, orders-h1, not of buyer" in hosts.run(succeeds=False)
    entry["renamed_from"] = "orders-h1"
    hosts.run()
    claims = hosts.claims("h1", "orders-h1")
    assert (claims.subject, claims.name) == (key, "buyer")
    assert not (hosts.site.folder / "stores/ACME/accounts/APP/users/orders-h1.jwt").exists()
    assert set(changes(hosts.run()).values()) == {0}


@pytest.mark.attack
def test_creds_are_delivered_where_the_host_has_nothing_but_python(hosts: Hosts) -> None:
    for host in ("h1", "h2"):
        hosts.users[host] = []
        hosts.give(host, "shared", born="delivered", notify="restart", mode="0440")
    output = hosts.run("-vvv", "--diff")
    shared = {hosts.site.text(f"{host}/shared.creds") for host in ("h1", "h2")}
    assert shared == {hosts.site.text("keys/creds/ACME/APP/shared.creds")}
    assert hosts.site.mode("h1/shared.creds") == "0440"
    assert "BEGIN NATS USER JWT" not in output
    before = hosts.site.snapshot()
    assert changes(hosts.run("--check")) == {"h1": 0, "h2": 0}
    assert changes(hosts.run()) == {"h1": 0, "h2": 0}
    assert hosts.site.snapshot() == before

    # A rotation gives the user a new key, and the creds with the previous key are replaced.
    old = hosts.claims("h1", "shared").subject
    document = copy.deepcopy(DOCUMENT)
    document["accounts"][1]["users"] = [{"name": "shared"}]
    hosts.store(document, rotations=[{"account": "APP", "user": "shared", "phase": "replace"}])
    hosts.run()
    new = hosts.claims("h1", "shared").subject
    assert new == hosts.claims("h2", "shared").subject != old


@pytest.mark.attack
def test_user_that_leaves_is_removed_and_revoked_where_the_account_is_managed(hosts: Hosts) -> None:
    hosts.run()
    key = hosts.claims("h1", "orders-h1").subject
    hosts.users["h1"][0].update(state="absent", revoke=True)
    assert "the owner of the account has to revoke it" in " ".join(hosts.run("--check").split())
    hosts.variables["credentials_definition"] = DOCUMENT
    predicted = hosts.run("--check")
    assert (hosts.site.folder / "h1/orders-h1.creds").exists()
    assert changes(hosts.run()) == changes(predicted)
    assert not (hosts.site.folder / "h1/orders-h1.creds").exists()
    assert key in hosts.site.claims("stores/ACME/accounts/APP/APP.jwt").body.revocations
    assert changes(hosts.run()) == {"h1": 0, "h2": 0}
    hosts.users["h1"][0].update(state="present", revoke=False)
    hosts.run()
    assert hosts.claims("h1", "orders-h1").subject != key


class Servers:
    """A nats-server that trusts the operator of the store, and pushes to it."""

    def __init__(self, hosts: Hosts, operator_jwt: str = "stores/ACME/ACME.jwt") -> None:
        self.hosts, self.port = hosts, free_ports(1)[0]
        site = hosts.site
        system = site.claims("stores/ACME/accounts/SYS/SYS.jwt").subject
        config = site.folder.parent / "server.conf"
        config.write_text(
            f"listen: 127.0.0.1:{self.port}\noperator: {site / operator_jwt}\nsystem_account: {system}\n"
            f'resolver {{ type: full, dir: "{site.folder.parent / "resolver"}", allow_delete: true }}\n'
            f"resolver_preload: {{ {system}: {site.text('stores/ACME/accounts/SYS/SYS.jwt')} }}\n"
        )
        self.config = config

    def push(self) -> None:
        """Make the server hold exactly the accounts of the store."""
        store, keys = self.hosts.site / "stores/ACME", self.hosts.site / "keys"
        options = {"servers": [f"nats://127.0.0.1:{self.port}"], "store_path": store, "system_signer_path": keys}
        result = self.hosts.site.start("resolver", {**options, "signer_path": keys, "state": "exact"})
        assert not result.get("failed"), result

    def reasons(self, path: str, *accounts: str) -> list[str]:
        """The reasons why a user cannot connect, determined as the role does: from these account JWTs, then by asking the server."""
        site, servers = self.hosts.site, [f"nats://127.0.0.1:{self.port}"]
        tried = site.start("creds_info", {"paths": [path], "servers": servers, "account_jwts": [*accounts]})
        ask = {
            "servers": servers,
            "store_path": site / "stores/ACME",
            "system_signer_path": site / "keys",
            "timeout": "3s",
        }
        asked = site.start("resolver_info", ask) if tried["users"][0]["reason"] == "refused" else {}
        operator = site.claims("stores/ACME/ACME.jwt").subject
        return [text.partition(":")[0] for text in trying.problems(tried, asked, operator, int(time.time()))]


@pytest.mark.attack
@pytest.mark.server
def test_creds_that_do_not_work_are_reported_with_the_reason(hosts: Hosts) -> None:
    servers = Servers(hosts)
    hosts.variables["credentials_servers"] = [f"nats://127.0.0.1:{servers.port}"]
    with running(servers.config, servers.port):
        output = hosts.run(succeeds=False)
        assert output.count("unknown_account: the user orders-h") >= 2
        servers.push()
        assert "Require users that can connect" in hosts.run()
        path = hosts.site / "h1/orders-h1.creds"
        assert servers.reasons(path) == []
        jwt = hosts.site.text("stores/ACME/accounts/APP/APP.jwt")
        key = hosts.claims("h1", "orders-h1").subject
        revoking = {**DOCUMENT["accounts"][1], "revocations": {key: "now"}}
        hosts.store({**DOCUMENT, "accounts": [DOCUMENT["accounts"][0], revoking]})
        assert servers.reasons(path, hosts.site.text("stores/ACME/accounts/APP/APP.jwt")) == ["revoked"]
        servers.push()
        assert servers.reasons(path) == servers.reasons(path, jwt) == ["revoked"]

        signers = [{"role": "main"}, {"role": "new"}]
        user = {"name": "late", "signing_key_role": "new"}
        hosts.store(
            {**DOCUMENT, "accounts": [DOCUMENT["accounts"][0], {**revoking, "signing_keys": signers, "users": [user]}]}
        )
        late = hosts.site / "keys/creds/ACME/APP/late.creds"
        assert servers.reasons(late, jwt) == ["unknown_signer"]
        assert servers.reasons(late) == ["not_loaded"]
        servers.push()
        assert servers.reasons(late) == []

        user["expires_at"] = "2026-01-31T12:00:00Z"
        hosts.store(
            {**DOCUMENT, "accounts": [DOCUMENT["accounts"][0], {**revoking, "signing_keys": signers, "users": [user]}]}
        )
        assert servers.reasons(late) == ["expired"]
    assert servers.reasons(path) == ["unreachable"]
    realm = Realm("OTHER")
    other = Fleet(hosts.site.folder.parent / "other", realm, [FULL])
    with running(other.nodes[0].config, other.nodes[0].port):
        servers.port = other.nodes[0].port
        assert servers.reasons(path) == ["wrong_operator"]


@pytest.mark.attack
@pytest.mark.server
def test_playbook_renew_issues_pushes_distributes_and_reports(hosts: Hosts) -> None:
    policy = {"expires_in": "100d", "renew_before": "20d"}
    document = {**DOCUMENT, "accounts": [DOCUMENT["accounts"][0], {**DOCUMENT["accounts"][1], **policy}]}
    hosts.users["h1"][0].update(claims={"expires_in": "40d", "renew_before": "10d"}, notify="restart")
    summary = hosts.site.folder.parent / "summary.json"
    servers = Servers(hosts)
    hosts.variables = {
        "operator_definition": document,
        "operator_stores_dir": hosts.site / "stores",
        "operator_keys_dir": hosts.site / "keys",
        "renew_servers": [f"nats://127.0.0.1:{servers.port}"],
        "renew_summary_path": str(summary),
        "credentials_handlers": str(hosts.site.folder.parent / "handlers.yml"),
    }
    with running(servers.config, servers.port):
        hosts.run(playbook="natsops.security.renew")
        report = json.loads(summary.read_text())
        assert (report["ok"], report["due"]) == (True, [])
        before = hosts.site.snapshot()
        assert set(changes(hosts.run(playbook="natsops.security.renew")).values()) == {0}
        assert hosts.site.snapshot() == before

        age(hosts.site, 32 * 86400, only_users=True)
        old = {host: hosts.claims(host, f"orders-{host}") for host in ("h1", "h2")}
        output = hosts.run(playbook="natsops.security.renew")
        report = json.loads(summary.read_text())
        assert [(entity["kind"], entity["name"]) for entity in report["renewed"]] == [("user", "orders-h1")]
        assert hosts.claims("h1", "orders-h1").subject == old["h1"].subject
        assert hosts.claims("h2", "orders-h2") == old["h2"]
        assert "Require users that can connect" in output
        assert hosts.handled == ["h1 restart", "h1 restart"]

    # Without a key of the operator, the account cannot be renewed, although it now expires before the user.
    age(hosts.site, 65 * 86400)
    del hosts.variables["operator_definition"], hosts.variables["renew_servers"]
    hosts.variables["credentials_operator"] = "ACME"
    output = " ".join(hosts.run(playbook="natsops.security.renew", succeeds=False).split())
    report = json.loads(summary.read_text())
    assert not report["ok"]
    assert [(entry["kind"], entry["name"]) for entry in report["due"]] == [("user", "orders-h1")]
    assert "its account APP expires before it" in output
    assert "has to renew the account first" in output

    document["accounts"][1]["renew_before"] = "45d"
    hosts.variables["operator_definition"] = document
    hosts.run(playbook="natsops.security.renew")
    report = json.loads(summary.read_text())
    assert ("account", "APP") in [(entity["kind"], entity["name"]) for entity in report["renewed"]]
    assert report["ok"]
