# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""`natsops-jwt explain` describes any file and prints no secret; its exit code shows whether servers would accept the file."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import time

import pytest
from conftest import VECTORS, Explained

from natsops_jwt import Account, Operator, explain, nkey
from natsops_jwt.core.claims import Claims, Generic
from natsops_jwt.core.claims.authorization import AuthorizationRequest, ConnectOptions, ServerID
from natsops_jwt.core.token import codec, decorated

YEAR = 365 * 86400
TEMPLATE = {"permissions": {"publish": {"allow": ["sensors.{{name()}}"], "deny": ["sensors.x"]}}, "bearer_token": True}


@pytest.fixture
def scoped() -> nkey.KeyPair:
    return nkey.create("account")


@pytest.fixture
def rich(operator: Operator, scoped: nkey.KeyPair) -> Account:
    """Return an account with limits, an export, a scoped signing key and a tag."""
    return operator.account(
        "APP",
        limits={"connections": 100, "jetstream": {"disk_storage": "10GiB"}},
        exports=[{"subject": "orders.>", "type": "stream", "token_required": True, "name": "o"}],
        signing_keys=[{"key": scoped.public_key, "role": "sensor", "template": TEMPLATE}],
        tags=["prod"],
    )


def put(folder: pathlib.Path, text: str, name: str = "file") -> pathlib.Path:
    path = folder / name
    path.write_bytes(text.encode("utf-8"))
    path.chmod(0o600)
    return path


# ---- kinds of files


def test_creds(tmp_path: pathlib.Path, account: Account) -> None:
    worker = account.user("worker", permissions={"publish": {"allow": ["a", "b.>"], "deny": ["b.c"]}}, expires_in="90d")
    found = Explained(put(tmp_path, worker.creds))
    assert (found.code, found.errors) == (0, "")
    assert found.text.splitlines()[0] == 'creds of a user "worker"'
    assert found.line("public key") == worker.public_key
    assert found.line("account") == account.public_key
    assert found.line("signed by") == f"{account.public_key}, the account's own key"
    assert found.line("may publish") == "a, b.>; not b.c"
    assert found.line("may subscribe") == "everything"
    assert found.line("valid until").endswith("89d23h") or found.line("valid until").endswith("90d")
    assert "only the signature" in found.line("verified")


def test_operator_account_and_activation(tmp_path: pathlib.Path, operator: Operator, rich: Account) -> None:
    found = Explained(put(tmp_path, decorated.decorate_token(operator.jwt)))
    assert (found.code, found.text.splitlines()[0]) == (0, 'JWT of an operator "ACME"')
    assert (found.line("signed by"), found.line("accounts")) == ("itself", "signed by its own key")
    assert found.line("valid until") == "it never expires"

    found = Explained(put(tmp_path, rich.jwt), "--operator", put(tmp_path, operator.jwt, "o"))
    assert (found.code, found.text.splitlines()[0]) == (0, 'JWT of an account "APP"')
    assert found.line("signed by") == f"{operator.public_key} (ACME)"
    assert "connections 100" in found.text
    assert "disk storage 10GiB" in found.text
    assert "subject orders.>" in found.line("exports")
    assert "sensors.{{name()}}" in found.line("signing keys")
    assert found.line("tags") == "prod"
    assert found.line("verified").endswith("the operator ACME")

    other = operator.account("OTHER")
    token = rich.activation(other.public_key, "orders.>", "stream", expires_in="1h")
    found = Explained(put(tmp_path, token), "--account", put(tmp_path, rich.jwt, "a"))
    assert (found.code, found.text.splitlines()[0]) == (0, 'JWT of an activation "orders.>"')
    assert found.line("for") == other.public_key
    assert found.line("of") == f"{rich.public_key} (APP)"
    assert found.line("may") == "import and receive the stream orders.>"


@pytest.mark.parametrize("key_type", nkey.KEY_TYPES)
def test_seeds_and_public_keys(tmp_path: pathlib.Path, key_type: str) -> None:
    pair = nkey.create(key_type)
    texts = [pair.seed, pair.seed + "\n", "\ufeff" + pair.seed + "\r\n"]
    texts += [decorated.decorate_seed(pair.seed)] if key_type in ("operator", "account", "user") else []
    for text in texts:
        found = Explained(put(tmp_path, text))
        assert found.code == 0
        assert found.text.startswith(f"a private key (seed) of {'an' if key_type[0] in 'oa' else 'a'} {key_type}\n")
        assert found.line("public key") == pair.public_key
    found = Explained("-", stdin=pair.public_key + "\n")
    assert (found.code, found.line("public key")) == (0, pair.public_key)
    found = Explained("-", stdin=pair.private_key)
    assert (found.code, found.text.splitlines()[0]) == (0, "a private key of NATS")


def test_scoped_users(tmp_path: pathlib.Path, rich: Account, scoped: nkey.KeyPair) -> None:
    path = put(tmp_path, rich.with_key(scoped).user("t1", tags=["room:5"]).creds)
    found = Explained(path)
    assert found.code == 0
    assert found.line("permissions") == "none of its own: those of the signing key, which are in the JWT of the account"
    assert found.line("account") == rich.public_key
    assert found.line("signed by") == f"{scoped.public_key}, a signing key of the account"
    assert "may publish" not in found.text
    found = Explained(path, "--account", put(tmp_path, rich.jwt, "a"))
    assert found.code == 0
    assert found.line("permissions") == "those of the signing key, by its scope sensor in the account:"
    assert found.line("may publish") == "sensors.{{name()}}; not sensors.x"
    assert found.line("bearer").startswith("yes")
    assert found.line("signed by").endswith("(role sensor)")


def test_other_rights_of_a_user(account: Account) -> None:
    user = account.user(
        "u",
        permissions={"subscribe": {"allow": ["s q"]}, "response": {"max_messages": 3, "expires": "5s"}},
        limits={"payload": "1MiB"},
        source_networks=["10.0.0.0/8"],
        times=[{"start": "08:00:00", "end": "18:00:00"}],
        bearer_token=True,
        allowed_connection_types=["MQTT"],
    )
    found = Explained("-", stdin=user.jwt)
    assert found.code == 0
    assert found.line("may publish") == "only answers"
    assert found.line("may subscribe") == "s q"
    assert found.line("may answer") == "requests that it receives (max messages 3, expires 5s)"
    assert found.line("bearer") == "yes: clients connect with the JWT alone, without the seed"
    assert found.line("limits") == "payload 1MiB"
    assert found.line("source networks") == "10.0.0.0/8"
    assert found.line("times") == "start 08:00:00, end 18:00:00"
    assert found.line("allowed connection types") == "MQTT"


def test_tokens_of_other_types(account: Account) -> None:
    server, user = nkey.create("server"), nkey.create("user")
    password = "open sesame"
    body = AuthorizationRequest(server=ServerID(name="n", host="h", id=server.public_key), user_nkey=user.public_key)
    body.connect_options = ConnectOptions(user="u", password=password, jwt=account.user("x", bearer_token=True).jwt)
    request = codec.encode(Claims(subject=user.public_key, audience="nats-authorization-request", body=body), server, 1)
    for arguments in ((), ("--json",)):
        found = Explained("-", *arguments, stdin=request)
        assert password not in found.text
        assert "eyJ" not in found.text
    assert found.json()["type"] == "authorization_request"
    own = codec.encode(Claims(subject=user.public_key, name="o", body=Generic({"x": 1.0})), account.key, 1)
    assert Explained("-", stdin=own).text.startswith('JWT of a type that NATS does not know "o"')


def test_version_1_is_read() -> None:
    for record in json.loads((VECTORS / "misc.json").read_text(encoding="utf-8"))["version_1_tokens"]:
        assert Explained("-", "--json", stdin=record["token"]).json()["version"] == 1


# ---- validity


def test_times(tmp_path: pathlib.Path, account: Account) -> None:
    now = int(time.time())
    path = put(tmp_path, account.user("u", not_before=now + 3600, expires_at=now + YEAR).creds)
    found = Explained(path)
    assert found.code == 1
    assert "in 59m" in found.line("valid from") or "in 1h" in found.line("valid from")
    assert "is not valid before" in found.line("NOT VALID")
    assert Explained(path, "--at", "+2h").code == 0
    found = Explained(path, "--at", "+366d")
    assert (found.code, ", EXPIRED " in found.line("valid until")) == (1, True)
    assert "expired at" in found.line("NOT VALID")


def test_who_signed(tmp_path: pathlib.Path, operator: Operator, account: Account) -> None:
    creds = put(tmp_path, account.user("u").creds)
    foreign = Operator.create("FOREIGN")
    files = {
        "operator": put(tmp_path, operator.jwt, "operator.jwt"),
        "foreign": put(tmp_path, foreign.jwt, "foreign.jwt"),
        "account": put(tmp_path, account.jwt, "account.jwt"),
        "other": put(tmp_path, operator.account("OTHER").jwt, "other.jwt"),
    }
    good = Explained(creds, "--account", files["account"], "--operator", files["operator"])
    assert (good.code, good.line("verified").endswith("the account APP, the operator ACME")) == (0, True)
    assert Explained(creds, "--account", files["account"]).code == 0
    assert Explained(creds, "--account", files["other"]).code == 1
    assert Explained(creds, "--account", files["other"], "--account", files["account"]).code == 0
    bad = Explained(creds, "--account", files["account"], "--operator", files["foreign"])
    assert bad.code == 1
    assert (
        bad.line("NOT VALID")
        == f"The account APP is signed by {operator.public_key}, which is not a key that may sign it."
    )
    wrong = Explained(creds, "--operator", files["account"])
    assert (wrong.code, "this is the JWT of an account; --operator is for that of an operator" in wrong.errors) == (
        3,
        True,
    )


def test_revoked(tmp_path: pathlib.Path, operator: Operator, account: Account) -> None:
    user = account.user("u")
    later = operator.account("APP", key=account.key, existing=account.jwt, revocations={user.public_key: "now"})
    found = Explained(put(tmp_path, user.creds), "--account", put(tmp_path, later.jwt, "a"))
    assert (found.code, "revoked" in found.line("NOT VALID")) == (1, True)


def test_seed_of_another_user(tmp_path: pathlib.Path, account: Account) -> None:
    one, other = account.user("one"), account.user("other")
    found = Explained(put(tmp_path, one.creds.replace(one.key.seed, other.key.seed)))
    assert (found.code, "do not belong together" in found.line("NOT VALID")) == (1, True)


def test_creds_that_clients_cannot_read(tmp_path: pathlib.Path, account: Account) -> None:
    user = account.user("u")
    found = Explained(put(tmp_path, user.creds.replace(user.jwt, "\n" + user.jwt)))
    assert (found.code, "Clients do not find" in found.line("NOT VALID")) == (1, True)
    assert Explained(put(tmp_path, user.creds.replace("\n", "\r\n"))).code in (0, 1)


def test_damaged_and_foreign_files(tmp_path: pathlib.Path, account: Account) -> None:
    user = account.user("u")
    cut = user.key.seed[:-1]
    mistyped = user.key.seed[:30] + ("A" if user.key.seed[30] != "A" else "B") + user.key.seed[31:]
    pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    texts = {
        "": "It is empty",
        " \n": "It is empty",
        "SAMPLE: what people write\n": "something else",
        "Some text.\n": "something else",
        "port: 4222\noperator: ./a.jwt\n": "something else",
        "a.b.c": "something else",
        pem: "a PEM file (certificate)",
        user.jwt[:-3] + "AAA": "signature",
        user.jwt[:200]: "something else",
        user.creds.replace(user.jwt, user.jwt[:-3] + "AAA"): "signature",
        cut: "Not a whole seed",
        mistyped: "mistyped",
        user.public_key[:-1] + ("A" if user.public_key[-1] != "A" else "B"): "mistyped",
    }
    for text, words in texts.items():
        found = Explained(put(tmp_path, text))
        assert (found.code, found.text) == (3, ""), text
        assert words in found.errors, (text, found.errors)
        assert found.errors.startswith(f"natsops-jwt: {tmp_path}"), found.errors
        assert cut[10:] not in found.errors
        assert mistyped[35:] not in found.errors
        assert user.jwt[:60] not in found.errors


def test_what_is_no_text_or_no_file(tmp_path: pathlib.Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\x00\x01")
    seed = nkey.create("user").seed
    for path in (tmp_path / "binary", tmp_path, tmp_path / "none", "/dev/null", seed):
        found = Explained(path)
        assert (found.code, found.text) == (3, "")
        assert len(found.errors.splitlines()) == 1
        assert seed not in found.errors
    assert Explained().code == 2
    assert Explained(tmp_path, "--of").code == 2
    assert Explained(put(tmp_path, seed), "--at", "tomorrow").errors.startswith("natsops-jwt: --at: ")


# ---- output


def test_nothing_secret_is_printed(tmp_path: pathlib.Path, account: Account) -> None:
    stray = nkey.create("account").seed
    user = account.user(f"x{stray}", bearer_token=True, tags=[f"t:{stray.lower()}"])
    other = nkey.create("account")
    token = account.activation(other.public_key, "a", "stream")
    item = {"subject": "a", "type": "stream", "account": account.public_key, "token": token}
    importer = Operator.create("O").account("I", key=other, imports=[item])
    for text in (user.creds, user.jwt, user.key.seed, user.key.private_key, importer.jwt):
        for arguments in ((), ("--json",)):
            found = Explained(put(tmp_path, text), *arguments)
            assert found.code in (0, 1)
            for secret in (
                stray,
                stray.lower(),
                user.key.seed,
                user.key.private_key,
                user.jwt,
                user.jwt[:60],
                user.jwt[-60:],
            ):
                assert secret not in found.text + found.errors


def test_a_terminal_is_not_commanded(account: Account) -> None:
    user = account.user("x\x1b[2Jy\u202e\nline", tags=["\x07bell"])
    found = Explained("-", stdin=user.jwt)
    assert not {"\x1b", "\u202e", "\x07"} & set(found.text)
    assert "\nline" not in found.text


def test_output_takes_what_its_encoding_has(tmp_path: pathlib.Path, account: Account) -> None:
    path = put(tmp_path, account.user("w\u8ba2").creds)
    command = [sys.executable, "-m", "natsops_jwt", "explain", str(path)]
    latin = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(command, env=latin, capture_output=True, check=True)
    assert b'creds of a user "w\\u8ba2"' in done.stdout
    with pathlib.Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr.count(b"\n")) == (3, 1)
    assert b"standard output cannot be written" in done.stderr


def test_others_who_may_read_a_secret_are_mentioned(tmp_path: pathlib.Path, account: Account) -> None:
    path = put(tmp_path, account.user("u").creds)
    path.chmod(0o644)
    found = Explained(path)
    assert (found.code, "others may read it (mode 0644)" in found.errors) == (0, True)


def test_json_has_what_the_module_returns(tmp_path: pathlib.Path, account: Account) -> None:
    user = account.user("u", expires_in="1d")
    found = Explained(put(tmp_path, user.creds), "--json", "--account", put(tmp_path, account.jwt, "a")).json()
    assert (found["kind"], found["type"], found["valid"], found["problems"]) == ("creds", "user", True, [])
    assert found["public_key"] == user.public_key
    assert (found["verified"], found["expired"], found["has_seed"]) == (True, False, True)
    assert found["claims"]["name"] == "u"
    seed = Explained("-", "--json", stdin=user.key.seed).json()
    assert seed["key"] == {"type": "user", "public_key": user.public_key}


def test_the_function_is_the_program(account: Account) -> None:
    user = account.user("u")
    explained = explain(user.creds, [account.jwt])
    assert explained.is_valid
    assert explained.kind == "creds"
    assert f"{explain(user.creds)}\n" == Explained("-", stdin=user.creds).text
    assert explain(user.creds, at=1).is_valid


def test_the_installed_program_prints_what_the_readme_shows(
    tmp_path: pathlib.Path, operator: Operator, account: Account
) -> None:
    worker = account.user("worker", permissions={"publish": {"allow": ["orders.>"]}}, expires_in="90d")
    for name, text in (("worker.creds", worker.creds), ("APP.jwt", account.jwt), ("ACME.jwt", operator.jwt)):
        put(tmp_path, text, name)
    readme = pathlib.Path(__file__).resolve().parents[2] / "wheel" / "README.md"
    ((command, shown),) = re.findall(
        r"```console\n\$ natsops-jwt (explain .*)\n([^`]*)```", readme.read_text(encoding="utf-8")
    )
    program = pathlib.Path(sys.executable).with_name("natsops-jwt")
    done = subprocess.run(
        [str(program), *command.split()],
        cwd=str(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")

    def without_keys_and_times(text: str) -> str:
        return re.sub(r"\b[AU][A-Z2-7]{55}\b|\b20[0-9-]+T[0-9:]+Z|\b[0-9]+d([0-9]+h)?\b", "?", text)

    assert without_keys_and_times(done.stdout) == without_keys_and_times(shown)
