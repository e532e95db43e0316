# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The questions that users may ask, as dictionaries of one verb: `{may: {user: APP/orders, publish: orders.new}}`. All questions are validated before one is
answered, and problems are reported with their paths.
"""

from __future__ import annotations

from typing import Any, Callable, Iterator, NamedTuple

from ..base.errors import NatsSecurityError
from ..claims.options import Problem, element_path
from ..rules.subjects import fields, is_valid_subject
from .subject_sets import is_literal, pattern
from .tree import Entry, Tree


class Question(NamedTuple):
    """A valid question: its verb, and what it is about. `asked` is the question as it was written."""

    verb: str
    about: dict[str, Any]
    asked: dict[str, Any]
    name: str = ""

    @property
    def user(self) -> Entry:
        """The user that the question names."""
        user: Entry = self.about["user"]
        return user

    @property
    def account(self) -> Entry | None:
        """The account that the question names; None if it names none."""
        account: Entry | None = self.about.get("account")
        return account

    def chosen(self, *words: str) -> str:
        """The first of the words that the question has."""
        return next(word for word in words if word in self.about)


class _Verb(NamedTuple):
    """What a verb accepts: required words, exactly one word of `one_of`, and optional words. `alone` means that `true` is accepted instead of a dictionary."""

    required: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    alone: bool = False


VERBS = {
    "may": _Verb(("user",), ("connect", "publish", "subscribe", "request"), ("queue", "inbox")),
    "path": _Verb(("user",), ("publish", "request"), ("inbox",)),
    "who_may": _Verb((), ("publish", "subscribe", "receive", "request"), ("account", "inbox")),
    "reaches": _Verb(("account",)),
    "effective": _Verb(optional=("user", "account"), alone=True),
    "unused_exports": _Verb(optional=("account",), alone=True),
    "dead_permissions": _Verb(optional=("user", "account"), alone=True),
    "jetstream": _Verb(("account",)),
}

#: The default inbox of requests.
INBOX = "_INBOX.>"


def read_questions(tree: Tree, asked: Any, path: str = "questions") -> list[Question]:
    """The questions of a list. NatsSecurityError lists every problem with them."""
    if not isinstance(asked, list):
        raise NatsSecurityError(f"{path}: expected a list of questions, not {asked!r}.")
    problems: list[Problem] = []
    found = [
        _read_question(tree, item, element_path(path, number, item), problems) for number, item in enumerate(asked)
    ]
    if problems:
        raise NatsSecurityError("\n".join(map(str, problems)))
    return [question for question in found if question is not None]


def _read_question(tree: Tree, item: Any, path: str, problems: list[Problem]) -> Question | None:
    known = ", ".join(VERBS)
    if not isinstance(item, dict):
        problems.append(Problem(path, f"expected a dictionary with one of {known}, not {item!r}."))
        return None
    verbs = [word for word in item if word != "name"]
    if len(verbs) != 1 or verbs[0] not in VERBS:
        said = ", ".join(map(str, verbs)) or "none"
        problems.append(Problem(path, f"a question has one of {known}, and this one has {said}."))
        return None
    verb = verbs[0]
    before = len(problems)
    about = _read_about(tree, VERBS[verb], item[verb], f"{path}.{verb}", problems)
    if len(problems) > before:
        return None
    return Question(verb, about, {verb: item[verb]}, str(item.get("name") or ""))


def _read_about(tree: Tree, verb: _Verb, said: Any, path: str, problems: list[Problem]) -> dict[str, Any]:
    if said is True and verb.alone:
        return {}
    if not isinstance(said, dict):
        wanted = "expected true, or a dictionary with" if verb.alone else "expected a dictionary with"
        problems.append(
            Problem(path, f"{wanted} {', '.join((*verb.required, *verb.one_of, *verb.optional))}, not {said!r}.")
        )
        return {}
    problems.extend(_word_problems(verb, said, path))
    about = {}
    for word, value in said.items():
        if word in _READERS and word in (*verb.required, *verb.one_of, *verb.optional):
            try:
                about[word] = _READERS[word](tree, value)
            except (NatsSecurityError, ValueError) as error:
                problems.append(Problem(f"{path}.{word}", str(error)))
    return about


def _word_problems(verb: _Verb, said: dict[str, Any], path: str) -> Iterator[Problem]:
    known = (*verb.required, *verb.one_of, *verb.optional)
    for word in said:
        if word not in known:
            yield Problem(f"{path}.{word}", f"unsupported key; available: {', '.join(known)}.")
    for word in verb.required:
        if word not in said:
            yield Problem(f"{path}.{word}", "this is required.")
    chosen = [word for word in verb.one_of if word in said]
    if verb.one_of and len(chosen) != 1:
        yield Problem(path, f"expected one of {', '.join(verb.one_of)}, and this has {' and '.join(chosen) or 'none'}.")
    if "queue" in said and "subscribe" not in said:
        yield Problem(f"{path}.queue", "only a subscription has a queue group.")
    if "inbox" in said and "request" not in said:
        yield Problem(f"{path}.inbox", "only a request has an inbox.")
    if "user" in said and "account" in said:
        yield Problem(path, "user and account are mutually exclusive.")


# ---- words


def _read_user(tree: Tree, value: Any) -> Entry:
    return tree.find_user(_text(value, "ACCOUNT/USER, or the public key of a user"))


def _read_account(tree: Tree, value: Any) -> Entry:
    return tree.find_account(_text(value, "the name or the public key of an account"))


def _read_subject(_tree: Tree, value: Any) -> str:
    subject = _text(value, "a subject, such as orders.new or orders.>")
    if not is_valid_subject(subject):
        raise ValueError(f"{subject!r} is not a subject: {_why_not(subject)}.")
    return subject


def _why_not(subject: str) -> str:
    tokens = subject.split(".")
    if not subject:
        return "it is empty"
    if fields(subject) != [subject]:
        return "it has white space"
    return "> is before its end" if ">" in tokens[:-1] else "there is nothing before, after or between dots"


def _read_queue(_tree: Tree, value: Any) -> str:
    queue = _text(value, "the name of a queue group")
    if fields(queue) != [queue]:
        raise ValueError(f"{queue!r} is not a queue group: it is empty or has white space.")
    return queue


def _read_connect(_tree: Tree, value: Any) -> bool:
    if value is not True:
        raise ValueError(f"expected true, not {value!r}.")
    return True


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected {what}, not {value!r}.")
    return str(value)


_READERS: dict[str, Callable[[Tree, Any], Any]] = {
    "user": _read_user,
    "account": _read_account,
    "publish": _read_subject,
    "subscribe": _read_subject,
    "receive": _read_subject,
    "request": _read_subject,
    "inbox": _read_subject,
    "queue": _read_queue,
    "connect": _read_connect,
}


def require_literal(question: Question, word: str) -> str:
    """The subject of a question. NatsSecurityError if it has wildcards."""
    subject: str = question.about[word]
    if not is_literal(pattern(subject)):
        raise NatsSecurityError(
            f"{question.verb}.{word}: {subject!r} has wildcards; write one subject, such as orders.new."
        )
    return subject
