# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Documents of example organisations: a realistic one of five accounts, which contains an invalid import, and a generated one of any size."""

from __future__ import annotations

import copy
import random
from typing import Any

SMALL: dict[str, Any] = {
    "operator": {
        "name": "ACME",
        "system_account": "SYS",
        "strict_signing_key_usage": True,
        "signing_keys": [{"role": "main"}],
    },
    "accounts": [
        {
            "name": "SYS",
            "signing_keys": [{"role": "admins", "template": {"permissions": {"publish": {"allow": ["$SYS.REQ.>"]}}}}],
            "users": [{"name": "monitor", "signing_key_role": "admins", "expires_in": "90d"}],
        },
        {
            "name": "ORDERS",
            "description": "Takes and keeps orders",
            "limits": {"connections": 200, "jetstream": {"disk_storage": "50GiB", "memory_storage": "1GiB"}},
            "tags": ["team:sales"],
            "exports": [
                {"subject": "orders.placed.>", "type": "stream"},
                {"subject": "orders.create", "type": "service"},
                {"subject": "orders.audit.>", "type": "stream", "token_required": True},
            ],
            "imports": [{"account": "BILLING", "subject": "invoices.create", "type": "service"}],
            "signing_keys": [
                {
                    "role": "writer",
                    "template": {
                        "permissions": {
                            "publish": {"allow": ["orders.>", "invoices.create"], "deny": ["orders.audit.>"]},
                            "subscribe": {"allow": ["orders.create", "_INBOX.>"]},
                        }
                    },
                },
                {
                    "role": "reader",
                    "template": {"permissions": {"publish": {"deny": [">"]}, "subscribe": {"allow": ["orders.>"]}}},
                },
            ],
            "users": [
                {"name": "api", "signing_key_role": "writer", "expires_in": "30d"},
                {"name": "worker", "signing_key_role": "writer", "expires_in": "30d"},
                {"name": "importer", "signing_key_role": "writer", "expires_in": "5d"},
                {"name": "dashboard", "signing_key_role": "reader", "expires_in": "365d"},
            ],
        },
        {
            "name": "BILLING",
            "limits": {"connections": 50},
            "tags": ["team:finance"],
            "exports": [
                {"subject": "invoices.create", "type": "service"},
                {"subject": "invoices.sent.>", "type": "stream"},
            ],
            "imports": [{"account": "ORDERS", "subject": "orders.audit.>", "type": "stream"}],
            "signing_keys": [
                {
                    "role": "service",
                    "template": {
                        "permissions": {
                            "publish": {"allow": ["invoices.>", "_INBOX.>"]},
                            "subscribe": {"allow": ["invoices.*", "orders.audit.>"]},
                        }
                    },
                }
            ],
            "users": [
                {"name": "ledger", "signing_key_role": "service", "expires_in": "60d"},
                {"name": "mailer", "signing_key_role": "service"},
            ],
        },
        {
            "name": "SHOP",
            "limits": {"connections": 1000},
            "tags": ["team:web"],
            "imports": [
                {"account": "ORDERS", "subject": "orders.create", "type": "service", "local_subject": "shop.order"},
                {"account": "ORDERS", "subject": "orders.placed.>", "type": "stream", "local_subject": "feed.orders.>"},
                {"account": "ORDERS", "subject": "orders.cancel", "type": "service"},
            ],
            "signing_keys": [
                {
                    "role": "browser",
                    "template": {
                        "bearer_token": True,
                        "permissions": {
                            "publish": {"allow": ["shop.order"]},
                            "subscribe": {"allow": ["_INBOX.{{name()}}.>"]},
                        },
                    },
                }
            ],
            "users": [
                *(
                    {"name": f"visitor-{number}", "signing_key_role": "browser", "expires_in": "12h"}
                    for number in range(1, 7)
                )
            ],
        },
        {
            "name": "ANALYTICS",
            "imports": [
                {"account": "ORDERS", "subject": "orders.placed.>", "type": "stream"},
                {"account": "BILLING", "subject": "invoices.sent.>", "type": "stream", "local_subject": "billing.>"},
            ],
            "signing_keys": [{"role": "people"}],
            "users": [
                {
                    "name": "notebook",
                    "signing_key_role": "people",
                    "permissions": {"subscribe": {"allow": [">"]}},
                    "expires_in": "200d",
                }
            ],
        },
    ],
}


def sound() -> dict[str, Any]:
    """Return the organisation of five accounts without the invalid import, because nats_store refuses it."""
    found = copy.deepcopy(SMALL)
    shop = next(account for account in found["accounts"] if account["name"] == "SHOP")
    shop["imports"] = [item for item in shop["imports"] if item["subject"] != "orders.cancel"]
    return found


_TEAMS = [
    "atlas",
    "borealis",
    "cobalt",
    "delta",
    "ember",
    "falcon",
    "granite",
    "harbor",
    "iris",
    "juniper",
    "kestrel",
    "lumen",
    "meridian",
    "nimbus",
    "orbit",
    "pulse",
    "quartz",
    "ridge",
    "sable",
    "tundra",
    "umber",
    "vertex",
    "willow",
    "xenon",
    "yarrow",
    "zephyr",
]
_PARTS = ["api", "batch", "core", "edge", "feed", "gateway", "index", "jobs", "ledger", "mail"]


def large(accounts: int, users_each: int) -> dict[str, Any]:
    """Return an operator with this number of accounts: some export, most import from those, some of the importers also export, and a few do neither."""
    chance = random.Random(1)
    names = [f"{_TEAMS[number % 26]}-{_PARTS[number // 26 % 10]}-{number}" for number in range(accounts - 1)]
    found: list[dict[str, Any]] = [{"name": "SYS"}]
    sources = max(3, accounts // 40)
    for number, name in enumerate(names):
        account: dict[str, Any] = {
            "name": name,
            "limits": {"connections": 100},
            "tags": [f"team:{name.split('-')[0]}"],
            "signing_keys": [
                {
                    "role": role,
                    "template": {
                        "permissions": {
                            "publish": {"allow": [f"{name}.{role}.>"]},
                            "subscribe": {"allow": [f"{name}.>", "_INBOX.>"]},
                        }
                    },
                }
                for role in ("reader", "writer")
            ],
            "users": [
                {
                    "name": f"u{index}",
                    "signing_key_role": chance.choice(["reader", "writer"]),
                    **({"expires_in": f"{chance.randint(1, 700)}d"} if chance.random() < 0.9 else {}),
                }
                for index in range(users_each)
            ],
        }
        if number < sources or number % 9 == 0:
            account["exports"] = [
                {"subject": f"{name}.events.>", "type": "stream"},
                {"subject": f"{name}.ask", "type": "service"},
            ]
        if number >= sources and number % 13:
            exporters = chance.sample(
                [names[one] for one in range(number) if one < sources or (one % 9 == 0 and number % 5 == 0)], 2
            )
            account["imports"] = [
                {"account": exporters[0], "subject": f"{exporters[0]}.events.>", "type": "stream"},
                {
                    "account": exporters[1],
                    "subject": f"{exporters[1]}.ask",
                    "type": "service",
                    "local_subject": f"ask.{exporters[1]}",
                },
            ]
        found.append(account)
    return {
        "operator": {"name": "GLOBEX", "system_account": "SYS", "signing_keys": [{"role": "main"}, {"role": "spare"}]},
        "accounts": found,
    }
