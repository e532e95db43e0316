# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What changed between two models, as sentences. Entities are matched by their public keys."""

from __future__ import annotations

from typing import Any, Iterator, Mapping, NamedTuple

from ..base import units
from ..base.errors import NatsSecurityError
from .found_entities import title_of

ADDED, REMOVED, CHANGED = "added", "removed", "changed"


class Change(NamedTuple):
    """One change: its kind, the entity that it is about, and the rest of the sentence about it."""

    kind: str
    about: str
    text: str

    def __str__(self) -> str:
        return f"{self.about} {self.text}"


Model = Mapping[str, Any]


def changes(before: Model, after: Model) -> list[Change]:
    """Everything that changed. NatsSecurityError if the earlier model, which comes from a file, is damaged."""
    try:
        return _changes(before, after)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise NatsSecurityError(
            f"The earlier report is damaged ({type(error).__name__}: {error}); write it again."
        ) from None


def _changes(before: Model, after: Model) -> list[Change]:
    return [
        *_operator(before, after),
        *_accounts(before, after),
        *_links(before, after),
        *_users(before, after),
        *_findings(before, after),
        *_servers(before, after),
    ]


def _new_and_gone(before: Mapping[Any, str], after: Mapping[Any, str], words: tuple[str, str]) -> Iterator[Change]:
    """The added and removed things. `before` and `after` have their names, by identifiers; `words` are the texts for added and removed."""
    for key, name in after.items():
        if key not in before:
            yield Change(ADDED, name, words[0])
    for key, name in before.items():
        if key not in after:
            yield Change(REMOVED, name, words[1])


# ---- the operator and accounts


def _operator(before: Model, after: Model) -> Iterator[Change]:
    old, new = ({one["key"]: one} if one else {} for one in (before["operator"], after["operator"]))
    yield from _new_and_gone(_titled(old, "operator"), _titled(new, "operator"), ("was added", "was removed"))
    for key in new.keys() & old.keys():
        yield from _entity(f"operator {new[key]['name']}", old[key], new[key])
        names = [_account_name(model, model["operator"]["system_account"]) for model in (before, after)]
        if names[0] != names[1]:
            yield Change(
                CHANGED, f"operator {new[key]['name']}", f"has the system account {names[1]}, before {names[0]}"
            )


def _account_name(model: Model, number: int | None) -> str:
    return "none" if number is None else model["accounts"][number]["name"]


def _titled(entities: Mapping[str, Any], word: str) -> dict[str, str]:
    return {key: f"{word} {one['name']}" for key, one in entities.items()}


def _accounts(before: Model, after: Model) -> Iterator[Change]:
    old, new = ({account["key"]: account for account in model["accounts"]} for model in (before, after))
    yield from _new_and_gone(_titled(old, "account"), _titled(new, "account"), ("was added", "was removed"))
    for key, account in new.items():
        if key in old:
            yield from _account(f"account {account['name']}", old[key], account)


def _account(name: str, old: Model, new: Model) -> Iterator[Change]:
    yield from _entity(name, old, new)
    exports = [{_export(one): _export(one) for one in account.get("exports", ())} for account in (old, new)]
    for change in _new_and_gone(exports[0], exports[1], ("exports", "no longer exports")):
        yield Change(change.kind, name, f"{change.text} {change.about}")
    for word, label in (("mappings", "maps"), ("refused", "is refused by servers")):
        if old.get(word, []) != new.get(word, []):
            yield Change(CHANGED, name, f"{label}: {_listed(new.get(word))}, before {_listed(old.get(word))}")
    for word, label in (("connections", "connections"), ("jetstream", "JetStream"), ("revoked", "revocations")):
        if old.get(word, 0) != new.get(word, 0):
            yield Change(CHANGED, name, f"has {label}: {_number(new.get(word, 0))}, before {_number(old.get(word, 0))}")


def _number(value: int | bool) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "unlimited" if value == units.UNLIMITED else str(value)


def _listed(values: Any) -> str:
    return ", ".join(map(str, values or ())) or "nothing"


def _export(export: Model) -> str:
    return f"the {'private ' if export.get('private') else ''}{export['type']} {export['subject']}"


def _entity(name: str, old: Model, new: Model) -> Iterator[Change]:
    """The changes of what the operator and accounts have in common."""
    if old["name"] != new["name"]:
        yield Change(CHANGED, name, f"was called {old['name']}")
    yield from _end(name, old, new)
    keys = [{one["key"]: _signing_key(one) for one in entity.get("signing_keys", ())} for entity in (old, new)]
    for change in _new_and_gone(keys[0], keys[1], ("has the new signing key", "no longer has the signing key")):
        yield Change(change.kind, name, f"{change.text} {change.about}")
    if old.get("tags", []) != new.get("tags", []):
        yield Change(CHANGED, name, f"has the tags {_listed(new.get('tags'))}, before {_listed(old.get('tags'))}")


def _signing_key(key: Model) -> str:
    return f"{key['role']} ({key['key']})" if key.get("role") else str(key["key"])


def _end(name: str, old: Model, new: Model) -> Iterator[Change]:
    ends = [_expires(one) for one in (old, new)]
    if ends[0] != ends[1]:
        yield Change(CHANGED, name, f"expires {ends[1]}, before {ends[0]}")


def _expires(entity: Model) -> str:
    if entity.get("expires"):
        return units.show_time(entity["expires"])
    if entity.get("expires_in"):
        return f"{units.show_seconds(entity['expires_in'])} after it is issued"
    return "never"


# ---- imports


def _links(before: Model, after: Model) -> Iterator[Change]:
    old, new = ({_link_key(model, link): link for link in model["links"]} for model in (before, after))
    for key, link in new.items():
        name = f"account {_account_name(after, link['to'])}"
        if key not in old:
            yield Change(ADDED, name, f"imports {_import(after, link)}")
        elif _state(link) != _state(old[key]):
            yield Change(CHANGED, name, f"imports {_import(after, link)}, which {_state(link)}")
    for key, link in old.items():
        if key not in new:
            name = f"account {_account_name(before, link['to'])}"
            yield Change(REMOVED, name, f"no longer imports {_import(before, link)}")


def _link_key(model: Model, link: Model) -> tuple[Any, ...]:
    exporter = link["from"]
    key = link.get("from_key") if exporter is None else model["accounts"][exporter]["key"]
    return (model["accounts"][link["to"]]["key"], key, link["type"], link["subject"], link.get("local"))


def _import(model: Model, link: Model) -> str:
    exporter = link["from"]
    name = link.get("from_key") if exporter is None else model["accounts"][exporter]["name"]
    return f"the {link['type']} {link['subject']} of {name}"


def _state(link: Model) -> str:
    if "works" not in link:
        return "works now"
    words = "may not work" if link["works"] is None else "does not work"
    return f"{words}: {'; '.join(link.get('problems', ()))}"


# ---- users


def _users(before: Model, after: Model) -> Iterator[Change]:
    old, new = ({_user_key(model, user): (model, user) for user in model["users"]} for model in (before, after))
    names = [{key: f"user {_title(*one)}" for key, one in users.items()} for users in (old, new)]
    yield from _new_and_gone(names[0], names[1], ("was added", "was removed"))
    for key, (model, user) in new.items():
        if key in old:
            yield from _user(f"user {_title(model, user)}", old[key], (model, user))


def _title(model: Model, user: Model) -> str:
    return title_of(model["accounts"], user)


def _user_key(model: Model, user: Model) -> tuple[str, str]:
    number = user["account"]
    return (user.get("account_key", "") if number is None else model["accounts"][number]["key"], user["key"])


def _user(name: str, before: tuple[Model, Model], after: tuple[Model, Model]) -> Iterator[Change]:
    old, new = before[1], after[1]
    if old["name"] != new["name"]:
        yield Change(CHANGED, name, f"was called {old['name']}")
    yield from _end(name, old, new)
    for word, label in (("scope", "the scope"), ("tags", "the tags")):
        if old.get(word) != new.get(word):
            values = [_listed([one[word]] if isinstance(one.get(word), str) else one.get(word)) for one in (new, old)]
            yield Change(CHANGED, name, f"has {label} {values[0]}, before {values[1]}")
    if bool(old.get("bearer")) != bool(new.get("bearer")):
        yield Change(CHANGED, name, "is a bearer now" if new.get("bearer") else "is not a bearer any more")
    may = [_permissions(*one) for one in (before, after)]
    for word in ("publish", "receive"):
        if may[0].get(word) != may[1].get(word):
            yield Change(
                CHANGED, name, f"may {word} {_subjects(may[1].get(word))}, before {_subjects(may[0].get(word))}"
            )
    refused = [
        _listed(model["refusals"][number] for number in user.get("refused", ())) for model, user in (after, before)
    ]
    if bool(new.get("refused")) != bool(old.get("refused")):
        words = f"cannot connect: {refused[0]}" if new.get("refused") else f"can connect; before: {refused[1]}"
        yield Change(CHANGED, name, words)


def _permissions(model: Model, user: Model) -> Model:
    number = user.get("permissions")
    found: Model = {} if number is None else model["permissions"][number]
    return found


def _subjects(terms: Any) -> str:
    said = (one if isinstance(one, str) else f"{one[0]} but not {' or '.join(one[1:])}" for one in terms or ())
    return ", ".join(said) or "nothing"


# ---- findings and servers


def _findings(before: Model, after: Model) -> Iterator[Change]:
    old, new = (dict.fromkeys(_finding_keys(model)) for model in (before, after))
    yield from (
        Change(ADDED, name, f"breaks {rule}: {text}") for name, rule, text in new if (name, rule, text) not in old
    )
    yield from (
        Change(REMOVED, name, f"no longer breaks {rule}: {text}")
        for name, rule, text in old
        if (name, rule, text) not in new
    )


def _finding_keys(model: Model) -> Iterator[tuple[str, str, str]]:
    for finding in model["findings"]:
        for name in _about(model, finding):
            yield name, finding["rule"], finding["text"]


def _about(model: Model, finding: Model) -> list[str]:
    found = [f"operator {model['operator']['name']}"] if finding.get("operator") and model["operator"] else []
    found += [f"account {model['accounts'][number]['name']}" for number in finding.get("accounts", ())]
    found += [f"user {_title(model, model['users'][number])}" for number in finding.get("users", ())]
    return [*found, *finding.get("others", ())] or [finding["rule"]]


def _servers(before: Model, after: Model) -> Iterator[Change]:
    old, new = (dict.fromkeys(_drift(model["comparison"])) for model in (before, after))
    yield from (Change(ADDED, name, f"has the new difference: {line}") for name, line in new if (name, line) not in old)
    yield from (
        Change(REMOVED, name, f"no longer has the difference: {line}") for name, line in old if (name, line) not in new
    )


def _drift(comparison: Model | None) -> Iterator[tuple[str, str]]:
    if comparison is not None:
        yield from (("the cluster", line) for line in comparison["differences"])
        for account in comparison["accounts"]:
            name = f"account {account['name'] or account['key']} on servers"
            yield from ((name, line) for line in account["differences"])
