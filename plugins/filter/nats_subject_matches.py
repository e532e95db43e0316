# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: whether a subject matches a pattern."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.natsops.security.plugins.module_utils.access.subject_sets import contains, pattern
from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.base.excerpts import quoted
from ansible_collections.natsops.security.plugins.module_utils.rules.subjects import is_valid_subject
from ansible_collections.natsops.security.plugins.plugin_utils.refusals import refusal, text_of, texts_of


def nats_subject_matches(subject: Any, patterns: Any) -> bool:
    """Whether one of the patterns matches the subject. If the subject has wildcards, the pattern must match every subject that it matches."""
    try:
        narrow = _subject(text_of(subject, "the subject"), "the subject")
        texts = texts_of(patterns, "patterns")
        wide = [_subject(text, f"patterns[{index}]") for index, text in enumerate(texts)]
    except NatsSecurityError as error:
        raise refusal(f"nats_subject_matches: {error}") from None
    return any(contains(one, narrow) for one in wide)


def _subject(text: str, what: str) -> tuple[str, ...]:
    if not is_valid_subject(text):
        raise NatsSecurityError(
            f"{what}: {quoted(text)} is not a subject: write tokens with a dot between them and no white space, "
            "* for any token, and > at the end for one or more."
        )
    return pattern(text)


class FilterModule:
    """The filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter by name."""
        return {"nats_subject_matches": nats_subject_matches}
