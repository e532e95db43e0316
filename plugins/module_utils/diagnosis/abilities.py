# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What a connected user may not do, for the actions that a task lists. Pure: nothing is published to test it.

An action is split into the subjects that have to be published and subscribed to. Each is checked against the first of these that is known: the claims that
the server holds, the permissions that the server reports for the connected user, the claims in the store, the user's own JWT.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Iterator, NamedTuple, Sequence

from ..access.answers_users import may
from ..access.permissions import access_of
from ..access.questions import INBOX, Question
from ..access.show import DENIES
from ..access.tree import Entry, Servers, Tree
from ..base.errors import NatsSecurityError
from ..claims import Account, Claims, Permission, Permissions, User, UserAccess
from ..claims.options import Problem
from ..claims.permissions import ResponsePermission
from ..rules.access import why_invalid
from ..rules.subjects import fields, is_valid_subject
from . import findings
from .findings import CREDS, SERVER, STORE, Finding
from .reasons import Case

READ, WRITE, WATCH, MANAGE = "read", "write", "watch", "manage"
#: The words of an action: each action has exactly one of them.
ABOUT = ("publish", "subscribe", "request", "stream", "kv", "object_store")
#: The kinds of access that clients need, by the type of object.
_ACCESS = {"stream": (READ, MANAGE), "kv": (READ, WRITE, WATCH), "object_store": (READ, WRITE)}
_API = "$JS.API."


class Need(NamedTuple):
    """Something that has to be published or subscribed to."""

    verb: str  # publish or subscribe
    subject: str
    queue: str = ""


class Action(NamedTuple):
    """An action of a task: the action as it was written, and everything that is needed for it."""

    asked: dict[str, Any]
    needs: list[Need]
    uses_jetstream: bool


# ---- reading


def read_actions(asked: Sequence[dict[str, Any]], path: str = "actions") -> list[Action]:
    """The actions of a task. NatsSecurityError lists every problem with them."""
    problems: list[Problem] = []
    found = [_read_action(one, f"{path}[{number}]", problems) for number, one in enumerate(asked)]
    if problems:
        raise NatsSecurityError("\n".join(map(str, problems)))
    return found


def _read_action(asked: dict[str, Any], path: str, problems: list[Problem]) -> Action:
    said = {name: value for name, value in asked.items() if value is not None}
    about = [word for word in ABOUT if word in said]
    if len(about) != 1:
        problems.append(
            Problem(path, f"expected one of {', '.join(ABOUT)}, and this has {' and '.join(about) or 'none'}.")
        )
        return Action(said, [], False)
    (word,) = about
    if "queue" in said and word != "subscribe":
        problems.append(Problem(f"{path}.queue", "only a subscription has a queue group."))
    if "inbox" in said and word in ("publish", "subscribe"):
        problems.append(Problem(f"{path}.inbox", f"only actions with an answer have an inbox, not {word}."))
    if "access" in said and word not in _ACCESS:
        problems.append(Problem(f"{path}.access", f"only {', '.join(_ACCESS)} have it, not {word}."))
    for name in ("publish", "subscribe", "request", "inbox"):
        if name in said and not is_valid_subject(said[name]):
            problems.append(Problem(f"{path}.{name}", f"{said[name]!r} is not a subject: it {_why(said[name])}."))
    if word in _ACCESS:
        _check_name(said[word], f"{path}.{word}", problems)
        for kind in said.get("access") or ():
            if kind not in _ACCESS[word]:
                problems.append(
                    Problem(f"{path}.access", f"there is no {kind} of {word}; available: {', '.join(_ACCESS[word])}.")
                )
    return Action(said, list(dict.fromkeys(_needs(word, said))), word in _ACCESS)


def _why(subject: str) -> str:
    return why_invalid(subject) if subject else "is empty"


def _check_name(name: str, path: str, problems: list[Problem]) -> None:
    """Add a problem if the name of a stream or bucket is not one token of a subject."""
    if fields(name) != [name] or any(sign in name for sign in ".*>/\\"):
        problems.append(
            Problem(path, f"{name!r} is not a name of a stream or bucket: one token without . * > / or blanks.")
        )


def _needs(word: str, said: dict[str, Any]) -> Iterator[Need]:
    if word == "subscribe":
        yield Need("subscribe", said["subscribe"], said.get("queue", ""))
        return
    if word in ("publish", "request"):
        yield Need("publish", said[word])
    else:
        for kind in said.get("access") or _ACCESS[word][:]:
            yield from (Need("publish", subject) for subject in _subjects(word, said[word], kind))
    if word != "publish":
        yield Need("subscribe", said.get("inbox", INBOX))


def _subjects(word: str, name: str, kind: str) -> Iterator[str]:
    """The subjects that clients publish to, as in nats.go (kv.go, object.go, js.go) and nats-py."""
    stream = {"stream": name, "kv": f"KV_{name}", "object_store": f"OBJ_{name}"}[word]
    consumers = (
        f"{_API}CONSUMER.CREATE.{stream}",
        *(f"{_API}CONSUMER.{verb}.{stream}.>" for verb in ("CREATE", "INFO")),
    )
    if kind == MANAGE:
        yield from (f"{_API}STREAM.{verb}.{stream}" for verb in ("INFO", "CREATE", "UPDATE", "DELETE", "PURGE"))
    elif word == "stream":
        yield f"{_API}STREAM.INFO.{stream}"
        yield from consumers
        yield f"{_API}CONSUMER.MSG.NEXT.{stream}.>"
        yield f"$JS.ACK.{stream}.>"
    elif word == "kv":
        yield f"{_API}STREAM.INFO.{stream}"
        if kind == READ:
            yield from (f"{_API}DIRECT.GET.{stream}.$KV.{name}.>", f"{_API}STREAM.MSG.GET.{stream}")
        elif kind == WRITE:
            yield f"$KV.{name}.>"
        else:
            yield from (*consumers, f"{_API}CONSUMER.DELETE.{stream}.>", f"$JS.FC.{stream}.>")
    else:
        yield from (f"{_API}STREAM.INFO.{stream}", f"{_API}STREAM.MSG.GET.{stream}")
        yield f"{_API}DIRECT.GET.{stream}.$O.{name}.M.>"
        if kind == READ:
            yield f"{_API}STREAM.NAMES"
            yield from (*consumers, f"{_API}CONSUMER.DELETE.{stream}.>", f"$JS.FC.{stream}.>")
        else:
            yield from (f"$O.{name}.C.>", f"$O.{name}.M.>", f"{_API}STREAM.PURGE.{stream}")


# ---- answering


@dataclasses.dataclass(frozen=True)
class Answered:
    """The result for one action: the missing needs, each with the answer that explains it; None if that is not known."""

    action: Action
    missing: list[tuple[Need, dict[str, Any]]] | None
    basis: str

    def describe(self) -> dict[str, Any]:
        """The answer as a result."""
        missing = self.missing or []
        return {
            "action": self.action.asked,
            "allowed": None if self.missing is None else not missing,
            "missing": [
                {need.verb: need.subject, **({"queue": need.queue} if need.queue else {}), "reason": found["reason"]}
                for need, found in missing
            ],
            "basis": self.basis,
        }


def answer(actions: Sequence[Action], case: Case, held: Claims | None) -> list[Answered]:
    """Which of the actions the user may do. `held` is the account as the server holds it."""
    source = _source(case, held)
    if source is None:
        return [Answered(action, None, findings.NOTHING) for action in actions]
    tree, user, basis = source
    return [Answered(action, list(_missing(tree, user, action)), basis) for action in actions]


def _source(case: Case, held: Claims | None) -> tuple[Tree, Entry, str] | None:
    """The claims to check against, and their basis; None if there are none."""
    operator = (
        case.seen.server.operators[0] if case.seen is not None and case.seen.server.operators else case.known.operator
    )
    if held is not None:
        found = _tree(case, operator, held, case.user)
        if not access_of(*found).refusals:
            return (*found, SERVER)
    if case.attempt.permissions is not None:
        account = Account()
        body = User(access=UserAccess(permissions=_reported(case.attempt.permissions.get("permissions"))))
        user = dataclasses.replace(case.user, body=body, issuer=case.account_key, expires=0, not_before=0)
        claims = Claims(name=_title(case), subject=case.account_key, issuer="", body=account)
        return (*_tree(case, None, claims, user), SERVER)
    if case.known.stored is not None:
        found = _tree(case, operator, case.known.stored, case.user)
        if not access_of(*found).refusals:
            return (*found, STORE)
    if not case.user.body.is_scoped and _says_something(case.user.body.access.permissions):
        user = dataclasses.replace(case.user, issuer=case.account_key, expires=0, not_before=0)
        return (*_tree(case, None, Claims(subject=case.account_key, body=Account()), user), CREDS)
    return None


def _says_something(permissions: Permissions) -> bool:
    """Whether servers use these permissions, and not the default permissions of the account (buildPermissionsFromJwt)."""
    lists = (permissions.publish, permissions.subscribe)
    return permissions.response is not None or any(one.allow or one.deny for one in lists)


def _title(case: Case) -> str:
    return case.known.stored.name if case.known.stored is not None else ""


def _tree(case: Case, operator: Claims | None, account: Claims, user: Claims) -> tuple[Tree, Entry]:
    entry = Entry(user)
    above = Entry(operator) if operator is not None else None
    return Tree(above, [Entry(account)], [entry], Servers(case.when)), entry


def _reported(said: Any) -> Permissions:
    """Permissions from a server's report (publicPermissions in client.go). If it reports none, everything is allowed."""
    if not isinstance(said, dict):
        return Permissions()
    response = said.get("responses")
    return Permissions(
        publish=_reported_list(said.get("publish")),
        subscribe=_reported_list(said.get("subscribe")),
        response=ResponsePermission() if isinstance(response, dict) else None,
    )


def _reported_list(said: Any) -> Permission:
    def texts(name: str) -> list[str]:
        found = said.get(name) if isinstance(said, dict) else None
        return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []

    return Permission(allow=texts("allow"), deny=texts("deny"))


def _missing(tree: Tree, user: Entry, action: Action) -> Iterator[tuple[Need, dict[str, Any]]]:
    for need in action.needs:
        about = {"user": user, need.verb: need.subject, **({"queue": need.queue} if need.queue else {})}
        found = may(tree, Question("may", about, {}))
        if not found["allowed"]:
            yield need, found


def jetstream_problem(actions: Sequence[Action], held: Claims | None) -> str:
    """Why JetStream does not work in the account, regardless of permissions; empty if no reason is known."""
    if held is None or not any(action.uses_jetstream for action in actions):
        return ""
    body: Account = held.body
    imports = [item for item in body.imports if item is not None and item.subject.startswith("$JS.")]
    tiers = body.limits.jetstream_tiers
    if imports or tiers or body.limits.jetstream.memory_storage or body.limits.jetstream.disk_storage:
        return ""
    return f"the account {held.name or held.subject} has no JetStream: its limits.jetstream are 0"


def finding_of(answered: Sequence[Answered], case: Case, problem: str) -> Finding | None:
    """What is missing, and where to add it; None if nothing is."""
    if problem:
        return Finding(
            findings.JETSTREAM_DISABLED,
            f"{case.name[0].upper()}{case.name[1:]} is accepted by {case.server}, and {problem}.",
            "Issue the account with limits.jetstream, memory_storage or disk_storage of more than 0 or unlimited, and push it.",
        )
    lacking = [pair for one in answered for pair in one.missing or ()]
    if not lacking:
        return None
    basis = next(one.basis for one in answered if one.missing)
    reasons = "; ".join(dict.fromkeys(found["reason"] for _need, found in lacking))
    advice = " ".join(dict.fromkeys(_advice(need, found) for need, found in lacking))
    return Finding(
        findings.PERMISSION_MISSING,
        f"{case.name[0].upper()}{case.name[1:]} is accepted by {case.server}, but lacks a permission: {reasons}.",
        advice,
        basis,
    )


def _advice(need: Need, found: dict[str, Any]) -> str:
    denied = [step for step in found["steps"] if step["effect"] == DENIES]
    step = denied[-1] if denied else {"claim": "the user", "path": "permissions"}
    what = f"{need.subject} {need.queue}" if need.queue else need.subject
    if ".deny[" in step["path"]:
        return f"Remove {step['path']} from {step['claim']}, or narrow it, so that it does not cover {what}."
    path = step["path"].split(f".{need.verb}")[0]
    return f"Add {what} to {path}.{need.verb}.allow of {step['claim']}."
