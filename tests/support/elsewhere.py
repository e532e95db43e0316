# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""An operator whose keys are outside its store, a document for it, and a program that signs with the keys."""

from __future__ import annotations

import dataclasses
import pathlib
import sys
from typing import Any

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.keys.nkey import KeyPair
from ansible_collections.natsops.security.plugins.module_utils.token import codec

PROGRAM = pathlib.Path(__file__).with_name("sign_program.py")


@dataclasses.dataclass
class Elsewhere:
    """The identity key and a signing key of the operator ACME and of its account APP. The seeds are in `folder`."""

    folder: pathlib.Path
    operator: KeyPair
    operator_signing: KeyPair
    account: KeyPair
    account_signing: KeyPair

    @property
    def pairs(self) -> list[KeyPair]:
        """Return all four key pairs."""
        return [self.operator, self.operator_signing, self.account, self.account_signing]

    def commands(self, fault: str = "", **options: Any) -> list[dict[str, Any]]:
        """Return the description of a signer of type `command` for each key. If `fault` is set, the signer of the account's signing key has this fault."""
        argv = [sys.executable, str(PROGRAM), str(self.folder / "{public_key}.nk")]
        return [
            {
                "type": "command",
                "argv": [*argv, fault] if fault and pair is self.account_signing else argv,
                "batch": True,
                "public_key": pair.public_key,
                "timeout": "300s",
                **options,
            }
            for pair in self.pairs
        ]

    def document(self, users: int) -> dict[str, Any]:
        """Return the document of a store. The keys of its users are created in its keystore."""
        return {
            "operator": {
                "name": "ACME",
                "public_key": self.operator.public_key,
                "signing_keys": [{"role": "main", "public_key": self.operator_signing.public_key}],
                "strict_signing_key_usage": True,
            },
            "accounts": [
                {
                    "name": "APP",
                    "public_key": self.account.public_key,
                    "signing_keys": [{"role": "main", "public_key": self.account_signing.public_key}],
                    "exports": [{"subject": "orders.*", "type": "service", "token_required": True}],
                    "users": [{"name": f"u{number}"} for number in range(users)],
                },
                {
                    "name": "PARTNER",
                    "imports": [{"account": "APP", "subject": "orders.create", "type": "service"}],
                },
            ],
        }

    def assert_signed_as_by_seeds(self, stores: pathlib.Path, count: int) -> None:
        """Assert that a store has this number of tokens, each identical to the token that the seed of its issuer signs."""
        tokens = [path.read_text() for path in sorted(stores.rglob("*.jwt"))]
        assert len(tokens) == count
        seeds = {pair.public_key: pair for pair in self.pairs}
        issuers = set()
        for token in tokens:
            claims = codec.decode(token)
            issuers.add(claims.issuer)
            assert token == codec.encode(claims, seeds[claims.issuer], claims.issued_at)
        assert issuers == {key.public_key for key in (self.operator, self.operator_signing, self.account_signing)}


def new_elsewhere(folder: pathlib.Path) -> Elsewhere:
    """Create the keys and write their seeds to a new folder."""
    folder.mkdir()
    types = ("operator", "operator", "account", "account")
    pairs = [nkey.create(key_type) for key_type in types]
    for pair in pairs:
        (folder / f"{pair.public_key}.nk").write_text(pair.seed)
    return Elsewhere(folder, *pairs)
