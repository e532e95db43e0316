# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Reads a policy from YAML. All problems are reported at once, each with its path."""

from __future__ import annotations

import calendar
import dataclasses
import datetime
import re
from typing import Any, Iterable, NamedTuple

from ..base.errors import NatsSecurityError
from ..base.excerpts import excerpt, quoted
from ..claims.options import Problem, element_path
from . import parameters
from .builtin import BUILTIN, COMPLETE, EXPIRED, OF_POLICY
from .findings import ACCOUNTS, USERS, Ending, Kind, Policy, Rule, Selection, Waiver
from .kinds import KINDS

#: The levels of rules.
LEVELS = (1, 2)
_DAY = 86400
_OF_RULE = ("rule", "id", "level", "applies_to", "leaves_out", "reason", "reference")
_OF_EXCEPTION = ("rule", "owner", "reason", "until", "applies_to")
_OF_SELECTION = ("accounts", "users", "tags")
_OF_SOURCE = ("rules", "exceptions")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")


class Part(NamedTuple):
    """Rules and exceptions from one place: the options of a task (empty place), or a file (its path)."""

    place: str
    rules: Any = None
    exceptions: Any = None


def part_of(place: str, document: Any) -> Part:
    """The rules and exceptions of a file. NatsSecurityError if it is not a policy."""
    if not isinstance(document, dict):
        raise NatsSecurityError(
            f"{place}: expected a dictionary with {' and '.join(_OF_SOURCE)}, not {quoted(document)}."
        )
    for name in document:
        if name not in _OF_SOURCE:
            raise NatsSecurityError(f"{place}: {_unknown('member', name, _OF_SOURCE)}")
    return Part(place, document.get("rules"), document.get("exceptions"))


def read_policy(parts: Iterable[Part], level: int) -> Policy:
    """The policy of all parts, with the built-in rules up to a level. NatsSecurityError lists every problem with it."""
    problems: list[Problem] = []
    own: list[Rule] = []
    waivers: list[Waiver] = []
    given = list(parts)
    for part in given:
        own += _listed(part.rules, _path(part, "rules"), _read_rule, problems)
    ids = {rule.id for rule in own}
    builtin = [rule for rule in BUILTIN if rule.id not in ids and rule.level <= level]
    _find_repeated_rules(own, builtin, problems)
    known = {rule.id: rule for rule in (*BUILTIN, *OF_POLICY.values())}
    known.update((rule.id, rule) for rule in own)
    known_ids = [name for name in known if name != EXPIRED]
    for part in given:
        waivers += _listed(
            part.exceptions,
            _path(part, "exceptions"),
            lambda item, path, found: _read_waiver(item, path, found, known_ids),
            problems,
        )
    _find_repeated_waivers(waivers, problems)
    if problems:
        raise NatsSecurityError("\n".join(dict.fromkeys(map(str, problems))))
    return Policy([*builtin, *own], waivers, {name: rule.level for name, rule in known.items()})


def _path(part: Part, name: str) -> str:
    return f"{part.place}: {name}" if part.place else name


def _listed(given: Any, path: str, read: Any, problems: list[Problem]) -> list[Any]:
    if given is None:
        return []
    if not isinstance(given, list):
        problems.append(Problem(path, f"expected a list, not {quoted(given)}."))
        return []
    found = []
    for number, item in enumerate(given):
        where = element_path(path, number, item)
        if not isinstance(item, dict):
            problems.append(Problem(where, f"expected a dictionary, not {quoted(item)}."))
            continue
        before = len(problems)
        one = read(item, where, problems)
        if len(problems) == before:
            found.append(one)
    return found


def _unknown(what: str, name: Any, known: Iterable[str]) -> str:
    import difflib  # imported only if a name is unknown, because it takes a millisecond

    names = list(known)
    close = difflib.get_close_matches(str(name)[:100], names, 1)
    hint = f"did you mean {close[0]}?" if close else f"available: {', '.join(sorted(names))}."
    return f"there is no {what} {excerpt(str(name))}; {hint}"


def _read(item: dict[str, Any], name: str, reader: parameters.Reader, where: tuple[str, list[Problem]]) -> Any:
    """One member; None if it is missing or cannot be read."""
    path, problems = where
    value = item.get(name)
    if value is None:
        return None
    try:
        return reader(value)
    except ValueError as error:
        problems.append(Problem(f"{path}.{name}", f"{error}."))
        return None


def _require(item: dict[str, Any], names: Iterable[str], where: tuple[str, list[Problem]], why: str = "") -> None:
    path, problems = where
    for name in names:
        if item.get(name) is None:
            problems.append(Problem(f"{path}.{name}", f"this is required{why}."))


# ---- rules


def _read_rule(item: dict[str, Any], path: str, problems: list[Problem]) -> Rule | None:
    where = (path, problems)
    _require(item, ["rule"], where)
    name = _read(item, "rule", parameters.text, where)
    if name == COMPLETE:
        return _read_complete(item, path, problems)
    kind = KINDS.get(name or "")
    if name is not None and kind is None:
        problems.append(Problem(f"{path}.rule", _unknown("rule", name, (*KINDS, COMPLETE))))
    if kind is None:
        return None
    builtin = next((rule for rule in BUILTIN if rule.id == kind.name), None)
    chosen = _read(item, "id", _id, where) or kind.name
    if chosen != kind.name and chosen in (*KINDS, *OF_POLICY):
        problems.append(Problem(f"{path}.id", f"{chosen} is the name of another rule; choose another id."))
    values = _read_values(kind, item, where)
    applies_to = _read_selection(item, "applies_to", _about(kind, values), where)
    leaves_out = None
    if item.get("leaves_out") is not None:
        leaves_out = _read_selection(item, "leaves_out", _about(kind, values), where)
    return Rule(
        chosen,
        kind,
        _read(item, "level", _level, where) or (builtin.level if builtin is not None else 1),
        values,
        applies_to,
        leaves_out,
        _read(item, "reason", parameters.text, where) or (builtin.reason if builtin is not None else ""),
        _read(item, "reference", parameters.text, where) or (builtin.reference if builtin is not None else ""),
        path,
    )


def _read_complete(item: dict[str, Any], path: str, problems: list[Problem]) -> Rule:
    """The rule source-complete, for which only the level can be set."""
    for word in item:
        if word not in ("rule", "level"):
            problems.append(Problem(f"{path}.{excerpt(str(word))}", f"{COMPLETE} supports only level."))
    rule = OF_POLICY[COMPLETE]
    return dataclasses.replace(rule, level=_read(item, "level", _level, (path, problems)) or rule.level, path=path)


def _read_values(kind: Kind, item: dict[str, Any], where: tuple[str, list[Problem]]) -> dict[str, Any]:
    path, problems = where
    for name in item:
        if name not in kind.parameters and name not in _OF_RULE:
            known = (*kind.parameters, *_OF_RULE)
            what = f"parameter of {kind.name} called"
            problems.append(Problem(f"{path}.{excerpt(str(name))}", _unknown(what, name, known)))
    _require(item, [name for name, one in kind.parameters.items() if one.required], where, f" by {kind.name}")
    chosen = [name for name in kind.choice if item.get(name) is not None]
    if kind.choice and len(chosen) != 1:
        said = " and ".join(chosen) or "none"
        problems.append(Problem(path, f"{kind.name} requires one of {', '.join(kind.choice)}, and this has {said}."))
    values = {}
    for name, parameter in kind.parameters.items():
        value = _read(item, name, parameter.read, where)
        values[name] = parameter.default if value is None else value
    return values


def _about(kind: Kind, values: dict[str, Any]) -> tuple[str, ...]:
    of: tuple[str, ...] = values.get("of") or kind.about
    return of


def _id(value: Any) -> str:
    found = parameters.text(value)
    if not _ID.fullmatch(found):
        raise ValueError(f"{quoted(found)} is not an id: write letters, digits, dots, dashes and underscores")
    return str(found)


def _level(value: Any) -> int:
    if isinstance(value, bool) or value not in LEVELS or not isinstance(value, int):
        raise ValueError(f"expected 1 or 2, not {quoted(value)}")
    return value


def _find_repeated_rules(rules: list[Rule], builtin: list[Rule], problems: list[Problem]) -> None:
    """Add a problem for each rule of the policy that has the ID of another rule, or is identical to another rule with a different ID."""
    by_id: dict[str, Rule] = {}
    by_content = {_content(rule): rule for rule in builtin}
    for rule in rules:
        first = by_id.setdefault(rule.id, rule)
        same = by_content.setdefault(_content(rule), rule)
        if first is not rule:
            message = f"the id {rule.id} is that of {first.path} too; give each an id of its own."
            problems.append(Problem(rule.path, message))
        elif same is not rule:
            other = same.path or f"the built-in rule {same.id}"
            problems.append(Problem(rule.path, f"this is the same as {other}; remove it."))


def _content(rule: Rule) -> Any:
    """What a rule checks, to compare rules regardless of the order of their lists."""
    values = [(name, sorted(value) if isinstance(value, tuple) else value) for name, value in rule.values.items()]
    leaves_out = None if rule.leaves_out is None else rule.leaves_out.in_order
    return rule.kind.name, repr(sorted(values)), rule.applies_to.in_order, leaves_out


# ---- selections


def _read_selection(
    item: dict[str, Any], name: str, about: tuple[str, ...], where: tuple[str, list[Problem]]
) -> Selection:
    path, problems = where
    given = item.get(name)
    if given is None:
        return Selection()
    inner = f"{path}.{name}"
    if not isinstance(given, dict) or not given:
        wanted = f"expected a dictionary with {', '.join(_OF_SELECTION)}, not {quoted(given)}."
        problems.append(Problem(inner, wanted))
        return Selection()
    for word in given:
        if word not in _OF_SELECTION:
            problems.append(Problem(f"{inner}.{excerpt(str(word))}", _unknown("selection", word, _OF_SELECTION)))
        elif given[word] is None:
            problems.append(Problem(f"{inner}.{word}", "expected a list of texts, not null."))
    found = Selection(*(_read(given, word, parameters.texts, (inner, problems)) or () for word in _OF_SELECTION))
    if not {ACCOUNTS, USERS} & set(about):
        problems.append(Problem(inner, "this rule applies to the operator, which cannot be selected; remove this."))
    elif found.users and USERS not in about:
        problems.append(Problem(f"{inner}.users", "this rule applies to accounts; select them by accounts or tags."))
    for number, user in enumerate(found.users):
        if "/" not in user and not re.fullmatch("U[A-Z2-7]{55}", user) and user != "*":
            message = f"{quoted(user)} is not a user: write ACCOUNT/USER, with wildcards or without, or a public key."
            problems.append(Problem(f"{inner}.users[{number}]", message))
    return found


# ---- exceptions


def _read_waiver(item: dict[str, Any], path: str, problems: list[Problem], known: list[str]) -> Waiver | None:
    where = (path, problems)
    for name in item:
        if name not in _OF_EXCEPTION:
            problems.append(Problem(f"{path}.{excerpt(str(name))}", _unknown("member", name, _OF_EXCEPTION)))
    _require(item, ("rule", "owner", "reason", "until"), where, " of an exception")
    rule = _read(item, "rule", parameters.text, where)
    if rule is not None and rule not in known:
        problems.append(Problem(f"{path}.rule", _unknown("rule", rule, known)))
    return Waiver(
        rule or "",
        _read(item, "owner", parameters.text, where) or "",
        _read(item, "reason", parameters.text, where) or "",
        _read(item, "until", _ending, where) or Ending("", 0),
        _read_selection(item, "applies_to", (ACCOUNTS, USERS), where),
        path,
    )


def _ending(value: Any) -> Ending:
    """The end of a day in UTC, from a text or from the date object that YAML returns for a day."""
    is_day = isinstance(value, datetime.date) and not isinstance(value, datetime.datetime)
    day = value.isoformat() if is_day else value
    match = _DATE.fullmatch(day) if isinstance(day, str) else None
    if match is None:
        raise ValueError(f"{quoted(str(value))} is not a date: write the last day, such as 2027-01-31")
    try:
        start = datetime.datetime(*map(int, match.groups()))  # type: ignore[arg-type] # three numbers
    except ValueError as error:
        raise ValueError(f"{quoted(day)} is not a date: {error}") from None
    return Ending(day, calendar.timegm(start.timetuple()) + _DAY)


def _find_repeated_waivers(waivers: list[Waiver], problems: list[Problem]) -> None:
    found: dict[Any, Waiver] = {}
    for waiver in waivers:
        first = found.setdefault((waiver.rule, waiver.applies_to.in_order), waiver)
        if first is not waiver:
            message = f"{first.path} is already an exception from {waiver.rule} for the same; remove one of them."
            problems.append(Problem(waiver.path, message))
