# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Create the configuration files of a nats-server in operator mode from options. Pure: reads no file, no clock and no environment."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any, Callable, Iterator, Mapping
from urllib.parse import quote

from ..base import go_syntax
from ..base.errors import NatsSecurityError
from ..base.units import NANOSECONDS
from ..claims.options import Problem
from . import language, reading, secrets, settings, startup

MAIN = "nats-server.conf"
SITE = "site.conf"
_SECRETS = "-secrets.conf"
#: The parts of a configuration, one file each, in the order in which the main file includes them.
PARTS = ("restart", "operator", "server", "jetstream")
#: Files whose changes only take effect with a restart: NATS refuses to reload them, or logs the old and new passwords when it reloads them.
#: The systemd unit of the role server has the same list.
RESTART_FILES = ("restart.conf", *(f"{part}{_SECRETS}" for part in ("jetstream", "operator", "restart", "server")))
_HEADER = "# Written by natsops.security.nats_server_config."

_RESOLVER_OPTIONS = {
    "full": ("dir", "allow_delete", "hard_delete", "interval", "timeout", "limit"),
    "cache": ("dir", "ttl", "timeout", "limit"),
    "memory": (),
    "url": ("url",),
}
_DEFAULT_PRELOAD = {"memory": "all", "url": "none"}
_RESOLVER_URL = re.compile(r"https?://[^\s\")]+")
_ROUTE_WITHOUT_LOGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?!.*@)", re.DOTALL)
#: The placeholder for an operator JWT that an earlier task would create.
PLACEHOLDER = "(a new JWT)"


def _described(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, **more}


#: The options of a configuration, as an argument spec. Secrets are hidden by option and form, see `secrets`: no_log would mask every word of the
#: result that is equal to a password.
OPTIONS: dict[str, dict[str, Any]] = {
    "name": _described("str", required=True),
    "operator": _described(
        "dict",
        required=True,
        options={
            "jwt": _described("str"),
            "system_account": _described("str"),
            "resolver_preload": _described("dict", default={}),
            # Accepted so that the fact of the role operator can be passed unchanged.
            **{name: _described("str") for name in ("name", "public_key", "store_path", "creds_path")},
            "keys_path": {**_described("str"), "no_log": False},
        },
    ),
    "trusted_operators": _described("list", elements="str", default=[]),
    "resolver": _described(
        "dict",
        default={},
        options={
            "type": _described("str", choices=list(_RESOLVER_OPTIONS), default="full"),
            "dir": _described("path"),
            "allow_delete": _described("bool"),
            "hard_delete": _described("bool"),
            "interval": _described("str"),
            "timeout": _described("str"),
            "limit": _described("int"),
            "ttl": _described("str"),
            "url": _described("str"),
        },
        apply_defaults=True,
    ),
    "resolver_tls": _described("dict"),
    "preload": _described("str", choices=["all", "system", "none"]),
    "pinned_accounts": _described("list", elements="str", default=[]),
    "default_sentinel": _described("str"),
    "listen": _described("str", default="0.0.0.0"),  # noqa: S104 (the server's default)
    "port": _described("int", default=4222),
    "tls": _described("dict"),
    "cluster": _described(
        "dict",
        options={
            "name": _described("str", required=True),
            "host": _described("str", default="0.0.0.0"),  # noqa: S104 (what nats-server means by all interfaces)
            "port": _described("int", default=6222),
            "routes": _described("list", elements="str"),
            "authorization": _described(
                "dict",
                options={
                    "user": _described("str", required=True),
                    "password": _described("str", required=True, no_log=False),
                    "timeout": _described("float"),
                },
            ),
            "tls": _described("dict"),
            "advertise": _described("str"),
            "no_advertise": _described("bool"),
            "connect_retries": _described("int"),
            "connect_backoff": _described("bool"),
            "pool_size": _described("int"),
            "accounts": _described("list", elements="str"),
            "compression": _described("raw"),
            "permissions": _described("dict"),
            "ping_interval": _described("str"),
            "ping_max": _described("int"),
            "write_deadline": _described("str"),
            "write_timeout": _described("str"),
        },
    ),
    "cluster_addresses": _described("list", elements="str", default=[]),
    "gateway": _described("dict"),
    "leafnodes": _described("dict"),
    "websocket": _described("dict"),
    "mqtt": _described("dict"),
    "jetstream": _described("dict"),
    "monitoring": _described(
        "dict",
        default={},
        options={
            "host": _described("str", default="127.0.0.1"),
            "port": _described("int", default=8222),
            "tls": _described("bool", default=False),
            "base_path": _described("str"),
        },
        apply_defaults=True,
    ),
    "lame_duck_duration": _described("str", default="2m"),
    "lame_duck_grace_period": _described("str", default="10s"),
    "data_dir": _described("path", default="/var/lib/nats"),
    "site_config": _described("str"),
}


@dataclasses.dataclass(frozen=True)
class Configuration:
    """Configuration files by name, with the values that a service needs.

    `site.conf` is included if the options set its content; otherwise the site maintains the file, and it must exist.
    """

    members: Mapping[str, Mapping[str, Any]]  # by part
    files: Mapping[str, str]
    folders: tuple[str, ...]  # folders that the server writes to
    monitoring_url: str
    lame_duck_seconds: int

    @property
    def secret_values(self) -> list[str]:
        """All secret values in the configuration."""
        return list(secrets.values_of(self.members))

    @property
    def content(self) -> str:
        """The whole configuration as one text, including the secrets."""
        text = "\n".join(language.write(members) for members in self.members.values())
        return f"{_HEADER}\n{text}{self.files.get(SITE, '')}"


def is_secret_file(name: str) -> bool:
    """Whether a file holds secrets, which are never shown."""
    return name.endswith(_SECRETS)


#: The names of all files with secrets that a configuration can have.
SECRET_FILES = tuple(f"{part}{_SECRETS}" for part in PARTS)


def server_configuration(options: Mapping[str, Any]) -> Configuration:
    """The configuration for these options, which have every name of OPTIONS; omitted ones are None. NatsSecurityError for a value that cannot be written."""
    members = {part: settings.as_taken(_MEMBERS[part](options), "") for part in PARTS}
    files = {
        MAIN: f"{_HEADER} Settings of your own belong in {SITE}: it comes last, so its settings take precedence.\n"
    }
    for part in PARTS:
        shown, variables = secrets.split(members[part])
        files[MAIN] += f'include "{part}.conf"\n'
        included = f'include "{part}{_SECRETS}"\n' if variables else ""
        files[f"{part}.conf"] = f"{_HEADER}\n{included}{language.write(shown)}"
        if variables:
            files[part + _SECRETS] = f"{_HEADER}\n{language.write(variables)}"
    files[MAIN] += f'include "{SITE}"\n'
    if options["site_config"] is not None:
        files[SITE] = options["site_config"].rstrip("\n") + "\n"
    return Configuration(
        members, files, _folders(options, members), _monitoring_url(options), _lame_duck_seconds(options)
    )


#: The content of a new site.conf.
EMPTY_SITE = f"{_HEADER} What this site adds to the configuration belongs here; this file is written once.\n"


# ---- members


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _present(block: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (block or {}).items() if value is not None}


def _restart_members(options: Mapping[str, Any]) -> dict[str, Any]:
    monitoring = options["monitoring"]
    return {
        "server_name": options["name"],
        "listen": _address(options["listen"], options["port"]),
        "https" if monitoring["tls"] else "http": _address(monitoring["host"], monitoring["port"]),
        "http_base_path": monitoring["base_path"],
        "lame_duck_duration": options["lame_duck_duration"],
        "lame_duck_grace_period": options["lame_duck_grace_period"],
        **{name: options[name] for name in ("gateway", "leafnodes", "websocket", "mqtt")},
    }


def _operator_members(options: Mapping[str, Any]) -> dict[str, Any]:
    operator = options["operator"]
    others = _other_operators(options)
    return {
        "operator": [operator["jwt"] or PLACEHOLDER, *others] if others else operator["jwt"] or PLACEHOLDER,
        "system_account": operator["system_account"],
        "resolver": _resolver(options),
        "resolver_tls": options["resolver_tls"],
        "resolver_preload": _preloaded(options) or None,
        "resolver_pinned_accounts": options["pinned_accounts"] or None,
        "default_sentinel": options["default_sentinel"],
    }


def _other_operators(options: Mapping[str, Any]) -> list[str]:
    """The JWTs of other operators that the server trusts. Other JWTs of its own operator are ignored: an older one has keys that are no longer trusted."""
    own = options["operator"]["jwt"]
    named = startup.subject_of(own)
    rest = (token for token in dict.fromkeys(token.strip() for token in options["trusted_operators"]) if token != own)
    return [token for token in rest if not named or startup.subject_of(token) != named]


def _resolver(options: Mapping[str, Any]) -> Any:
    resolver = options["resolver"]
    if resolver["type"] == "memory":
        return "MEMORY"
    if resolver["type"] == "url":
        return f"URL({resolver['url'] or ''})"
    return {**_present(resolver), "dir": resolver["dir"] or f"{options['data_dir']}/accounts"}


def _preload(options: Mapping[str, Any]) -> str:
    return options["preload"] or _DEFAULT_PRELOAD.get(options["resolver"]["type"], "system")


def _preloaded(options: Mapping[str, Any]) -> dict[str, Any]:
    preload = _preload(options)
    if preload == "none":
        return {}
    accounts = options["operator"]["resolver_preload"] or {}
    return {
        account: token
        for account, token in accounts.items()
        if preload == "all" or account == options["operator"]["system_account"]
    }


def _server_members(options: Mapping[str, Any]) -> dict[str, Any]:
    cluster = options["cluster"]
    if cluster is None:
        return {"tls": options["tls"], "cluster": None}
    rest = {name: value for name, value in _present(cluster).items() if name not in ("host", "port", "routes")}
    return {
        "tls": options["tls"],
        "cluster": {**rest, "listen": _address(cluster["host"], cluster["port"]), "routes": _routes(options)},
    }


def _routes(options: Mapping[str, Any]) -> list[str]:
    """The URLs of the other servers. If the cluster has a password, it is part of each URL: a server expects it from others and sends it to them."""
    cluster = options["cluster"]
    routes = cluster["routes"]
    if routes is None:
        routes = [f"nats-route://{_address(host, cluster['port'])}" for host in options["cluster_addresses"]]
    authorization = cluster["authorization"]
    if not authorization:
        return list(routes)
    login = f"{quote(str(authorization['user']), safe='')}:{quote(str(authorization['password']), safe='')}@"
    return [
        url.replace("://", "://" + login, 1) if _ROUTE_WITHOUT_LOGIN.match(url) else url for url in map(str, routes)
    ]


def _jetstream_members(options: Mapping[str, Any]) -> dict[str, Any]:
    jetstream = options["jetstream"]
    if jetstream is None:
        return {"jetstream": None}
    if _store_dir(jetstream) is None:
        return {"jetstream": {**jetstream, "store_dir": f"{options['data_dir']}/jetstream"}}
    return {"jetstream": jetstream}


def _store_dir(jetstream: Mapping[str, Any]) -> str | None:
    names = ("store_dir", "storedir", "store")
    return next((str(value) for name, value in jetstream.items() if name.lower() in names and value is not None), None)


_MEMBERS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "restart": _restart_members,
    "operator": _operator_members,
    "server": _server_members,
    "jetstream": _jetstream_members,
}


# ---- values that a service needs


def _folders(options: Mapping[str, Any], members: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    found = [options["data_dir"], _store_dir(members["jetstream"]["jetstream"] or {})]
    resolver = members["operator"]["resolver"]
    if isinstance(resolver, dict):
        found.append(resolver["dir"])
    return tuple(dict.fromkeys(folder for folder in found if folder))


def _monitoring_url(options: Mapping[str, Any]) -> str:
    """The monitoring URL for programs on the same host. For a server that listens on all addresses, it has the loopback address."""
    monitoring = options["monitoring"]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(monitoring["host"], monitoring["host"])  # noqa: S104 (what nats-server means by all interfaces)
    path = (monitoring["base_path"] or "").strip("/")
    scheme = "https" if monitoring["tls"] else "http"
    return f"{scheme}://{_address(host, monitoring['port'])}{'/' + path if path else ''}"


def _lame_duck_seconds(options: Mapping[str, Any]) -> int:
    """The lame duck duration of the server, in whole seconds, rounded up; 0 if the option is invalid."""
    try:
        return math.ceil(go_syntax.parse_duration(options["lame_duck_duration"]) / NANOSECONDS)
    except ValueError:
        return 0


# ---- problems


def effective(configuration: Configuration, folder: str, read_file: reading.ReadFile) -> reading.Document:
    """The whole configuration as the server would read it in this folder. NatsSecurityError if it cannot be read.

    `read_file` returns the text of files that are already in the folder, and of those that `site.conf` includes, by path.
    """

    def text_of(path: str) -> str | None:
        name = path[len(folder) + 1 :] if path.startswith(folder + "/") else ""
        text = configuration.files.get(name)
        if text is None:
            text = read_file(path)
        return "" if text is None and name == SITE else text

    return reading.read(configuration.files[MAIN], f"{folder}/{MAIN}", text_of)


def configuration_problems(
    options: Mapping[str, Any],
    configuration: Configuration,
    folder: str,
    read_file: reading.ReadFile,
    host: startup.Host,
) -> list[Problem]:
    """All problems of the options and the site's configuration, as far as it can be read, for which a server would not start or would not do what is meant.

    The path of a problem is the name of an option, or a line of a file.
    """
    found = list(_option_problems(options, host.foretold))
    if not host.version:  # an installed server may know settings that are not declared here
        for part in PARTS:
            unknown = settings.unknown(configuration.members[part], "", ())
            found.extend(Problem(_option(path), message) for path, message in unknown)
    try:
        document = effective(configuration, folder, read_file)
    except NatsSecurityError as error:
        if SITE in configuration.files:  # a file that the site maintains is left to nats-server -t
            found.append(Problem("site_config", str(error).replace(folder + "/", "")))
    else:
        for path, message in startup.problems(document, host):
            found.append(Problem(_place(document, path, folder, SITE in configuration.files), message))
    return list(dict.fromkeys(found))


#: The options for members of a file, if their names differ.
_OPTION_OF = {
    "server_name": "name",
    "http": "monitoring",
    "https": "monitoring",
    "http_base_path": "monitoring.base_path",
    "operator": "operator.jwt",
    "system_account": "operator.system_account",
    "resolver_preload": "operator.resolver_preload",
    "resolver_pinned_accounts": "pinned_accounts",
}


def place_of(document: reading.Document, path: reading.Path, folder: str, configuration: Configuration) -> str:
    """The place of a member for messages: the option that sets it, or the file and line in the configuration of the site."""
    return _place(document, path, folder, SITE in configuration.files)


def _place(document: reading.Document, path: reading.Path, folder: str, site_is_option: bool) -> str:
    """The place of a member for messages: the option that sets it, or the file and line in the configuration of the site."""
    known = next((path[:end] for end in range(len(path), 0, -1) if path[:end] in document.places), None)
    if known is None:
        return _option(path)
    place = document.places[known]
    name = place.file[len(folder) + 1 :] if place.file.startswith(folder + "/") else place.file
    if name in {f"{part}.conf" for part in PARTS}:
        return _option(path)
    where = "site_config" if name == SITE and site_is_option else name
    return f"{where} line {place.line}: {reading.shown(path)}"


def _option(path: reading.Path) -> str:
    return reading.shown((_OPTION_OF.get(path[0], path[0]), *path[1:]))


def _option_problems(options: Mapping[str, Any], foretold: bool) -> Iterator[Problem]:
    if not options["operator"]["jwt"] and not foretold:
        yield Problem("operator.jwt", "the operator's JWT is missing.")
    for index, token in enumerate(options["trusted_operators"]):
        if not startup.subject_of(token.strip()):
            yield Problem(f"trusted_operators[{index}]", "this is not the JWT of an operator.")
    yield from _resolver_problems(options)
    for option, value in (("name", options["name"]), ("cluster.name", (options["cluster"] or {}).get("name", "_"))):
        # The server refuses spaces, but no other white space (opts.go).
        if not value or " " in value:
            yield Problem(option, f"it must be one word, and is {value}.")
    jetstream = {name.lower(): value for name, value in (options["jetstream"] or {}).items() if value is not None}
    if not jetstream.keys() & {"key", "ek", "encryption_key", "tpm"}:
        # Without a key, the server encrypts nothing and reports no error.
        for name in sorted(jetstream.keys() & {"cipher", "prev_key", "prev_ek", "prev_encryption_key"}):
            yield Problem(f"jetstream.{name}", f"{name} needs key.")


def _resolver_problems(options: Mapping[str, Any]) -> Iterator[Problem]:
    resolver = options["resolver"]
    kind = resolver["type"]
    unfit = [name for name in _present(resolver) if name not in ("type", *_RESOLVER_OPTIONS[kind])]
    if unfit:
        yield Problem("resolver", f"the type {kind} does not support {', '.join(unfit)}.")
    if resolver["hard_delete"] and not resolver["allow_delete"]:
        yield Problem("resolver.hard_delete", "hard_delete needs allow_delete.")
    if kind == "url" and not _RESOLVER_URL.fullmatch(resolver["url"] or ""):
        yield Problem("resolver.url", "the type url needs a url that begins with http:// or https://.")
