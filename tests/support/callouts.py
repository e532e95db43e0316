# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""An auth callout service: it accepts clients with the right password as users of the account that their user name gives."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.claims import Claims, User
from ansible_collections.natsops.security.plugins.module_utils.claims.authorization import (
    AuthorizationRequest,
    AuthorizationResponse,
)
from ansible_collections.natsops.security.plugins.module_utils.token import codec


@dataclasses.dataclass
class Callout:
    """The service of one account. `public_key` and `signing_key` return the keys of an account by its name; with curve keys, messages are encrypted."""

    account: str
    public_key: Callable[[str], str]
    signing_key: Callable[[str], Any]
    curve_keys: list[Any] = dataclasses.field(default_factory=list)
    asked: list[AuthorizationRequest] = dataclasses.field(default_factory=list)

    def answer(self, data: bytes, server: str) -> bytes:
        """Return the response to a request, encrypted with the key that decrypts the request. `server` is the value of the header Nats-Server-Xkey."""
        data, key = self._open(data, server)
        request = codec.decode(data.decode())
        assert isinstance(request.body, AuthorizationRequest)
        assert request.issuer == request.body.server.id
        self.asked.append(request.body)
        response = codec.encode(self._decide(request.body), self.signing_key(self.account), int(time.time())).encode()
        return response if key is None else bytes(key.seal(response, server))

    def _open(self, data: bytes, server: str) -> tuple[bytes, Any]:
        if not self.curve_keys:
            return data, None
        for key in self.curve_keys:
            try:
                return key.open(data, server), key
            except NatsSecurityError:
                continue
        raise NatsSecurityError("the request is sealed for a key that the service does not have.")

    def _decide(self, request: AuthorizationRequest) -> Claims:
        """Return the claims of a response that contains a user JWT or an error."""
        wanted = request.connect_options
        body = AuthorizationResponse(issuer_account=self.public_key(self.account))
        if wanted.password == "right":
            user = User(issuer_account=self.public_key(wanted.user))
            user.access.permissions.publish.allow = ["allowed"]
            named = Claims(name="placed", subject=request.user_nkey, body=user)
            body.jwt = codec.encode(named, self.signing_key(wanted.user), int(time.time()))
        else:
            body.error = "wrong password"
        return Claims(subject=request.user_nkey, audience=request.server.id, body=body)
