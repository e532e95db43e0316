# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The task of nats_report: a report on a document, a store, tokens or a cluster as HTML, JSON and metrics, and the changes since an earlier report."""

from __future__ import annotations

from typing import Any, Iterator

from ..base.errors import Missing, NatsSecurityError
from ..claims import Account, Operator
from ..keys.keyring import Keyring
from ..policy.checking import check
from ..reconcile.rotation import role_of
from ..reconcile.trust import Named
from ..report import found_changes, metrics, model, page
from ..report.comparison import read_comparison
from ..report.found_entities import SigningKeys
from ..store import apply, reading
from ..store.layout import only_store
from ..store.record import verified
from . import access_tasks
from .policy import policy_of, rules_spec
from .report_files import MAX_REPORT, ReportFile, write_reports
from .stores import lock_timeout, named_store
from .task import CarefulModule

#: The maximum number of changes in a diff.
_SHOWN = 200
#: The options that name files to write.
WRITES = ("html_path", "json_path", "metrics_path")


def report_spec() -> dict[str, Any]:
    """The options in addition to those of the source."""
    return {
        **rules_spec(),
        "keys_dir": {"type": "path", "no_log": False},
        "comparison": {"type": "dict"},
        "previous_path": {"type": "path"},
        "html_path": {"type": "path"},
        "json_path": {"type": "path"},
        "metrics_path": {"type": "path"},
    }


def report_task(module: CarefulModule) -> dict[str, Any]:
    """Create the model, write the requested files, and return what changed."""
    params = module.params
    policy = policy_of(module)
    comparison = None if params["comparison"] is None else read_comparison(params["comparison"], "comparison")
    previous = _previous(module, "previous_path", is_required=True)
    source = access_tasks.read_source_of(module)
    tree = source.tree(access_tasks.servers_of(module))
    beside = model.Beside(_signing_keys(module), comparison)
    # Names in claims may be arbitrary text, and Ansible does not mask secrets in files.
    made = module.hide_secrets_in(source.readable(model.make_model(tree, check(tree, policy), beside)))
    changed = _changes_since(module, previous, made)
    for problem in made["problems"]:
        module.warn(problem)
    return {
        **_counts(made),
        "changes": [_shown(change) for change in changed or ()],
        "problems": made["problems"],
        **write_reports(module, list(_files(module, made, None if previous is None else changed, changed))),
        **_invocation(params),
    }


def _invocation(params: dict[str, Any]) -> dict[str, Any]:
    """The result `invocation` without the document and the comparison, which may be large and which Ansible would otherwise return for -vvv."""
    short = {name: "(as in the task)" for name in ("definition", "comparison") if params[name] is not None}
    return {"invocation": {"module_args": {**params, **short}}} if short else {}


def _counts(made: dict[str, Any]) -> dict[str, Any]:
    comparison = made["comparison"]
    return {
        "accounts": len(made["accounts"]),
        "users": len(made["users"]),
        "findings": sum(finding["count"] for finding in made["findings"]),
        "differences": None
        if comparison is None
        else len(comparison["differences"]) + sum(len(account["differences"]) for account in comparison["accounts"]),
    }


def _shown(change: found_changes.Change) -> dict[str, str]:
    return {"kind": change.kind, "about": change.about, "text": change.text}


# ---- sources


def _signing_keys(module: CarefulModule) -> SigningKeys:
    """The role, the generation and the presence of the seed of each signing key, from a store and its keystore."""
    params = module.params
    if params["keys_dir"] is None:
        return {}
    if params["store"] is None and params["stores_dir"] is None:
        raise NatsSecurityError("keys_dir: the keystore of a store; give stores_dir or store too.")
    where = named_store(params, only_store)
    with apply.lock(where, lock_timeout(params), create=False, shared=True):
        ring = Keyring((), [where.keys_dir])
        return dict(_roles(verified(reading.read_store(where), Named(), ring.has), ring))


def _roles(store: reading.Store, ring: Keyring) -> Iterator[tuple[str, dict[str, Any]]]:
    for stored in (store.operator, *store.accounts.values()):
        if stored is None:
            continue
        body: Operator | Account = stored.claims.body
        keys = body.signing_keys if isinstance(body, Operator) else [key.key for key in body.signing_keys]
        record = store.role_keys(stored.claims.subject)
        for key in keys:
            role, generation = role_of(record, key)
            yield key, {"name": role, "generation": generation, "seed": ring.has(key)}


def _previous(module: CarefulModule, option: str, is_required: bool) -> dict[str, Any] | None:
    """An earlier report; None if there is none, or if it cannot be read and is not required."""
    path = module.params[option]
    if path is None:
        return None
    text = module.snapshot.read(path, f"{option}: the report", MAX_REPORT)
    if text is None:
        if is_required:
            raise Missing(f"{option}: there is no file {path}.")
        return None
    try:
        return model.read_model(text, f"{option} {path}")
    except NatsSecurityError:
        if is_required:
            raise
        return None


def _changes_since(
    module: CarefulModule, previous: dict[str, Any] | None, made: dict[str, Any]
) -> list[found_changes.Change] | None:
    """The changes since the earlier report, or since the one that is replaced; None if neither can be read."""
    if previous is not None:
        return found_changes.changes(previous, made)
    replaced = _previous(module, "json_path", is_required=False)
    try:
        return None if replaced is None else found_changes.changes(replaced, made)
    except NatsSecurityError:
        return None


# ---- files


def _files(
    module: CarefulModule,
    made: dict[str, Any],
    in_page: list[found_changes.Change] | None,
    since: list[found_changes.Change] | None,
) -> Iterator[ReportFile]:
    difference = _difference(since)
    params = module.params
    if params["html_path"] is not None:
        shown = None if in_page is None else [_shown(change) for change in in_page]
        text = module.hide_secrets(page.page(made, shown))
        yield ReportFile("html_path", text, page.is_page, difference)
    if params["json_path"] is not None:
        yield ReportFile("json_path", module.hide_secrets(model.to_json(made)), model.is_model, difference)
    if params["metrics_path"] is not None:
        text = module.hide_secrets(metrics.metrics(made))
        yield ReportFile("metrics_path", text, lambda old: old.startswith(metrics.BEGINNING))


def _difference(since: list[found_changes.Change] | None) -> str:
    """The changes as text, shown as the diff instead of megabytes of JSON."""
    if since is None:
        return "a new report\n"
    if not since:
        return "nothing that it is about changed\n"
    more = [f"and {len(since) - _SHOWN} more"] if len(since) > _SHOWN else []
    return "\n".join([*map(str, since[:_SHOWN]), *more]) + "\n"
