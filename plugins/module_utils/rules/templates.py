# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Templates in the subjects of a scope, filled in for a user as nats-server does (processUserPermissionsTemplate in auth.go)."""

from __future__ import annotations

import bisect
import itertools
import math
import re
from typing import Iterator, NamedTuple

from ..base.excerpts import quoted
from ..claims import Account, Claims, User
from .subjects import is_valid_subject

#: The maximum number of subjects that a server generates from one list.
MOST_SUBJECTS = 4096
#: The maximum total length of the subjects that are generated from one template, in characters. Further ones are assumed to be valid if these are.
_LONGEST_EXPANSION = 1024 * 1024

_TAG = re.compile(r"(account-)?tag\((.*)\)", re.IGNORECASE | re.DOTALL)
_PLAIN = ("name()", "subject()", "account-name()", "account-subject()")
#: Stands for the public key of the importing account in the subject of an import.
OWN_ACCOUNT = "{{account-subject()}}"
#: The functions that a template may name.
FUNCTIONS = (*_PLAIN, "tag(x)", "account-tag(x)")


class Value(NamedTuple):
    """The text with which a server replaces a template, and the option that it comes from, such as `name` or `tags[1]`, of the user or of its account."""

    text: str
    option: str
    is_of_account: bool


class Filled(NamedTuple):
    """The result of filling in one subject of a list: the number of valid subjects, and why others are invalid, if any are."""

    valid: int
    problem: str


class Texts(NamedTuple):
    """The result of filling in a list of subjects: texts with the index in the list, dropped indexes with the reason, and why the user is refused, if it is."""

    subjects: list[tuple[int, str]]
    dropped: list[tuple[int, str]]
    refusal: str = ""


class Expansion(NamedTuple):
    """The results of filling in the subjects of a list in a scope, up to the subject at which there are too many for a server."""

    filled: list[Filled]
    is_too_large: bool


def _matches(subject: str) -> Iterator[tuple[int, int]]:
    """The begin and end of each template in a subject: the matches of the server's `{{2}([^}]+)}{2}`, in linear time."""
    position = 0
    while True:
        begin = subject.find("{{", position)
        end = subject.find("}", begin + 2)
        if begin < 0 or end < 0:
            return
        if end > begin + 2 and subject.startswith("}}", end):
            yield begin, end + 2
            position = end + 2
        else:
            position = end + 1


def _pieces(subject: str) -> tuple[list[str], list[str]]:
    """The texts around the templates of a subject, and the texts between the braces of the templates."""
    around, functions = [], []
    position = 0
    for begin, end in _matches(subject):
        around.append(subject[position:begin])
        functions.append(subject[begin + 2 : end - 2])
        position = end
    return [*around, subject[position:]], functions


def templates_in(subject: str) -> list[str]:
    """The texts between the double braces of a subject, without surrounding white space."""
    return [text.strip() for text in _pieces(subject)[1]]


def has_templates(subjects: list[str]) -> bool:
    """Whether any of the subjects has a template. If so, a server treats the whole list as templates."""
    return any(next(_matches(subject), None) is not None for subject in subjects)


def without_templates(subject: str) -> str:
    """The subject with each template replaced by a letter."""
    return "x".join(_pieces(subject)[0])


def is_function(text: str) -> bool:
    """Whether a server knows the function between the braces. If not, it refuses every user of the scope."""
    return text.lower() in _PLAIN or _TAG.fullmatch(text) is not None


def function_problem(function: str) -> str:
    """Why a server does not know the function between the braces, or finds no tag for it; empty if it does."""
    if function.lower() in _PLAIN:
        return ""
    match = _TAG.fullmatch(function)
    if match is None:
        return f"{quoted('{{' + function + '}}')} is not a function of scopes; available: {', '.join(FUNCTIONS)}"
    name = match[2]
    if not name or name != name.strip() or not function.startswith(("tag(", "account-tag(")):
        right = "{{" + (match[1] or "").lower() + "tag(" + (name.strip().lower() or "x") + ")}}"
        return f"{quoted('{{' + function + '}}')} finds no tag; write {quoted(right)}"
    return ""


_SPECIAL = re.compile(r"[.*>\s]|\{\{|\}\}")
#: The advice for a value for which value_problem() reports something.
PLAIN_VALUE = "write one without dots, white space, *, > and double braces"


def value_problem(text: str) -> str:
    """Why a name or tag must not be inserted into subjects, because the result would have another meaning; empty if it may be inserted."""
    found = _SPECIAL.search(text)
    if found is None:
        return ""
    names = {".": "a dot", "*": "a wildcard", ">": "a wildcard", "{{": "braces", "}}": "braces"}
    return f"has {names.get(found.group(), 'white space')}"


class Filling:
    """Fills in templates for one user of an account."""

    def __init__(self, account: Claims, user: Claims) -> None:
        user_body: User = user.body
        account_body: Account = account.body
        self._plain = {
            "name()": [Value(user.name, "name", False)],
            "subject()": [Value(user.subject, "", False)],
            "account-name()": [Value(account.name, "name", True)],
            "account-subject()": [Value(user_body.issuer_account, "", True)],
        }
        self._tags = {False: user_body.tags, True: account_body.tags}
        self._sorted: dict[bool, list[tuple[str, int]]] = {}
        self._tagged: dict[tuple[bool, str], list[Value]] = {}

    def values(self, function: str) -> list[Value]:
        """The values with which a server replaces a template; empty if no tag has the name. Returns the same list object for the same values."""
        function = function.strip()
        plain = self._plain.get(function.lower())
        if plain is not None:
            return plain
        match = _TAG.fullmatch(function)
        if match is None or not function.startswith(("tag(", "account-tag(")):
            return []
        key = (bool(match[1]), f"{match[2].lower()}:")
        if key not in self._tagged:
            self._tagged[key] = self._find_tags(*key)
        return self._tagged[key]

    def _find_tags(self, is_of_account: bool, prefix: str) -> list[Value]:
        tags = self._tags[is_of_account]
        if is_of_account not in self._sorted:
            self._sorted[is_of_account] = sorted((tag, index) for index, tag in enumerate(tags))
        ordered = self._sorted[is_of_account]
        first = bisect.bisect_left(ordered, (prefix, -1))
        found = itertools.takewhile(lambda item: item[0].startswith(prefix), itertools.islice(ordered, first, None))
        indexes = sorted(index for _unused, index in found)
        return [Value(tags[index][len(prefix) :], f"tags[{index}]", is_of_account) for index in indexes]

    def used(self, subjects: list[str]) -> Iterator[Value]:
        """The values of the user and its account that a server uses to fill in a list of subjects."""
        lists = (self.values(function) for subject in subjects for function in _pieces(subject)[1])
        for values in {id(values): values for values in lists}.values():
            yield from values

    def expansion(self, subjects: list[str]) -> Expansion:
        """The number of subjects that a server generates from each subject of a list, and the problems."""
        if not has_templates(subjects):
            return Expansion([Filled(1, "")] * len(subjects), False)
        filled: list[Filled] = []
        emitted = 0
        for subject in subjects:
            around, functions = _pieces(subject)
            choices = [self.values(function) for function in functions]
            made = 1
            for values in choices:
                made = min(made * max(1, len(values)), MOST_SUBJECTS + 1)
            # A server applies the limit only to subjects with tags.
            if any(_is_tag(function) for function in functions) and emitted + made > MOST_SUBJECTS:
                return Expansion(filled, True)
            missing = next((name for name, values in zip(functions, choices) if not values), None)
            if missing is not None:
                filled.append(Filled(0, f"{quoted('{{' + missing + '}}')} has no value"))
            else:
                filled.append(_fill_in(around, [[value.text for value in values] for values in choices], made))
                emitted += filled[-1].valid
        return Expansion(filled, False)

    def texts(self, subjects: list[str], *, is_deny: bool) -> Texts:
        """The subjects that a server generates from an allow list, or with `is_deny` from a deny list (applyTemplate)."""
        if not has_templates(subjects):
            return Texts(list(enumerate(subjects)), [])
        found = Texts([], [])
        for index, subject in enumerate(subjects):
            functions = _pieces(subject)[1]
            unknown = next((function for function in functions if not is_function(function.strip())), None)
            if unknown is not None:
                return found._replace(refusal=function_problem(unknown.strip()))
            choices = [self.values(function) for function in functions]
            made = math.prod(len(values) or 1 for values in choices)
            if len(found.subjects) + made > MOST_SUBJECTS and any(map(_is_tag, functions)):
                return found._replace(refusal=f"its tags expand to more than {MOST_SUBJECTS} subjects")
            problem = _make_texts(found, index, subject, functions, choices)
            if problem and is_deny:
                return found._replace(refusal=f"{quoted(subject)} cannot be filled in: {problem}")
            if problem:
                found.dropped.append((index, problem))
        return found


def _make_texts(found: Texts, index: int, subject: str, functions: list[str], choices: list[list[Value]]) -> str:
    """Add the valid subjects that are generated from one subject to `found`. Returns why others are invalid; empty if none are."""
    missing = next((name for name, values in zip(functions, choices) if not values), None)
    if missing is not None:
        return f"{quoted('{{' + missing + '}}')} has no value"
    problem = ""
    for chosen in itertools.product(*choices):
        text = subject
        # A server replaces all occurrences of a template, so for identical templates only the first value is used.
        for function, value in zip(functions, chosen):
            text = text.replace("{{" + function + "}}", value.text)
        if is_valid_subject(text):
            found.subjects.append((index, text))
        else:
            problem = problem or f"it becomes {quoted(text)}, which is not a subject"
    return problem


def _is_tag(function: str) -> bool:
    return _TAG.fullmatch(function.strip()) is not None


def _fill_in(around: list[str], choices: list[list[str]], made: int) -> Filled:
    valid, wrong = 0, None
    length = sum(map(len, around)) + sum(max(map(len, values)) for values in choices)
    combinations = itertools.islice(itertools.product(*choices), max(1, _LONGEST_EXPANSION // (length + 1)))
    for chosen in combinations:
        text = "".join(itertools.chain.from_iterable(zip(around, (*chosen, ""))))
        if is_valid_subject(text):
            valid += 1
        elif wrong is None:
            wrong = text
    problem = "" if wrong is None else f"it becomes {quoted(wrong)}, which is not a subject"
    return Filled(made if valid and wrong is None else valid, problem)
