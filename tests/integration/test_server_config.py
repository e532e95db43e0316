# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The module nats_server_config: what it writes, read by a real nats-server, what it refuses, and what it never shows."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from checkout import ROOT
from support.plays import Play
from support.ports import free_ports
from support.server_cases import ALONE, CLUSTER, Kit, Options
from support.servers import SERVER, running, server_version
from support.sites import Site

AWKWARD = 'a$b"c\\d\\u0041#{}[];\té\n// end'
PASSWORD = 'p@ss/wo$rd "quoted" \\'
FILES = {"nats-server.conf", "restart.conf", "operator.conf", "server.conf", "jetstream.conf", "site.conf"}


@pytest.fixture
def kit(site: Site) -> Kit:
    (site.folder / "etc").mkdir()
    return Kit(site)


def options(kit: Kit, **more: Any) -> Options:
    """The options of a task that validates the configuration with the real server."""
    return kit.options(**{"config_dir": kit.site / "etc", "binary_path": str(SERVER), "operator": _OPERATOR, **more})


#: Created once for each test, because its tokens contain the time.
_OPERATOR: Any = None


@pytest.fixture(autouse=True)
def _operator(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("test_server_config._OPERATOR", kit.operator())


def actions(result: dict[str, Any]) -> dict[str, str]:
    """What happened to the files that changed."""
    return {file["name"]: file["action"] for file in result["files"] if file["action"] != "unchanged"}


def read_by_the_server(folder: pathlib.Path) -> str:
    """The digest of a configuration, which the server must accept."""
    done = subprocess.run(
        [SERVER, "-t", "-c", folder / "nats-server.conf"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (digest,) = re.findall(r"is valid \((sha256:\w+)\)", done.stderr)
    return str(digest)


# ---- what is written

CONFIGURATIONS: dict[str, Options] = {
    "full": {
        "resolver": {
            "type": "full",
            "allow_delete": True,
            "hard_delete": True,
            "interval": "1m",
            "timeout": "2s",
            "limit": 1000,
        }
    },
    "cache": {"resolver": {"type": "cache", "ttl": "1h", "limit": 10, "timeout": "2s"}},
    "memory": {"resolver": {"type": "memory"}},
    "url": {"resolver": {"type": "url", "url": "https://accounts.example/jwt/v1/accounts/"}},
    "everything": {
        "cluster": {
            "name": "C",
            "host": "::1",
            "authorization": {"user": "a/b", "password": PASSWORD, "timeout": 2},
            "pool_size": 5,
            "compression": {"mode": "s2_auto", "rtt_thresholds": ["10ms", "50ms"]},
            "no_advertise": True,
        },
        "cluster_addresses": ["n1.example", "2001:db8::1"],
        "gateway": {
            "name": "C",
            "port": 7222,
            "authorization": {"user": "g", "password": PASSWORD},
            "gateways": [{"name": "D", "urls": ["nats://g:secret-of-d@d.example:7222", "nats://e.example:7222"]}],
        },
        "leafnodes": {"port": 7422, "remotes": [{"urls": ["nats://l:secret-of-l@hub.example:7422"], "account": "APP"}]},
        "websocket": {"port": 8443, "no_tls": True, "compression": True, "headers": {"X-A_B": "1", "X.A.B": AWKWARD}},
        "mqtt": {"port": 1883, "ack_wait": "1m", "Authorization": {"Password": "secret-of-mqtt", "User": "m"}},
        "jetstream": {
            "max_mem": "64M",
            "max_file": 1073741824,
            "domain": "hub",
            "key": PASSWORD,
            "cipher": "aes",
            "limits": {"max_ha_assets": 5},
        },
        "pinned_accounts": ["APP"],
        "site_config": "max_payload: 2MB\nwrite_deadline: '5s'\n",
    },
}
SECRETS = ["p@ss", "p%40ss", "a/b", "secret-of-d", "secret-of-l", "secret-of-mqtt", "a%2Fb"]


@pytest.mark.server
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_server_takes_what_is_written_and_secrets_stand_apart(kit: Kit, name: str) -> None:
    wanted = json.loads(json.dumps(CONFIGURATIONS[name]).replace('"APP"', f'"{kit.app}"'))
    result = kit.site.run("server_config", **options(kit, **wanted))
    folder = kit.site.folder / "etc"
    assert {file for file in actions(result) if not file.endswith("-secrets.conf")} == FILES
    assert result["validated"]
    assert result["digest"] == read_by_the_server(folder)
    shown = "".join(path.read_text() for path in folder.glob("*.conf") if not path.name.endswith("-secrets.conf"))
    assert [secret for secret in SECRETS if secret in shown] == []
    kept = "".join(path.read_text() for path in folder.glob("*-secrets.conf"))
    assert [secret for secret in SECRETS if secret not in kept] == ([] if name == "everything" else SECRETS)
    for key in _OPERATOR["resolver_preload"]:
        assert (f'"{key}": "eyJ' in shown) == (name == "memory" or (key == kit.system and name != "url"))
    assert {kit.site.mode(f"etc/{path.name}") for path in folder.iterdir()} == {"0640"}
    told = json.dumps(result)
    assert [secret for secret in SECRETS if secret in told or json.dumps(secret)[1:-1] in told] == []
    kit.site.keep("server_config", **options(kit, **wanted))


@pytest.mark.server
def test_running_server_has_the_options_and_the_digest(kit: Kit) -> None:
    folder = kit.site.folder / "etc"
    port, monitoring = free_ports(2)
    wanted = {
        "port": port,
        "monitoring": {"port": monitoring},
        "name": re.sub(r"\s", "", AWKWARD),
        "resolver": {"type": "memory"},
    }
    result = kit.site.run("server_config", **options(kit, **wanted, site_config="max_payload: 2MB"))

    def varz() -> dict[str, Any]:
        with urllib.request.urlopen(result["monitoring_url"] + "/varz", timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    with running(folder / "nats-server.conf", port) as server:
        first = varz()
        assert (first["server_name"], first["max_payload"]) == (wanted["name"], 2 * 1024 * 1024)
        assert first["config_digest"] == result["digest"]

        result = kit.site.run("server_config", **options(kit, **wanted, site_config="max_payload: 3MB"))
        assert (actions(result), result["needs"]) == ({"site.conf": "changed"}, "reload")
        assert server.process is not None
        server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 60
        while varz()["config_load_time"] == first["config_load_time"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        second = varz()
        assert (second["config_digest"], second["start"]) == (result["digest"], first["start"])


def test_only_what_changes_is_written_and_secrets_need_a_restart(kit: Kit) -> None:
    cluster = {**CLUSTER, "authorization": {"user": "route", "password": "one"}}
    kit.site.run("server_config", **options(kit, cluster=cluster))
    result = kit.site.run("server_config", **options(kit, cluster=cluster, tls={}))
    assert (actions(result), result["needs"]) == ({"server.conf": "changed"}, "reload")
    cluster["authorization"]["password"] = "other-one"
    result = kit.site.run("server_config", **options(kit, cluster=cluster, tls={}))
    assert (actions(result), result["needs"]) == ({"server-secrets.conf": "changed"}, "restart")
    assert "other-one" not in json.dumps(result)
    result = kit.site.run("server_config", **options(kit, cluster=CLUSTER, tls={}))
    assert actions(result) == {"server.conf": "changed", "server-secrets.conf": "removed"}
    result = kit.site.run("server_config", **options(kit, cluster=CLUSTER, tls={}, name="n2"))
    assert (actions(result), result["needs"]) == ({"restart.conf": "changed"}, "restart")


def test_site_has_its_own_file_unless_the_task_has_it(kit: Kit) -> None:
    folder = kit.site.folder / "etc"
    kit.site.run("server_config", **options(kit))
    kit.site.write("etc/more/limits.conf", "max_connections: 10\n", 0o644)
    (folder / "site.conf").write_text("include more/limits.conf\nmax_payload: $NO_SUCH_VARIABLE")
    assert "NO_SUCH_VARIABLE" in kit.site.refuse("server_config", **options(kit, name="n2"))
    (folder / "site.conf").write_text("include more/limits.conf\n")
    result = kit.site.run("server_config", **options(kit, name="n2"))
    assert actions(result) == {"restart.conf": "changed"}
    assert result["digest"] == read_by_the_server(folder)
    (folder / "site.conf").write_text("jetstream { domain: 'a.b' }\n")
    assert "site.conf line 1: jetstream.domain: a domain has no dots" in kit.site.refuse(
        "server_config", **options(kit, name="n3")
    )
    result = kit.site.run("server_config", **options(kit, site_config="max_subs: 5"))
    assert (folder / "site.conf").read_text() == "max_subs: 5\n"


# ---- what is refused

REFUSED: dict[str, tuple[Options, str]] = {
    "jwt": ({"operator": {}}, "operator.jwt: the operator's JWT is missing"),
    "type": ({"resolver": {"type": "dir"}}, "must be one of: full, cache, memory, url, got: dir"),
    "url": (
        {"resolver": {"type": "url"}},
        "resolver.url: the type url needs a url that begins with http:// or https://",
    ),
    "ttl": ({"resolver": {"type": "full", "ttl": "1h"}}, "resolver: the type full does not support ttl"),
    "delete": (
        {"resolver": {"type": "cache", "allow_delete": True}},
        "resolver: the type cache does not support allow_delete",
    ),
    "hard": ({"resolver": {"hard_delete": True}}, "resolver.hard_delete: hard_delete needs allow_delete"),
    "duration": (
        {"lame_duck_duration": "2 minutes"},
        "lame_duck_duration: it must be at least 30s, as NATS writes durations, and is 2 minutes",
    ),
    "name": ({"name": "a b"}, "name: it must be one word, and is a b"),
    "cluster": ({"cluster": {"name": ""}}, "cluster.name: it must be one word"),
    "cipher": ({"jetstream": {"Cipher": "aes"}}, "jetstream.cipher: cipher needs key"),
    "previous": ({"jetstream": {"prev_key": "k"}}, "jetstream.prev_key: prev_key needs key"),
    "key": ({"websocket": {"headers": {"a\"'b": "c"}}}, "has both kinds of quotes"),
    "number": ({"mqtt": {"max_ack_pending": 1 << 63}}, "9223372036854775808 is more than a number"),
    "site": ({"site_config": "a b\n\nc { d"}, "site_config: site.conf line 3: 'd' has no value"),
    "include": (
        {"site_config": "include none.conf"},
        "site_config: site.conf line 1: the file none.conf that it includes cannot be read",
    ),
    "names": ({"site_config": "port: 4223"}, "site_config line 1: port: listen and port set the same thing"),
    "case": ({"mqtt": {"port": -1, "Port": 5}, "jetstream": {}}, "mqtt.Port: port and Port set the same thing"),
    "folder": ({"config_dir": "/no/such/folder"}, "config_dir: there is no folder /no/such/folder"),
    "binary": ({"binary_path": "/no/such/server"}, "binary_path: there is no program /no/such/server"),
    "user": ({"service_user": "no-such-user"}, "service_user: there is no user no-such-user"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_options_are_refused_with_a_clear_message(kit: Kit, name: str) -> None:
    wanted, message = REFUSED[name]
    assert message in kit.site.refuse("server_config", **options(kit, **wanted))


def test_every_problem_is_reported_at_once_in_the_words_of_a_role(kit: Kit) -> None:
    wanted = {
        "variable_prefix": "server_",
        "jetstream": {"domain": "a.b"},
        "leafnodes": {"remotes": [{"url": "nats://127.0.0.1:1"}]},
        "site_config": "no_auth_user: guest",
    }
    message = kit.site.refuse("server_config", **options(kit, **wanted))
    for place in ("server_jetstream.domain: ", "server_leafnodes.remotes[0].account: ", "server_site_config line 1: "):
        assert place in message


@pytest.mark.server
@pytest.mark.parametrize("version", ["2.10.26", ""])
def test_claims_that_the_server_is_too_old_to_enforce_are_warned_of(kit: Kit, version: str) -> None:
    """`make servers` runs this on older servers. Otherwise, a wrapper of the current server reports an older version."""
    operator = kit.operator()
    traced = {"trace": {"destination": "traces"}}
    operator["resolver_preload"][kit.app] = kit.site.make_jwt("app.jwt", "account", kit.app, kit.operator_key, traced)
    binary = str(SERVER)
    if version:
        binary = kit.site.write(
            "older", f'#!/bin/sh\n[ "$1" = -v ] && exec echo nats-server: v{version}\nexec {SERVER} "$@"\n'
        )
        pathlib.Path(binary).chmod(0o755)
    else:
        version = ".".join(map(str, server_version()))
    result = kit.site.run("server_config", **options(kit, operator=operator, binary_path=binary))
    words = f"trace of account APP is not enforced by n1 (nats-server {version})"
    assert [words in str(warning) for warning in result.get("warnings", [])] == ([True] if version < "2.11" else [])


@pytest.mark.server
def test_server_has_the_last_word_and_nothing_is_replaced(kit: Kit) -> None:
    """Errors that this module does not detect, but the server does when it reads the configuration or when it starts."""
    secret = {"authorization": {"user": "route", "password": "not-to-be-seen"}}
    kit.site.run("server_config", **options(kit, cluster={**CLUSTER, **secret}))
    message = kit.site.refuse(
        "server_config", **options(kit, cluster={**CLUSTER, **secret}, leafnodes={"min_version": "soon"})
    )
    assert f"{SERVER} does not accept the new configuration, so that of {kit.site / 'etc'} is kept: " in message
    assert "invalid leafnode's minimum version" in message
    assert "not-to-be-seen" not in message

    # The server contacts an OCSP responder when it starts, but not when it only reads the configuration.
    key, certificate = _certificate(kit.site)
    tls = {"cert_file": certificate, "key_file": key, "ca_file": certificate}
    message = kit.site.refuse("server_config", **options(kit, tls=tls, site_config="ocsp { mode: always }"))
    assert f"{SERVER} does not start with the new configuration" in message
    assert not (kit.site.folder / "accounts").exists()  # the resolver's folder of the running server is left alone


def _certificate(site: Site) -> tuple[str, str]:
    key, certificate = site / "key.pem", site / "certificate.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
            ),
            *("-subj", "/CN=localhost", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    return key, certificate


def _nobody_can_run_it() -> bool:
    command = ["runuser", "-u", "nobody", "--", SERVER, "-v"]
    return os.getuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def folder_of_nobody() -> Iterator[str]:
    """A folder that the user nobody may write to, unlike those of tests."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        shutil.chown(folder, "nobody")
        yield folder


@pytest.mark.server
@pytest.mark.skipif("not _nobody_can_run_it()", reason="only root runs programs as others")
def test_server_is_asked_as_the_user_of_the_service(kit: Kit, folder_of_nobody: str) -> None:
    # This user cannot read what is in the folder of the test.
    secret = {**CLUSTER, "authorization": {"user": "route", "password": "p"}}
    common = {"service_user": "nobody", "site_config": "max_subs: 5", "data_dir": folder_of_nobody}
    assert kit.site.run("server_config", **options(kit, cluster=secret, **common))["validated"]
    message = kit.site.refuse(
        "server_config", **options(kit, cluster=secret, leafnodes={"min_version": "soon"}, **common)
    )
    assert "invalid leafnode's minimum version" in message


# ---- check mode, content and the filter


def test_check_mode_works_where_nothing_is_there_yet(kit: Kit) -> None:
    later = {"jwt": None, "system_account": None, "resolver_preload": {}}
    wanted = options(
        kit, operator=later, config_dir="/no/such/folder", binary_path="/no/such/server", service_user="no-such-user"
    )
    result = kit.site.check("server_config", **wanted)
    assert set(actions(result)) == FILES
    assert (result["changed"], result["validated"], result["needs"]) == (True, False, "restart")


def test_content_is_what_the_files_say_and_is_returned_on_request(kit: Kit, tmp_path: pathlib.Path) -> None:
    wanted = {
        "cluster": {**CLUSTER, "authorization": {"user": "a", "password": PASSWORD}},
        "site_config": "max_subs: 7",
    }
    inline = {
        name: value for name, value in options(kit, **wanted).items() if name not in ("config_dir", "binary_path")
    }
    result = kit.site.run("server_config", **inline)
    assert "content" not in result
    assert "files" not in result
    content = kit.site.run("server_config", **inline, return_content=True)["content"]
    assert json.dumps(PASSWORD) in content
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "nats-server.conf").write_text(content)
    assert read_by_the_server(folder)
    assert "max_subs: 7" in content


@pytest.mark.server
def test_server_is_asked_about_a_configuration_for_another_host_too(kit: Kit) -> None:
    elsewhere = {"listen": "192.0.2.1", "data_dir": "/no/such/folder"}
    inline = {name: value for name, value in options(kit, **elsewhere).items() if name != "config_dir"}
    result = kit.site.run("server_config", **inline)
    assert result["validated"]
    secret = {"cluster": {**CLUSTER, "authorization": {"user": "route", "password": "not-to-be-seen"}}}
    message = kit.site.refuse("server_config", **{**inline, **secret}, leafnodes={"min_version": "soon"})
    assert f"{SERVER} does not accept the new configuration: " in message
    assert "invalid leafnode's minimum version" in message
    assert "not-to-be-seen" not in message


@pytest.mark.server
def test_examples_for_kubernetes_have_a_configuration_that_the_server_takes(
    kit: Kit, play: Play, tmp_path: pathlib.Path
) -> None:
    documentation = yaml.safe_load((ROOT / "plugins/filter/nats_server_config.yml").read_text())
    tasks = [
        {"name": task["name"], "vars": task["vars"], "ansible.builtin.debug": {"msg": task[module]}}
        for task in yaml.safe_load(documentation["EXAMPLES"])
        for module in task
        if module.startswith("kubernetes.core.")
    ]
    assert len(tasks) == 2
    played = play(tasks, operator_material=kit.operator())
    assert played.returncode == 0, played.output
    for number, task in enumerate(tasks):
        (text,) = values_of(played.tasks[task["name"]]["msg"], "nats.conf")
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "nats-server.conf").write_text(text)
        assert read_by_the_server(folder)


def values_of(value: Any, wanted: str) -> list[Any]:
    """The values of a key, at any depth of dictionaries."""
    found = [value[wanted]] if wanted in value else []
    return found + [one for inner in value.values() if isinstance(inner, dict) for one in values_of(inner, wanted)]


def test_filter_makes_the_same_text_and_refuses_the_same(kit: Kit, play: Play) -> None:
    wanted = {
        name: value
        for name, value in options(kit, cluster={**CLUSTER, "authorization": {"user": "a", "password": "b"}}).items()
        if name not in ("config_dir", "binary_path")
    }
    expression = "{{ settings | natsops.security.nats_server_config"
    played = play(
        [
            {"name": "Text", "ansible.builtin.debug": {"msg": expression + " }}"}},
            {"name": "Files", "ansible.builtin.debug": {"msg": expression + "(files=true) }}"}},
            {
                "name": "Wrong",
                "ansible.builtin.debug": {"msg": expression + " }}"},
                "vars": {"settings": {**wanted, "jetstream": {"domain": "a.b"}, "port": "x"}},
                "ignore_errors": True,
            },
        ],
        settings=wanted,
    )
    assert played.returncode == 0, played.output
    assert played.tasks["Text"]["msg"] == kit.site.run("server_config", **wanted, return_content=True)["content"]
    kit.site.run("server_config", **options(kit, **wanted))
    files = played.tasks["Files"]["msg"]
    assert {name: kit.site.text(f"etc/{name}") for name in files} == files
    assert "port" in played.tasks["Wrong"]["msg"]


def test_what_a_role_goes_by_is_returned_whatever_is_a_password(kit: Kit) -> None:
    wanted = {"data_dir": "/srv/nats", "cluster": {**CLUSTER, "routes": ["nats-route://u:nats@127.0.0.1:1"]}}
    result = kit.site.run("server_config", **options(kit, **wanted))
    assert result["folders"] == ["/srv/nats", "/srv/nats/accounts"]


# ---- what is never shown

PLACES: dict[str, Options] = {
    "password": {"cluster": {**CLUSTER, "authorization": {"user": "u", "password": "SECRET"}}},
    "capitals": {"mqtt": {"authorization": {"Password": "SECRET"}}},
    "PASS": {"gateway": {"name": "C", "listen": ALONE, "authorization": {"User": "u", "PASS": "SECRET"}}},
    "token": {"websocket": {"authorization": {"token": "SECRET"}}},
    "url": {"leafnodes": {"remotes": [{"url": "nats://u:SECRET@127.0.0.1:1", "account": "APP"}]}},
    "slash": {"leafnodes": {"remotes": [{"url": "nats://u:SECRET/x@127.0.0.1:1", "account": "APP"}]}},
    "at": {"leafnodes": {"remotes": [{"urls": ["nats://u:a@SECRET@127.0.0.1:1"], "account": "APP"}]}},
    "proxy": {
        "leafnodes": {"remotes": [{"url": "nats://h:1", "account": "APP", "proxy": {"url": "http://u:SECRET@p:1"}}]}
    },
    "route": {"cluster": {**CLUSTER, "routes": ["nats-route://u:SECRET@127.0.0.1:1"]}},
    "route with a slash": {"cluster": {**CLUSTER, "routes": ["nats-route://u:SEC/SECRET@127.0.0.1:1"]}},
    "key": {"jetstream": {"Encryption_Key": "SECRET"}},
    "tpm": {"jetstream": {"tpm": {"srk_password": "SECRET"}}},
    "header": {"websocket": {"headers": {"Authorization": "SECRET"}}},
    "site": {"site_config": "cluster { authorization { Password: SECRET, user: u } }"},
    "site's URL": {"site_config": "cluster { routes: [ nats://u:SEC/SECRET@h:1 ] }"},
    "site's variable": {"site_config": "MINE: SECRET\ncluster { authorization { user: u, password: $MINE } }"},
    "site's comment": {"site_config": "# the old password: SECRET\nmax_subs: 5"},
    "site that cannot be read": {"site_config": "cluster { authorization { password: SECRET } }}} {"},
    "wrong type": {"cluster": "password: SECRET"},
    "wrong option": {"cluster": {"name": "C", "secret": "SECRET"}},
}


@pytest.mark.parametrize("place", PLACES)
def test_secret_is_not_shown_wherever_it_stands(kit: Kit, place: str) -> None:
    secret = "s3cr3t-of-somebody"
    text = json.dumps(PLACES[place]).replace('"APP"', json.dumps(kit.app)).replace("SECRET", secret)
    wanted = options(kit, **json.loads(text))
    arguments = [str(value) for value in (secret,)]
    for judge in (wanted, {**wanted, "binary_path": None}):
        given = {name: value for name, value in judge.items() if value is not None}
        for check in (True, False):
            returncode, output, errors = kit.site.modules.run(
                "nats_server_config",
                {
                    **given,
                    "_ansible_check_mode": check,
                    "_ansible_diff": True,
                    "_ansible_remote_tmp": str(kit.site.collections),
                },
            )
            assert returncode in (0, 1)
            assert "Traceback" not in output + errors
            assert [argument for argument in arguments if argument in output + errors] == []
    written = "".join(
        path.read_text()
        for path in (kit.site.folder / "etc").glob("*.conf")
        if not path.name.endswith("-secrets.conf") and path.name != "site.conf"
    )
    assert secret not in written
