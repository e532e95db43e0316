# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""How Hypothesis tries examples, for all files: what is set in one of them holds for those that are read after it only."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

#: `make test` tries the same examples each time, so that a change fails for what it changed; `make attack` tries more, and others each time.
EXAMPLES = os.environ.get("NATSOPS_EXAMPLES")
settings.register_profile(
    "all",
    deadline=None,
    max_examples=int(EXAMPLES or 50),
    derandomize=EXAMPLES is None,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("all")
