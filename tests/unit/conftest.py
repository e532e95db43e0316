# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The Hypothesis profile of all test files. A profile loaded in a test file would apply only to files imported after it."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

#: `make test` uses the same examples in every run, so that a failure is caused by a change; `make attack` uses more examples, different in every run.
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
