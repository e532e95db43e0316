# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The task of nats_store: a whole operator in its store, and seeds that are moved to a vault on the controller."""

from __future__ import annotations

from typing import Any

from ..base.errors import NatsSecurityError
from ..keys.keyring import Keyring
from ..keys.sealing import seal
from ..reconcile.wanted import How
from ..store import apply, layout, report, vaulting
from ..store.document import read_document, read_rotations, read_strict_phase, with_user_keys
from ..store.source import parse_source, read_source
from .running import read_running
from .signer_options import external_signers
from .stores import checked_unsigned_path, lock_timeout, named_store, report_plan, what_waits
from .task import (
    CarefulModule,
    keep_secrets_of,
    now,
    parse_seed,
    refuse_secrets,
)


def store_task(module: CarefulModule) -> dict[str, Any]:
    """Reconcile a store with a document, or remove seeds from its keystore that are in a vault. Returns the result."""
    params = module.params
    timeout = lock_timeout(params)
    if params["vault_file"] is not None:
        raise NatsSecurityError(
            "vault_file: the vault is on the controller, where the action plugin natsops.security.nats_store reads it. Something runs the module without it."
        )
    vault = params["_vault"]
    if vault is not None and vault["digests"] is not None:
        return _take_out(params, vault, timeout)
    return _apply(module, vault, timeout)


def _apply(module: CarefulModule, vault: dict[str, Any] | None, timeout: float) -> dict[str, Any]:
    params = module.params
    definition = params["definition"]
    if definition is None and params["src"] is None:
        raise NatsSecurityError("One of definition and src is needed, and both are null.")
    if params["src"] is not None:
        text = read_source(params["src"])
        keep_secrets_of(module, text)
        definition = parse_source(params["src"], text)
        refuse_secrets(definition, f"src {params['src']}")
    document, problems = read_document(definition)
    problems += with_user_keys(document, params["user_public_keys"])
    document.rotations, wrong = read_rotations(params["rotations"], document, module.check_mode)
    problems += wrong
    document.strict_phase, wrong = read_strict_phase(params["rotations"], document)
    problems += wrong
    document.running = read_running(params["cluster"])
    operator = document.operator.name if document.operator is not None else ""
    where = named_store(params, lambda _unused: operator or "?")
    pairs = [parse_seed(seed, f"seeds[{index}]", "") for index, seed in enumerate(params["seeds"] or ())]
    signers = external_signers(module)
    unsigned_path = checked_unsigned_path(module)
    if vault is not None:
        held = vaulting.read_vault(vault["file"], vault["exists"], vault["seeds"])
        at_hand = Keyring(pairs, [where.keys_dir], signers=signers)
        found, warnings = vaulting.vault_problems(held, where, document, at_hand)
        problems += found
        for text in warnings:
            module.warn(text)
        pairs += held.pairs.values()
    outcome = apply.run(
        document,
        where,
        lambda: Keyring(pairs, [where.keys_dir], signers=signers, asks_elsewhere=bool(unsigned_path)),
        How(now(), params["prune"], module._diff, cut_off=params["cut_off"]),
        apply.Run(module.check_mode or bool(problems), timeout, "nats_store", unsigned_path),
    )
    given = definition if isinstance(definition, dict) else {}
    of = "definition" if params["src"] is None else f"src {params['src']}"
    report_plan(module, where, problems, outcome, {**given, "rotations": params["rotations"]}, of)
    result = report.show_outcome(document, outcome, module._diff)
    if params["return_users"]:
        result["users"] = report.show_users(outcome, params["return_users"])
    if unsigned_path:
        result.update(what_waits(outcome, unsigned_path))
    if vault is not None:
        result.update(_for_vault(module, vault, outcome, where))
    if params["definition"] is not None:
        # Otherwise Ansible returns the whole document, which -vvv shows again.
        known = {name: "(as in the task)" for name in ("definition", "cluster") if params[name] is not None}
        result["invocation"] = {"module_args": {**params, **known}}
    return result


def _for_vault(
    module: CarefulModule, vault: dict[str, Any], outcome: apply.Outcome, where: layout.Layout
) -> dict[str, Any]:
    """A part of the result: the keys whose seeds are moved to the vault, and the seeds, encrypted for the controller."""
    ring = Keyring((), [where.keys_dir])
    keys = vaulting.movable(outcome, ring, module.params["vault_keys"] == "accounts")
    found: dict[str, Any] = {"vault": {"moved": keys}}
    if not module.check_mode:
        transport = bytes.fromhex(vault["transport_key"])
        found["_sealed"] = {key: seal(ring.pair(key).seed, transport, key) for key in keys}
    return found


def _take_out(params: dict[str, Any], vault: dict[str, Any], timeout: float) -> dict[str, Any]:
    digests = vault["digests"]
    vaulting.take_out(named_store(params, lambda _unused: ""), digests, vault["file"], timeout)
    return {"changed": bool(digests)}
