# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A model as metrics in the Prometheus text format, for the textfile collector of node_exporter.

Times are absolute, in Unix seconds, so an unchanged system always has the same metrics.
"""

from __future__ import annotations

from typing import Any, Iterator, Mapping, NamedTuple

from .found_entities import title_of

Model = Mapping[str, Any]

#: The beginning of every metrics file.
BEGINNING = "# HELP nats_jwt_expires_timestamp_seconds "


class Sample(NamedTuple):
    """One value with its labels."""

    labels: dict[str, str]
    value: int


class Metric(NamedTuple):
    """A gauge with its samples."""

    name: str
    help: str
    samples: Iterator[Sample]


def metrics(model: Model) -> str:
    """The text of all metrics."""
    return "".join(_text(metric) for metric in _metrics(model))


def _metrics(model: Model) -> Iterator[Metric]:
    yield Metric(
        "nats_jwt_expires_timestamp_seconds",
        "When a JWT expires, in unix seconds. JWTs that never expire have none.",
        _expiries(model),
    )
    yield Metric("nats_jwts", "How many JWTs there are, by kind, and whether they expire.", _counts(model))
    yield Metric("nats_account_users", "How many users an account has.", _users(model))
    yield Metric("nats_account_exports", "How many exports an account has.", _exports(model))
    yield Metric("nats_account_imports", "How many imports an account has, by whether they work.", _imports(model))
    yield Metric("nats_users_refused", "How many users servers always refuse.", _refused(model))
    yield Metric(
        "nats_policy_findings", "How many findings a rule has, without those excepted.", _rules(model, "findings")
    )
    yield Metric(
        "nats_policy_findings_excepted", "How many findings of a rule are excepted.", _rules(model, "excepted")
    )
    yield Metric(
        "nats_report_problems",
        "What could not be read or is not available.",
        iter([Sample(_base(model), len(model["problems"]))]),
    )
    if model["comparison"] is not None:
        yield Metric(
            "nats_servers_seen",
            "How many servers answered.",
            iter([Sample(_base(model), len(model["comparison"]["servers"]))]),
        )
        yield Metric(
            "nats_servers_differences",
            "How many differences there are between servers, or from the store.",
            _drift(model),
        )


def _base(model: Model) -> dict[str, str]:
    return {"operator": "" if model["operator"] is None else model["operator"]["name"]}


def _expiries(model: Model) -> Iterator[Sample]:
    for labels, entity in _entities(model):
        if entity.get("expires"):
            yield Sample(labels, entity["expires"])


def _entities(model: Model) -> Iterator[tuple[dict[str, str], Model]]:
    base = _base(model)
    if model["operator"] is not None:
        operator = model["operator"]
        yield (
            {**base, "kind": "operator", "account": "", "name": operator["name"], "public_key": operator["key"]},
            operator,
        )
    for account in model["accounts"]:
        name = account["name"]
        yield {**base, "kind": "account", "account": name, "name": name, "public_key": account["key"]}, account
    for user in model["users"]:
        account_name = title_of(model["accounts"], user)[: -len(user["name"]) - 1]
        yield {**base, "kind": "user", "account": account_name, "name": user["name"], "public_key": user["key"]}, user


def _counts(model: Model) -> Iterator[Sample]:
    operator = [model["operator"]] if model["operator"] is not None else []
    for kind, entities in (("operator", operator), ("account", model["accounts"]), ("user", model["users"])):
        ending = sum(1 for entity in entities if entity.get("expires") or entity.get("expires_in"))
        yield Sample({**_base(model), "kind": kind, "expires": "yes"}, ending)
        yield Sample({**_base(model), "kind": kind, "expires": "never"}, len(entities) - ending)


def _of_account(model: Model, account: Model) -> dict[str, str]:
    return {**_base(model), "account": account["name"], "public_key": account["key"]}


def _users(model: Model) -> Iterator[Sample]:
    counts = [0] * len(model["accounts"])
    for user in model["users"]:
        if user["account"] is not None:
            counts[user["account"]] += 1
    for account, count in zip(model["accounts"], counts):
        yield Sample(_of_account(model, account), count)


def _exports(model: Model) -> Iterator[Sample]:
    for account in model["accounts"]:
        yield Sample(_of_account(model, account), len(account.get("exports", ())))


def _imports(model: Model) -> Iterator[Sample]:
    words = {True: "yes", None: "unknown", False: "no"}
    counts = [dict.fromkeys(words.values(), 0) for _account in model["accounts"]]
    for link in model["links"]:
        counts[link["to"]][words[link.get("works", True)]] += 1
    for account, found in zip(model["accounts"], counts):
        for word, count in found.items():
            yield Sample({**_of_account(model, account), "works": word}, count)


def _refused(model: Model) -> Iterator[Sample]:
    yield Sample(_base(model), sum(1 for user in model["users"] if user.get("refused")))


def _rules(model: Model, word: str) -> Iterator[Sample]:
    for rule in model["rules"]:
        yield Sample({**_base(model), "rule": rule["id"], "level": str(rule["level"])}, rule[word])


def _drift(model: Model) -> Iterator[Sample]:
    comparison = model["comparison"]
    count = len(comparison["differences"]) + sum(len(account["differences"]) for account in comparison["accounts"])
    yield Sample(_base(model), count)


# ---- the text format


def _text(metric: Metric) -> str:
    """The lines of a metric. If samples have the same labels, only the first one is used."""
    lines: dict[str, int] = {}
    for labels, value in metric.samples:
        lines.setdefault(",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items()), value)
    written = "".join(f"{metric.name}{{{labels}}} {value}\n" for labels, value in lines.items())
    return f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} gauge\n{written}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
