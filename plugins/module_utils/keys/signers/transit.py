# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A key of the transit secrets engine of HashiCorp Vault or OpenBao, through the library `hvac`. The private key never leaves the server.

The policy of the token has to allow `read` on MOUNT/keys/KEY and `update` on MOUNT/sign/KEY.
"""

from __future__ import annotations

import base64
import contextlib
from typing import Any, Callable, Generator, NamedTuple, Sequence, TypeVar

from ...base.errors import NatsSecurityError
from .ahead import ahead
from .external import shown

HVAC_IMPORT_ERROR: str | None = None
try:
    import hvac
    import hvac.exceptions
    import requests
except ImportError as _error:
    HVAC_IMPORT_ERROR = str(_error)

T = TypeVar("T")

#: How many messages a request contains. Servers refuse more than 1,000 strings ("exceeded maximum number of strings"), and a message counts as two.
SLICE = 200


class Server(NamedTuple):
    """The address of Vault or OpenBao, and the token for it. The timeout is in seconds, for each request."""

    address: str
    token: str
    namespace: str | None = None
    ca_path: str | None = None
    timeout: float = 30.0


class Transit:
    """The face of one transit key. Without `version`, the version that is the newest at first use is used from then on."""

    def __init__(self, server: Server, mount: str, key: str, version: int | None = None) -> None:
        if HVAC_IMPORT_ERROR is not None:
            raise NatsSecurityError("the Python library hvac is missing: `pip install hvac`.")
        self._server = server
        self._mount, self._key, self._version = mount, key, version
        self._client: Any = hvac.Client(
            url=server.address,
            token=server.token,
            namespace=server.namespace,
            verify=server.ca_path or True,
            timeout=server.timeout,
        )

    def public_bytes(self) -> bytes:
        """The public key of the version that signs."""
        return self._ask(lambda transit: self._public_key(transit.read_key(self._key, mount_point=self._mount)["data"]))

    def _public_key(self, found: dict[str, Any]) -> bytes:
        if found["type"] != "ed25519":
            raise NatsSecurityError(f"the key is of type {found['type']}, and NATS signs with ed25519.")
        if found.get("derived"):
            raise NatsSecurityError("the key is a derived one, which has no public key of its own.")
        version = str(self._version or found["latest_version"])
        if version not in found["keys"]:
            there = ", ".join(sorted(found["keys"], key=int))
            raise NatsSecurityError(f"the key has no version {version}; available: {there}.")
        self._version = int(version)
        return base64.b64decode(found["keys"][version]["public_key"], validate=True)

    def sign_all(self, messages: Sequence[bytes]) -> Generator[bytes, None, None]:
        """The signatures of the messages, requested in slices of SLICE. The next slice is requested while one is verified."""
        slices = [messages[start : start + SLICE] for start in range(0, len(messages), SLICE)]
        # Each request has its own timeout.
        with contextlib.closing(ahead(self._sign_slice, slices, None)) as answers:
            for signatures in answers:
                yield from signatures

    def _sign_slice(self, messages: Sequence[bytes]) -> list[bytes]:
        asked = [{"input": base64.b64encode(message).decode("ascii")} for message in messages]
        return self._ask(
            lambda transit: [
                _signature(answer)
                for answer in transit.sign_data(
                    self._key, key_version=self._version, batch_input=asked, mount_point=self._mount
                )["data"]["batch_results"]
            ]
        )

    def _ask(self, request: Callable[[Any], T]) -> T:
        path = f"{self._mount}/{self._key}"
        try:
            return request(self._client.secrets.transit)
        except hvac.exceptions.Forbidden:
            raise NatsSecurityError(self._why_forbidden()) from None
        except hvac.exceptions.Unauthorized:
            raise NatsSecurityError("the token is not accepted.") from None
        except hvac.exceptions.InvalidPath as error:
            reason = self._shown(error)
            raise NatsSecurityError(
                f"there is no transit key {path}{f' ({reason})' if reason else ''}: are mount, key and namespace right?"
            ) from None
        except hvac.exceptions.VaultDown as error:
            raise NatsSecurityError(f"it is sealed or not available ({self._shown(error)}).") from None
        except hvac.exceptions.VaultError as error:
            raise NatsSecurityError(f"it refused the request ({self._shown(error)}).") from None
        except requests.exceptions.SSLError as error:
            raise NatsSecurityError(f"no TLS connection can be made: {self._shown(error)}.") from None
        except requests.exceptions.Timeout:
            raise NatsSecurityError(f"it did not answer for {self._server.timeout:g} s.") from None
        except (requests.exceptions.RequestException, OSError) as error:
            raise NatsSecurityError(f"it cannot be reached: {self._shown(error)}.") from None
        except (AttributeError, KeyError, TypeError, ValueError):
            raise NatsSecurityError("the answer is not one of Vault or OpenBao.") from None

    def _why_forbidden(self) -> str:
        """Why a request was forbidden. A valid token may look itself up; an unknown or expired one may not."""
        with contextlib.suppress(Exception):
            self._client.auth.token.lookup_self()
            return (
                f"permission denied: the policies of the token have to allow read on {self._mount}/keys/{self._key} "
                f"and update on {self._mount}/sign/{self._key}."
            )
        return "permission denied: the token is unknown, has expired, or was revoked."

    def _shown(self, error: Exception) -> str:
        errors = getattr(error, "errors", None)
        text = ", ".join(errors) if errors else "" if isinstance(error, hvac.exceptions.VaultError) else str(error)
        return shown(text, [self._server.token]).rstrip(".")


def _signature(answer: dict[str, Any]) -> bytes:
    if answer.get("error"):
        raise NatsSecurityError(f"it refused to sign ({shown(str(answer['error']))}).")
    return base64.b64decode(answer["signature"].rpartition(":")[2], validate=True)  # vault:v1:BASE64
