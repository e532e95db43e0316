# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""How nats-server reads the scopes of signing keys, which the Go library does not validate. See `server.py`."""

from __future__ import annotations

import functools
from typing import Iterator

from ..base.excerpts import excerpt, quoted
from ..claims import (
    Account,
    Claims,
    Permissions,
    ScopeTemplate,
    SigningKey,
    TemplateLimits,
    User,
    scope_number_problems,
)
from . import library
from .access import (
    below_unlimited_issues,
    data_issues,
    literal_issues,
    permission_issues,
    restriction_issues,
    why_invalid,
)
from .issues import Issue, blocks, warns
from .subjects import is_valid_subject
from .templates import (
    PLAIN_VALUE,
    Filling,
    function_problem,
    has_templates,
    is_function,
    templates_in,
    value_problem,
    without_templates,
)

_refused = functools.partial(blocks, "server")
_misleading = functools.partial(blocks, "collection")
_odd = functools.partial(warns, "server")


def signing_key_issues(path: str, signing_key: SigningKey, claims: Claims) -> Iterator[Issue]:
    """Issues of one signing key of an account."""
    account: Account = claims.body
    template = signing_key.template
    if template is None:
        return
    if signing_key.key == claims.subject:  # updateAccountClaimsWithRefresh
        yield _odd(
            f"{path}.key", "is the account's own key, whose scope servers drop; give the scope a key of its own."
        )
    yield from _template_issues(f"{path}.template", template)
    if template.bearer_token and account.limits.disallow_bearer:  # processClientOrLeafAuthentication
        yield _refused(
            f"{path}.template.bearer_token",
            "is forbidden by limits.disallow_bearer, so every user of the scope is refused; unset one.",
        )


def taken_issues(claims: Claims) -> Iterator[Issue]:
    """Issues for the names and tags of the account that templates insert into subjects unchanged. Those of users are checked in relations.py."""
    account: Account = claims.body
    filling = Filling(claims, Claims(body=User()))
    found: dict[str, Issue] = {}
    for key in account.signing_keys:
        for value in filling.used(permitted_subjects(key.template.permissions)) if key.template is not None else ():
            problem = value_problem(value.text) if value.option and value.is_of_account else ""
            if problem and value.option not in found:
                message = f"{quoted(value.text)} {problem}, and the scope {excerpt(key.role or key.key)} inserts it into subjects; {PLAIN_VALUE}."
                found[value.option] = _misleading(value.option, message)
    yield from found.values()


def permitted_subjects(permissions: Permissions) -> list[str]:
    """All subjects that are allowed or denied."""
    publish, subscribe = permissions.publish, permissions.subscribe
    return [*publish.allow, *publish.deny, *subscribe.allow, *subscribe.deny]


def _template_issues(path: str, template: ScopeTemplate) -> Iterator[Issue]:
    permissions = template.permissions
    for name, subjects, in_list in (
        ("publish.allow", permissions.publish.allow, _allowed_template_issues),
        ("publish.deny", permissions.publish.deny, _denied_template_issues),
        ("subscribe.allow", permissions.subscribe.allow, _allowed_template_issues),
        ("subscribe.deny", permissions.subscribe.deny, _denied_template_issues),
    ):
        if has_templates(subjects):
            for index, subject in enumerate(subjects):
                yield from in_list(f"{path}.permissions.{name}[{index}]", subject)
    yield from _untemplated_issues(f"{path}.permissions", permissions)
    yield from restriction_issues(f"{path}.", template)
    yield from _unchecked_issues(f"{path}.", template)
    yield from _scope_number_issues(path, template)


def _untemplated_issues(path: str, permissions: Permissions) -> Iterator[Issue]:
    """Issues of lists without templates, which the Go library does not validate and a server reads like those of any user."""
    publish, subscribe = permissions.publish, permissions.subscribe
    plain = Permissions()
    for direction, lists in ((plain.publish, publish), (plain.subscribe, subscribe)):
        direction.allow = [] if has_templates(lists.allow) else lists.allow
        direction.deny = [] if has_templates(lists.deny) else lists.deny
    for issue in library.permission_issues(path, plain):
        yield _refused(issue.path, issue.message)
    yield from permission_issues(path, plain)


def _allowed_template_issues(path: str, subject: str) -> Iterator[Issue]:
    yield from _template_subject_issues(path, subject)
    for function in templates_in(subject):
        if is_function(function) and function_problem(function):
            yield _odd(path, f"{function_problem(function)}, servers drop the subject.")
    rest = without_templates(subject)
    if not is_valid_subject(rest):
        yield _refused(path, f"{quoted(subject)} {_why_invalid_in_scope(rest)}, and servers drop it.")


def _denied_template_issues(path: str, subject: str) -> Iterator[Issue]:
    yield from _template_subject_issues(path, subject)
    for function in templates_in(subject):
        if is_function(function) and function_problem(function):
            yield _refused(path, f"{function_problem(function)}, servers refuse every user of the scope.")
    rest = without_templates(subject)
    if not is_valid_subject(rest):
        yield _refused(
            path, f"{quoted(subject)} {_why_invalid_in_scope(rest)}, and servers refuse every user of the scope."
        )


def _template_subject_issues(path: str, subject: str) -> Iterator[Issue]:
    """processUserPermissionsTemplate in auth.go"""
    for function in templates_in(subject):
        if not is_function(function):
            yield _refused(path, f"{function_problem(function)}, servers refuse every user of the scope.")
    rest = without_templates(subject)
    if "{{" in rest or "}}" in rest:
        yield _odd(
            path, f"{quoted(subject)} has braces that are taken literally; a function is written between {{{{ and }}}}."
        )
    yield from literal_issues(path, rest)


def _why_invalid_in_scope(subject: str) -> str:
    if " " in subject:
        return "has a space or queue group, which has no place in a list with functions in braces"
    return why_invalid(subject)


def _unchecked_issues(path: str, template: ScopeTemplate) -> Iterator[Issue]:
    """Issues for what validateSrc and validateTimes refuse. The Go library checks it in users, but not in scopes."""
    for issue in library.restriction_issues(path, template):
        if template.times or not issue.path.endswith("times_location"):
            yield _refused(issue.path, f"{issue.message[:-1]}; servers refuse users of the scope otherwise.")


def _scope_number_issues(path: str, template: ScopeTemplate) -> Iterator[Issue]:
    """SigningKeys.UnmarshalJSON of the Go library, which converts the numbers of a scope to float64."""
    limits: TemplateLimits = template.limits
    for name, (number, problem) in scope_number_problems(template).items():
        yield _refused(f"{path}.{name}", f"is {number}: {problem}")
    yield from below_unlimited_issues(
        f"{path}.limits", {"subscriptions": limits.subscriptions, "payload": limits.payload}
    )
    yield from data_issues(f"{path}.limits.data", limits.data)
