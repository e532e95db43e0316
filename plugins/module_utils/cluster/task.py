# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A task about the accounts of a cluster."""

from __future__ import annotations

import dataclasses
from typing import Callable, Iterable, Sequence

from ..claims import Claims
from ..keys.signers import Signer
from .plan import Wanted


@dataclasses.dataclass(frozen=True)
class Task:
    """The wanted `state`: `present` for the accounts in `wanted`, `exact` for these and no others, `absent` for the public keys in `absent`."""

    state: str
    wanted: Sequence[Wanted] = ()
    absent: Sequence[str] = ()
    operator: Claims | None = None
    #: Returns the signer of deletions for a list of permitted public keys; in check mode None if the key does not exist yet.
    signer: Callable[[list[str]], Signer | None] | None = None
    force: bool = False
    check: bool = False
    expected_servers: Sequence[str] = ()
    with_claims: bool = False  # whether the outcome includes the claims before and after
    #: Returns the users that are issued together with the accounts, as pairs of title and token. Used if a server is too old to enforce every claim.
    users: Callable[[], Iterable[tuple[str, str]]] = tuple
    report_extra: bool = False  # with `present`, whether the outcome includes other accounts that servers hold
