# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of all tests. Makes ansible_collections.natsops.security available to imports and playbooks from a checkout in any folder."""

from __future__ import annotations

import pathlib
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from checkout import ROOT, make_importable
from support.plays import Play
from support.sites import Modules, Site


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Map the collection's package to the checkout, unless pytest-ansible or ansible-test did it before this hook."""
    make_importable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that run ansible-playbook. Begin with the slowest tests, so that no worker waits for another one at the end."""
    for item in items:
        if "play" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.playbook)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def collections_path(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The value of ANSIBLE_COLLECTIONS_PATH with which an ansible-playbook started by a test finds this checkout."""
    path = tmp_path_factory.mktemp("collections")
    namespace = path / "ansible_collections" / "natsops"
    namespace.mkdir(parents=True)
    (namespace / "security").symlink_to(ROOT, target_is_directory=True)
    return path


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, collections_path: pathlib.Path) -> Iterator[Any]:
    """Three servers with the accounts of a store that has users: a support.inventories.Cluster."""
    from support.inventories import account_of_users, cluster_of

    with cluster_of(tmp_path_factory.mktemp("cluster"), collections_path, account_of_users()) as found:
        yield found


@pytest.fixture
def clients(cluster: Any) -> Iterator[Any]:
    """Clients of these servers: support.inventories.Clients."""
    from support.inventories import Clients

    found = Clients(cluster)
    yield found
    found.close()


@pytest.fixture(scope="session")
def core() -> Any:
    """The core's modules, imported when a test needs them: pytest-ansible makes the collection importable after it has read this file."""
    from ansible_collections.natsops.security.plugins.module_utils import claims
    from ansible_collections.natsops.security.plugins.module_utils.claims import options
    from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
    from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

    class Core:
        pass

    found = Core()
    found.__dict__.update(claims=claims, nkey=nkey, codec=codec, decorated=decorated, options=options)
    return found


@pytest.fixture(scope="session")
def modules(collections_path: pathlib.Path) -> Iterator[Modules]:
    """A process that runs modules."""
    started = Modules(collections_path)
    yield started
    started.stop()


@pytest.fixture
def site(tmp_path: pathlib.Path, collections_path: pathlib.Path, core: Any, modules: Modules) -> Site:
    """An empty folder."""
    folder = tmp_path / "site"
    folder.mkdir()
    return Site(folder, collections_path, core, modules)


@pytest.fixture(scope="session")
def _acme(
    tmp_path_factory: pytest.TempPathFactory, collections_path: pathlib.Path, core: Any, modules: Modules
) -> Site:
    site = Site(tmp_path_factory.mktemp("acme"), collections_path, core, modules)
    operator, signing = site.make_key("acme.nk", "operator"), site.make_key("acme-signing.nk", "operator")
    account, account_signing = site.make_key("app.nk", "account"), site.make_key("app-signing.nk", "account")
    reader = site.make_key("app-reader.nk", "account")
    site.make_jwt(
        "acme.jwt",
        "operator",
        operator.public_key,
        operator,
        {"signing_keys": [signing.public_key], "strict_signing_key_usage": True},
    )
    site.make_jwt(
        "app.jwt",
        "account",
        account.public_key,
        signing,
        {
            "exports": [
                {"subject": "prices.>", "type": "stream"},
                {"subject": "orders.create", "type": "service", "token_required": True},
            ],
            "signing_keys": [
                {"key": account_signing.public_key},
                {
                    "key": reader.public_key,
                    "role": "reader",
                    "template": {"permissions": {"subscribe": {"allow": ["a"]}}},
                },
            ],
        },
    )
    return site


@pytest.fixture
def acme(_acme: Site, site: Site) -> Site:
    """A folder with the strict operator ACME and its account APP, which has an unscoped signing key and the role reader."""
    shutil.copytree(_acme.folder, site.folder, dirs_exist_ok=True)
    return site


@pytest.fixture
def play(tmp_path: pathlib.Path, collections_path: pathlib.Path) -> Play:
    """A folder and an environment to run playbooks in."""
    folder = tmp_path / "play"
    folder.mkdir()
    return Play(folder, collections_path)
