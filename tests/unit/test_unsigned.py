# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Documents of signing requests: they show exactly the claims that are signed, and changed documents are refused."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.scenarios import request_of

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.claims import (
    Account,
    Claims,
    Export,
    Generic,
    Operator,
    ScopeTemplate,
    SigningKey,
    User,
    UserAccess,
    unknown_fields_of,
)
from ansible_collections.natsops.security.plugins.module_utils.decision.issue import Decision, Policy, decide
from ansible_collections.natsops.security.plugins.module_utils.decision.unsigned import (
    Request,
    Requests,
    read_requests,
    sign_requests,
    write_requests,
)
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec
from ansible_collections.natsops.security.tests.unit.raw_tokens import key
from ansible_collections.natsops.security.tests.unit.strategies import claims_and_signer

NOW = 1_800_000_000
OPERATOR, ACCOUNT, SIGNING, USER = key("operator", 31), key("account", 32), key("account", 33), key("user", 34)


def decided(wanted: Claims, existing: str | None, issuer: nkey.KeyPair, expires_in: int | None = None) -> Decision:
    return decide(wanted, existing, issuer.public_key, Policy(expires_in=expires_in), NOW)


def account(name: str = "APP", **body: Any) -> Claims:
    return Claims(name=name, subject=ACCOUNT.public_key, body=Account(**body))


def document() -> Requests:
    """Return requests for a new operator, a changed account, and a user signed by the account's signing key."""
    existing = codec.encode(account(exports=[Export(subject="time.>", type="stream")]), OPERATOR, NOW - 1000)
    role = SigningKey(key=SIGNING.public_key, role="worker", template=ScopeTemplate())
    operator = Claims(name="ACME", subject=OPERATOR.public_key, body=Operator())
    user = Claims(name="orders", subject=USER.public_key, body=User(issuer_account=ACCOUNT.public_key))
    return Requests(
        NOW,
        (
            request_of("operator ACME", decided(operator, None, OPERATOR), None),
            request_of("account APP", decided(account(signing_keys=[role]), existing, OPERATOR), existing),
            request_of("user APP/orders", decided(user, None, SIGNING, 86400), None),
        ),
    )


def changed(text: str, change: Callable[[dict[str, Any]], Any], with_checksum: bool = True) -> str:
    """Return the text of a document after a change, with the new checksum unless `with_checksum` is false."""
    whole = json.loads(text)
    change(whole)
    if with_checksum:
        items = [
            {name: value for name, value in item.items() if name != "signature"} if isinstance(item, dict) else item
            for item in whole["requests"]
        ]
        covered = {name: value for name, value in whole.items() if name != "checksum"}
        canonical = json.dumps(dict(covered, requests=items), sort_keys=True, separators=(",", ":"))
        whole["checksum"] = hashlib.sha256(canonical.encode()).hexdigest()
    return json.dumps(whole)


def test_way_there_and_back_gives_the_tokens_that_the_keys_would_have_signed() -> None:
    requests = document()
    there = read_requests(write_requests(requests))
    assert there == requests
    assert [request.what for request in there.waiting] == ["operator ACME", "account APP", "user APP/orders"]
    back = read_requests(write_requests(sign_requests(there, [OPERATOR, SIGNING])), requests.checksum)
    assert back.waiting == ()
    for request in requests.requests:
        signer = SIGNING if request.what.startswith("user") else OPERATOR
        assert back.tokens[request.what] == codec.encode(request.claims, signer, request.claims.issued_at)
        codec.decode(back.tokens[request.what])


def test_token_that_came_back_is_kept_by_the_next_decision() -> None:
    wanted = account(exports=[Export(subject="time.>", type="stream")])
    request = request_of("account APP", decided(wanted, None, OPERATOR), None)
    token = sign_requests(Requests(NOW, (request,)), [OPERATOR]).tokens["account APP"]
    assert decide(wanted, token, OPERATOR.public_key, Policy(), NOW + 86400).is_kept
    assert not decide(account("OTHER"), token, OPERATOR.public_key, Policy(), NOW + 86400).is_kept


def test_document_may_pass_several_keys_one_after_the_other() -> None:
    requests = document()
    by_one = read_requests(write_requests(sign_requests(requests, [SIGNING])))
    assert [request.what for request in by_one.waiting] == ["operator ACME", "account APP"]
    by_both = read_requests(write_requests(sign_requests(by_one, [OPERATOR])), requests.checksum)
    assert by_both == sign_requests(requests, [OPERATOR, SIGNING])
    assert by_one.checksum == by_both.checksum == requests.checksum
    assert sign_requests(by_both, [OPERATOR, SIGNING, ACCOUNT]) == by_both


def test_person_reads_what_changes_and_which_key_signs() -> None:
    item = json.loads(write_requests(document()))["requests"][1]
    assert list(item)[:3] == ["what", "reasons", "kind"]
    assert item["reasons"] == [
        f"signing_keys[{SIGNING.public_key}]: added",
        "exports[stream time.>]: removed",
    ] or set(item["reasons"]) == {f"signing_keys[{SIGNING.public_key}]: added", "exports[stream time.>]: removed"}
    assert (item["kind"], item["subject"], item["issuer"]) == ("account", ACCOUNT.public_key, OPERATOR.public_key)
    assert "exports" in item["before"]
    assert "exports" not in item["after"]
    assert item["after"]["signing_keys"][0]["role"] == "worker"
    assert item["before"]["issued_at"] == "2027-01-15T07:43:20Z"
    assert base64.b64decode(item["to_sign"]).startswith(b"eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.")


def test_jwt_of_a_user_that_is_there_does_not_travel() -> None:
    user = Claims(name="u", subject=USER.public_key, body=User(access=UserAccess(bearer_token=True)))
    existing = codec.encode(user, ACCOUNT, NOW - 1000)
    user.name = "v"
    request = request_of("user APP/u", decided(user, existing, ACCOUNT), existing)
    text = write_requests(Requests(NOW, (request,)))
    assert existing not in text
    assert existing.rpartition(".")[2] not in text
    assert json.loads(text)["requests"][0]["before"] == {}


# ---- refused documents


def _item(number: int, **members: Any) -> Callable[[dict[str, Any]], None]:
    return lambda whole: whole["requests"][number].update(members)


def _payload(number: int, change: Callable[[str], str]) -> Callable[[dict[str, Any]], None]:
    """Return a change of the payload text in the bytes to be signed."""

    def put(whole: dict[str, Any]) -> None:
        item = whole["requests"][number]
        header, payload = base64.b64decode(item["to_sign"]).decode().split(".")
        text = base64.urlsafe_b64decode(payload + "==").decode()
        assert change(text) != text
        other = base64.urlsafe_b64encode(change(text).encode()).decode().rstrip("=")
        item["to_sign"] = base64.b64encode(f"{header}.{other}".encode()).decode()

    return put


def _show_what_is_there(whole: dict[str, Any]) -> None:
    """Change the bytes to be signed but show the claims from before the change, as an attacker would."""
    text = codec.signing_input(account("other"), OPERATOR, NOW)
    item = whole["requests"][1]
    item.update(to_sign=base64.b64encode(text.encode()).decode(), after=item["before"])


FORGED = codec.encode(account("forged"), key("operator", 99), NOW - 1000)
OTHERS = codec.encode(Claims(name="x", subject=SIGNING.public_key, body=Account()), OPERATOR, NOW - 1000)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_item(1, after={}), r"requests\[1\] \('account APP'\): after does not match the bytes to sign"),
        (_item(1, before={"name": "APP"}), "before does not match the bytes"),
        (_item(1, subject=SIGNING.public_key), "subject does not match"),
        (_item(1, issuer=key("operator", 99).public_key), "issuer does not match"),
        (_item(1, kind="user"), "kind does not match"),
        (_item(1, existing=None), "before does not match"),
        (_item(1, existing=FORGED), "before does not match"),
        (_item(1, existing=OTHERS), "the existing token has another subject"),
        (_item(1, existing=FORGED[:-4] + "AAAA"), "signature is not that of its issuer"),
        (_item(1, existing=7), "existing is not a token"),
        (_item(1, to_sign="%"), "to_sign is not base64"),
        (_item(1, to_sign=None), "to_sign is not base64"),
        (_item(1, to_sign=""), "Not a token"),
        (_item(1, reasons="none"), "reasons is not a list of texts"),
        (_item(1, reasons=[7]), "reasons is not a list of texts"),
        (_item(1, reasons=["\x1b[2K nothing changes"]), "has a character that cannot be shown"),
        (_item(1, what="operator ACME"), "there are two requests 'operator ACME'"),
        (_item(1, what="a\u202eb"), "has a character that cannot be shown"),
        (_item(1, note="just sign it"), "it has a member 'note' that is not known"),
        (_show_what_is_there, "after does not match the bytes to sign"),
        (_payload(1, lambda text: text.replace('"iat":', '"iat": ')), "not in the format of a token"),
        (_payload(1, lambda text: text.replace('"name":"APP"', '"name":"APP","name":"APP"')), "twice in one object"),
        (_payload(1, lambda text: text.replace('"nats":{', '"NATS":{},"nats":{')), "treats as one name"),
        (
            _payload(1, lambda text: text.replace('"limits":{', '"more":1,"limits":{')),
            "not in the format of a token|not know",
        ),
        (
            _payload(1, lambda text: text.replace('"version":2', '"version":2,"extra":{"a":1}')),
            "fields that this version",
        ),
        (_payload(2, lambda text: text.replace('"type":"user"', '"type":"group"')), "claims of type 'group'"),
        (lambda whole: whole["requests"].append(7), r"requests\[3\] is not a request"),
        (lambda whole: whole.update(requests={}), "it has no list of requests"),
        (lambda whole: whole.update(version=2), "it is of version '2'; only version 1 is supported"),
        (lambda whole: whole.update(format="other"), "it is not a document of the format"),
        (lambda whole: whole.update(created="soon"), "created: "),
        (lambda whole: whole.update(sudo=True), "it has a member 'sudo' that is not known"),
    ],
)
def test_changed_document_is_refused_even_with_a_new_checksum(
    change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    text = write_requests(document())
    with pytest.raises(NatsSecurityError, match=message) as caught:
        read_requests(changed(text, change))
    assert str(caught.value).startswith("The document of signing requests is refused: ")


def test_same_document_with_another_layout_is_the_same() -> None:
    requests = document()
    assert read_requests(changed(write_requests(requests), lambda whole: None, with_checksum=False)) == requests


@pytest.mark.parametrize(
    "change",
    [
        lambda whole: whole["requests"].pop(),
        lambda whole: whole["requests"].reverse(),
        lambda whole: whole.update(created="2027-01-15T08:00:01Z"),
        _item(1, reasons=[]),
        _item(1, what="account OTHER"),
    ],
)
def test_changed_document_does_not_have_its_checksum(change: Callable[[dict[str, Any]], Any]) -> None:
    requests = document()
    text = write_requests(requests)
    with pytest.raises(NatsSecurityError, match=r"its checksum is .*: it was changed"):
        read_requests(changed(text, change, with_checksum=False))
    # An attacker who also replaces the checksum is detected because the expected checksum was transmitted separately.
    with pytest.raises(NatsSecurityError, match=f"expected '{requests.checksum}': it is another document"):
        read_requests(changed(text, change), requests.checksum)


@pytest.mark.parametrize("checksum", [None, "0" * 64, 7])
def test_document_without_its_checksum_is_refused(checksum: Any) -> None:
    text = write_requests(document())
    with pytest.raises(NatsSecurityError, match=r"its checksum is [0-9a-f]+, not .* as recorded in it: it was changed"):
        read_requests(changed(text, lambda whole: whole.update(checksum=checksum), with_checksum=False))


def test_checksum_may_be_typed_in_groups() -> None:
    requests = document()
    checksum = requests.checksum.upper()
    grouped = " ".join(checksum[start : start + 8] for start in range(0, 64, 8))
    assert read_requests(write_requests(requests), grouped) == requests


def test_text_that_is_cut_or_says_something_twice_is_refused() -> None:
    text = write_requests(document())
    for cut in (text[: len(text) // 2], "", "[]", "null", "[" * 100_000, '{"a":' * 5000):
        with pytest.raises(NatsSecurityError, match="The document of signing requests is refused"):
            read_requests(cut)
    with pytest.raises(NatsSecurityError, match="a member occurs twice"):
        read_requests(text.replace('"kind": "account"', '"kind": "account", "kind": "account"'))


@pytest.mark.parametrize(
    "signature", [SIGNING.sign(b"other"), key("operator", 99).sign(b"x"), bytes(64), bytes(63), b""]
)
def test_signature_of_something_else_is_refused(signature: bytes) -> None:
    text = write_requests(document())
    encoded = base64.b64encode(signature).decode()
    with pytest.raises(NatsSecurityError, match=r"requests\[0\] .*: its signature is not that of O"):
        read_requests(changed(text, _item(0, signature=encoded)))


def test_every_problem_is_named_at_once() -> None:
    def change(whole: dict[str, Any]) -> None:
        for item in whole["requests"]:
            item.update(after={}, kind="x")

    with pytest.raises(NatsSecurityError) as caught:
        read_requests(changed(write_requests(document()), change))
    assert str(caught.value).count("after does not match") == str(caught.value).count("kind does not match") == 3


def test_two_requests_of_one_name_are_not_written() -> None:
    requests = document()
    twice = requests._replace(requests=requests.requests + requests.requests[:1])
    with pytest.raises(NatsSecurityError, match="there are two requests 'operator ACME'"):
        write_requests(twice)


def test_token_with_fields_that_cannot_be_shown_is_not_requested() -> None:
    wanted = account()
    wanted.unknown = {"later": 1}
    with pytest.raises(NatsSecurityError, match=r"account APP: the token has fields .*\(later\)"):
        request_of("account APP", decided(wanted, None, OPERATOR), None)


@given(st.data())
def test_any_claims_are_read_as_they_were_written(data: st.DataObject) -> None:
    claims, signer = data.draw(claims_and_signer())
    if isinstance(claims.body, Generic) or unknown_fields_of(claims):
        return
    try:
        text = codec.signing_input(claims, signer, NOW)
        codec.decode(codec.encode(claims, signer, NOW))
    except NatsSecurityError:
        return
    request = Request("it", text, codec.decode_signing_input(text))
    requests = Requests(NOW, (copy.copy(request),))
    read = read_requests(write_requests(sign_requests(requests, [signer])), requests.checksum)
    assert read.tokens == {"it": codec.encode(claims, signer, NOW)}
