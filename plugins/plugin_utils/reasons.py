# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Describe what a task changed and why, from the result of any module of this collection: lines for a terminal, Markdown for a comment.

Pure: from a result to text. The lines have names, actions and reasons, but never tokens, keys or options.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.natsops.security.plugins.module_utils.base.excerpts import first_of
from ansible_collections.natsops.security.plugins.module_utils.base.recognition import hide

#: The maximum number of lines that are shown; further lines are only counted.
MOST_LINES = 100
#: The maximum number of names in one line.
_MOST_NAMES = 20
#: The comment in Markdown until the run ends. It stays if something stops Ansible itself.
UNFINISHED = "## NATS: the run did not end, so no changes are shown\n"
_UNCHANGED = ("kept", "unchanged", "absent", "none", "")
#: The first character of a line in Markdown, by action, as in a diff.
_SIGNS = {"created": "+", "added": "+", "removed": "-", "extra": " "}


class Change(NamedTuple):
    """The change of one entity, such as an account; in check mode the change that would be made."""

    name: str
    action: str
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        because = "; ".join(self.reasons)
        parts = [because] if self.action == "changed" and because else [self.action, because]
        return _one_line(f"{self.name}: {', '.join(filter(None, parts))}")


class Told(NamedTuple):
    """The note of one task: its host and name, whether it changed anything, and the changes."""

    host: str
    task: str
    module: str
    is_check: bool
    changed: bool
    failed: bool
    changes: tuple[Change, ...]
    summary: str
    warnings: tuple[str, ...] = ()
    error: str = ""  # empty if no_log hides it
    prepared: str = ""  # the tokens to sign and the creds to write, for a store


def _one_line(text: str) -> str:
    """The text without secrets, control characters and line breaks, because names of accounts on live servers are not trusted."""
    return hide("".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text))


# ---- results to changes


def changes_of(result: Mapping[str, Any], module: str, named: str = "") -> tuple[Change, ...]:
    """The changes in the result of a module. `named` is the name in the task, which is used if the result has none."""
    if "entities" in result and "summary" in result:
        found = list(_of_store(result))
    elif "revocations" in result:
        found = list(_of_revocations(result, named))
    elif module == "nats_resolver" and "accounts" in result:
        found = [_listed(f"account {_name(one)}", one) for one in result["accounts"]]
    elif module == "nats_server_config" and "files" in result:
        needs = f"the server needs a {result['needs']}" if result.get("needs") in ("reload", "restart") else ""
        found = [Change(one["name"], one["action"], (needs,) if needs else ()) for one in result["files"]]
    elif module == "nats_server" and "action" in result:
        found = [Change("nats-server", result["action"], tuple(result.get("reasons") or ()))]
    elif module == "nats_credentials" and "users" in result:
        found = [Change(one["id"], "changed", (one["path"],)) for one in result["users"] if one.get("changed")]
    elif module == "nats_connections" and "connections" in result:
        kicked = [one for one in result["connections"] if one.get("kicked")]
        found = [Change(f"connection of {_name(one)}", "closed", (f"on {one.get('server')}",)) for one in kicked]
    elif result.get("changed"):
        found = [_single(result, module, named)]
    else:
        found = []
    return tuple(change for change in found if change.action not in _UNCHANGED)


def _name(one: Mapping[str, Any]) -> str:
    return str(one.get("name") or one.get("public_key") or one.get("user") or "?")


def _listed(name: str, one: Mapping[str, Any]) -> Change:
    return Change(name, str(one.get("action")), tuple(one.get("reasons") or ()))


def _of_store(result: Mapping[str, Any]) -> Iterator[Change]:
    for account, users in (result.get("created_users") or {}).items():
        for user in users:
            yield Change(f"{account}/{user}", "created")
    for one in result["entities"]:
        yield _listed(_entity_name(one), one)


def _entity_name(one: Mapping[str, Any]) -> str:
    kind, name, account = one.get("kind"), one.get("name"), one.get("account")
    if kind == "user":
        return f"{account}/{name}"
    whole = f"{str(kind).replace('_', ' ')} {name}" if name else str(kind)
    return f"{whole} of {account}" if account else whole


def _of_revocations(result: Mapping[str, Any], named: str) -> Iterator[Change]:
    for one in result["revocations"]:
        name = f"{named}/{_name(one)}" if named else _name(one)
        until = f"what was issued up to {one['until']} is refused" if one.get("until") else ""
        of_export = f"activations of {one['export']}" if one.get("export") else ""
        yield Change(f"revocation of {name}", str(one.get("action")), tuple(filter(None, (of_export, until))))


def _single(result: Mapping[str, Any], module: str, named: str) -> Change:
    claims = result.get("claims") or {}
    kind = module.rpartition("nats_")[2]
    name = claims.get("name") or named or result.get("public_key") or result.get("path") or ""
    reasons = tuple(str(reason) for reason in result.get("reasons") or ())
    action = {"there is no token yet": "created", "its state is absent": "removed"}
    if len(reasons) == 1 and reasons[0] in action:
        return Change(f"{kind} {name}", action[reasons[0]])
    return Change(f"{kind} {name}".strip(), "changed", reasons)


# ---- changes to text


def lines(changes: Iterable[Change], most: int = MOST_LINES) -> list[str]:
    """One line per change. Users of one account that are created or extra for the same reasons share a line."""
    shown = [str(change) for change in _together(changes)]
    if len(shown) > most:
        shown[most:] = [f"... and {len(shown) - most} more"]
    return shown


def _together(changes: Iterable[Change]) -> list[Change]:
    """The changes, with those that are extra last. Users of one account that are created or extra for the same reasons are merged."""
    groups: dict[Any, list[Change]] = {}
    for change in changes:
        account, slash, _user = change.name.partition("/")
        alike = slash and change.action in ("created", "extra")
        groups.setdefault((account, change.action, change.reasons) if alike else change, []).append(change)
    found = [group[0] if len(group) == 1 else _as_one(group) for group in groups.values()]
    return sorted(found, key=lambda change: change.action == "extra")


def _as_one(group: Sequence[Change]) -> Change:
    names = [change.name.partition("/")[2] for change in group]
    account = group[0].name.partition("/")[0]
    return Change(f"{account}, {len(names)} users ({first_of(names, _MOST_NAMES)})", group[0].action, group[0].reasons)


def summary_of(result: Mapping[str, Any]) -> str:
    """The number of entities by action in the result of a store, such as `1 changed, 20 kept`. Empty for other results."""
    summary = result.get("summary")
    if "entities" not in result or not isinstance(summary, Mapping):
        return ""
    return ", ".join(f"{count} {action}" for action, count in summary.items() if count)


def markdown(told: Iterable[Told], is_check: bool, failures: Iterable[Told] = ()) -> str:
    """A comment on a merge request, in Markdown: the changes by task. With `is_check`, the whole run is in check mode, and they would be made.
    `failures` made the run fail; those that are in `told` too are shown once."""
    every = [one for one in told if one.changes or one.failed or one.changed or one.warnings]
    noted = {(one.host, one.task, one.error) for one in every if one.failed}
    failures = list(failures)
    every += [one for one in failures if (one.host, one.task, one.error) not in noted]
    if failures:
        title = "the run failed, so not all changes are shown"
    elif every:
        title = "what would change" if is_check else "what changed"
    else:
        title = "nothing would change" if is_check else "nothing changed"
    return "\n\n".join([f"## NATS: {title}", *(_section(one, is_check) for one in every)]) + "\n"


def _section(one: Told, is_check: bool) -> str:
    only_looks = " (check mode)" if one.is_check and not is_check else ""
    parts = [f"### {_code(one.task)} on {_code(one.host)}{only_looks}", ""]
    if one.failed:
        parts += ["**The task failed.**", "", *(f"- {_code(line)}" for line in one.error.splitlines()), ""]
    if one.summary:
        parts += [one.summary, ""]
    body = [f"{_SIGNS.get(change.action, '!')} {change}" for change in _together(one.changes)]
    if one.prepared:
        body += ["", *(f"  {_one_line(line)}" for line in one.prepared.splitlines())]
    if body:
        fence = "`" * max(3, 1 + max(map(_longest_fence, body)))
        parts += [f"{fence}diff", *body, fence, ""]
    parts += [f"- **Warning:** {_code(text)}" for text in one.warnings]
    return "\n".join(parts).rstrip("\n").replace("\n\n\n", "\n\n")


def _longest_fence(text: str) -> int:
    return max((len(run) for run in "".join(c if c == "`" else " " for c in text).split()), default=0)


def _code(text: str) -> str:
    """Any text as inline code in Markdown, so that nothing in it is interpreted."""
    text = _one_line(text)
    fence = "`" * (1 + _longest_fence(text))
    space = " " if fence != "`" or text[:1] == " " else ""
    return f"{fence}{space}{text}{space}{fence}"
