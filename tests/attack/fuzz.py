# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Fuzzing of every reader of foreign data with atheris (libFuzzer), which mutates real inputs: an input is read, or refused with NatsSecurityError.

`make attack` runs it, and so does `python tests/attack/fuzz.py SECONDS [TARGET ...]`: all targets one after the other, with the seconds divided among
them. The inputs found are kept in `.fuzz/`, by target, and the next run continues from them; an input that fails is printed with its file, and fails
immediately in the next run. A target is a function of bytes in `_targets()`. It may raise NatsSecurityError only; it asserts what else it guarantees.
libFuzzer ends an input that takes more than `SLOWEST` seconds, which is a failure too.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import itertools
import json
import os
import pathlib
import pkgutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOUND = ROOT / ".fuzz"
PACKAGE = "ansible_collections.natsops.security.plugins.module_utils"
NOW = 1_800_000_000
#: Time limit of one input, in seconds, for a busy machine and with coverage tracking. Without tracking, the rules take 2 seconds for 1 MiB.
SLOWEST = 30
#: The longest input, in bytes. test_hostile_documents.py measures the time that larger inputs take.
LONGEST = 8192

Target = Callable[[bytes], None]


def _targets() -> dict[str, Target]:
    """The targets by name. The code under test is imported here, after atheris has instrumented it."""
    # pylint: disable=too-many-locals,import-outside-toplevel
    from ansible_collections.natsops.security.plugins.module_utils import rules
    from ansible_collections.natsops.security.plugins.module_utils.access import subject_sets
    from ansible_collections.natsops.security.plugins.module_utils.access import transforms as moved
    from ansible_collections.natsops.security.plugins.module_utils.backup import archive, natscli, sealed, tar, vault
    from ansible_collections.natsops.security.plugins.module_utils.base import excerpts, recognition, units, urls
    from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
    from ansible_collections.natsops.security.plugins.module_utils.claims.comparison import describe, differences
    from ansible_collections.natsops.security.plugins.module_utils.cluster import (
        addresses,
        answers,
        looking,
        plan,
        pushing,
        removing,
        servers,
    )
    from ansible_collections.natsops.security.plugins.module_utils.decision import unsigned
    from ansible_collections.natsops.security.plugins.module_utils.decision.issue import Policy, issue
    from ansible_collections.natsops.security.plugins.module_utils.keys import nkey, seed_files
    from ansible_collections.natsops.security.plugins.module_utils.rules import subjects, templates, transforms
    from ansible_collections.natsops.security.plugins.module_utils.server import language, reading
    from ansible_collections.natsops.security.plugins.module_utils.store import document, source
    from ansible_collections.natsops.security.plugins.module_utils.tasks import masking
    from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

    pairs = {
        letter: nkey.from_raw_seed(kind, bytes([7]) * 32)
        for letter, kind in {"O": "operator", "A": "account", "U": "user", "N": "server"}.items()
    }
    refused = contextlib.suppress(NatsSecurityError)

    def token(data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape")
        codec.peek(text)
        for read in (codec.decode, codec.decode_generic, codec.decode_any_kind, codec.decode_signing_input):
            with refused:
                read(text)
        with refused:
            plan.read_wanted(text, "jwts[0]")

    def payload(data: bytes) -> None:
        """A payload signed by a known key: every token that is decoded is encoded again with the same meaning, and no rule fails on it."""
        pair = pairs.get(chr(data[0]) if data else "", pairs["A"])
        text = codec._HEADER + "." + codec._base64url(data[1:])
        signed = codec.with_signature(text, pair.sign(text.encode("ascii")))
        with refused:
            codec.decode_generic(signed)
        with refused:
            claims = codec.decode(signed)
            rules.library_issues(claims, NOW)
            rules.server_issues(claims, NOW)
            describe(claims)
            codec.public_payload(signed)
            with refused:
                again = codec.encode(claims, pair, claims.issued_at)
                assert differences(claims, codec.decode(again)) == []
            with refused:
                issued = issue(claims, signed, pair, Policy(force=True), NOW)
                codec.decode(issued.token)

    def creds(data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape")
        for read in (
            decorated.find_token,
            decorated.token_in,
            seed_files.find_seed,
            seed_files.seed_in,
            seed_files.tidy,
        ):
            with refused:
                read(text)
        with refused:
            decorated.is_same(text, text, text)

    def seed(data: bytes) -> None:
        """A seed is read or refused; every seed is recognised and hidden in any surrounding text."""
        text = data.decode("utf-8", "surrogateescape")
        for read in (nkey.from_seed, nkey.from_public_key):
            with refused:
                read(text)
        for words in (recognition.hide(text), masking.hide(text, ()), excerpts.excerpt(text), excerpts.quoted(text)):
            assert pairs["A"].seed not in words
        recognition.lookalikes_in(text)
        recognition.questionable_in(text)
        list(recognition.user_tokens_in(text))
        masking.secrets_given_in({"a": [text]})
        masking.place_of_secret({text: [text]}, "")

    def text(data: bytes) -> None:
        text_ = data.decode("utf-8", "surrogateescape")
        for parse in (
            units.parse_integer,
            units.parse_count,
            units.parse_size,
            units.parse_duration,
            units.parse_seconds,
            units.parse_time,
        ):
            with contextlib.suppress(ValueError):
                parse(text_)
        for address in (addresses.server_address, addresses.account_server_address):
            with refused:
                address(text_, "servers[0]")
        urls.without_credentials(text_)
        urls.passwords_in(text_)

    def yaml(data: bytes) -> None:
        """A document from a file, parsed and read, but not applied."""
        with refused:
            found = source.parse_source("/d.yml", data.decode("utf-8", "replace"))
            _wanted, problems = document.read_document(found)
            assert all(problem.message.isprintable() or "\n" in problem.message for problem in problems)

    def subject(data: bytes) -> None:
        one, _unused, other = data.decode("utf-8", "replace").partition("\n")
        list(subjects.subject_problems(one))
        subjects.is_valid_subject(one)
        subjects.is_subset(one, other)
        subjects.subject_is_contained(one, other)
        subjects.without_references(one)
        for problem in (transforms.mapping_problem, transforms.transform_problem, transforms.renaming_problem):
            problem(one, other)
        if not transforms.mapping_problem(one, other):
            transforms.odd_references(one, other)
            transforms.unused_references(one, other)
        for found in templates.templates_in(one):
            templates.function_problem(found)
        templates.value_problem(one)
        if subjects.is_valid_subject(one) and subjects.is_valid_subject(other) and len(one + other) < 200:
            first, second = (
                subject_sets.union_of([subject_sets.pattern(one)]),
                subject_sets.union_of([subject_sets.pattern(other)]),
            )
            both = subject_sets.intersection(first, second)
            assert subject_sets.is_subset(both, first)
            assert subject_sets.is_subset(both, second)
            assert subject_sets.is_same(subject_sets.union(subject_sets.difference(first, second), both), first)
            if other and not transforms.mapping_problem(one, other):
                moved.image(moved.make_transform(one, other), first)

    def answer(data: bytes) -> None:
        found = answers.read_answer(data)
        key = pairs["A"].public_key
        for read in (
            servers._read_ping,
            servers._read_varz,
            servers._read_total,
            servers._read_list,
            lambda one: pushing._read_update(one, key),
            looking._read_loaded,
            looking._read_expired,
            looking._read_names,
            removing._read_connections,
            removing._read_stored,
        ):
            told = answers.read_each([found], read)
            assert all(problem.isprintable() for problem in told.problems.values())
        plan.read_held(key, data.decode("utf-8", "replace"))

    def configuration(data: bytes) -> None:
        with refused:
            reading.read(data.decode("utf-8", "replace"), "/nats.conf", lambda _path: None)
        with contextlib.suppress(NatsSecurityError, ValueError):
            language.text_of(data.decode("utf-8", "replace"))

    def backup(data: bytes) -> None:
        words = data.decode("utf-8", "replace")
        for read in (natscli.read_natscli, sealed.read_sealed, unsigned.read_requests):
            with refused:
                read(words)
        for unpack in (tar.unpack, archive.read_archive):
            with refused:
                unpack(data)
        if b";1." in data[:60]:
            with refused:
                vault.decrypt(words, "x")

    return {
        "token": token,
        "payload": payload,
        "creds": creds,
        "seed": seed,
        "text": text,
        "yaml": yaml,
        "subject": subject,
        "answer": answer,
        "configuration": configuration,
        "backup": backup,
    }


NAMES = (
    "payload",
    "token",
    "creds",
    "seed",
    "text",
    "yaml",
    "subject",
    "answer",
    "configuration",
    "backup",
)


# ---- the initial inputs


def _golden() -> list[dict[str, Any]]:
    lines = (ROOT / "tests/vectors/claims.jsonl").read_text().split("\n")
    return [json.loads(line) for line in lines if line]


def _subjects_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in itertools.chain(value, value.values() if isinstance(value, dict) else ()):
            yield from _subjects_in(item)


def _payloads() -> Iterator[bytes]:
    for one in _golden():
        claims = one["payload"]
        yield (claims["iss"][:1] + json.dumps(claims, separators=(",", ":"))).encode()


def _tokens() -> Iterator[str]:
    misc = json.loads((ROOT / "tests/vectors/misc.json").read_text())
    for word in _subjects_in(misc):
        if word.startswith("eyJ"):
            yield word


def _creds() -> Iterator[str]:
    for word in _subjects_in(json.loads((ROOT / "tests/vectors/misc.json").read_text())):
        if "-----" in word:
            yield word
    for one in _golden()[:20]:
        yield one["signer_seed"]


def _documents() -> Iterator[str]:
    yield from (path.read_text() for path in (ROOT / "tests/enforcement").glob("*.yml"))
    yield from (path.read_text() for path in (ROOT / "examples").rglob("*.yml"))


def _answers() -> Iterator[str]:
    server = {"id": "NABDFV5M5I7EOGG3GQ5MQ3LSI26ZTSN2YWFVHFCLFTUMMGL5RHRWEVVJ", "name": "n1", "ver": "2.15.1"}
    for data in (
        {"account": "A", "code": 200, "message": "jwt updated"},
        ["ABJTAGGAOOT2YN5VURNX", "x"],
        {"expired": True, "complete": True, "jwt": "x"},
        {"accounts": ["$G", "A"]},
        {"account_statz": [{"acc": "A", "conns": 1, "leafnodes": 0}]},
        {"account_details": [{"name": "A", "streams": 1, "memory": 1, "storage": 2}]},
        {
            "system_account": "A",
            "trusted_operators_jwt": ["x"],
            "version": "2.15.1",
            "total": 1,
            "num_subscriptions": 1,
        },
    ):
        yield json.dumps({"server": server, "data": data})
    yield json.dumps({"server": server, "error": {"code": 500, "description": "no"}})


def beginnings(name: str) -> Iterable[bytes]:
    """Real inputs of a target, from which the fuzzer starts."""
    golden = {word for one in _golden()[::3] for word in _subjects_in(one["payload"])}
    texts: dict[str, Callable[[], Iterable[str]]] = {
        "token": _tokens,
        "creds": _creds,
        "seed": lambda: [*(one["signer_seed"] for one in _golden()[:20]), *_creds()],
        "text": lambda: [
            *("90d", "1h30m", "10GiB", "unlimited", "2027-01-31T12:00:00+01:00", "nats://u:p@[::1]:4222", "wss://h/x"),
            *("https://h:1/jwt/v1?x=%20", "raw(-5)"),
        ],
        "yaml": _documents,
        "subject": lambda: [f"{one}\n{other}" for one, other in itertools.pairwise(sorted(golden)) if len(one) < 100],
        "answer": _answers,
        "configuration": lambda: [
            "port: 4222\noperator: x.jwt\nresolver { type: full, dir: './jwt', limit: 10k }\n",
            'include "a.conf"\nx = $PORT\nlist [1, 2.5, true, "a\\x41"] # c\nblock (\n a\n)\n',
        ],
        "backup": lambda: [
            '{"name": "O", "key": {"key": "S"}, "token": "x", "signingKeys": [], "accounts": [{"name": "A", "users": []}]}',
            '{"format": "natsops.security signing requests", "version": 1, "created": "2027-01-31T00:00:00Z", "checksum": "", "requests": []}',
            "$ANSIBLE_VAULT;1.1;AES256\n3031\n",
        ],
    }
    return _payloads() if name == "payload" else (text.encode("utf-8", "replace") for text in texts[name]())


def _prepare(name: str) -> pathlib.Path:
    folder = FOUND / name
    folder.mkdir(parents=True, exist_ok=True)
    for data in beginnings(name):
        if len(data) <= LONGEST:
            (folder / hashlib.sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)
    return folder


# ---- running the fuzzer


def run_target(name: str, arguments: list[str]) -> None:
    """Fuzz one target in this process, which libFuzzer ends."""
    import atheris

    sys.path.insert(0, os.environ["NATSOPS_COLLECTIONS"])
    with atheris.instrument_imports(include=[PACKAGE]):
        # Import modules that functions import when they run as well: they would not be instrumented later.
        for module in pkgutil.walk_packages([str(ROOT / "plugins/module_utils")], PACKAGE + "."):
            with contextlib.suppress(ImportError):
                importlib.import_module(module.name)
        target = _targets()[name]
    atheris.Setup([sys.argv[0], *arguments], target)
    atheris.Fuzz()


def main() -> int:
    """Fuzz the targets named in the arguments, by default all of them. Return the exit status."""
    if sys.argv[1] == "--target":
        run_target(sys.argv[2], sys.argv[3:])
        return 0
    names = sys.argv[2:] or NAMES
    seconds = max(1, int(sys.argv[1]) // len(names))
    failed = []
    environment = {"NATSOPS_COLLECTIONS": str(ROOT / ".venv/collections"), **os.environ}
    for name in names:
        folder = _prepare(name)
        arguments = [
            f"-max_total_time={seconds}",
            f"-timeout={SLOWEST}",
            f"-max_len={LONGEST}",
            "-rss_limit_mb=4096",
            f"-artifact_prefix={FOUND}/{name}-",
        ]
        failures = sorted(map(str, FOUND.glob(f"{name}-*-*")))
        for inputs in ([[*failures]] if failures else []) + [[str(folder)]]:
            done = subprocess.run(
                [sys.executable, __file__, "--target", name, *arguments, *inputs],
                env=environment,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
            said = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("INFO: Instr")]
            if done.returncode:
                failed.append(name)
                print(f"{name}: FAILED", *said[:200], sep="\n")
                break
        else:
            print(f"{name}: {next((line for line in reversed(said) if 'DONE' in line or 'cov:' in line), '')}")
    print(f"fuzzed {len(names)} targets, {seconds} s each; failed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
