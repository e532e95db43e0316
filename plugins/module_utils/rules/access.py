# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""How nats-server reads subjects, permissions, limits and restrictions in users, scopes and accounts. See `server.py`."""

from __future__ import annotations

import functools
import re
from typing import Iterator

from ..base import units
from ..base.excerpts import quoted
from ..claims import NatsLimits, Permissions, TimeRange, UserAccess
from .issues import Issue, blocks, warns
from .subjects import fields, is_valid_subject, literal_wildcards, subject_problems

_refused = functools.partial(blocks, "server")
_odd = functools.partial(warns, "server")

#: The constants jwt.ConnectionType... in upper case. Servers ignore the case (convertAllowedConnectionTypes).
CONNECTION_TYPES = ("STANDARD", "WEBSOCKET", "LEAFNODE", "LEAFNODE_WS", "MQTT", "MQTT_WS", "IN_PROCESS")

# A subject that does not match has no issues and is skipped, for speed.
_ODD = re.compile(r"[^.][*>]|\*[^.]|>.|\{\{|\s")


def tag_issues(tags: list[str]) -> Iterator[Issue]:
    """Issues for tags that the templates of scopes never match."""
    for index, tag in enumerate(tags):
        if tag != tag.lower():  # processUserPermissionsTemplate
            yield _odd(
                f"tags[{index}]",
                f"{quoted(tag)} is not lower-case, and scopes find lower-case tags only; write {quoted(tag.lower())}.",
            )


def permission_issues(path: str, permissions: Permissions) -> Iterator[Issue]:
    """setPermissions in client.go"""
    publish, subscribe = permissions.publish, permissions.subscribe
    for name, subjects, issues in (
        ("publish.allow", publish.allow, _publish_issues),
        ("publish.deny", publish.deny, _publish_issues),
        ("subscribe.allow", subscribe.allow, _subscribe_issues),
        ("subscribe.deny", subscribe.deny, _subscribe_issues),
    ):
        for index, subject in enumerate(subjects):
            if _ODD.search(subject):
                yield from issues(f"{path}.{name}[{index}]", subject)


def _publish_issues(path: str, subject: str) -> Iterator[Issue]:
    if not any(subject_problems(subject)):
        yield from subject_issues(path, subject, "servers ignore it")
        yield from _template_text_issues(path, subject)


def _subscribe_issues(path: str, text: str) -> Iterator[Issue]:
    words = text.split(" ")
    if len(words) > 2 or any(any(subject_problems(word)) for word in words):
        return
    parts = fields(text)
    if len(parts) not in (1, 2):  # splitSubjectQueue
        yield _refused(path, f"{quoted(text)} is not a subject, with or without a queue group, so servers ignore it.")
        return
    if len(parts) != len(words):
        yield _odd(
            path,
            f"{quoted(text)} has white space, which servers treat as the end of the subject; write one space before a queue group.",
        )
    for part in parts:
        yield from subject_issues(path, part, "servers ignore it")
    yield from _template_text_issues(path, text)


def subject_issues(path: str, subject: str, consequence: str) -> Iterator[Issue]:
    """IsValidSubject, for a subject that the Go library accepts. `consequence` completes the message."""
    if not is_valid_subject(subject):
        yield _refused(path, f"{quoted(subject)} {why_invalid(subject)}, so {consequence}.")
    else:
        yield from literal_issues(path, subject)


def why_invalid(subject: str) -> str:
    """Why IsValidSubject rejects a subject, as a part of a sentence."""
    return "has > before its end" if ">" in subject.split(".")[:-1] else "has white space or an empty token"


def literal_issues(path: str, subject: str) -> Iterator[Issue]:
    """Issues for `*` and `>` that are not wildcards because they are not whole tokens."""
    found = literal_wildcards(subject)
    if not found:
        return
    from .templates import templates_in

    for token in dict.fromkeys(found):  # analyzeTokens
        if not templates_in(token) and not token.startswith("{{"):
            yield _odd(
                path,
                f"in {quoted(subject)} the token {quoted(token)} is taken literally; a wildcard, * for one token or > for all that follow, is alone "
                "between dots.",
            )


def _template_text_issues(path: str, subject: str) -> Iterator[Issue]:
    if "{{" in subject:  # processUserPermissionsTemplate fills in only the templates of scopes.
        yield _odd(
            path,
            f"{quoted(subject)} is taken literally; only the template of a scoped signing key fills in what is in braces.",
        )


def limit_issues(path: str, limits: NatsLimits) -> Iterator[Issue]:
    """applyAccountLimits in client.go"""
    if limits.subscriptions == 0:
        yield _odd(
            f"{path}.subscriptions",
            "is 0, with which servers disconnect every client at once; write a number from 1, or unlimited.",
        )
    yield from below_unlimited_issues(path, {"subscriptions": limits.subscriptions, "payload": limits.payload})
    yield from data_issues(f"{path}.data", limits.data)


def data_issues(path: str, data: int) -> Iterator[Issue]:
    """The limit `data`, which the server never reads."""
    if data > 0:
        yield _odd(path, f"is {data}, which servers do not enforce; omit it, or limit payload.")


def below_unlimited_issues(path: str, numbers: dict[str, int]) -> Iterator[Issue]:
    """Negative limits other than -1: the Go library treats all of them as unlimited, a server compares with -1."""
    for name, number in numbers.items():
        if number < units.UNLIMITED:
            yield _odd(
                f"{path}.{name}",
                f"is {number}, which servers treat as less than 0; write unlimited, which is -1.",
            )


def restriction_issues(path: str, access: UserAccess) -> Iterator[Issue]:
    """Issues of connection types and times of day. The path ends in a dot, or is empty."""
    yield from _connection_type_issues(f"{path}allowed_connection_types", access.allowed_connection_types)
    if access.times:
        yield from _hours_issues(f"{path}times", access.times)
    elif access.times_location:  # validateTimes
        yield _odd(f"{path}times_location", "has no effect without times; add these, or omit it.")


def _connection_type_issues(path: str, names: list[str]) -> Iterator[Issue]:
    """convertAllowedConnectionTypes in client.go"""
    unknown = [name for name in names if name.upper() not in CONNECTION_TYPES]
    if not unknown:
        return
    known = ", ".join(CONNECTION_TYPES)
    if len(unknown) == len(names):
        yield _refused(path, f"has no type that servers support, so every connection is refused; available: {known}.")
        return
    for index, name in enumerate(names):
        if name.upper() in CONNECTION_TYPES:
            continue
        yield _odd(
            f"{path}[{index}]", f"{quoted(name)} is not a connection type that servers support; available: {known}."
        )


def _hours_issues(path: str, times: list[TimeRange]) -> Iterator[Issue]:
    """validateTimeRangeAt in jwt.go: start and end are compared to the second."""
    empty = [index for index, hours in enumerate(times) if _seconds(hours.start) == _seconds(hours.end) != ""]
    for index in empty:
        message = f"is empty, it starts and ends at {times[index].start}; write 00:00:00 to 23:59:59 for the whole day"
        if len(empty) == len(times):
            yield _refused(f"{path}[{index}]", f"{message}, or every connection is refused.")
        else:
            yield _odd(f"{path}[{index}]", f"{message}.")


def _seconds(clock: str) -> str:
    """The time of day as HH:MM:SS, without fractions of seconds; empty if the text is not a time of day."""
    from ..base.go_syntax import parse_clock

    try:
        parse_clock(clock)
    except ValueError:
        return ""
    return re.split("[.,]", clock)[0].rjust(8, "0")
