# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Runs a module for one token as a document with one entity: its options are the wanted state, its paths the place, its seeds the available keys."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Sequence

from ..base.errors import NatsSecurityError
from ..claims import Account, Claims, ScopeTemplate, SigningKey
from ..claims.comparison import show_claims
from ..claims.options import Problem, argument_spec, element_path, read_options, with_names
from ..decision.issue import Decision
from ..keys.new import NewKey, Placeholder, read_new_key
from ..reconcile.engine import reconcile
from ..reconcile.place import Found, Trust, UserFiles
from ..reconcile.plan import Plan, Step
from ..reconcile.signing import claims_of_step, sign_step, with_keys
from ..reconcile.wanted import ENVELOPE, EXISTING, POLICY, How, Wanted, WantedAccount, WantedKey
from ..rules import token_issues
from ..rules.trust import foreign, keys_of, signing_keys_of
from ..token import codec, decorated
from .task import CarefulModule, now
from .tokens import (
    Key,
    Signer,
    Source,
    contact_signers,
    key_file,
    parse_public_key,
    require_jwt_for_folder,
    write_file,
    write_key,
)

if TYPE_CHECKING:
    from .unsigned import Asked


@dataclasses.dataclass
class Single:
    """The place of a module: its token, the parent JWTs, and a creds file, each at a path of its own."""

    operator: Found | None = None
    accounts: dict[str, Found] = dataclasses.field(default_factory=dict)
    users: dict[str, str] = dataclasses.field(default_factory=dict)
    creds: dict[str, str] = dataclasses.field(default_factory=dict)
    roles: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    is_managed: bool = False
    problems: list[Problem] = dataclasses.field(default_factory=list)
    trust: Trust | None = None

    @property
    def started(self) -> dict[str, dict[str, str]]:
        """The keys that a killed run had started to create. A module for one token finds them at their paths, so there are none here."""
        return {}

    def user_files(self, account: str) -> UserFiles:
        """The files of the user, if there are any."""
        return UserFiles(dict.fromkeys(self.users), frozenset(self.creds))

    def user_text(self, account: str, user: str) -> str | None:
        """The JWT of the user; None if there is none."""
        return self.users.get(user)

    def read_user(self, account: str, user: str) -> Found | Problem | None:
        """None: there are no users except the one that the task names."""
        return None

    def creds_text(self, account: str, user: str) -> str | None:
        """The text of the creds file; None if there is none."""
        return self.creds.get(user)

    def where(self, account: str = "", user: str = "", creds: bool = False) -> str:
        """Empty: messages are about the only entity, so they do not name a file."""
        return ""

    def file_reasons(self, path: str) -> tuple[str, ...]:
        """Empty: Ansible's own options set the attributes of files."""
        return ()


# ---- from options to the wanted state


def options_of(module: CarefulModule, body: type) -> dict[str, Any]:
    """The options that describe a token: its claims, its envelope, its expiry and its renewal. Raises NatsSecurityError if an option is invalid."""
    problems: list[Problem] = []
    read_options(
        body, {word: module.params.get(word) for word in argument_spec(body) if word != "signing_keys"}, "", problems
    )
    report(module, problems, ())
    options = {word: module.params.get(word) for word in (*argument_spec(body), *ENVELOPE, *POLICY)}
    return _with_placeholders(options) if module.check_mode else options


def _with_placeholders(value: Any) -> Any:
    """The options, with texts that earlier tasks of the play returned in check mode turned into placeholders."""
    if isinstance(value, str):
        return read_new_key(value) or value
    if isinstance(value, list):
        return [_with_placeholders(item) for item in value]
    if isinstance(value, dict):
        return {_with_placeholders(key): _with_placeholders(item) for key, item in value.items()}
    return value


class Listed(NamedTuple):
    """The signing keys that a task lists: the keys, and the wanted state of each."""

    keys: list[Key]
    wanted: list[WantedKey]


def listed_keys(module: CarefulModule, key_type: str) -> Listed:
    """The signing keys that a task lists by path or by public key. A key whose file is missing is created."""
    listed = Listed([], [])
    for index, item in enumerate(module.params["signing_keys"] or ()):
        where = element_path("signing_keys", index, item)
        if item.get("path") is not None:
            key = key_file(module, item["path"], f"{where}.path", key_type)
        else:
            key = parse_public_key(module, item["public_key"], f"{where}.public_key", key_type)
        rest = {name: value for name, value in item.items() if name not in ("path", "public_key", "role")}
        listed.keys.append(key)
        listed.wanted.append(WantedKey(where, item.get("role") or "", key.planned, rest))
    return listed


class Above(NamedTuple):
    """The account that issues a user or activation, and the signer."""

    name: str
    found: Found
    signer: Signer


def account_above(module: CarefulModule, found: Found | None, signing: Signer) -> Above:
    """The account that issues a token, from its JWT. Without a JWT, only its public key is known: that of the option `account`, or the key that signs."""
    if found is not None:
        return Above(found.claims.name or found.claims.subject, found, signing)
    role, path = module.params.get("signing_key_role"), module.params["account_jwt_path"]
    if role is not None and path is None:
        raise NatsSecurityError(
            "signing_key_role needs account_jwt_path or account_jwt: the roles are in the account's JWT."
        )
    require_jwt_for_folder(module, signing, found)
    account = module.params["account"]
    if path is not None:  # in check mode, if an earlier task of the play would create the account
        subject: str = NewKey("account", f"of {path}")
    else:
        subject = parse_public_key(module, account, "account", "account").planned if account else signing.named
    # Only scopes have roles.
    template = ScopeTemplate() if role is not None else None
    keys = [] if subject == signing.named else [SigningKey(key=signing.named, role=role or "", template=template)]
    claims = Claims(name=subject, subject=subject, body=Account(signing_keys=keys))
    return Above(subject, Found("", claims), signing)


def existing_account(above: Above, users: Sequence[Any]) -> WantedAccount:
    """An account that is left unchanged, with the wanted state of its users."""
    return WantedAccount("", above.name, "", "", EXISTING, [], list(users), {})


# ---- the existing token


class Existing(NamedTuple):
    """The existing token, if its parent signed it. `replaces` is the reason for replacing it entirely; empty if it is kept, corrected or missing."""

    found: tuple[str, Claims] | None
    replaces: str = ""

    def reasons(self, decided: Sequence[str]) -> list[str]:
        """The reasons for which a token is issued."""
        return [self.replaces] if self.replaces else [*decided]


class Parent(NamedTuple):
    """The parent that must have signed an existing token: its title and its keys. `keys` is None if an earlier task would create the JWT of the parent."""

    name: str
    keys: frozenset[str] | None


def parent_of(module: CarefulModule, kind: str, found: Found | None, keys: Sequence[str]) -> Parent:
    """The parent of a task, from its JWT and the `keys` that the task names, such as the one that signs."""
    if not (found and found.token) and module.params[f"{kind}_jwt_path"] is not None:
        return Parent(kind, None)
    named = frozenset(filter(None, keys))
    if found is None:
        return Parent("task", named)
    return Parent(f"{kind} {found.claims.name or found.claims.subject}", keys_of(found.claims) | named)


def ours(
    module: CarefulModule, source: Source, existing: tuple[str, Claims] | None, parent: Parent, subject: str
) -> Existing:
    """The existing token if a key of its parent signed it. Raises NatsSecurityError for any other token.

    With `force`, a token for the subject is replaced regardless of its signer, and nothing is taken over from it.
    """
    if existing is None or parent.keys is None or existing[1].issuer in parent.keys:
        return Existing(existing)
    claims = existing[1]
    if claims.subject != subject:
        return Existing(existing)  # the engine reports it and leaves the file unchanged
    fault = foreign(claims.subject, claims.issuer, parent.name, parent.keys)
    if not module.params["force"]:
        kept = f"{source.path} is left unchanged: " if source.path is not None else ""
        way_out = "move the file away" if source.path is not None else "omit the option"
        raise NatsSecurityError(
            f"{source.option}: {kept}{fault}. If that is an earlier key of yours, {way_out} or set force=true: then a JWT is issued "
            "that takes over nothing from this one, no revocation and no signing key."
        )
    lost = [*signing_keys_of(claims), *getattr(claims.body, "revocations", ())]
    if lost:
        where = f" in {source.path}" if source.path is not None else ""
        module.warn(
            f"{source.option}: nothing was taken over from the JWT{where}, whose signer {claims.issuer} is not a key of the {parent.name}. "
            f"It has signing keys and revocations: {', '.join(lost)}. The new one has only those that the task lists."
        )
    return Existing(None, f"force is set, and {fault}")


# ---- deciding


def decide(module: CarefulModule, wanted: Wanted, place: Single, signing: Signer) -> Plan:
    """The plan of a module. Raises NatsSecurityError with all problems, and shows the warnings."""

    def plan_at(time: int) -> Plan:
        how = How(time, diff=True, may_come=module.check_mode, details=True)
        return reconcile(wanted, place, signing.ring, how, signing.named)

    plan = plan_in_time(module, signing, plan_at)
    report(module, plan.problems, plan.warnings)
    return plan


def plan_in_time(module: CarefulModule, signing: Signer, plan_at: Callable[[int], Plan]) -> Plan:
    """The plan for the current time, or for the time of the document if the token waits there for a key elsewhere."""
    signing.ring.asks_elsewhere = signing.asks
    if not signing.asks:
        return plan_at(now())
    from . import unsigned  # few tasks have keys elsewhere

    return unsigned.plan_in_time(module, plan_at)


def report(module: CarefulModule, problems: Sequence[Problem], warnings: Sequence[Problem]) -> None:
    """Raise NatsSecurityError with all problems, or show the warnings."""
    if problems:
        raise NatsSecurityError(" ".join(map(_sentence, with_names(dict.fromkeys(problems), module.params))))
    for warning in with_names(dict.fromkeys(warnings), module.params):
        module.warn(_sentence(warning))


def _sentence(problem: Problem) -> str:
    text = str(problem)
    is_option = "_" in text.partition(" ")[0]
    return text if problem.path or is_option else text[:1].upper() + text[1:]


# ---- signing and results


class Signed(NamedTuple):
    """The resulting token and its claims. The token is None if check mode would sign one, or if it waits for a key elsewhere."""

    token: str | None
    claims: Claims
    is_kept: bool
    asked: Asked | None = None  # the request, if the token waits


def sign(module: CarefulModule, step: Step, keys: Sequence[Key], signing: Signer) -> Signed:
    """The token of a step: the existing one if it is kept, or a new one. `keys` are those of the task, including new ones."""
    if not step.is_issued and step.found is not None:
        return Signed(step.found.token.strip(), step.claims, True)
    if signing.asks and not signing.ring.has(step.issuer) and not _is_own(step.issuer, keys):
        return _waiting(module, step, keys, signing)
    contact_signers(signing.ring, [step.issuer])
    if module.check_mode:
        return Signed(None, step.claims, False)
    for key in keys:
        if key.pair is not None and key.pair.has_seed:
            signing.ring.add(key.pair)
    token = sign_step(step, signing.ring, made_of(keys))
    return Signed(token, codec.decode(token), False)


def _is_own(issuer: str, keys: Sequence[Key]) -> bool:
    """Whether the issuer is a key of the task whose seed is available."""
    return any(issuer == key.planned and (key.is_new or (key.pair is not None and key.pair.has_seed)) for key in keys)


def _waiting(module: CarefulModule, step: Step, keys: Sequence[Key], signing: Signer) -> Signed:
    """The request for a token that a key elsewhere has to sign."""
    from .unsigned import asked_for  # few tasks have keys elsewhere

    is_made = not any(key.is_new and key.pair is None for key in keys)
    claims = claims_of_step(step, signing.ring, made_of(keys)) if is_made else step.claims
    existing = step.found.token if step.found is not None else None
    asked = asked_for(module, claims, with_keys(step.decision.reasons, made_of(keys)), existing, is_made)
    return Signed(None, claims, False, asked)


def unsigned_result(module: CarefulModule, signed: Signed, keys: Sequence[Key], result: dict[str, Any]) -> bool:
    """If the token waits for a key elsewhere, write new keys and the document with the request, and complete the result.

    Returns whether the token waits. The caller then does nothing else.
    """
    if module.params.get("unsigned_path") is None:
        return False
    result["unsigned"] = signed.asked.result() if signed.asked is not None else None
    if signed.asked is None:
        return False
    changed = False
    for key in keys:
        changed |= write_key(module, key)
    is_new = signed.asked.write()
    result.update(changed=changed or is_new, jwt=None)
    if not is_new:
        result.update(reasons=[], diff={"before": {}, "after": {}})
    return True


def note_return(module: CarefulModule, signed: Signed, paths: Sequence[str | None], result: dict[str, Any]) -> None:
    """Add a reason to the result if a token was signed elsewhere and is about to be written."""
    if module.params.get("unsigned_path") is None or signed.token is None or not signed.is_kept:
        return
    texts = [module.snapshot.read(path) for path in paths if path is not None] or [module.params.get("jwt")]
    if any(text is None or signed.token not in text for text in texts):
        result["reasons"] = [*result["reasons"], "it was signed elsewhere"]


def made_of(keys: Sequence[Key]) -> dict[Placeholder, str]:
    """The public keys of new keys, by their placeholders. Empty in check mode."""
    return {
        key.placeholder: key.pair.public_key
        for key in keys
        if key.is_new and key.pair is not None and isinstance(key.placeholder, Placeholder)
    }


def result_of(module: CarefulModule, decision: Decision, signed: Signed, keys: Sequence[Key]) -> dict[str, Any]:
    """The result that all modules for tokens have in common. The diff is the same in check mode and in the real run: it has placeholders for new keys.

    The reasons have the keys themselves once they exist. `keys` are those of the task.
    """
    shown = show_claims(signed.claims)
    if signed.token is None:
        # In check mode, or while it waits, there is no token yet, so its times are unknown.
        shown = {name: value for name, value in shown.items() if name not in ("issued_at", "expires")}
    else:
        for found in token_issues(signed.claims.kind, signed.token):
            module.warn(str(found))
    diff = {"before": decision.before, "after": decision.after}
    return {"claims": shown, "reasons": with_keys(decision.reasons, made_of(keys)), "diff": diff}


def put_in_place(module: CarefulModule, keys: Sequence[Key], signed: Signed, result: dict[str, Any]) -> dict[str, Any]:
    """Write new keys and then the token to jwt_path, and return the result. In this order, the next run completes one that was killed in between.

    Without jwt_path, the token is only in the result.
    """
    if unsigned_result(module, signed, keys, result):
        return result
    note_return(module, signed, [module.params["jwt_path"]], result)
    changed = not signed.is_kept
    for key in keys:
        changed |= write_key(module, key)
    if module.params["jwt_path"] is not None:
        mode = module.params["mode"] or "0644"
        changed |= write_file(module, module.params["jwt_path"], signed.token or "", mode, result)
    else:
        changed |= is_other(module, signed)
    result.update(changed=changed, jwt=signed.token)
    return result


def is_other(module: CarefulModule, signed: Signed) -> bool:
    """Whether the resulting token differs from the one in the option `jwt`, regardless of text around that one."""
    given = module.params["jwt"]
    return signed.token is None or given is None or decorated.token_in(given) != signed.token


def plan_of(plan: Plan, step: Step | None) -> Step:
    """The step of a plan without problems. Raises NatsSecurityError if there is none."""
    if step is None:
        raise NatsSecurityError(f"There is nothing to decide for: {plan.entities}.")
    return step


def user_step(plan: Plan, account: str, user: str, existing: tuple[str, Claims] | None) -> Step:
    """The step for the one user of a plan without problems."""
    decision = plan.details[account, user]
    return Step(Found(*existing) if existing is not None else None, decision, decision.claims.issuer, True)
