# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters: combine the requests of the hosts of a play into one order for the signing host, and split the results for each host."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.cluster import trying
from ansible_collections.natsops.security.plugins.module_utils.credentials import requests
from ansible_collections.natsops.security.plugins.plugin_utils.on_controller import plain
from ansible_collections.natsops.security.plugins.plugin_utils.refusals import refusal


def nats_credentials_order(
    hosts: dict[str, Any], definition: dict[str, Any], prepared: dict[str, Any] | None = None
) -> dict[str, Any]:
    """One document with the users of all hosts, and the users of each host."""
    try:
        wanted = requests.read_requests(hosts)
        requests.check_claims(wanted, int(time.time()), plain)
        keys = None if prepared is None else {host: _keys_of(result) for host, result in prepared.items()}
        return requests.show_order(wanted, requests.compose(wanted, definition, keys))
    except NatsSecurityError as error:
        raise refusal(error) from None


def _keys_of(result: Any) -> dict[str, str]:
    users = result.get("users") or [] if isinstance(result, dict) else []
    return {user["id"]: user["public_key"] for user in users if user.get("public_key")}


def nats_credentials_items(items: list[dict[str, Any]], store: Any, creds: Any = None) -> list[dict[str, Any]]:
    """The users of one host in the form of the module nats_credentials, with their entries in the store and their creds."""
    found = {
        read["credentials_item"]["id"]: base64.b64decode(read["content"]).decode("utf-8", "replace")
        for read in (creds or {}).get("results") or ()
        if read.get("content")
    }
    return [requests.with_store(item, store or {}, found) for item in items]


def nats_credentials_due(items: list[dict[str, Any]], prepared: Any, signed: Any) -> list[Any]:
    """The users of one host whose creds files must be checked again."""
    return requests.due(items, prepared or {}, signed or {})


def nats_credentials_notified(items: list[dict[str, Any]], *results: Any) -> list[str]:
    """The handlers that must run on one host."""
    return requests.notified(items, *(result or {} for result in results))


def nats_credentials_facts(items: list[dict[str, Any]], signed: Any) -> dict[str, dict[str, Any]]:
    """The facts about the users of one host, for monitoring."""
    return requests.facts(items, signed or {})


def nats_credentials_problems(tried: Any, asked: Any, operator: str) -> list[str]:
    """Messages about the users of one host that cannot connect."""
    asked = {} if not asked or asked.get("skipped") else asked
    return trying.problems(tried or {}, asked, operator, int(time.time()))


class FilterModule:
    """The filters for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {
            "nats_credentials_order": nats_credentials_order,
            "nats_credentials_items": nats_credentials_items,
            "nats_credentials_due": nats_credentials_due,
            "nats_credentials_notified": nats_credentials_notified,
            "nats_credentials_facts": nats_credentials_facts,
            "nats_credentials_problems": nats_credentials_problems,
        }
