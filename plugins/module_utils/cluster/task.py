# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What a task wants of the accounts of a cluster."""

from __future__ import annotations

import dataclasses
from typing import Callable, Iterable, Sequence

from ..claims import Claims
from ..keys.signers import Signer
from .plan import Wanted


@dataclasses.dataclass(frozen=True)
class Task:
    """What is wanted: these accounts `present`, or `exact`ly these, or those with these public keys `absent`."""

    state: str
    wanted: Sequence[Wanted] = ()
    absent: Sequence[str] = ()
    operator: Claims | None = None
    #: Who signs deletions, by the public keys that may; None in check mode where the key is not made yet.
    signer: Callable[[list[str]], Signer | None] | None = None
    force: bool = False
    check: bool = False
    expected_servers: Sequence[str] = ()
    with_claims: bool = False  # whether the outcome has what changes in claims
    #: The tokens of users that are made beside the accounts, with what they are called; read where a server is too old to enforce every claim.
    users: Callable[[], Iterable[tuple[str, str]]] = tuple
    report_extra: bool = False  # with `present`, whether the outcome has accounts that are none of these
