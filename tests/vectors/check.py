# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Checks the core against golden vectors of the Go library, without pytest: `python tests/vectors/check.py CLAIMS MISC`. Also used by test_vectors.py."""

from __future__ import annotations

import base64
import dataclasses
import json
import pathlib
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    import checkout

    checkout.make_importable()

from ansible_collections.natsops.security.plugins.module_utils import rules
from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.claims import (
    Account,
    Claims,
    activation_hash_id,
    as_read_by_servers,
    unknown_fields_of,
)
from ansible_collections.natsops.security.plugins.module_utils.decision.issue import Policy, issue
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Record = dict[str, Any]
    #: A check yields the differences between the core and a record.
    Check = Callable[[Record], Iterator[str]]


class Vector(NamedTuple):
    """A record and its check."""

    name: str
    check: Check
    record: Record


def failures(vector: Vector) -> list[str]:
    """The reasons why a vector fails, as short sentences. An empty list if it passes."""
    try:
        return list(vector.check(vector.record))
    except Exception as error:  # an error fails this vector only: the others are still checked
        return [_short(f"{type(error).__name__}: {error}")]


def _differs(what: str, found: Any, wanted: Any) -> Iterator[str]:
    if found != wanted:
        yield f"{what}: {_short(repr(found))} instead of {_short(repr(wanted))}"


def _short(text: str) -> str:
    return text if len(text) <= 200 else text[:197] + "..."


# ---- claims


def check_claims(record: Record) -> Iterator[str]:
    """A token of the library decodes to the meaning of its payload, is encoded to the same bytes, has the same issues and is kept by issue()."""
    claims = (codec.decode_generic if record["kind"] == "generic" else codec.decode)(record["token"])
    signer = nkey.from_seed(record["signer_seed"])
    issued_at = record["payload"]["iat"]
    yield from _differs("kind", claims.kind, record["kind"])
    yield from _differs("unknown fields", unknown_fields_of(claims), [])
    yield from _differs("meaning", json.loads(codec.payload_of(claims)), record["payload"])
    yield from _differs("token", codec.encode(claims, signer, issued_at), record["token"])
    yield from _issues_differ(claims, issued_at, record["issues"])
    yield from _issues_anew(claims, record["token"], signer, issued_at)


def _issues_differ(claims: Claims, now: int, wanted: list[Record]) -> Iterator[str]:
    """The library may report an issue several times: the number found must lie between those of its distinct texts and of all its issues."""
    if isinstance(claims.body, Account):
        claims = dataclasses.replace(claims, body=as_read_by_servers(claims.body))
    issues = set(rules.library_issues(claims, now))
    found = Counter((issue.blocking, issue.time_check) for issue in issues)
    most = Counter((issue["blocking"], issue["time_check"]) for issue in wanted)
    texts = {(issue["blocking"], issue["time_check"], issue["description"]) for issue in wanted}
    least = Counter(text[:2] for text in texts)
    for flags in sorted({*found, *most}):
        if not least[flags] <= found[flags] <= most[flags]:
            ours = [str(issue.message) for issue in issues if (issue.blocking, issue.time_check) == flags]
            theirs = [text[2] for text in sorted(texts) if text[:2] == flags]
            yield "issues, blocking {} and time check {}: {} instead of {}; ours: {}; the library's: {}".format(
                *flags, found[flags], most[flags], "; ".join(sorted(ours)), "; ".join(theirs)
            )


def _issues_anew(claims: Claims, text: str, signer: nkey.KeyPair, now: int) -> Iterator[str]:
    policy = Policy(expires_at=claims.expires or None)
    yield from _differs("reasons to issue it again", issue(claims, text, signer, policy, now).decision.reasons, [])


# ---- keys


def check_key(record: Record) -> Iterator[str]:
    """A seed gives the same key pair and signature as in nkeys."""
    pair = nkey.from_seed(record["seed"])
    yield from _differs("type", pair.type, record["type"])
    yield from _differs("seed", pair.seed, record["seed"])
    yield from _differs("public key", pair.public_key, record["public_key"])
    half = nkey.from_public_key(record["public_key"], record["type"])
    yield from _differs("public half", half.public_key, record["public_key"])
    if "private_key" in record:
        yield from _differs("private key", pair.private_key, record["private_key"])
    if "signature_base64url" in record:
        message, signature = record["message"].encode(), _from_base64url(record["signature_base64url"])
        yield from _differs("signature", pair.sign(message), signature)
        yield from _differs("verification", half.verify(message, signature), True)
        yield from _differs("verification of another message", half.verify(message + b".", signature), False)


def check_key_parsing(record: Record) -> Iterator[str]:
    """A text is accepted as a seed, or as a public key of a type, exactly if nkeys accepts it."""
    wanted_type = record["as"].replace("public_", "").replace("_key", "")
    try:
        if record["as"] == "seed":
            nkey.from_seed(record["input"])
        else:
            nkey.from_public_key(record["input"], wanted_type)
        found, why = True, ""
    except NatsSecurityError as error:
        found, why = False, f" ({error})"
    if found != record["valid"]:
        yield f"valid as {record['as']}: {found}{why} instead of {record['valid']}"


def check_sealed_box(record: Record) -> Iterator[str]:
    """A box of nkeys opens only for its recipient, and sealing gives the same bytes."""
    plain, box = record["plaintext"].encode(), base64.b64decode(record["sealed_base64"])
    sender, recipient = nkey.from_seed(record["sender_seed"]), nkey.from_seed(record["recipient_seed"])
    yield from _differs("sender", sender.public_key, record["sender_public_key"])
    yield from _differs("recipient", recipient.public_key, record["recipient_public_key"])
    yield from _differs("opened", recipient.open(box, sender.public_key), plain)
    yield from _differs("sealed", sender.seal(plain, recipient.public_key, nonce=box[4:28]), box)
    other = nkey.from_raw_seed("curve", b"\x01" * 32)
    if _opens(other, box, sender.public_key) or _opens(recipient, box, other.public_key):
        yield "the box opens for another recipient, or from another sender"


def _opens(pair: nkey.KeyPair, box: bytes, sender: str) -> bool:
    try:
        pair.open(box, sender)
    except NatsSecurityError:
        return False
    return True


# ---- tokens and files


def check_refused_token(record: Record) -> Iterator[str]:
    """A token that the library refuses to decode is refused."""
    try:
        codec.decode(record["token"])
    except NatsSecurityError:
        return
    yield f"decoded, though the library says {record['error']!r}"


def check_version_1_token(record: Record) -> Iterator[str]:
    """A token of version 1 decodes to the same claims as the library's migration."""
    claims = codec.decode(record["token"])
    yield from _differs("kind", claims.kind, record["kind"])
    yield from _differs("migrated", json.loads(codec.payload_of(claims)), record["migrated"])


def check_creds(record: Record) -> Iterator[str]:
    """A creds file has the same bytes as the library's, and can be read back."""
    pair = nkey.from_seed(record["seed"])
    yield from _differs("creds", decorated.format_creds(record["token"], pair), record["creds"])
    yield from check_tolerated_file({"file": record["creds"], "token": record["token"], "seed": record["seed"]})


def check_decorated(record: Record) -> Iterator[str]:
    """A decorated token or seed has the same bytes as the library's, and can be read back."""
    if "token" in record:
        yield from _differs("decorated", decorated.decorate_token(record["token"]), record["decorated"])
        yield from _differs("token", decorated.find_token(record["decorated"]), record["token"])
    else:
        yield from _differs("decorated", decorated.decorate_seed(record["seed"]), record["decorated"])
        yield from _differs("seed", decorated.find_seed(record["decorated"]).seed, record["seed"])


def check_tolerated_file(record: Record) -> Iterator[str]:
    """In an irregular file, the same token and seed are found as by the library; null means none."""
    text = decorated.find_token(record["file"])
    yield from _differs("token", text if _decodes(text) else None, record["token"])
    try:
        seed = decorated.find_seed(record["file"]).seed
    except NatsSecurityError:
        seed = None
    if seed != record["seed"]:
        yield "seed: another one is found, or none, or there is none to be found"


def _decodes(text: str) -> bool:
    try:
        codec.decode(text)
    except NatsSecurityError:
        return False
    return True


# ---- other functions


def check_subject_containment(record: Record) -> Iterator[str]:
    """A subject is contained in another one exactly if the library reports so."""
    found = rules.subject_is_contained(record["subject"], record["other"])
    yield from _differs("contained", found, record["contained"])


def check_activation_hash_id(record: Record) -> Iterator[str]:
    """The hash id of an activation is that of the library."""
    claims = codec.decode(record["token"])
    yield from _differs("issuer", claims.issuer, record["issuer"])
    found = activation_hash_id(claims.issuer, claims.subject, claims.body.import_subject)
    yield from _differs("hash id", found, record["hash_id"])


MISC_CHECKS: dict[str, Check] = {
    "activation_hash_ids": check_activation_hash_id,
    "creds": check_creds,
    "decorated": check_decorated,
    "key_parsing": check_key_parsing,
    "keys": check_key,
    "refused_tokens": check_refused_token,
    "sealed_boxes": check_sealed_box,
    "subject_containment": check_subject_containment,
    "tolerated_files": check_tolerated_file,
    "version_1_tokens": check_version_1_token,
}


def _from_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def claims_vectors(path: pathlib.Path) -> Iterator[Vector]:
    """The vectors in a file with one claims record per line."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            yield Vector(record["name"], check_claims, record)


def misc_vectors(path: pathlib.Path) -> Iterator[Vector]:
    """The vectors in a file with the other lists. A list may be missing; unknown lists are ignored, as they belong to another version of check.py."""
    lists = json.loads(path.read_text(encoding="utf-8"))
    for name, check in MISC_CHECKS.items():
        for index, record in enumerate(lists.get(name, [])):
            told = record.get("why") or record.get("kind") or record.get("type") or record.get("as") or ""
            yield Vector(f"{name}-{index:04d}" + (f" {told}" if told else ""), check, record)


def main(arguments: list[str]) -> int:
    """Check both files. Return the exit status: 1 if a vector failed, 2 if the arguments are wrong."""
    if len(arguments) != 2:
        print("usage: python tests/vectors/check.py CLAIMS MISC", file=sys.stderr)
        return 2
    claims_path, misc_path = map(pathlib.Path, arguments)
    passed = failed = 0
    for vectors in (claims_vectors(claims_path), misc_vectors(misc_path)):
        for vector in vectors:
            reasons = failures(vector)
            passed += not reasons
            failed += bool(reasons)
            for reason in reasons:
                print(f"{vector.name}: {reason}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
