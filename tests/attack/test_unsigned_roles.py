# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Roles whose operator's keys are on an offline machine: a play ends where a signature is missing, and the next run continues it."""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING, Any

import pytest
from support.elsewhere import Elsewhere, new_elsewhere

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.plays import Play, Played
    from support.sites import Site

pytestmark = pytest.mark.attack

_LAST = "Say that the play went on"


class Roles:
    """Plays with roles on one store, of which only the users' keys are on this host, and the file with the signing requests."""

    def __init__(self, site: Site, play: Play, elsewhere: Elsewhere) -> None:
        self.site, self.play, self.elsewhere = site, play, elsewhere
        self.file = pathlib.Path(site / "requests.json")
        document = elsewhere.document(1)
        self.variables: dict[str, Any] = {
            "operator_definition": {**document, "accounts": document["accounts"][:1]},
            "operator_stores_dir": site / "stores",
            "operator_keys_dir": site / "keys",
            "operator_unsigned_path": str(self.file),
        }

    def run(self, tasks: Sequence[dict[str, Any]], *arguments: str, **variables: Any) -> Played:
        """The result of a run that succeeds, whether it ends early or not."""
        last = {"name": _LAST, "ansible.builtin.debug": {"msg": "on"}}
        done = self.play([*tasks, last], *arguments, **{**self.variables, **variables})
        assert done.returncode == 0, done.output
        return done

    def waits(self, tasks: Sequence[dict[str, Any]], **variables: Any) -> list[str]:
        """The requests of a run that ends the play. Asserts that check mode ends the play too, and that a second run changes nothing."""
        predicted = self.run(tasks, "--check", **variables)
        asking = self.run(tasks, **variables)
        again = self.run(tasks, **variables)
        for done in (predicted, asking, again):
            assert _LAST not in done.tasks
            assert "Nothing else is done before that. The play ends here" in done.output
        changed = [{name for name, is_changed in done.changed.items() if is_changed} for done in (predicted, asking)]
        assert changed[0] == changed[1]
        assert not any(again.changed.values())
        document = json.loads(self.file.read_text())
        assert document["checksum"] in asking.output
        return [request["what"] for request in document["requests"]]

    def sign(self) -> None:
        """Sign the requests with the keys of the other machine."""
        result = self.site.start("sign", {"path": str(self.file), "signer_path": str(self.elsewhere.folder)})
        assert result.get("waiting") == [], result

    def goes_on(self, tasks: Sequence[dict[str, Any]], **variables: Any) -> Played:
        """The result of the run with the signed file. Asserts that the run after it changes nothing."""
        done = self.run(tasks, **variables)
        assert _LAST in done.tasks
        again = self.run(tasks, **variables)
        assert not any(again.changed.values()), again.changed
        return done


def role(name: str, tasks_from: str = "main") -> dict[str, Any]:
    return {"ansible.builtin.include_role": {"name": f"natsops.security.{name}", "tasks_from": tasks_from}}


@pytest.fixture
def roles(site: Site, play: Play, tmp_path: pathlib.Path) -> Roles:
    """Plays with roles on a store that does not exist yet."""
    return Roles(site, play, new_elsewhere(tmp_path / "elsewhere"))


def test_operator_and_creds_of_hosts_wait_for_their_signatures(roles: Roles) -> None:
    site = roles.site
    tasks = [role("operator"), role("credentials")]
    assert roles.waits(tasks) == ["operator", "account APP", "user APP/u0"]
    roles.sign()
    roles.goes_on(tasks)
    # A user whose key is created on its host, and whose account's keys are on the other machine.
    born = {"credentials_users": [{"account": "APP", "name": "born", "path": site / "born.creds"}]}
    assert roles.waits(tasks, **born) == ["user APP/born"]
    assert not pathlib.Path(site / "born.creds").exists()
    roles.sign()
    roles.goes_on(tasks, **born)
    assert site.claims("born.creds").issuer == roles.elsewhere.account_signing.public_key


def test_nobody_is_cut_off_before_the_account_is_signed(roles: Roles) -> None:
    site = roles.site
    roles.waits([role("operator")])
    roles.sign()
    roles.goes_on([role("operator")])
    tasks = [role("resolver", "revoke")]
    revoke = {"resolver_revoke_user": "APP/u0", "resolver_servers": ["nats://127.0.0.1:9"]}
    assert roles.waits(tasks, **revoke) == ["account APP"]
    assert site.claims("stores/ACME/accounts/APP/APP.jwt").body.revocations == {}
    roles.sign()
    # No server is running. The run reports this after it has written the revocation to the store.
    done = roles.play(tasks, **{**roles.variables, **revoke})
    assert done.returncode != 0
    assert done.tasks["natsops.security.resolver : Require every server"]["failed"]
    assert len(site.claims("stores/ACME/accounts/APP/APP.jwt").body.revocations) == 1
