# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The first steps of a new user on each version of ansible-core: a document in group variables, roles, plugins and the printed reasons; and the oldest Python.

Runs on the ansible-core in use, or on all versions in NATSOPS_ANSIBLE_CORES; see .ci/cores.
"""

from __future__ import annotations

import pathlib
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from checkout import ROOT
from support.plays import cores, run_playbook

from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

if TYPE_CHECKING:
    from support.plays import Play

pytestmark = pytest.mark.playbook

INVENTORY = """
nats_clients:
  hosts:
    localhost:
      ansible_connection: local
      credentials_users:
        - account: APP
          name: orders
          path: "{{ inventory_dir }}/orders.creds"
          role: service
          claims: {tags: ["team:{{ team }}"]}
"""

#: Templates of Ansible and of NATS side by side, numbers and conditions that come from templates, options that are omitted.
GROUP_VARIABLES = """
team: eu
most: 10
operator_stores_dir: "{{ inventory_dir }}/stores"
operator_keys_dir: "{{ inventory_dir }}/keys"
operator_prune: "{{ team == 'us' }}"
credentials_stores_dir: "{{ operator_stores_dir }}"
credentials_keys_dir: "{{ operator_keys_dir }}"
credentials_operator: ACME
operator_definition:
  operator:
    name: ACME
    signing_keys: [main]
    system_account: SYS
    expires_in: "{{ undefined_here | default(omit) }}"
  accounts:
    - {name: SYS, signing_keys: [main], users: [{name: sys}]}
    - name: APP
      description: "of {{ team }}, [1] {none}"
      limits: {connections: "{{ most * 2 }}", wildcard_exports: "{{ most > 5 }}"}
      signing_keys:
        - main
        - role: service
          template:
            limits: {subscriptions: "{{ most }}"}
            permissions:
              publish: {allow: [!unsafe "service.{{name()}}.>", !unsafe "tag.{{tag(team)}}.>"]}
              subscribe: {allow: ["team.{{ team }}.>"]}
"""

#: The program that the play uses to become another user always fails. Tasks on the signing host must not use it.
PLAYBOOK = """
- name: The operator
  hosts: nats_clients
  gather_facts: false
  become: true
  tasks:
    - name: Reconcile the store
      ansible.builtin.import_role: {name: natsops.security.operator}

- name: The creds
  hosts: nats_clients
  gather_facts: false
  tasks:
    - name: Bring creds
      ansible.builtin.include_role: {name: natsops.security.credentials}
      when: not ansible_check_mode  # the store is not there

    - name: Look with plugins
      ansible.builtin.assert:
        that:
          - creds is not natsops.security.expired
          - (creds | natsops.security.nats_jwt(parents=[operator_material.jwt, account])).verified
          - account is natsops.security.valid_for('1d', parents=operator_material.jwt)
          - creds | natsops.security.nats_public_key == (credentials_facts.values() | first).public_key
          - operator_material.resolver_preload | length == 2
      vars:
        creds: "{{ lookup('ansible.builtin.file', inventory_dir ~ '/orders.creds') }}"
        account: "{{ lookup('natsops.security.nats_jwt', 'ACME/APP', stores_dir=operator_stores_dir, keys_dir=operator_keys_dir) }}"
      when: not ansible_check_mode
"""

#: What the callback prints, in check mode as well.
CREATED = [f"  {name}: created" for name in ("SYS/sys", "store ACME", "operator ACME", "account SYS", "account APP")]


def changes(output: str) -> int:
    """How many tasks changed something."""
    return sum(map(int, re.findall(r" changed=(\d+)", output[output.rindex("PLAY RECAP") :])))


@pytest.mark.parametrize("binaries", cores(), ids=lambda path: path.parent.name)
def test_document_in_group_variables_becomes_creds_on_a_host(play: Play, binaries: pathlib.Path) -> None:
    folder = play.folder
    (folder / "group_vars").mkdir()
    (folder / "group_vars/nats_clients.yml").write_text(GROUP_VARIABLES)
    (folder / "inventory.yml").write_text(INVENTORY)
    (folder / "play.yml").write_text(PLAYBOOK)
    environment = play.environment(
        binaries,
        ANSIBLE_CALLBACKS_ENABLED="natsops.security.reasons",
        ANSIBLE_BECOME_EXE="false",
        ANSIBLE_BECOME_ALLOW_SAME_USER="true",
    )

    def run(*arguments: str) -> str:
        status, output = run_playbook(
            str(folder / "play.yml"),
            *arguments,
            inventory=folder / "inventory.yml",
            variables={},
            environment=environment,
        )
        assert status == 0, output
        assert "does not support Ansible" not in output
        return output

    predicted = run("--check", "--diff")
    assert not (folder / "stores").exists()
    first = run("--diff")
    for output in (predicted, first):
        assert '"service.{{name()}}.>"' in output
        assert re.findall("^  .*: created$", output, re.MULTILINE)[:5] == CREATED

    account = codec.decode((folder / "stores/ACME/accounts/APP/APP.jwt").read_text()).body
    assert account.description == "of eu, [1] {none}"
    assert (account.limits.connections, account.limits.wildcard_exports) == (20, True)
    (service,) = (item for item in account.signing_keys if item.role == "service")
    template = service.template
    assert template.limits.subscriptions == 10
    assert template.permissions.publish.allow == ["service.{{name()}}.>", "tag.{{tag(team)}}.>"]
    assert template.permissions.subscribe.allow == ["team.eu.>"]
    user = codec.decode(decorated.find_token((folder / "orders.creds").read_text()))
    assert (user.body.tags, user.issuer) == (["team:eu"], service.key)

    second = run()
    assert changes(second) == 0, second
    assert "account APP" not in second


@pytest.mark.parametrize("binaries", cores(), ids=lambda path: path.parent.name)
def test_warnings_of_a_role_name_its_variables(play: Play, binaries: pathlib.Path) -> None:
    (play.folder / "inventory.yml").write_text(INVENTORY)
    folders = {f"rebuild_{name}_dir": str(play.folder / name) for name in ("stores", "keys")}
    status, output = run_playbook(
        "natsops.security.rebuild",
        "--check",
        inventory=play.folder / "inventory.yml",
        variables={**folders, "rebuild_paths": ["/nowhere"]},
        environment=play.environment(binaries),
    )
    assert status == 0, output
    assert "rebuild_paths[0]: there is no file or folder /nowhere." in " ".join(output.split())


@pytest.mark.parametrize("binaries", cores(), ids=lambda path: path.parent.name)
def test_a_module_runs_on_the_oldest_python_of_targets(play: Play, binaries: pathlib.Path) -> None:
    core = subprocess.check_output([binaries / "python", "-c", "import ansible.release as it; print(it.__version__)"])
    # Before 2.20, ansible-core supports 3.8 on targets; the collection does not support older ones.
    oldest = "3.8" if tuple(map(int, core.split(b".")[:2])) < (2, 20) else "3.9"
    found = subprocess.run([ROOT / ".ci/python", oldest], capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(f"there is no Python {oldest} on this machine")
    target = play.folder / "target"
    subprocess.run([found.stdout.strip(), "-m", "venv", target], check=True)
    subprocess.run([target / "bin/python", "-m", "pip", "install", "--quiet", "nkeys", "PyNaCl"], check=True)
    folders = {"stores_dir": f"{play.folder}/stores", "keys_dir": f"{play.folder}/keys"}
    definition = {"operator": {"name": "ACME"}, "accounts": [{"name": "APP", "users": [{"name": "orders"}]}]}
    store = {"natsops.security.nats_store": {"definition": definition, **folders}}
    tasks = [
        {"name": "Ask", "ansible.builtin.setup": {"gather_subset": ["!all", "!min", "python"]}},
        {"name": "Create", **store},
        {"name": "Keep", **store},
    ]
    played = play(tasks, binaries=binaries, ansible_python_interpreter=str(target / "bin/python"))
    assert played.returncode == 0, played.output
    version = played.tasks["Ask"]["ansible_facts"]["ansible_python"]["version"]
    assert f"{version['major']}.{version['minor']}" == oldest
    assert (played.changed["Create"], played.changed["Keep"]) == (True, False)
