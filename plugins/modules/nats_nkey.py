#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: one NATS key pair in a file."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_nkey
version_added: 0.1.0
short_description: Manage a NATS key pair in a file, or create one without a file
description:
  - Creates a key pair of any NATS type, and keeps its seed in a file that only its owner can read.
  - A key is never replaced unless O(regenerate=true), because a lost key cannot be created again.
extends_documentation_fragment:
  - natsops.security.attributes
  - natsops.security.attributes.actiongroup_nats
  - natsops.security.attributes.on_controller
  - ansible.builtin.files
attributes:
  action_group:
    membership:
      - natsops.security.nats
      - natsops.security.files
author: NatsOps authors (@natsops)
requirements: [nkeys]
options:
  path:
    description:
      - The seed file. A decorated seed and a creds file are read too.
      - A file that holds anything else is an error and is not changed.
      - If omitted, the key is not kept in a file. The key of O(seed) is reported, or a new one is created each time and returned, also in check mode,
        which requires O(return_seed=true).
    type: path
  type:
    description:
      - The type of the key. A key of another type in the file is an error.
    type: str
    choices: [operator, account, user, server, cluster, curve]
    required: true
  seed:
    description:
      - The seed to write to the file, for example from a vault. If omitted, a random one is created.
      - Another seed in the file is an error, unless O(regenerate=true).
    type: str
  regenerate:
    description:
      - Replace the existing key, even if it is of another type. Use it with O(backup). Requires O(path).
      - Without O(seed), this creates a new key every time.
    type: bool
    default: false
  public_key_path:
    description:
      - A file to keep the public key in, readable by all users.
      - A file that holds anything other than a public key is an error and is not changed.
    type: path
  return_seed:
    description:
      - Return the seed. Use C(no_log=true) on such a task, and do not write its registered result to a file.
    type: bool
    default: false
  state:
    description:
      - Whether the key exists. With V(absent), the seed file is removed, and the file of O(public_key_path) with it. V(absent) requires O(path).
    type: str
    choices: [present, absent]
    default: present
  backup:
    description:
      - Keep a copy, with the time in its name, of a seed file that is replaced or removed.
    type: bool
    default: false
  mode:
    description:
      - The permissions of the seed file. Defaults to V(0600).
"""

EXAMPLES = r"""
- name: Make the operator's key
  natsops.security.nats_nkey:
    path: /etc/nats/acme.nk
    type: operator

- name: Make a key for a user and keep its public key for others to read
  natsops.security.nats_nkey:
    path: /etc/nats/orders.nk
    type: user
    public_key_path: /etc/nats/orders.pub
  register: orders_key

- name: Show the public key
  ansible.builtin.debug:
    msg: "{{ orders_key.public_key }}"
"""

RETURN = r"""
public_key:
  description: The public key. In check mode, a placeholder for a key that does not exist yet.
  returned: success
  type: str
  sample: UDAUGD2567MCKGLKERIAYKLXZJK6QZVHWBOXB3L7I2ABPF3ZMYEWQDWK
type:
  description: The type of the key.
  returned: success
  type: str
  sample: user
seed:
  description: The seed.
  returned: when O(return_seed=true), and not in check mode for a new key of O(path)
  type: str
  sample: SU...
backup_files:
  description: The copies of files that were replaced or removed.
  returned: when O(backup=true) and there was something to keep
  type: list
  elements: str
  sample: ["/etc/nats/orders.nk.4711.2027-01-31@12:00:00~"]
"""

from typing import Any, Callable

from ansible_collections.natsops.security.plugins.module_utils.base.compile_once import compile_once

compile_once()

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import (
    CarefulModule,
    keep_secret,
    parse_seed,
    return_secret,
    run,
)
from ansible_collections.natsops.security.plugins.module_utils.tasks.tokens import (
    Key,
    back_up,
    check_folder,
    key_file,
    new_content,
    new_key,
    read_seed_file,
    write_file,
)


def _task(module: CarefulModule) -> dict[str, Any]:
    params = module.params
    if params["path"] is None:
        _check_content(params)
    old = _existing(module)
    if params["public_key_path"] is not None:
        _check_public_key_file(module, params["public_key_path"])
    if params["state"] == "absent":
        return _absent(module, old)
    key = _wanted(module, old)
    mode = params["mode"] or "0600"
    result: dict[str, Any] = {"type": params["type"], "public_key": key.public_key}
    if params["path"] is None:
        changed = key.is_new
    else:
        keep = old is not None and key.pair is not None and old.public_key == key.public_key
        text = module.snapshot.read(params["path"]) if keep else key.pair.seed + "\n" if key.pair else None
        changed = write_file(module, params["path"], text, mode, result)
    if params["public_key_path"] is not None:
        public = "" if key.pair is None else key.public_key + "\n"
        changed |= write_file(module, params["public_key_path"], public, "0644", result)
    if params["return_seed"] and key.pair is not None:
        result["seed"] = key.pair.seed
        return_secret(module, key.pair.seed)
    before = {"public_key": old.public_key, "type": old.type} if old is not None else {}
    if params["path"] is None and not key.is_new:
        before = {"public_key": key.public_key, "type": key.type}
    after = {"public_key": key.placeholder if key.is_new else key.public_key, "type": key.type}
    return dict(result, changed=changed, diff={"before": before, "after": after})


def _check_content(params: dict[str, Any]) -> None:
    """NatsSecurityError for options that require a file, if the task names none."""
    for option, given in (("state=absent", params["state"] == "absent"), ("regenerate", params["regenerate"])):
        if given:
            raise NatsSecurityError(f"{option} needs path: without it there is no key to remove or to replace.")
    if params["seed"] is None and not params["return_seed"]:
        raise NatsSecurityError(
            "One of path, seed and return_seed=true is needed: a new key that is neither kept in a file nor returned would be lost."
        )


def _existing(module: CarefulModule) -> nkey.KeyPair | None:
    params = module.params
    if params["path"] is None:
        return None
    if params["regenerate"]:
        try:
            return read_seed_file(module, params["path"], "path", "")
        except NatsSecurityError:
            if not params["backup"]:
                raise NatsSecurityError(
                    f"path: {params['path']} is not a seed file. Replacing it requires both regenerate=true and backup=true."
                ) from None
            return None
    return read_seed_file(module, params["path"], "path", params["type"])


def _check_public_key_file(module: CarefulModule, path: str) -> None:
    check_folder(module, path, "public_key_path")
    text = module.snapshot.read(path, "public_key_path: the public key")
    if text is None:
        return
    try:
        nkey.from_public_key(text.strip())
    except NatsSecurityError as error:
        raise NatsSecurityError(
            f"public_key_path: {path} holds content other than a public key, it is left unchanged. {error}"
        ) from None


def _wanted(module: CarefulModule, old: nkey.KeyPair | None) -> Key:
    params = module.params
    key_type, path = params["type"], params["path"]
    if params["seed"] is None and path is None:
        # Also in check mode: this key is not kept in a file, and later tasks of the play need one.
        return new_content(module, key_type)
    if params["seed"] is not None:
        given = parse_seed(params["seed"], "seed", key_type)
        if old is not None and old.public_key != given.public_key and not params["regenerate"]:
            raise NatsSecurityError(
                f"path: {path} holds the key {old.public_key}, the seed is that of {given.public_key}. "
                "It is left unchanged; regenerate=true replaces it."
            )
        return Key(key_type, given, path)
    if old is not None and not params["regenerate"]:
        return Key(key_type, old, path)
    if old is None and not params["regenerate"]:
        return key_file(module, path, "path", key_type)
    if module.check_mode:
        return new_key(key_type, path, None)
    pair = nkey.create(key_type)
    keep_secret(module, pair.seed)
    return new_key(key_type, path, pair)


def _absent(module: CarefulModule, old: nkey.KeyPair | None) -> dict[str, Any]:
    params = module.params
    result: dict[str, Any] = {"type": params["type"], "public_key": old.public_key if old is not None else None}
    paths = [params["path"]] if old is not None else []
    public = params["public_key_path"]
    if public is not None and module.snapshot.read(public, "public_key_path: the public key") is not None:
        paths.append(public)
    for path in paths:
        if params["backup"]:
            back_up(module, path, result)
        module.snapshot.remove(path)
    before = {"public_key": old.public_key, "type": old.type} if old is not None else {}
    return dict(result, changed=bool(paths), diff={"before": before, "after": {}})


def main(make: Callable[..., CarefulModule] | None = None) -> None:
    """Run the module. `make` creates it if the controller runs it in its own process."""
    run(
        _task,
        argument_spec={
            "path": {"type": "path"},
            "type": {"type": "str", "choices": list(nkey.KEY_TYPES), "required": True},
            "seed": {"type": "str", "no_log": True},
            "regenerate": {"type": "bool", "default": False},
            "public_key_path": {"type": "path", "no_log": False},
            "return_seed": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "backup": {"type": "bool", "default": False},
        },
        writes=("path", "public_key_path"),
        add_file_common_args=True,
        make=make,
    )


if __name__ == "__main__":
    main()
