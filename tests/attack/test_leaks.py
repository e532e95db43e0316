# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A seed in any option of any module, in any form, is neither in the module's result nor in the system log.

Every option and suboption of every module is tried, and options that do not exist. Forms and places are combined in turn; with NATSOPS_EVERY_FORM=1
every form is tried in every place. Runs on the ansible-core in use, or on all versions listed in NATSOPS_ANSIBLE_CORES, see .ci/cores.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import pathlib
import re
import shutil
import textwrap
import urllib.parse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.declarations import MODULES, options_of
from support.plays import cores
from support.sites import Modules

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import decorated

if TYPE_CHECKING:
    from support.sites import Site

EVERY_FORM = bool(os.environ.get("NATSOPS_EVERY_FORM"))


class Leaks:
    """Whether a text contains any 20 consecutive characters of a secret. Independent of how the collection recognises secrets."""

    def __init__(self, *secrets: str) -> None:
        # The first characters of a seed show only its type. Other JWTs may share everything but the signature with this one.
        secrets = tuple(secret.rpartition(".")[2] for secret in secrets)
        self.parts = {secret[at : at + 20].lower() for secret in secrets for at in range(5, len(secret) - 20)}

    def __call__(self, text: str) -> bool:
        words = re.sub(r"\\[nrt]|[\s\\]", "", text).lower()
        return any(part in words for part in self.parts)


def forms(pair: nkey.KeyPair, token: str) -> dict[str, str]:
    """A seed in the forms in which users have it, by name."""
    seed, creds = pair.seed, decorated.format_creds(token, pair)
    return {
        "seed": seed,
        "creds": creds,
        "creds in JSON": json.dumps({"creds": creds}),
        "creds in a string of JSON in JSON": json.dumps(json.dumps(creds)),
        "after a letter": "n" + seed,
        "between letters": f"AB{seed}Y7",
        "after a digit": f"1{seed}",
        "in a path": f"/etc/nats/{seed}.nk",
        "in a URL": f"nats://{seed}@127.0.0.1:1",
        "in lower case": seed.lower(),
        "without its beginning": seed[2:],
        "without its end": seed[:-2],
        "mistyped": seed[:20] + ("B" if seed[20] == "A" else "A") + seed[21:],
        "private key": pair.private_key,
        "wrapped": "\n  ".join(textwrap.wrap(seed, 20)),
        "wrapped in YAML": '"' + "\\\n   ".join(textwrap.wrap(seed, 20)) + '"',
        "base64 of creds": base64.b64encode(creds.encode()).decode(),
        "lines of base64": base64.encodebytes(creds.encode()).decode(),
        "quoted for a URL": urllib.parse.quote(creds),
        "template": "{{ '" + seed + "' }}",
        "twice": f"{seed} {seed}",
        "bearer": token,
    }


#: Values in which a secret does not belong, for options of any type. None is the place of the secret, as a value or a name.
WRONG: dict[str, Any] = {
    "a list": [None],
    "a name": {None: "x"},
    "a member": {"x": None},
    "deep inside": [{"x": [{"y": None}, {None: [None]}]}],
}


def inside(option: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each suboption of an option with the secret as its value, and all of them together, as pairs of a label and a value."""
    suboptions = option.get("options") or {}
    needed = {name: (spec.get("choices") or ["a"])[0] for name, spec in suboptions.items() if spec.get("required")}
    for name, suboption in suboptions.items():
        for label, value in [("", None), *inside(suboption)]:
            item = {**needed, name: value}
            yield f".{name}{label}", [item] if option.get("elements") == "dict" else item
    if suboptions:
        item = dict.fromkeys(suboptions)
        yield ".*", [item] if option.get("elements") == "dict" else item


def placements(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The places of a secret in the options of a module, valid or not, as pairs of a label and options."""
    wrong = itertools.cycle(WRONG.items())
    for number, (option, spec) in enumerate(options_of(name).items()):
        yield option, {option: None}
        places = list(inside(spec))
        for label, value in places if EVERY_FORM else places[-3:]:
            yield option + label, {option: value}
        for label, value in WRONG.items() if EVERY_FORM else [next(wrong)] if number % 2 else []:
            yield f"{option} as {label}", {option: value}
    yield "an unknown option", {"unknown": None}
    yield "the name of an option", {None: "x"}
    yield "name and value", {None: {None: None}}


def put(value: Any, secret: str) -> Any:
    """The value with the secret in place of each None."""
    if value is None:
        return secret
    if isinstance(value, list):
        return [put(item, secret) for item in value]
    if isinstance(value, dict):
        return {put(name, secret): put(item, secret) for name, item in value.items()}
    return value


def good_options(acme: Site) -> dict[str, dict[str, Any]]:
    """Options by module with which it runs up to a late step."""
    operator = {"operator_jwt_path": acme / "acme.jwt"}
    signer = {"signer_path": acme / "app-signing.nk", "account_jwt_path": acme / "app.jwt"}
    account = {"name": "APP", "key_path": acme / "app.nk", "jwt_path": acme / "app.jwt"}
    store = {"stores_dir": acme / "stores", "keys_dir": acme / "keys"}
    cluster = {
        "servers": ["nats://127.0.0.1:1"],
        "creds_path": acme / "u.creds",
        "connect_timeout": "1s",
        "timeout": "1s",
    }
    importer = {"importer": acme.key("app.nk").public_key, "import_subject": "orders.create", "import_type": "service"}
    return {
        "nats_nkey": {"path": acme / "new.nk", "type": "user"},
        "nats_operator": {"name": "ACME", "key_path": acme / "acme.nk", "jwt_path": acme / "acme.jwt"},
        "nats_account": {**account, **operator, "signer_path": acme / "acme-signing.nk"},
        "nats_user": {"name": "u", "key_path": acme / "u.nk", "creds_path": acme / "u.creds", **signer},
        "nats_activation": {"jwt_path": acme / "new.jwt", **signer, **importer},
        "nats_creds": {"path": acme / "u.creds", "jwt_path": acme / "u.creds", "key_path": acme / "u.nk"},
        "nats_credentials": {
            "users": [{"account": "APP", "name": "u", "path": acme / "app.creds"}],
            "state": "prepared",
        },
        "nats_creds_info": {"paths": [acme / "u.creds"], "servers": ["nats://127.0.0.1:1"], "connect_timeout": "1s"},
        "nats_jwt_info": {"jwt_path": acme / "u.creds", "parents": [{"jwt_path": acme / "app.jwt"}]},
        "nats_store": {
            **store,
            "definition": {"operator": {"name": "O"}, "accounts": [{"name": "A", "users": [{"name": "u"}]}]},
        },
        "nats_store_info": {**store, "store": "O"},
        "nats_revocation": {
            "jwt_path": acme / "app.jwt",
            **operator,
            "signer_path": acme / "acme-signing.nk",
            "revocations": [{"user": "*"}],
        },
        "nats_rebuild": {**store, "paths": [acme / "acme.jwt", acme / "app.jwt", acme / "app.nk"]},
        "nats_connections": {**cluster, "account": acme.key("app.nk").public_key},
        "nats_diagnose": {**cluster, "user_creds_path": acme / "u.creds"},
        "nats_resolver": {**cluster, "jwt_paths": [acme / "app.jwt"]},
        "nats_resolver_info": {**cluster, "jwt_paths": [acme / "app.jwt"]},
        "nats_policy": {"jwt_paths": [acme / "app.jwt"], "fail_on": "none", "return_reports": ["junit", "sarif"]},
        "nats_report": {"jwt_paths": [acme / "app.jwt"], "json_path": acme / "r.json", "html_path": acme / "r.html"},
    }


@pytest.fixture(scope="module", params=cores(), ids=lambda path: path.parent.name)
def every_core(request: pytest.FixtureRequest, collections_path: pathlib.Path) -> Iterator[Modules]:
    """A process that runs modules, on each of the ansible-core versions."""
    started = Modules(collections_path, request.param / "python")
    yield started
    started.stop()


@pytest.fixture
def bearer(acme: Site) -> tuple[nkey.KeyPair, str]:
    """The key and the JWT of a bearer user that is in no file."""
    pair = nkey.create("user")
    token = acme.make_jwt("bearer.jwt", "user", pair.public_key, acme.key("app.nk"), {"bearer_token": True})
    (acme.folder / "bearer.jwt").unlink()
    return pair, token


def shown_by(modules: Modules, name: str, options: dict[str, Any]) -> str:
    """Everything that a module prints and logs."""
    _unused, output, log = modules.run(name, options)
    result = json.loads(output)
    assert "Traceback" not in output + log, output + log
    assert "This is a fault of natsops.security" not in output, output
    assert isinstance(result, dict)
    return json.dumps(result, ensure_ascii=False) + log


#: The modules that `make test` runs; `make attack` runs all.
USUAL = ("nats_user", "nats_store", "nats_resolver")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in USUAL else pytest.mark.attack) for name in MODULES]
)
def test_secret_in_any_option_is_neither_shown_nor_logged(
    acme: Site, every_core: Modules, bearer: tuple[nkey.KeyPair, str], name: str
) -> None:
    pair, token = bearer
    secrets = forms(pair, token)
    leaks = Leaks(pair.seed, pair.private_key, token, secrets["mistyped"])
    encoded = Leaks(secrets["base64 of creds"])
    base = good_options(acme).get(name, {})
    context = {"_ansible_diff": True, "_ansible_remote_tmp": str(acme.folder)}
    tried = 0
    leaked = []
    turns = itertools.cycle(secrets)
    for label, place in placements(name):
        for form in secrets if EVERY_FORM else [next(turns)]:
            options = {**base, **put(place, secrets[form]), **context, "_ansible_check_mode": tried % 2 == 0}
            shown = shown_by(every_core, name, options)
            tried += 1
            if leaks(shown) or ("base64" in form and encoded(shown)):
                leaked.append(f"{form} in {label}")
    assert leaked == []
    assert tried > len(options_of(name))


# ---- documents and files

DOCUMENT = """
operator: {name: O, tags: [one], operator_service_urls: ["nats://one:4222"]}
accounts:
  - name: A
    description: text
    signing_keys: [{role: main, template: {permissions: {publish: {allow: ["a.>"]}}}}]
    exports: [{subject: b.>, type: stream, name: b, info_url: "https://one"}]
    mappings: {c: [{subject: d}]}
    revocations: {}
    users:
      - {name: u, tags: [two], source_networks: ["192.0.2.0/24"], times: []}
"""


def everywhere(value: Any) -> Iterator[Any]:
    """Variants of the document: None in place of each string, as an additional item of each list, and as an additional name in each dictionary."""
    if isinstance(value, str):
        yield None
    elif isinstance(value, list):
        for index, item in enumerate(value):
            for changed in everywhere(item):
                yield [*value[:index], changed, *value[index + 1 :]]
        yield [*value, None]
    elif isinstance(value, dict):
        for name, item in value.items():
            for changed in everywhere(item):
                yield {**value, name: changed}
        yield {**value, None: "x"}


def test_secret_anywhere_in_a_document_is_refused_and_not_shown(
    acme: Site, every_core: Modules, bearer: tuple[nkey.KeyPair, str]
) -> None:
    secrets = forms(*bearer)
    leaks = Leaks(bearer[0].seed, bearer[0].private_key, bearer[1], secrets["mistyped"], secrets["base64 of creds"])
    unsure = {"without its end", "mistyped", "bearer"}  # masked, but may be accepted as a name
    turns = itertools.cycle(secrets)
    store = {"stores_dir": acme / "stores", "keys_dir": acme / "keys"}
    for document in everywhere(yaml.safe_load(DOCUMENT)):
        form = next(turns)
        changed = put(document, secrets[form])
        as_json, as_yaml = (
            acme.write("d.json", json.dumps(changed)),
            acme.write("d.yml", yaml.safe_dump(changed, width=40)),
        )
        for source in ({"definition": changed}, {"src": as_json}, {"src": as_yaml}):
            shown = shown_by(every_core, "nats_store", {**store, **source, "_ansible_diff": True})
            assert not leaks(shown), f"{form} in {document}"
            if form not in unsure:
                assert '"failed": true' in shown, f"{form} in {document}"
                assert not (acme.folder / "keys").exists(), f"{form} in {document}"
        for folder in ("stores", "keys"):
            shutil.rmtree(acme.folder / folder, ignore_errors=True)


@pytest.mark.parametrize(
    "text",
    [
        "operator: {name: O}\naccounts: [%s\n",
        "operator: &%s {name: O}\naccounts: *%sx\n",
        "operator: !%s {name: O}\n",
        "operator: {name: O}\n%s\naccounts: []\n",
        "operator: 'O\n%s\n",
        "%s: &a [*a]\n",
        "operator: {name: O}  # %s\naccounts: [\n",
        '{"operator": {"name": "%s", }}',
        '{"%s": 1, "%s": 2}',
        "operator: {name: O, %s: 1, %s: 2}",
        "\x00%s",
        "%s",
    ],
)
def test_document_that_does_not_parse_shows_nothing_of_its_secrets(acme: Site, every_core: Modules, text: str) -> None:
    seed = nkey.create("operator").seed
    for secret in (seed, seed[:-3], f"n{seed}"):
        for name in ("d.yml", "d.json"):
            source = acme.write(name, text.replace("%s", secret))
            options = {"src": source, "stores_dir": acme / "stores", "keys_dir": acme / "keys"}
            assert not Leaks(seed)(shown_by(every_core, "nats_store", options)), secret


@pytest.mark.attack
def test_secrets_in_names_of_files_and_in_files_of_another_kind_are_not_shown(
    acme: Site, every_core: Modules, bearer: tuple[nkey.KeyPair, str]
) -> None:
    seed = bearer[0].seed
    leaks = Leaks(seed, bearer[1])
    store = {"stores_dir": acme / "stores", "keys_dir": acme / "keys"}
    document = {"operator": {"name": "O"}, "accounts": [{"name": "A", "users": [{"name": "u"}]}]}
    assert acme.run("store", **store, definition=document)["changed"]
    folder = acme.folder / "stores/O/accounts"
    shutil.copytree(folder / "A", folder / seed)
    (folder / "A/users" / f"{seed}.jwt").write_text(bearer[1])
    (folder / "A/users/foreign.jwt").write_text(decorated.format_creds(bearer[1], bearer[0]))
    (acme.folder / "stores" / f"n{seed}").mkdir()
    for name, options in (
        ("nats_store", {**store, "definition": document, "prune": True}),
        ("nats_store_info", {**store, "store": "O"}),
        ("nats_store_info", store),
    ):
        assert not leaks(shown_by(every_core, name, {**options, "_ansible_diff": True, "_ansible_check_mode": True}))

    base = good_options(acme)
    for text in (
        seed,
        decorated.format_creds(bearer[1], bearer[0]),
        bearer[1],
        f"x{seed}\n",
        f'{{"seed": "{seed}\\n"}}',
    ):
        path = acme.write("odd", text)
        for name, options in base.items():
            spec = options_of(name)
            for option in [option for option, value in spec.items() if value.get("type") == "path"]:
                shown = shown_by(
                    every_core, name, {**options, option: path, "_ansible_check_mode": True, "_ansible_diff": True}
                )
                assert not leaks(shown), f"{option} of {name}"


def test_mistyped_seed_is_masked_in_a_tag_too(acme: Site) -> None:
    """Tags are in lower case in claims."""
    seed = nkey.create("user").seed
    mistyped = seed[:20] + ("B" if seed[20] == "A" else "A") + seed[21:]
    shown = str(acme.check("user", **good_options(acme)["nats_user"], tags=[mistyped]))
    assert not [form for form in (mistyped, mistyped.lower()) if form in shown], shown
    assert "'tags': ['********']" in shown

    document = {"operator": {"name": "OTHER"}, "accounts": [{"name": "A", "tags": [mistyped]}]}
    src = acme.write("document.json", json.dumps(document))
    stores = {name: good_options(acme)["nats_store"][name] for name in ("stores_dir", "keys_dir")}
    result = acme.check("store", **stores, src=src)
    assert not [form for form in (mistyped, mistyped.lower()) if form in str(result)], result
    assert "********" in str(result["diff"])


# ---- what secrets must not do


def test_short_values_of_secret_options_mask_nothing_else(acme: Site) -> None:
    options = {"path": acme / "a.nk", "type": "account", "seed": "a"}
    message = acme.refuse("nkey", **options)
    assert message == "seed: There is no seed in it."
    assert acme.start("nkey", options)["invocation"]["module_args"]["path"] == options["path"]
    assert acme.start("nkey", options)["invocation"]["module_args"]["seed"] == "********"
