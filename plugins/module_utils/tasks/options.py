# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Groups of options that several modules have.

A group is one object: the argument specs, the rules between the options, and the doc fragment with their documentation. `+` combines groups into the options
of a module.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..claims.options import argument_spec
from .signer_options import signers_spec

_SECRET = {"type": "str", "no_log": True}


class Options(NamedTuple):
    """Options by name, the rules of AnsibleModule between them, the paths that a task writes, and the doc fragments that document them."""

    spec: dict[str, Any]
    exclusive: tuple[tuple[str, ...], ...] = ()
    one_of: tuple[tuple[str, ...], ...] = ()
    required_if: tuple[tuple[Any, ...], ...] = ()
    writes: tuple[str, ...] = ()
    fragments: tuple[str, ...] = ()

    def __add__(self, other: Any) -> Options:
        """The options and rules of both groups. Mutually exclusive groups with a common option are merged into one."""
        return Options(
            {**self.spec, **other.spec},
            _merged((*self.exclusive, *other.exclusive)),
            (*self.one_of, *other.one_of),
            (*self.required_if, *other.required_if),
            (*self.writes, *other.writes),
            (*self.fragments, *other.fragments),
        )

    def arguments(self) -> dict[str, Any]:
        """The arguments for `task.run`."""
        return {
            "argument_spec": self.spec,
            "mutually_exclusive": list(self.exclusive),
            "required_one_of": list(self.one_of),
            "required_if": list(self.required_if),
            "writes": self.writes,
        }


def _merged(groups: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    merged: list[tuple[str, ...]] = []
    for group in groups:
        same = [other for other in merged if set(other) & set(group)]
        for other in same:
            merged.remove(other)
            group = tuple(dict.fromkeys((*other, *group)))
        merged.append(group)
    return tuple(merged)


def claims(body: type, fragment: str) -> Options:
    """The options of the claims of a type, from their declarations."""
    return Options(argument_spec(body), fragments=(f"claims.{fragment}",))


def named() -> Options:
    """The name in the token, which is required with state=present."""
    return Options({"name": {"type": "str"}}, required_if=(("state", "present", ("name",)),))


#: The options of every token: its state, its envelope, its expiry and its renewal.
TOKEN = Options(
    {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "jwt_path": {"type": "path"},
        "jwt": {"type": "str"},  # JWTs of users are recognised and masked, see masking.secrets_given_in
        "audience": {"type": "str"},
        "not_before": {"type": "str"},
        "expires_in": {"type": "str"},
        "expires_at": {"type": "str"},
        "renew_before": {"type": "str"},
        "renew_spread": {"type": "str"},
        "force": {"type": "bool", "default": False},
        "backup": {"type": "bool", "default": False},
    },
    exclusive=(("expires_in", "expires_at"),),
    writes=("jwt_path",),
    fragments=("token",),
)
#: The key of the token's subject.
KEY = Options(
    {
        "key_path": {"type": "path", "no_log": False},
        "key_seed": _SECRET,
        "public_key": {"type": "str", "no_log": False},
    },
    exclusive=(("key_path", "key_seed", "public_key"),),
    required_if=(("state", "present", ("key_path", "key_seed", "public_key"), True),),
    writes=("key_path",),
    fragments=("token.key",),
)
#: The key that signs: by its seed, a path, or external signers.
SIGNER = Options(
    {"signer_path": {"type": "path"}, "signer_seed": _SECRET, **signers_spec()},
    exclusive=(("signer_path", "signer_seed"),),
    fragments=("token.signer", "signers"),
)
#: The document in which a JWT waits for a key elsewhere.
UNSIGNED = Options({"unsigned_path": {"type": "path"}}, writes=("unsigned_path",), fragments=("token.unsigned",))
#: The JWT of the operator that issues the token.
OPERATOR_JWT = Options(
    {"operator_jwt_path": {"type": "path"}, "operator_jwt": {"type": "str"}},
    exclusive=(("operator_jwt_path", "operator_jwt"),),
    fragments=("token.operator_jwt",),
)
#: The account that issues the token: its JWT, or only its public key.
ACCOUNT_JWT = Options(
    {"account_jwt_path": {"type": "path"}, "account_jwt": {"type": "str"}, "account": {"type": "str"}},
    exclusive=(("account_jwt_path", "account_jwt", "account"),),
    fragments=("token.account_jwt",),
)


def signing_keys(options: dict[str, Any]) -> Options:
    """Signing keys by public key or by path, with the further `options` of each, and signing keys to remove."""
    own = {"public_key": {"type": "str", "no_log": False}, "path": {"type": "path"}}
    listed = {
        "type": "list",
        "elements": "dict",
        "no_log": False,
        "options": dict(own, **{name: spec for name, spec in options.items() if name != "key"}),
        "required_one_of": [("public_key", "path")],
        "mutually_exclusive": [("public_key", "path")],
    }
    removed = {"type": "list", "elements": "str", "no_log": False}
    return Options(
        {"signing_keys": listed, "remove_signing_keys": removed},
        writes=("signing_keys.path",),
        fragments=("token.remove_signing_keys",),
    )
