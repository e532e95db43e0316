# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the configuration of a nats-server in operator mode."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import AnsibleValidationError, UnsupportedError

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.server import startup
from ansible_collections.natsops.security.plugins.module_utils.server.configuration import (
    OPTIONS,
    Configuration,
    configuration_problems,
    server_configuration,
)
from ansible_collections.natsops.security.plugins.module_utils.tasks.shapes import shape_problems
from ansible_collections.natsops.security.plugins.plugin_utils.refusals import refusal


def nats_server_config(options: Any, files: bool = False) -> str | dict[str, str]:
    """The configuration for these options as one text; with `files`, the text of each file by name."""
    if not isinstance(options, dict):
        raise refusal("nats_server_config: expected a dictionary of options.")
    _refuse(shape_problems(OPTIONS, options))
    # The specification is copied, because Ansible writes the defaults of suboptions into it, and this process creates other configurations later.
    validated = ArgumentSpecValidator(copy.deepcopy(OPTIONS)).validate(options)
    _refuse(map(_message, validated.errors))
    try:
        configuration = _configuration(validated.validated_parameters)
    except NatsSecurityError as error:
        raise refusal(f"nats_server_config: {error}") from None
    return dict(configuration.files) if files else configuration.content


def _refuse(problems: Iterable[str]) -> None:
    text = "\n".join(problems)
    if text:
        raise refusal(f"nats_server_config: {text}")


def _message(error: AnsibleValidationError) -> str:
    """The message of an error. That of an unsupported option consists of the option and those that are supported."""
    return f"Unsupported parameters: {error}" if isinstance(error, UnsupportedError) else str(error)


def _configuration(options: dict[str, Any]) -> Configuration:
    configuration = server_configuration(options)
    # There are no files on disk, so an included file counts as empty.
    host = startup.Host(int(time.time()))
    problems = configuration_problems(options, configuration, "", lambda _path: "", host)
    if problems:
        raise NatsSecurityError(" ".join(map(str, problems)))
    return configuration


class FilterModule:
    """The filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter by name."""
        return {"nats_server_config": nats_server_config}
