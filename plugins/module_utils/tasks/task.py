# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What is common to all modules: running a task, its one error, and the secrets that it must not show."""

from __future__ import annotations

import re
import time
from typing import Any, Callable, Iterator

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..base.errors import NatsSecurityError
from ..keys import nkey
from ..keys.nkey import KeyPair
from ..token import decorated

try:
    from ansible.module_utils.secrets import register_secret
except ImportError:  # before ansible-core 2.22
    register_secret = None

# A public key may hold what looks like a seed, but not at its beginning.
SEED = re.compile(r"(?<![A-Za-z0-9])S[OAUNCX][A-Z2-7]{50,}")


class CarefulModule(AnsibleModule):
    """An AnsibleModule that masks seeds among its arguments before it logs these or finds them wrong.

    Also a seed in a place that is not meant for one, such as a path or an option that does not exist, must not be printed or logged.
    """

    params: dict[str, Any]

    def _load_params(self) -> None:
        super()._load_params()
        for text in _texts(self.params):
            for seed in SEED.findall(text):
                keep_secret(self, seed)
        self.params = _without_seeds_as_names(self.params)


def run(task: Callable[[CarefulModule], dict[str, Any]], argument_spec: dict[str, Any], **rules: Any) -> None:
    """Make the module, do its task, and leave with its result or with the one message of the error that it met.

    `rules` are those of AnsibleModule: `required_if`, `mutually_exclusive` and so on. No module makes an AnsibleModule of its own, so each masks
    secrets; and each supports check mode.
    """
    module = CarefulModule(argument_spec=argument_spec, supports_check_mode=True, **rules)
    if nkey.NKEYS_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("nkeys"), exception=nkey.NKEYS_IMPORT_ERROR)
    try:
        _refuse_seeds_as_paths(module.argument_spec, module.params, "")
        result = task(module)
    except NatsSecurityError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


def _refuse_seeds_as_paths(spec: dict[str, Any], params: dict[str, Any], prefix: str) -> None:
    for name, option in spec.items():
        value = params.get(name)
        if not value:
            continue
        if option.get("type") == "path" and SEED.search(value):
            raise NatsSecurityError(
                f"{prefix}{name} has a seed in it, where the path of a file is wanted. A seed itself goes into an option whose name ends in seed."
            )
        if option.get("elements") == "dict":
            for index, item in enumerate(value):
                _refuse_seeds_as_paths(option.get("options", {}), item, f"{prefix}{name}[{index}].")


def keep_secret(module: AnsibleModule, secret: str) -> None:
    """See to it that Ansible masks a secret wherever it might turn up."""
    module.no_log_values.add(secret)
    if register_secret is not None:
        register_secret(secret)


def return_secret(module: AnsibleModule, secret: str) -> None:
    """Let a secret that the task asks for into its result. From ansible-core 2.22 on that is masked wherever it is printed; before, nowhere."""
    if register_secret is None:
        module.no_log_values.discard(secret)
        for name, value in module.params.items():
            if isinstance(value, str) and secret in value:
                module.params[name] = None  # Ansible prints the arguments of a task


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _texts(name)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _without_seeds_as_names(value: Any) -> Any:
    # Ansible masks values, and names only from 2.22 on.
    if isinstance(value, dict):
        return {
            "(a seed)" if isinstance(name, str) and SEED.search(name) else name: _without_seeds_as_names(item)
            for name, item in value.items()
        }
    return [_without_seeds_as_names(item) for item in value] if isinstance(value, list) else value


def now() -> int:
    """The time on this host in unix seconds."""
    return int(time.time())


def of_type(pair: KeyPair, key_type: str, option: str) -> KeyPair:
    """The key pair. NatsSecurityError where it is of another type than a task wants there; an empty type is any."""
    if key_type and pair.type != key_type:
        raise NatsSecurityError(
            f"{option}: this is the {pair.type} key {pair.public_key}, the key of {a_or_an(key_type)} is wanted."
        )
    return pair


def a_or_an(word: str) -> str:
    """The word with its article."""
    return ("an " if word[0] in "aeio" else "a ") + word


def parse_seed(seed: str, option: str, key_type: str) -> KeyPair:
    """The key pair of a seed that a task has as content."""
    try:
        return of_type(decorated.find_seed(seed.strip()), key_type, option)
    except NatsSecurityError as error:
        raise NatsSecurityError(str(error) if str(error).startswith(option) else f"{option}: {error}") from None
