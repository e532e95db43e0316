# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Tasks without files run in the controller's own process, use no host, and have the same results as the module on a host."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from support.plays import Play

from ansible_collections.natsops.security.plugins.module_utils.base.recognition import secrets_in
from ansible_collections.natsops.security.plugins.module_utils.claims import (
    Account,
    Activation,
    Claims,
    Export,
    Operator,
    ScopeTemplate,
    SigningKey,
    User,
)
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

if TYPE_CHECKING:
    from support.sites import Site

DAY = 86400
NOW = int(time.time())
KEYS = {
    name: nkey.create(kind)
    for name, kind in {
        "operator": "operator",
        "other": "operator",
        "account": "account",
        "reader": "account",
        "bearers": "account",
        "importer": "account",
        "user": "user",
    }.items()
}
SCOPES = [
    SigningKey(KEYS["reader"].public_key, role="reader", template=ScopeTemplate()),
    SigningKey(KEYS["bearers"].public_key, role="bearers", template=ScopeTemplate(bearer_token=True)),
]


def token(name: str, signer: str, body: Any, issued: int = NOW - 10, expires: int = 0, of: str = "") -> str:
    """A JWT whose subject is the key named `of`, or `name` if that is empty."""
    claims = Claims(name=name, subject=KEYS[of or name].public_key, body=body, expires=expires)
    return codec.encode(claims, KEYS[signer], issued)


OPERATOR = token("operator", "operator", Operator())
ACCOUNT = token(
    "account",
    "operator",
    Account(signing_keys=SCOPES, exports=[Export(subject="orders", type="service", token_required=True)]),
)
USER = token("user", "account", User())
SOON = token("user", "account", User(), NOW - 80 * DAY, NOW + 10 * DAY)
ACTIVATION = token("importer", "account", Activation(import_subject="orders", import_type="service"))

OF_OPERATOR = {"name": "operator", "key_seed": KEYS["operator"].seed}
OF_ACCOUNT = {
    "name": "account",
    "key_seed": KEYS["account"].seed,
    "signer_seed": KEYS["operator"].seed,
    "operator_jwt": OPERATOR,
    "signing_keys": [
        {"public_key": KEYS["reader"].public_key, "role": "reader", "template": {}},
        {"public_key": KEYS["bearers"].public_key, "role": "bearers", "template": {"bearer_token": True}},
    ],
    "exports": [{"subject": "orders", "type": "service", "token_required": True}],
}
OF_USER = {
    "name": "user",
    "key_seed": KEYS["user"].seed,
    "signer_seed": KEYS["account"].seed,
    "account_jwt": ACCOUNT,
    "operator_jwt": OPERATOR,
}
OF_BEARER = {**OF_USER, "bearer_token": True}
OF_ACTIVATION = {
    "name": "importer",
    "importer": KEYS["importer"].public_key,
    "import_subject": "orders",
    "import_type": "service",
    "signer_seed": KEYS["account"].seed,
    "account_jwt": ACCOUNT,
}

#: The module and options of each case. The names say what the task does: created, kept, changed, renewed or refused.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "nkey: of a seed": ("nkey", {"type": "user", "seed": KEYS["user"].seed}),
    "nkey: lost": ("nkey", {"type": "user"}),
    "nkey: of another type": ("nkey", {"type": "account", "seed": KEYS["user"].seed}),
    "nkey: absent": ("nkey", {"type": "user", "state": "absent"}),
    "nkey: regenerated": ("nkey", {"type": "user", "regenerate": True, "return_seed": True}),
    "operator: created": ("operator", OF_OPERATOR),
    "operator: kept": ("operator", {**OF_OPERATOR, "jwt": OPERATOR}),
    "operator: kept without blanks": ("operator", {**OF_OPERATOR, "jwt": f"\n{OPERATOR}\n"}),
    "operator: changed": ("operator", {**OF_OPERATOR, "jwt": OPERATOR, "tags": ["prod"]}),
    "operator: no key": ("operator", {"name": "operator"}),
    "operator: public key alone": ("operator", {"name": "operator", "public_key": KEYS["operator"].public_key}),
    "operator: of an account": ("operator", {**OF_OPERATOR, "jwt": ACCOUNT}),
    "account: created": ("account", OF_ACCOUNT),
    "account: kept": ("account", {**OF_ACCOUNT, "jwt": ACCOUNT}),
    "account: changed": ("account", {**OF_ACCOUNT, "jwt": ACCOUNT, "limits": {"connections": 10}}),
    "account: of another operator": ("account", {**OF_ACCOUNT, "jwt": token("account", "other", Account())}),
    "account: forced": (
        "account",
        {**OF_ACCOUNT, "force": True, "jwt": token("account", "other", Account(revocations={"*": 1}))},
    ),
    "account: wrong signer": ("account", {**OF_ACCOUNT, "signer_seed": KEYS["other"].seed}),
    "account: bad limits": ("account", {**OF_ACCOUNT, "limits": {"connections": -7}, "mappings": {"a": []}}),
    "account: absent": ("account", {"state": "absent", "jwt": ACCOUNT}),
    "user: created": ("user", {**OF_USER, "permissions": {"publish": {"allow": ["a.>"]}}, "expires_in": "90d"}),
    "user: kept": ("user", {**OF_USER, "jwt": USER}),
    "user: kept without the option": ("user", {**OF_USER, "jwt": USER, "public_key": None}),
    "user: with creds": ("user", {**OF_USER, "jwt": USER, "return_secrets": True}),
    "user: changed": ("user", {**OF_USER, "jwt": USER, "limits": {"subscriptions": 10, "payload": "64KiB"}}),
    "user: renewed": ("user", {**OF_USER, "jwt": SOON, "expires_in": "90d", "renew_before": "14d"}),
    "user: not due": ("user", {**OF_USER, "jwt": SOON, "expires_in": "90d", "renew_before": "7d"}),
    "user: of a role": ("user", {**OF_USER, "signer_seed": KEYS["reader"].seed, "signing_key_role": "reader"}),
    "user: role without an account": ("user", {**OF_USER, "account_jwt": None, "signing_key_role": "reader"}),
    "user: bearer": ("user", {**OF_BEARER, "return_secrets": True}),
    "user: bearer that is lost": ("user", OF_BEARER),
    "user: bearer of a role that is lost": ("user", {**OF_USER, "signer_seed": KEYS["bearers"].seed}),
    "user: of another account": ("user", {**OF_USER, "jwt": token("user", "importer", User())}),
    "user: another user": ("user", {**OF_USER, "key_seed": nkey.create("user").seed, "jwt": USER}),
    "user: jwt is none": ("user", {**OF_USER, "jwt": "none"}),
    "user: mistyped seed": ("user", {**OF_USER, "key_seed": KEYS["user"].seed[:-2] + "AA"}),
    "user: seed as a name": ("user", {**OF_USER, "name": KEYS["user"].seed}),
    "user: creds as jwt": ("user", {**OF_USER, "jwt": decorated.format_creds(USER, KEYS["user"])}),
    "user: two keys": ("user", {**OF_USER, "public_key": KEYS["user"].public_key}),
    "user: unknown option": ("user", {**OF_USER, "permission": {}}),
    "user: no name": ("user", {**OF_USER, "name": None}),
    "user: several mistakes": ("user", {**OF_USER, "expires_in": "soon", "times": [{"start": "8"}]}),
    "user: absent": ("user", {"state": "absent", "jwt": USER}),
    "user: absent already": ("user", {"state": "absent"}),
    "activation: created": ("activation", OF_ACTIVATION),
    "activation: kept": ("activation", {**OF_ACTIVATION, "jwt": ACTIVATION}),
    "activation: changed": ("activation", {**OF_ACTIVATION, "jwt": ACTIVATION, "tags": ["a"]}),
    "activation: no export": ("activation", {**OF_ACTIVATION, "import_subject": "prices"}),
}


class Here(NamedTuple):
    """The results of the controller by case, and whether it ran in check mode."""

    is_check: bool
    results: dict[str, dict[str, Any]]
    output: str


#: The cases that `make test` runs: created, kept, changed, renewed and refused. `make attack` runs all cases, in check mode too.
USUAL = [
    "nkey: lost",
    "operator: created",
    "operator: kept without blanks",
    "account: changed",
    "account: forced",
    "account: bad limits",
    "user: created",
    "user: with creds",
    "user: renewed",
    "user: bearer that is lost",
    "user: creds as jwt",
    "user: unknown option",
    "activation: changed",
]


def loops() -> list[dict[str, Any]]:
    """A task for each module, which loops over its cases."""
    found: dict[str, list[dict[str, Any]]] = {}
    for module, options in CASES.values():
        found.setdefault(module, []).append({name: value for name, value in options.items() if value is not None})
    return [
        {
            "name": module,
            f"natsops.security.nats_{module}": {},
            "args": "{{ item }}",
            "loop": items,
            "loop_control": {"label": "one"},
            "ignore_errors": True,
            "register": f"of_{module}",
        }
        for module, items in found.items()
    ]


def comparable(result: dict[str, Any], module: str) -> dict[str, Any]:
    """A result without values that differ in every run, and without fields that Ansible adds on the controller."""
    left_out = (
        "ansible_loop_var",
        "item",
        "_ansible_item_label",
        "failed_when_result",
        "invocation",
        "module",
        "exception",
        "deprecations",
        "_ansible_no_log",
        "ignore_errors",
        "_ansible_new_secrets",
    )
    found = {name: value for name, value in result.items() if name not in left_out}
    found = {"changed": False, "failed": False, **found}
    warnings = found.get("warnings") or ()
    found["warnings"] = [one["event"]["msg"] if isinstance(one, dict) else str(one) for one in warnings]
    for name in ("jwt", "token", "creds"):
        if found.get(name):
            claims = codec.decode(decorated.token_in(found[name]))
            found[name] = {
                **vars(claims),
                "body": repr(claims.body),
                "id": "",
                "issued_at": 0,
                "expires": bool(claims.expires),
            }
    text = json.dumps(found, default=str, sort_keys=True)
    text = text.replace("(basic.py) module", f"({module}) module")
    return json.loads(re.sub(r"20\d\d-\d\d-\d\dT[\d:]+Z", "TIME", text))


@pytest.fixture(
    scope="module", params=[False, pytest.param(True, marks=pytest.mark.attack)], ids=["real run", "check mode"]
)
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, collections_path: Any) -> Here:
    """All cases in one play."""
    play = Play(tmp_path_factory.mktemp("play"), collections_path)
    # What tasks register: ansible-core 2.22 masks secrets in what callbacks receive.
    path = play.folder / "registered.json"
    registered = ", ".join(f"'{task['name']}': {task['register']}.results" for task in loops())
    write = {"content": "{{ {" + registered + "} | to_json }}", "dest": str(path), "mode": "0600"}
    run = play(
        [*loops(), {"ansible.builtin.copy": write, "check_mode": False, "diff": False}],
        "--diff",
        *(["--check"] if request.param else []),
    )
    results = {module: iter(found) for module, found in json.loads(path.read_text()).items()}
    return Here(request.param, {name: next(results[module]) for name, (module, _options) in CASES.items()}, run.output)


@pytest.mark.parametrize(
    "name", [name if name in USUAL else pytest.param(name, marks=pytest.mark.attack) for name in CASES]
)
def test_the_controller_does_what_the_module_does(name: str, played: Here, site: Site) -> None:
    module, options = CASES[name]
    given = {option: value for option, value in options.items() if value is not None}
    there = comparable(site.start(module, given, check=played.is_check), f"natsops.security.nats_{module}")
    here = comparable(played.results[name], f"natsops.security.nats_{module}")
    # Ansible prints the warnings of loop items and removes them from their results.
    for warning in there.pop("warnings"):
        assert re.sub(r"\s", "", warning) in re.sub(r"\s", "", played.output)
    assert {**here, "warnings": []} == {**there, "warnings": []}
    assert list(site.folder.iterdir()) == []
    if not options.get("return_secrets") and not options.get("return_seed"):
        assert secrets_in(json.dumps({**played.results[name], "item": None})) == []


def test_content_needs_no_host_and_files_do(play: Play) -> None:
    of_nowhere = {"delegate_to": "nowhere", "become": True, "environment": {"PATH": "/nowhere"}}
    nowhere = {
        "ansible_connection": "ssh",
        "ansible_ssh_executable": "/bin/false",
        "ansible_python_interpreter": "/nowhere",
    }
    scope = [{"public_key": KEYS["reader"].public_key, "role": "{% raw %}{{ role }}{% endraw %}", "template": {}}]
    listed = {**OF_ACCOUNT, "signing_keys": [{"path": str(play.folder / "signing.nk")}]}
    run = play(
        [
            {"add_host": {"name": "nowhere", **nowhere}},
            {"name": "content", "natsops.security.nats_user": OF_USER, **of_nowhere},
            {
                "name": "file",
                "natsops.security.nats_user": {**OF_USER, "jwt_path": "/tmp/u.jwt"},
                "ignore_unreachable": True,
                **of_nowhere,
            },
            {"name": "file in a list", "natsops.security.nats_account": listed},
            {
                "name": "template",
                "natsops.security.nats_account": {**OF_ACCOUNT, "signing_keys": scope},
                "register": "made",
            },
            {
                "name": "once",
                "debug": {"msg": "{{ made.signing_keys[0].role }} {{ made.claims.signing_keys[0].role }}"},
            },
            {"name": "async", "natsops.security.nats_user": OF_USER, "async": 30, "poll": 1},
        ],
        role="evaluated twice",
    )
    assert run.tasks["content"]["changed"], run.output
    assert "UNREACHABLE" in run.output
    assert "file" not in run.tasks
    assert (
        run.tasks["file in a list"]["signing_keys"][0]["public_key"]
        == decorated.seed_in((play.folder / "signing.nk").read_text()).public_key
    )
    assert run.tasks["once"]["msg"] == "{{ role }} {{ role }}"
    assert run.tasks["async"]["changed"]


#: Where no process of a module can start, because it has no place for its files.
NO_PROCESS = {"ansible_remote_tmp": "/dev/null/tmp"}
#: Tasks on files of the signing host, in an order in which each finds what it needs.
ON_FILES = {
    "nkey": {"path": "o.nk", "type": "operator"},
    "operator": {"name": "O", "key_path": "o.nk", "jwt_path": "o.jwt"},
    "account": {"name": "A", "key_path": "a.nk", "jwt_path": "a.jwt", "signer_path": "o.nk"},
    "user": {"name": "u", "key_path": "u.nk", "jwt_path": "u.jwt", "signer_path": "a.nk", "account_jwt_path": "a.jwt"},
    "creds": {"path": "u.creds", "jwt_path": "u.jwt", "key_path": "u.nk"},
    "jwt_info": {"jwt_path": "u.jwt"},
    "store": {
        "stores_dir": "stores",
        "keys_dir": "keys",
        "definition": {"operator": {"name": "S"}, "accounts": [{"name": "A", "users": [{"name": "u"}]}]},
    },
    "store_info": {"stores_dir": "stores", "keys_dir": "keys"},
    "revocation": {
        "stores_dir": "stores",
        "keys_dir": "keys",
        "store": "S",
        "account": "A",
        "revocations": [{"user": KEYS["user"].public_key}],
    },
}


def test_files_of_this_host_are_used_without_a_process_and_with_one(play: Play) -> None:
    def tasks(how: str, **more: Any) -> list[dict[str, Any]]:
        return [
            {"name": f"{module} {how}", f"natsops.security.nats_{module}": options, **more}
            for module, options in ON_FILES.items()
        ]

    foreseen = play(tasks("here", vars=NO_PROCESS), "--check", "--diff")
    assert foreseen.returncode == 0, foreseen.output
    run = play([*tasks("here", vars=NO_PROCESS), *tasks("as a process", environment={"A": "b"})])
    assert run.returncode == 0, run.output
    read_only = ("jwt_info", "store_info")
    assert run.changed == {
        **{f"{module} here": module not in read_only for module in ON_FILES},
        **{f"{module} as a process": False for module in ON_FILES},
    }
    assert foreseen.changed.items() <= run.changed.items()
    # Relative paths are those of the playbook's folder, where Ansible starts processes.
    assert (play.folder / "u.creds").read_text().startswith("-----BEGIN NATS USER JWT-----")


@pytest.mark.parametrize(
    "how",
    [
        {"environment": {"A": "b"}},
        {"become": True},
        {"vars": {"ansible_python_interpreter": "/usr/bin/env python3"}},
        {"async": 30, "poll": 1},
        {"delegate_to": "other"},
    ],
    ids=lambda how: next(iter(how)),
)
def test_a_task_that_asks_for_another_process_gets_one(how: dict[str, Any], play: Play) -> None:
    asked = {**how, "vars": {**NO_PROCESS, **how.get("vars", {})}}
    other = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/env python3", **NO_PROCESS}
    run = play(
        [
            {"add_host": {"name": "other", **other}},
            {
                "name": "elsewhere",
                "natsops.security.nats_nkey": {"path": "o.nk", "type": "operator"},
                "ignore_unreachable": True,
                "ignore_errors": True,
                **asked,
            },
        ]
    )
    assert not run.changed.get("elsewhere"), run.output
    assert not (play.folder / "o.nk").exists()


@pytest.mark.attack
def test_keys_and_jwts_follow_from_each_other_without_a_file(play: Play) -> None:
    def made(kind: str) -> dict[str, Any]:
        return {
            "name": f"key of {kind}",
            "natsops.security.nats_nkey": {"type": kind, "return_seed": True},
            "register": f"{kind}_key",
        }

    user = {
        "name": "orders",
        "key_seed": "{{ user_key.seed }}",
        "signer_seed": "{{ account_key.seed }}",
        "account_jwt": "{{ account.jwt | default(omit, true) }}",
        "expires_in": "90d",
        "return_secrets": True,
    }
    tasks = [
        *map(made, ("operator", "account", "user")),
        {
            "name": "operator",
            "natsops.security.nats_operator": {"name": "ACME", "key_seed": "{{ operator_key.seed }}"},
            "register": "operator",
        },
        {
            "name": "account",
            "natsops.security.nats_account": {
                "name": "APP",
                "key_seed": "{{ account_key.seed }}",
                "signer_seed": "{{ operator_key.seed }}",
                "operator_jwt": "{{ operator.jwt | default(omit, true) }}",
            },
            "register": "account",
        },
        {"name": "user", "natsops.security.nats_user": user, "register": "user"},
        {"name": "again", "natsops.security.nats_user": {**user, "jwt": "{{ user.jwt | default(omit, true) }}"}},
    ]
    predicted = play(tasks, "--check")
    assert predicted.returncode == 0, predicted.output
    real = play(tasks)
    assert real.returncode == 0, real.output
    assert {**predicted.changed, "again": False} == real.changed  # check mode has no JWT to continue with
    assert predicted.tasks["user"]["jwt"] is None
    claims = codec.decode(decorated.find_token(real.tasks["user"]["creds"]))
    assert (claims.name, claims.issuer) == ("orders", real.tasks["key of account"]["public_key"])
