# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The answers to questions: what a server does, with the claim that causes each step.

An answer that is not certain, because a mapping is random or a claim is not known, has `certain: false`. Server behaviour that a reader of the claims would
not expect is listed in `oddities`.
"""

from __future__ import annotations

from typing import Any, Callable

from .answers_accounts import reaches, unused_exports
from .answers_users import effective, may, path, users_of
from .answers_who import jetstream, who_may
from .dead import dead_permissions
from .questions import Question
from .tree import Tree


def answer(tree: Tree, question: Question) -> dict[str, Any]:
    """The answer to one question. NatsSecurityError if the question cannot be answered."""
    found = _ANSWERS[question.verb](tree, question)
    shown = {"question": question.asked, **found}
    return {"name": question.name, **shown} if question.name else shown


def answers(tree: Tree, questions: list[Question]) -> list[dict[str, Any]]:
    """The answers to all questions."""
    return [answer(tree, question) for question in questions]


def _dead_permissions(tree: Tree, question: Question) -> dict[str, Any]:
    return {"permissions": dead_permissions(tree, users_of(tree, question))}


_ANSWERS: dict[str, Callable[[Tree, Question], dict[str, Any]]] = {
    "may": may,
    "path": path,
    "who_may": who_may,
    "reaches": reaches,
    "effective": effective,
    "unused_exports": unused_exports,
    "dead_permissions": _dead_permissions,
    "jetstream": jetstream,
}
