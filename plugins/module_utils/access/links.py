# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Imports of one account from another: whether servers install them, why not, and which subjects they connect.

From updateAccountClaimsWithRefresh, addServiceImport, addMappedStreamImportWithClaim and checkAuth in accounts.go. Imports that servers add on their own
are included: information about the system for every account, and the JetStream API.
"""

from __future__ import annotations

import dataclasses
from typing import Iterable, Iterator, NamedTuple

from .. import rules
from ..base import units
from ..base.errors import NatsSecurityError
from ..claims import Activation, Export, Import
from ..rules.accounts import import_token_issues, read_activation
from ..rules.cycles import Cycles
from ..rules.imports import ImportSubjects, import_subjects
from ..rules.relations import SYSTEM_EXPORTS
from ..rules.subject_index import SubjectIndex
from ..rules.subjects import is_subset, is_valid_subject
from ..rules.transforms import with_references, with_wildcards
from .permissions import Origin, account_refusals
from .subject_sets import ONE, REST, Pattern, common_pattern, contains, pattern, text
from .transforms import Transform, apply, make_renaming, reverse
from .tree import Entry, Tree, account_body

STREAM = "stream"
SERVICE = "service"


class Problem(NamedTuple):
    """Why an import does not work, and the claim that causes it. If `perhaps` is set, it may work: this depends on what is not known here."""

    message: str
    origin: Origin
    perhaps: bool = False


@dataclasses.dataclass(frozen=True)
class Link:
    """One import, as servers hold it."""

    kind: str  # STREAM or SERVICE
    importer: str  # public keys
    exporter: str
    remote: Pattern  # in the exporting account
    local: Pattern  # in the importing account
    origin: Origin  # the import
    export: Export | None
    export_origin: Origin | None
    problems: tuple[Problem, ...] = ()
    #: From remote to local subjects for a stream, from local to remote subjects for a service. None if they are the same, or if the target is
    #: one fixed subject.
    transform: Transform | None = None
    is_same: bool = False
    implicit: bool = False  # not in any JWT
    oddity: str = ""

    @property
    def works(self) -> bool:
        """Whether servers install it, as far as is known."""
        return not any(not problem.perhaps for problem in self.problems)

    @property
    def is_certain(self) -> bool:
        """Whether the value of `works` is certain."""
        return not self.problems or not self.works

    @property
    def many_answers(self) -> bool:
        """Whether a service may answer one request with more than one message."""
        return self.export is not None and self.export.response_type in ("Stream", "Chunked")


def links_into(tree: Tree, importer: str) -> list[Link]:
    """The imports of an account, including those that do not work."""
    memory: dict[str, list[Link]] = tree.memory.setdefault("links into", {})
    if importer not in memory:
        account = tree.accounts.get(importer)
        memory[importer] = [] if account is None else list(_links_of(tree, account))
    return memory[importer]


def links_out_of(tree: Tree, exporter: str) -> list[Link]:
    """The imports from an account by other accounts, including those that do not work."""
    memory: dict[str, list[Link]] = tree.memory.setdefault("links out of", {})
    if exporter not in memory:
        importers = _importers(tree).get(exporter, {})
        memory[exporter] = [link for key in importers for link in links_into(tree, key) if link.exporter == exporter]
    return memory[exporter]


def _importers(tree: Tree) -> dict[str, dict[str, None]]:
    """The public keys of the accounts that import from an account (in the order of the tree), by the public key of the exporting account."""
    found: dict[str, dict[str, None]] = tree.memory.get("importers", {})
    if "importers" not in tree.memory:
        tree.memory["importers"] = found
        for key, account in tree.accounts.items():
            for item in account_body(account).imports:
                if item is not None:
                    found.setdefault(item.account, {})[key] = None
        if tree.system_account:
            found.setdefault(tree.system_account, {}).update(dict.fromkeys(tree.accounts))
    return found


def _links_of(tree: Tree, account: Entry) -> Iterator[Link]:
    """The imports in the order in which servers add them: their own, those of the JWT, and the JetStream API last."""
    added: set[tuple[str, ...]] = set()
    for link in _system_links(tree, account):
        added.add((SERVICE, link.exporter, text(link.local)))
        yield link
    for number, item in enumerate(account_body(account).imports):
        if item is not None and item.type in (STREAM, SERVICE):
            link = _link(tree, account, item, Origin(account, f"imports[{number}]"), added)
            if link.works:
                added.add((link.kind, link.exporter, text(link.remote if link.kind == STREAM else link.local)))
            yield link
    if (SERVICE, tree.system_account, _JETSTREAM) not in added:
        yield from _jetstream_links(tree, account)


def _link(tree: Tree, account: Entry, item: Import, origin: Origin, added: set[tuple[str, ...]]) -> Link:
    said = import_subjects(item)
    exporter = tree.accounts.get(item.account)
    draft = Link(
        item.type,
        account.key,
        item.account,
        pattern(said.remote),
        pattern(with_wildcards(said.local)),
        origin,
        None,
        None,
    )
    if exporter is not None:
        exports = _exports_for(tree, exporter, item.type, said.remote)
        if exports:
            draft = dataclasses.replace(draft, export=exports[0][0], export_origin=exports[0][1])
    try:
        draft = _service(draft, said) if item.type == SERVICE else _stream(draft, said, item.to)
    except ValueError as error:
        return dataclasses.replace(draft, problems=(Problem(f"servers cannot rename its subjects: {error}", origin),))
    problems = list(_problems(tree, account, item, said, draft))
    if (item.type, item.account, said.remote if item.type == STREAM else said.local) in added:
        problems.append(Problem("it repeats an earlier import, and servers use only the first one", origin))
    if not problems and origin.path in _cyclic(tree, account):
        message = "it forms a cycle with other imports, of which servers drop one, depending on the account that they load first"
        problems.append(Problem(message, origin, perhaps=True))
    return dataclasses.replace(draft, problems=tuple(problems))


def _stream(draft: Link, said: ImportSubjects, prefix: str) -> Link:
    """addStreamImportWithClaim, addMappedStreamImportWithClaim"""
    remote = pattern(said.remote)
    if rules.has_wildcards(prefix):
        raise ValueError(f"the prefix {prefix!r} has wildcards")
    if not _has_wildcards(remote):
        return dataclasses.replace(draft, local=pattern(said.local))
    if said.local == said.remote:
        return dataclasses.replace(draft, local=remote, is_same=True)
    transform = make_renaming(said.remote, with_references(said.local))
    return dataclasses.replace(draft, transform=transform, oddity=_renaming_oddity(transform))


def _service(draft: Link, said: ImportSubjects) -> Link:
    """addServiceImport"""
    remote = pattern(said.remote)
    if not _has_wildcards(remote):
        return dataclasses.replace(draft, local=pattern(said.local))
    if said.local == said.remote:
        return dataclasses.replace(draft, local=remote, is_same=True)
    source = with_wildcards(said.remote)
    forward = make_renaming(source, with_references(said.local))
    local = pattern(with_wildcards(said.local))
    try:
        back = reverse(forward)
    except ValueError:
        oddity = f"servers send its requests to the subject {source} itself, with its wildcards"
        return dataclasses.replace(draft, remote=pattern(source), local=local, oddity=oddity)
    oddity = _renaming_oddity(forward)
    return dataclasses.replace(draft, remote=pattern(source), local=local, transform=back, oddity=oddity)


def _renaming_oddity(forward: Transform) -> str:
    """What is unexpected about the reverse transform of a server; empty if nothing is."""
    if not forward.is_renaming:
        return "its local subject lacks a part of its subject, so servers fill in other tokens when they map it back"
    sample = tuple(f"{index}" if token == ONE else token for index, token in enumerate(forward.source))
    there = apply(forward, sample)[0]
    if sample[-1] == REST or apply(reverse(forward), pattern(there))[0] == text(sample):
        return ""
    return "servers map the parts of its local subject back in the wrong order"


def _has_wildcards(tokens: Pattern) -> bool:
    return ONE in tokens or REST in tokens


# ---- whether it is installed


_FEW = 16


class _Exports:
    """The exports of one kind of an account, indexed so that thousands of imports find theirs quickly."""

    def __init__(self, exporter: Entry, kind: str, implicit: Iterable[Export]) -> None:
        self._listed = [
            (export, Origin(exporter, f"exports[{number}]"))
            for number, export in enumerate(account_body(exporter).exports)
            if export is not None and export.type == kind
        ]
        self._exact: dict[str, list[int]] = {}
        for number, (export, _origin) in enumerate(self._listed):
            self._exact.setdefault(export.subject, []).append(number)
        # An export of the JWT takes precedence over an implicit export of the same subject.
        self._listed += [
            (export, Origin(exporter, ""))
            for export in implicit
            if export.type == kind and export.subject not in self._exact
        ]
        # For a few exports, building the index takes longer than comparing each of them.
        subjects = [export.subject for export, _origin in self._listed]
        self._covering = SubjectIndex(subjects, as_server=True) if len(subjects) > _FEW else None

    def for_import(self, subject: str) -> list[tuple[Export, Origin]]:
        """The exports that a server may check an import against: the export of exactly this subject, or else all that cover it (checkStreamExportApproved)."""
        numbers = self._exact.get(subject)
        if numbers is None:
            covering = self._find(subject)
            numbers = [number for number in covering if self._listed[number][0].subject == subject] or covering
        return [self._listed[number] for number in numbers]

    def _find(self, subject: str) -> list[int]:
        if self._covering is not None:
            return sorted(number for numbers in self._covering.hits(subject) for number in numbers)
        return [number for number, (export, _origin) in enumerate(self._listed) if is_subset(subject, export.subject)]


def _exports_for(tree: Tree, exporter: Entry, kind: str, subject: str) -> list[tuple[Export, Origin]]:
    memory: dict[tuple[str, str], _Exports] = tree.memory.setdefault("exports", {})
    if (exporter.key, kind) not in memory:
        implicit = SYSTEM_EXPORTS if exporter.key == tree.system_account else ()
        memory[exporter.key, kind] = _Exports(exporter, kind, implicit)
    return memory[exporter.key, kind].for_import(subject)


def _problems(tree: Tree, account: Entry, item: Import, said: ImportSubjects, draft: Link) -> Iterator[Problem]:
    origin = draft.origin
    exporter = tree.accounts.get(item.account)
    for reason in account_refusals(tree, account):
        yield Problem(reason, Origin(account, ""))
    if exporter is None:
        yield Problem(f"the account {item.account} is not available, so its exports are unknown", origin, perhaps=True)
        return
    for reason in account_refusals(tree, exporter):
        yield Problem(reason, Origin(exporter, ""))
    valid = is_valid_subject(said.remote) and (item.type == STREAM or is_valid_subject(said.local))
    exports = _exports_for(tree, exporter, item.type, said.remote)
    if not valid:
        yield Problem("servers do not accept its subject", origin)
    elif not exports:
        yield Problem(
            f"the account {exporter.title} does not export {said.remote} as a {item.type}", Origin(exporter, "exports")
        )
    else:
        refused = [
            problem
            for offered in exports
            for problem in (_refused_by(tree, account, item, said, offered),)
            if problem is not None
        ]
        for problem in refused:
            yield problem._replace(perhaps=len(refused) < len(exports))


def _refused_by(
    tree: Tree, account: Entry, item: Import, said: ImportSubjects, offered: tuple[Export, Origin]
) -> Problem | None:
    export, origin = offered
    if export.account_token_position:
        return _position_problem(account, said.remote, export, origin)
    if export.token_required:
        return _activation_problem(tree, account, item, export, origin)
    return None


def _position_problem(account: Entry, subject: str, export: Export, origin: Origin) -> Problem | None:
    tokens, position = subject.split("."), export.account_token_position
    # If the import has exactly the subject of the export, servers refuse it without comparing the token.
    if subject != export.subject and position <= len(tokens) and tokens[position - 1] == account.key:
        return None
    return Problem(f"token {position} of {subject} is not the importing account's key, {account.key}", origin)


def _activation_problem(tree: Tree, account: Entry, item: Import, export: Export, origin: Origin) -> Problem | None:
    """checkActivation"""
    exporter = tree.accounts[item.account]
    number = next(index for index, other in enumerate(account_body(account).imports) if other is item)
    said = Origin(account, f"imports[{number}].token")
    if (account.key, number) in tree.being_made:
        return None
    if not item.token:
        return Problem("the export is private, and the import has no activation token", origin)
    issue = next((issue for issue in import_token_issues("", item, account.key) if issue.blocking), None)
    if issue is not None:
        return Problem(f"its activation token {issue.message}", said)
    try:
        claims = read_activation(item.token)
    except NatsSecurityError as error:
        return Problem(f"its activation token cannot be read: {error}", said)
    activation: Activation = claims.body
    keys = {key.key for key in account_body(exporter).signing_keys} | (set() if tree.is_strict else {exporter.key})
    if activation.issuer_account and claims.issuer not in keys:
        return Problem(
            f"its activation token was signed by {claims.issuer}, which is not a key of the account {exporter.title}",
            said,
        )
    now = tree.servers.now
    if 0 < claims.expires <= now:
        return Problem(f"its activation token expired at {units.show_time(claims.expires)}", said)
    if claims.not_before > now:
        return Problem(f"its activation token is not valid before {units.show_time(claims.not_before)}", said)
    if rules.is_revoked(export.revocations, claims.subject, claims.issued_at):
        return Problem(
            f"its activation token is revoked by the account {exporter.title}",
            Origin(exporter, f"{origin.path}.revocations"),
        )
    return None


def _cyclic(tree: Tree, account: Entry) -> set[str]:
    """The paths of the imports of an account that are part of a cycle."""
    cycles: Cycles | None = tree.memory.get("cycles")
    if cycles is None:
        cycles = tree.memory["cycles"] = Cycles({key: entry.claims for key, entry in tree.accounts.items()})
    memory: dict[str, set[str]] = tree.memory.setdefault("cyclic", {})
    if account.key not in memory:
        memory[account.key] = {issue.path for issue in cycles.issues(account.claims)}
    return memory[account.key]


# ---- what servers import on their own


_JETSTREAM = "$JS.API.>"


def _system_links(tree: Tree, account: Entry) -> Iterator[Link]:
    """registerSystemImports, addSystemAccountExports"""
    key = account.key
    imported = {"$SYS.REQ.USER.INFO": f"$SYS.REQ.USER.{key}.INFO"}
    if key != tree.system_account:
        connections = f"$SYS.REQ.ACCOUNT.{key}.CONNZ"
        imported["$SYS.REQ.ACCOUNT.PING.CONNZ"] = connections
        imported["$SYS.REQ.SERVER.PING.CONNZ"] = connections
        imported["$SYS.REQ.ACCOUNT.PING.STATZ"] = f"$SYS.REQ.ACCOUNT.{key}.STATZ"
    for local, remote in imported.items():
        yield from _implicit_link(tree, account, local, remote)


def _jetstream_links(tree: Tree, account: Entry) -> Iterator[Link]:
    """configJetStream. Servers also answer for accounts without JetStream, unless the account imports the API of another account."""
    if tree.servers.jetstream and account.key != tree.system_account and not _is_shadowed(account):
        yield from _implicit_link(tree, account, _JETSTREAM, _JETSTREAM)


def _implicit_link(tree: Tree, account: Entry, local: str, remote: str) -> Iterator[Link]:
    system = tree.accounts.get(tree.system_account)
    if system is None or account_refusals(tree, account):
        return
    export, origin = _exports_for(tree, system, SERVICE, remote)[0]
    yield Link(
        SERVICE,
        account.key,
        system.key,
        pattern(remote),
        pattern(local),
        Origin(account, ""),
        export,
        origin,
        is_same=local == remote,
        implicit=True,
    )


def _is_shadowed(account: Entry) -> bool:
    """serviceImportShadowed: whether the account has no JetStream of its own and imports the API of another account."""
    body = account_body(account)
    tiers = body.limits.jetstream_tiers.values()
    if any(limit.memory_storage or limit.disk_storage for limit in (*tiers, body.limits.jetstream)):
        return False
    locals_ = [
        with_wildcards(import_subjects(item).local)
        for item in body.imports
        if item is not None and item.type == SERVICE
    ]
    return any(is_subset("$JS.API.INFO", local) for local in locals_)


# ---- subjects on the other side


def remote_subjects(link: Link, local: Pattern) -> list[str]:
    """The subjects that a request may have in the exporting account (processServiceImport)."""
    if link.is_same:
        return [text(local)]
    return [text(link.remote)] if link.transform is None else apply(link.transform, local)


def local_subjects(link: Link, remote: Pattern) -> list[str]:
    """The subjects that a message of a stream may have in the importing account (processMsgResults)."""
    if link.is_same:
        return [text(remote)]
    return [text(link.local)] if link.transform is None else apply(link.transform, remote)


def shadow_of(link: Link, subscription: Pattern) -> Pattern | None:
    """The subscription that a server adds in the exporting account for one in the importing account; None if it adds none (addShadowSubscriptions)."""
    shared = common_pattern(subscription, link.local)
    if shared is None:
        return None
    if contains(subscription, link.local):
        return link.remote
    if link.is_same:
        return shared
    if link.transform is None:
        return link.remote
    try:
        found = apply(reverse(link.transform), shared)
    except ValueError:
        return None
    return pattern(found[0]) if is_valid_subject(found[0]) else None
