# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Makes tokens older, to test behaviour that depends on time."""

from __future__ import annotations

from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

from .sites import Site


def age(site: Site, seconds: int, only_users: bool = False) -> None:
    """Sign all tokens of a site again with times that are this many seconds earlier, including those in creds, in imports and in records."""
    ring = {path.stem: decorated.seed_in(path.read_text()) for path in (site.folder / "keys/keys").rglob("*.nk")}

    def aged(token: str) -> str:
        claims = codec.decode(token)
        if only_users and claims.kind != "user":
            return token
        if claims.kind == "account":
            for one in claims.body.imports:
                one.token = one.token and aged(one.token)
        claims.expires -= seconds if claims.expires else 0
        return codec.encode(claims, ring[claims.issuer], claims.issued_at - seconds)

    for path in [*site.folder.rglob("*.jwt"), *site.folder.rglob("*.creds")]:
        text = path.read_text()
        token = decorated.find_token(text)
        path.write_text(text.replace(token, aged(token)))
