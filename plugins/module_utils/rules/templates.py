# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The templates in the subjects of a scope, as nats-server fills them in for a user (processUserPermissionsTemplate in auth.go)."""

from __future__ import annotations

import itertools
import re
from typing import Callable, Iterator, Mapping, NamedTuple

from ..claims import Account, Claims, User
from .subjects import is_valid_subject

#: More subjects than these a server does not make of one list.
MOST_SUBJECTS = 4096

_TEMPLATE = re.compile(r"\{\{([^}]+)\}\}")
_TAG = re.compile(r"(account-)?tag\((.*)\)", re.IGNORECASE | re.DOTALL)
_PLAIN = ("name()", "subject()", "account-name()", "account-subject()")
#: Stands for the public key of the importing account in the subject of an import.
OWN_ACCOUNT = "{{account-subject()}}"
#: The functions that a template may name.
FUNCTIONS = (*_PLAIN, "tag(x)", "account-tag(x)")


class Filled(NamedTuple):
    """What became of one subject of a list: the subjects that hold for the user, how many its tags make, and why fewer hold, if so."""

    subjects: list[str]
    made: int
    problem: str


def templates_in(subject: str) -> list[str]:
    """What stands between the double braces of a subject."""
    return [text.strip() for text in _TEMPLATE.findall(subject)]


def has_templates(subjects: list[str]) -> bool:
    """Whether any of them has a template. If so, a server handles all of the list with templates in mind."""
    return any(_TEMPLATE.search(subject) for subject in subjects)


def without_templates(subject: str) -> str:
    """The subject with a letter in the place of each template."""
    return _TEMPLATE.sub("x", subject)


def is_function(text: str) -> bool:
    """Whether a server knows what stands between the braces. If not, it refuses every user of the scope."""
    return text.lower() in _PLAIN or _TAG.fullmatch(text) is not None


def function_problem(function: str) -> str:
    """Why a server does not know what stands between the braces, or finds no tag by it; empty where it does."""
    if function.lower() in _PLAIN:
        return ""
    match = _TAG.fullmatch(function)
    if match is None:
        return f"{{{{{function}}}}} is no function of scopes; there are {', '.join(FUNCTIONS)}"
    name = match[2]
    if not name or name != name.strip() or not function.startswith(("tag(", "account-tag(")):
        return f"{{{{{function}}}}} finds no tag; write {{{{{(match[1] or '').lower()}tag({name.strip().lower() or 'x'})}}}}"
    return ""


def fill_in(subjects: list[str], account: Claims, user: Claims) -> Iterator[Filled]:
    """What a server makes of a list of subjects of a scope for one of its users, subject by subject."""
    if not has_templates(subjects):
        yield from (Filled([subject], 1, "") for subject in subjects)
        return
    for subject in subjects:
        yield _fill_in_one(subject, account, user)


def _fill_in_one(subject: str, account: Claims, user: Claims) -> Filled:
    templates = _TEMPLATE.findall(subject)
    choices = []
    for template in templates:
        values = _values(template.strip(), account, user)
        if not values:
            return Filled([], 1, f"{{{{{template}}}}} has no value")
        choices.append(values)
    count = 1
    for values in choices:
        count *= len(values)
    if count > MOST_SUBJECTS:
        return Filled([], count, "")
    filled = []
    for chosen in itertools.product(*choices):
        text = subject
        for template, value in zip(templates, chosen):
            text = text.replace(f"{{{{{template}}}}}", value)
        filled.append(text)
    valid = [text for text in filled if is_valid_subject(text)]
    wrong = next((text for text in filled if not is_valid_subject(text)), None)
    return Filled(valid, count, "" if wrong is None else f"it becomes {wrong!r}, which is no subject")


def _values(function: str, account: Claims, user: Claims) -> list[str]:
    account_body: Account = account.body
    user_body: User = user.body
    plain: Mapping[str, Callable[[], str]] = {
        "name()": lambda: user.name,
        "subject()": lambda: user.subject,
        "account-name()": lambda: account.name,
        "account-subject()": lambda: user_body.issuer_account,
    }
    if function.lower() in plain:
        return [plain[function.lower()]()]
    match = _TAG.fullmatch(function)
    if match is None or not function.startswith(("tag(", "account-tag(")):
        return []
    prefix = f"{match[2].lower()}:"
    tags = account_body.tags if match[1] else user_body.tags
    return [tag[len(prefix) :] for tag in tags if tag.startswith(prefix)]
