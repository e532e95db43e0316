# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the role rotation: what is rotated, the report of a run, and what is left in each phase."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.natsops.security.plugins.plugin_utils import rotations
from ansible_collections.natsops.security.plugins.plugin_utils.refusals import as_data


def nats_rotation(
    info: dict[str, Any], slot: str = "", user: str = "", operator: str = "", strict_mode: bool = False, key: str = ""
) -> dict[str, Any]:
    """What is rotated, and which key is to go."""
    return as_data(rotations.subject(info, rotations.Asked(slot, user, operator, strict_mode, key)))


def nats_rotation_report(
    rotation: dict[str, Any],
    store: dict[str, Any],
    phase: str,
    earlier: dict[str, Any] | None = None,
    untrusting: list[str] | None = None,
) -> dict[str, Any]:
    """What became of the key and of the JWTs, after a phase."""
    return as_data(rotations.report(rotation, store, phase, earlier or {}, untrusting))


def nats_rotation_receivers(rotation: dict[str, Any], users: dict[str, Any]) -> list[str]:
    """The hosts that need creds of the users concerned."""
    return as_data(rotations.receivers(rotation, users))


def nats_rotation_left(
    rotation: dict[str, Any],
    report: dict[str, Any],
    store: dict[str, Any],
    pushed: dict[str, Any],
    connected: dict[str, Any],
    users: dict[str, Any],
    differing: list[str],
    compromised: bool = False,
) -> dict[str, Any]:
    """What is left in each phase."""
    return as_data(
        rotations.left(rotation, report, rotations.Found(store, pushed, connected, users, differing), compromised)
    )


class FilterModule:
    """The filters for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {
            "nats_rotation": nats_rotation,
            "nats_rotation_report": nats_rotation_report,
            "nats_rotation_receivers": nats_rotation_receivers,
            "nats_rotation_left": nats_rotation_left,
        }
