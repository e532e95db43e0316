# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The checks that nats-server 2.15 performs when it starts in operator mode, and `nats-server -t` does not. Pure.

Each rule names the function of nats-server that it follows. The rules check the configuration as the server reads it, including what a site adds.
The types of values are declared in `settings`. Values from the environment are not checked.
"""

from __future__ import annotations

import binascii
import dataclasses
import re
from base64 import b32decode
from typing import Any, Iterable, Iterator, Mapping, NamedTuple, Tuple

from ..base import go_syntax
from ..base.errors import NatsSecurityError
from ..keys import nkey
from ..rules.operators import version_problem
from ..rules.subjects import is_subset, is_valid_subject
from ..rules.trust import signers_of_accounts
from ..token import codec
from . import settings
from .reading import Document, Path, Unknown

#: The path of a member, and the problem with it.
Found = Iterator[Tuple[Path, str]]

_MIB = 1024 * 1024
_MAX_PENDING = 64 * _MIB
_LAME_DUCK = (120, 10)  # the default duration and grace period, in seconds
_MIN_LAME_DUCK = 30
_NANOSECONDS = 10**9
_NOT_IN_A_DOMAIN = re.compile(r"[ \t\r\n\f.*>]")
_COMPRESSION = re.compile(
    r"on|enabled|true|not[ _]supported|disabled|off|false|accept|auto|s2_auto|(?:s2_)?(?:fast|better|best)",
    re.IGNORECASE,
)
_MOST_THRESHOLDS = 4
_LAST_PORT = 65535
_RAFT = "$NRG.>"
_REFUSED_HEADERS = ("host", "content-length", "connection", "upgrade", "nats-no-masking")

_LISTEN = ("listen", "port")
_HOST = ("listen", "host", "net")
# Groups of names that set the same option, by block. The server reads the members of a block in random order, so it would use a random one of a group.
_SAME = {
    "": (
        _LISTEN,
        _HOST,
        ("http", "http_port", "monitor_port"),
        ("https", "https_port"),
        ("operator", "operators", "root", "roots", "root_operator", "root_operators"),
        ("resolver", "account_resolver", "accounts_resolver"),
        ("system_account", "system"),
        ("leaf", "leafnodes"),
        ("websocket", "ws"),
        ("trusted", "trusted_keys"),
        ("logfile", "log_file"),
        ("logfile_size_limit", "log_size_limit"),
        ("logfile_max_num", "log_max_num"),
        ("pidfile", "pid_file"),
        ("max_connections", "max_conn"),
        ("max_subscriptions", "max_subs"),
        ("max_sub_tokens", "max_subscription_tokens"),
        ("no_system_account", "no_system", "no_sys_acc"),
    ),
    "cluster": (_LISTEN, _HOST, ("cluster_advertise", "advertise")),
    "gateway": (_LISTEN, _HOST, ("reject_unknown", "reject_unknown_cluster")),
    "leafnodes": (
        _LISTEN,
        _HOST,
        ("leafnode_advertise", "advertise"),
        ("reconnect", "reconnect_delay", "reconnect_interval"),
        ("min_version", "minimum_version"),
    ),
    "websocket": (_LISTEN, _HOST, ("authorization", "authentication"), ("compress", "compression")),
    "mqtt": (_LISTEN, _HOST, ("authorization", "authentication")),
    "jetstream": (
        ("max_memory_store", "max_mem_store", "max_mem"),
        ("max_file_store", "max_file"),
        ("key", "ek", "encryption_key"),
        ("prev_key", "prev_ek", "prev_encryption_key"),
        ("enable", "enabled"),
    ),
}


@dataclasses.dataclass(frozen=True)
class Host:
    """What the rules need in addition to the configuration: the time in unix seconds, and the version of nats-server if it is installed.

    `foretold` is whether, in check mode, keys and JWTs may still be missing that earlier tasks would create.
    """

    now: int
    version: str = ""
    foretold: bool = False


class Block:
    """A map of the configuration. Names are not case-sensitive, as in the server. If a name occurs twice, the last one is used."""

    def __init__(self, members: Any, path: Path = ()) -> None:
        self.path = path
        self.names: dict[str, str] = {}
        self.members: Mapping[str, Any] = members if isinstance(members, dict) else {}
        for name in self.members:
            self.names[name.lower()] = name

    def __bool__(self) -> bool:
        return bool(self.members)

    def at(self, *names: str) -> Path:
        """The path of the member with one of these names."""
        return (*self.path, self.name(*names) or names[0])

    def name(self, *names: str) -> str | None:
        """The name of the member as it is written; None if there is none."""
        return next((self.names[name] for name in names if name in self.names), None)

    def value(self, *names: str) -> Any:
        """The value of a member; None if it is missing or comes from the environment."""
        name = self.name(*names)
        return None if name is None or isinstance(self.members[name], Unknown) else self.members[name]

    def has(self, *names: str) -> bool:
        """Whether the member exists and is not empty."""
        name = self.name(*names)
        return name is not None and self.members[name] not in ("", [], {}, None)

    def text(self, *names: str) -> str:
        """A member that is a string; empty if it is not."""
        value = self.value(*names)
        return value if isinstance(value, str) else ""

    def number(self, *names: str) -> int | None:
        """A member that is an integer; None if it is not."""
        value = self.value(*names)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def seconds(self, *names: str) -> float | None:
        """A member that is a duration, in seconds; None if it is not."""
        try:
            return go_syntax.parse_duration(self.text(*names)) / _NANOSECONDS
        except ValueError:
            return None

    def block(self, *names: str) -> Block:
        """A member that is a map; an empty Block if it is not."""
        return Block(self.value(*names), self.at(*names))

    def listed(self, *names: str) -> list[tuple[Path, Any]]:
        """The items of a list with their paths. A single string counts as a list of one item."""
        value = self.value(*names)
        if isinstance(value, str):
            return [(self.at(*names), value)]
        return [
            ((*self.at(*names), index), item) for index, item in enumerate(value if isinstance(value, list) else ())
        ]

    def blocks(self, *names: str) -> list[Block]:
        """The maps in a list."""
        return [Block(value, path) for path, value in self.listed(*names) if isinstance(value, dict)]

    def port(self) -> int:
        """The port that the block listens on; 0 if it does not listen."""
        return _host_and_port(self)[1]


def _host_and_port(block: Block, *names: str) -> tuple[str, int]:
    listen = block.value(*(names or ("listen",)))
    if isinstance(listen, str):
        host, _colon, port = listen.rpartition(":")
        return host.strip("[]"), int(port) if re.fullmatch(r"-?[0-9]{1,9}", port) else 0
    if isinstance(listen, int):
        return "", int(listen)
    return block.text("host", "net"), block.number("port") or 0


@dataclasses.dataclass(frozen=True)
class Operator:
    """The claims of the operator's JWT that the rules need. `known` is whether the JWT could be read."""

    public_key: str = ""
    system_account: str = ""
    strict: bool = False
    signing_keys: tuple[str, ...] = ()
    server_version: str = ""
    known: bool = False

    @property
    def trusted(self) -> frozenset[str]:
        """The keys that may sign accounts."""
        return frozenset(signers_of_accounts(self.public_key, self.signing_keys, self.strict))


@dataclasses.dataclass(frozen=True)
class Server:
    """The configuration that the rules check."""

    top: Block
    operators: tuple[Operator, ...]  # one, or several while accounts move from one to another
    host: Host

    @property
    def system_account(self) -> str:
        """The effective system account: that of the configuration, or else that of the operator if there is only one operator (opts.go)."""
        of_operator = self.operators[0].system_account if len(self.operators) == 1 else ""
        return self.top.text("system_account", "system") or of_operator

    @property
    def may_have_system_account(self) -> bool:
        """Whether there is a system account, or an operator's JWT that check mode does not have yet may name one."""
        return bool(self.system_account) or (self.host.foretold and not all(one.known for one in self.operators))

    def block(self, name: str) -> Block:
        """A block by its usual name."""
        return self.top.block(
            *{"leafnodes": ("leafnodes", "leaf"), "websocket": ("websocket", "ws")}.get(name, (name,))
        )

    @property
    def resolver(self) -> str:
        """The type of the resolver: full, cache, memory or url."""
        value = self.top.value("resolver", "account_resolver", "accounts_resolver")
        text = value if isinstance(value, str) else Block(value).text("type")
        kinds = {"FULL": "full", "CACHE": "cache", "MEM": "memory", "MEMORY": "memory"}
        return kinds.get(text.strip().upper(), "url" if text.upper().startswith("URL") else "")


def problems(document: Document, host: Host) -> Found:
    """All problems for which a server would not start with this configuration, each with the path of the member."""
    top = Block(document.data)
    named = top.value("operator", "operators", "root", "roots", "root_operator", "root_operators")
    server = Server(top, tuple(map(_operator, named if isinstance(named, list) else [named])) or (Operator(),), host)
    yield from settings.problems(document.data)
    for rule in _RULES:
        yield from rule(server)


# ---- keys and tokens


def is_public_key(text: Any, letter: str) -> bool:
    """Whether a text is a public key with this prefix letter (nkeys.IsValidPublicAccountKey and so on). Works without the library nkeys."""
    if not isinstance(text, str) or not re.fullmatch(letter + "[A-Z2-7]{55}", text):
        return False
    data = b32decode(text)
    return binascii.crc_hqx(data[:-2], 0) == int.from_bytes(data[-2:], "little")


def _payload(token: Any) -> dict[str, Any]:
    """The payload of a JWT, not verified; empty if it is not a JWT."""
    if not isinstance(token, str) or not token.startswith("eyJ"):
        return {}
    try:
        return codec.public_payload(token)
    except NatsSecurityError:
        return {}


def _body(payload: Mapping[str, Any], kind: str) -> dict[str, Any]:
    body = payload.get("nats")
    return body if isinstance(body, dict) and body.get("type") == kind else {}


def subject_of(token: Any) -> str:
    """The subject of an operator's JWT, which is the operator's public key, not verified; empty if it is not a JWT of an operator."""
    return _operator(token).public_key


def _operator(value: Any) -> Operator:
    payload = _payload(value)
    body = _body(payload, "operator")
    if not body:
        return Operator()
    keys = body.get("signing_keys") or ()
    return Operator(
        public_key=str(payload.get("sub", "")),
        system_account=str(body.get("system_account") or ""),
        strict=body.get("strict_signing_key_usage") is True,
        signing_keys=tuple(key for key in keys if isinstance(key, str)),
        server_version=str(body.get("assert_server_version") or ""),
        known=True,
    )


def _operator_rules(server: Server) -> Found:
    """server.validateTrustedOperators and configureAccounts, jwt.go and server.go."""
    top = server.top
    at = top.at("operator", "operators", "root", "roots", "root_operator", "root_operators")
    yield from _system_account_rules(server)
    if all(one.strict and not one.signing_keys for one in server.operators):
        yield (
            at,
            "the operator requires signing keys (strict_signing_key_usage) and has none, so there is no key that the server could trust.",
        )
    for operator in server.operators:
        for key in operator.signing_keys:
            if not is_public_key(key, "O"):
                yield at, f"the operator's signing key {key} is not the public key of an operator."
        yield from _version_rules(operator, server.host, at)
    for path, key in top.listed("resolver_pinned_accounts"):
        if isinstance(key, str) and not is_public_key(key, "A"):
            yield path, f"not the public key of an account: {key}."
    yield from _local_account_rules(top)
    if server.resolver == "url" and top.block("resolver_preload"):
        yield (
            top.at("resolver_preload"),
            "a resolver of the type url does not read accounts from the configuration; set preload to none.",
        )
    if server.resolver == "memory":
        yield from _memory_rules(server)


def _system_account_rules(server: Server) -> Found:
    top = server.top
    configured = top.text("system_account", "system")
    named = [one.system_account for one in server.operators if one.system_account]
    if all(one.known for one in server.operators) and named and configured and configured not in named:
        whose = (
            f"that of the operator's jwt is {named[0]}"
            if len(server.operators) == 1
            else f"the operators' jwts name {', '.join(named)}"
        )
        yield (
            top.at("system_account", "system"),
            f"the system_account is {configured}, and {whose}; servers use the operator's.",
        )
    if server.resolver in ("full", "cache") and not server.may_have_system_account:
        missing = (
            "the operator has none"
            if len(server.operators) == 1
            else "with several operators it has to be in the configuration"
        )
        yield (
            top.at("resolver", "account_resolver", "accounts_resolver"),
            f"the type {server.resolver} needs a system account, and {missing}.",
        )


def _version_rules(operator: Operator, host: Host, at: Path) -> Found:
    problem = version_problem(operator.server_version)
    if problem:
        yield at, f"the operator's assert_server_version cannot be read, so the server does not start: {problem}"
    wanted, running = (_version(text) for text in (operator.server_version, host.version))
    if wanted and running and wanted > running:
        yield (
            at,
            f"the operator requires nats-server {operator.server_version} or later (assert_server_version), and this is {host.version}.",
        )


def _version(text: str) -> tuple[int, ...]:
    match = re.match(r"([0-9]{1,9})\.([0-9]{1,9})\.([0-9]{1,9})", text)
    return tuple(map(int, match.groups())) if match else ()


def _local_account_rules(top: Block) -> Found:
    """Settings that are only valid for servers without an operator."""
    for names in (("accounts",), ("mappings", "maps")):
        if top.block(*names):
            yield top.at(*names), "accounts come from the operator, they cannot be configured on the server; remove it."
    authorization = top.block("authorization")
    if authorization.value("users"):
        yield (
            authorization.at("users"),
            "users come from accounts of the operator, they cannot be configured on the server; remove them.",
        )
    if authorization.name("auth_callout", "auth_hook"):
        yield (
            authorization.at("auth_callout", "auth_hook"),
            "an authorization callout is part of the JWT of an account in operator mode; remove it.",
        )
    if top.listed("trusted", "trusted_keys"):
        yield top.at("trusted", "trusted_keys"), "trusted keys cannot be combined with an operator; remove them."


def _memory_rules(server: Server) -> Found:
    """server.configureAccounts: with a memory resolver, the system account must be in resolver_preload, and valid."""
    account = server.system_account
    if not account:
        return
    preload = server.top.block("resolver_preload")
    token = preload.members.get(account)
    if token is None:
        if not server.host.foretold:
            yield (
                server.top.at("resolver_preload"),
                f"the system account {account} is not among the accounts of the configuration, where a memory resolver looks for it.",
            )
        return
    payload = _payload(token)
    at = (*preload.path, account)
    expires = payload.get("exp")
    if isinstance(expires, int) and 0 < expires < server.host.now:
        yield at, "the JWT of the system account has expired."
    issuer = payload.get("iss")
    if (
        payload
        and all(one.known for one in server.operators)
        and not any(issuer in one.trusted for one in server.operators)
    ):
        yield (
            at,
            f"the JWT of the system account is signed by {issuer}, which is not a key of the operator that may sign accounts.",
        )


# Claims that a user of a scoped signing key must not have, jwt.UserPermissionLimits.
_USER_LIMITS = (
    "resp",
    "src",
    "times",
    "times_location",
    "subs",
    "data",
    "payload",
    "proxy_required",
    "allowed_connection_types",
)


def _sentinel_rules(server: Server) -> Found:
    """server.validateTrustedOperators, jwt.go."""
    at = server.top.at("default_sentinel")
    token = server.top.text("default_sentinel")
    if not token:
        return
    body = _body(_payload(token), "user")
    if not body or not _verifies(token):
        yield at, "it must be the JWT of a bearer user."
        return
    scoped = bool(body.get("issuer_account")) and not any(body.get(name) not in (None, 0, "") for name in _USER_LIMITS)
    if not body.get("bearer_token") and not (scoped and not body.get("pub") and not body.get("sub")):
        yield at, "it must be the JWT of a bearer user, and this user is not a bearer (bearer_token)."


def _verifies(token: str) -> bool:
    """Whether the signature of a JWT is valid. Without the library nkeys, it is taken as valid."""
    if nkey.NKEYS_IMPORT_ERROR is not None:
        return True
    try:
        codec.decode(token)
    except NatsSecurityError:
        return False
    return True


# ---- the rest of the server


def _top_rules(server: Server) -> Found:
    """server.validateOptions and StartMonitoring, server.go."""
    top = server.top
    duration, grace = top.seconds("lame_duck_duration"), top.seconds("lame_duck_grace_period")
    if top.name("lame_duck_duration") and (duration is None or duration < _MIN_LAME_DUCK):
        text = top.value("lame_duck_duration")
        yield top.at("lame_duck_duration"), f"it must be at least 30s, as NATS writes durations, and is {text}."
    elif (_LAME_DUCK[1] if grace is None else grace) >= (duration or _LAME_DUCK[0]):
        yield top.at("lame_duck_grace_period"), "it must be shorter than lame_duck_duration."
    payload, pending = top.number("max_payload"), top.number("max_pending")
    if (payload or _MIB) > (pending or _MAX_PENDING):
        yield (
            top.at("max_payload" if payload else "max_pending"),
            f"max_payload ({payload or _MIB}) must not be larger than max_pending ({pending or _MAX_PENDING}).",
        )
    if top.has("http", "http_port", "monitor_port") and top.has("https", "https_port"):
        yield top.at("https", "https_port"), "the server listens for http or for https, not for both."
    elif top.has("https", "https_port") and not top.name("tls"):
        yield top.at("https", "https_port"), "https needs tls, the certificate of the server."
    if top.text("no_auth_user"):
        yield top.at("no_auth_user"), _NO_AUTH_USER
    yield from _ocsp_rules(top.block("tls"))


_NO_AUTH_USER = "it cannot be used in operator mode; a default sentinel (default_sentinel) is what admits clients without credentials."


def _ocsp_rules(tls: Block) -> Found:
    """server.plugTLSOCSPPeer, ocsp_peer.go."""
    peer = tls.value("ocsp_peer")
    enabled = peer is True or Block(peer).value("verify") is True
    if enabled and not (tls.value("verify") is True or tls.value("verify_and_map") is True):
        yield tls.at("ocsp_peer"), "ocsp_peer needs verify, as only clients that show a certificate can be checked."


def _compression_rules(block: Block, default: str) -> Found:
    """server.validateAndNormalizeCompressionOption, server.go. The default modes are those of setBaselineOptions, opts.go."""
    value = block.value("compression")
    mode = (value if isinstance(value, str) else Block(value).text("mode")) or default
    at = block.at("compression")
    if not _COMPRESSION.fullmatch(mode):
        yield at, f"{mode!r} is not a compression mode; available: s2_auto, s2_fast, s2_better, s2_best, accept, off."
        return
    listed = Block(value, at).listed("rtt_thresholds", "thresholds", "rtts", "rtt")
    thresholds = [Block({"rtt": item}).seconds("rtt") for _path, item in listed]
    if mode.lower() not in ("auto", "s2_auto") or not thresholds or None in thresholds:
        return
    positive = [max(threshold or 0, 0) for threshold in thresholds]
    climbing = [threshold for threshold in positive if threshold]
    while positive and not positive[-1]:
        positive.pop()
    if climbing != sorted(climbing) or not 1 <= len(positive) <= _MOST_THRESHOLDS:
        yield at, "the thresholds of s2_auto are one to four durations in ascending order, where 0s skips a level."


def _cluster_rules(server: Server) -> Found:
    """server.validateCluster and validateGatewayOptions, server.go and gateway.go."""
    cluster, gateway = server.block("cluster"), server.block("gateway")
    yield from _compression_rules(cluster, "accept")
    accounts = [item for _path, item in cluster.listed("accounts")]
    if (cluster.number("pool_size") or 0) < 0 and accounts:
        yield cluster.at("pool_size"), "it must not be negative with accounts, which need a pool of connections."
    for path, account in cluster.listed("accounts"):
        if accounts.count(account) > 1:
            yield path, f"{account} is listed more than once."
            break
    name = gateway.text("name")
    if not gateway.has("name") and not gateway.port():
        return
    if not gateway.has("name"):
        yield gateway.at("name"), "the gateway needs the name of this cluster."
    elif not gateway.has("port") and not gateway.has("listen"):
        yield gateway.at("port"), "the gateway needs a port."
    if name and cluster.text("name") and name != cluster.text("name"):
        yield gateway.at("name"), f"the name must be that of the cluster, {cluster.text('name')}, and is {name}."
    for remote in gateway.blocks("gateways"):
        if not remote.has("name"):
            yield remote.at("name"), "each gateway needs the name of its cluster."
        elif not remote.has("url") and not remote.has("urls"):
            yield remote.at("urls"), f"the gateway {remote.text('name')} needs urls."


def _leafnode_rules(server: Server) -> Found:
    """server.validateLeafNode, leafnode.go."""
    leafnodes = server.block("leafnodes")
    authorization = leafnodes.block("authorization")
    if authorization.value("users"):
        yield (
            authorization.at("users"),
            "users come from accounts of the operator in operator mode; leaf nodes connect with the creds of one. Remove them.",
        )
    account = authorization.text("account")
    if account and leafnodes.port() and not is_public_key(account, "A"):
        yield (
            authorization.at("account"),
            f"it must be the public key of an account (A...) in operator mode, and is {account}.",
        )
    for remote in leafnodes.blocks("remotes"):
        local = remote.text("account", "local")
        if not is_public_key(local, "A") and (local or not remote.has("account", "local")):
            yield (
                remote.at("account", "local"),
                f"each remote needs the public key of the local account (A...) in operator mode, and this has {local or 'none'}.",
            )
        websockets = {
            str(url).lower().startswith("ws") for _path, url in [*remote.listed("urls"), *remote.listed("url")]
        }
        if len(websockets) > 1:
            yield remote.at("urls", "url"), "the URLs of a remote are all of websockets (ws, wss) or none is."
        yield from _compression_rules(remote, "s2_auto")
    yield from _compression_rules(leafnodes, "s2_auto" if leafnodes.port() else "off")
    yield from _ocsp_rules(leafnodes.block("tls"))
    gateway = server.block("gateway")
    if leafnodes.port() and (gateway.text("name") or gateway.port()) and not server.may_have_system_account:
        yield leafnodes.path, "leaf nodes together with gateways need a system account, and the operator has none."


def _websocket_rules(server: Server) -> Found:
    """server.validateWebsocketOptions, websocket.go."""
    websocket = server.block("websocket")
    if not websocket.port():
        return
    if not websocket.name("tls") and websocket.value("no_tls") is not True:
        yield websocket.at("tls"), "it needs tls, or no_tls where something else encrypts."
    if websocket.text("no_auth_user"):
        yield websocket.at("no_auth_user"), _NO_AUTH_USER
    origins = ("allowed_origins", "allowed_origin", "allow_origins", "allow_origin", "origins", "origin")
    for path, origin in websocket.listed(*origins):
        if isinstance(origin, str) and not _is_origin(origin):
            yield path, f"{origin!r} is not an origin, such as https://example.com."
    headers = websocket.block("headers")
    for name in headers.members:
        if name.lower() in _REFUSED_HEADERS or name.lower().startswith("sec-websocket-"):
            yield (*headers.path, name), "this header is the server's own."


def _is_origin(text: str) -> bool:
    try:
        url = go_syntax.parse_url(text)
    except ValueError:
        return False
    return url.scheme in ("http", "https") and url.host != ""


def _mqtt_rules(server: Server) -> Found:
    """server.validateMQTTOptions, mqtt.go."""
    mqtt = server.block("mqtt")
    if not mqtt.port():
        return
    leafnodes = server.block("leafnodes")
    others = (
        server.block("cluster").port() or server.block("gateway").port() or leafnodes.port() or leafnodes.has("remotes")
    )
    if not server.top.has("server_name") and (server.block("cluster").port() or server.block("gateway").port()):
        yield mqtt.path, "MQTT in a cluster needs server_name."
    if not _has_jetstream(server) and not others:
        yield mqtt.path, "it needs JetStream, so set jetstream too."
    if mqtt.text("no_auth_user"):
        yield mqtt.at("no_auth_user"), _NO_AUTH_USER
    for names in (("ack_wait", "ackwait"), ("js_api_timeout", "api_timeout")):
        seconds = mqtt.seconds(*names)
        if (mqtt.number(*names) or 0) < 0 or (seconds is not None and seconds < 0):
            yield mqtt.at(*names), "it must not be negative."


def _has_jetstream(server: Server) -> bool:
    value = server.top.value("jetstream")
    if isinstance(value, str):
        return value.lower() in ("enabled", "enable")
    return value is True or (isinstance(value, dict) and Block(value).value("enable", "enabled") is not False)


def _jetstream_rules(server: Server) -> Found:
    """server.validateJetStreamOptions, initJetStreamEncryption and Start, jetstream.go and server.go."""
    jetstream, top = server.block("jetstream"), server.top
    domain = jetstream.text("domain")
    if domain and _NOT_IN_A_DOMAIN.search(domain):
        yield jetstream.at("domain"), f"a domain has no dots, blanks and wildcards, and this is {domain!r}."
    defaults = top.block("default_js_domain")
    for account, value in defaults.members.items():
        at = (*defaults.path, account)
        if not is_public_key(account, "A"):
            yield at, f"{account} is not the public key of an account."
        elif account == server.system_account:
            yield at, "the system account has no JetStream, so no default domain."
        elif isinstance(value, str) and value and not is_valid_subject(f"$JS.{value}.API.>"):
            yield at, f"a domain has no blanks and no wildcards, and this is {value!r}."
    if not _has_jetstream(server):
        return
    if jetstream.text("key", "ek", "encryption_key") and jetstream.block("tpm").text("keys_file"):
        yield jetstream.at("tpm"), "the key is in the configuration or in a TPM (tpm), not both."
    token = top.block("resolver_preload").members.get(server.system_account)
    limits = _body(_payload(token), "account").get("limits")
    if isinstance(limits, dict) and (
        limits.get("mem_storage") or limits.get("disk_storage") or limits.get("tiered_limits")
    ):
        yield (
            jetstream.path,
            "the system account has JetStream limits, and servers refuse JetStream on the system account.",
        )
    if server.block("cluster").port():
        yield from _clustered_jetstream_rules(server)
    if server.block("cluster").port() or server.block("gateway").port():
        yield from _meta_group_rules(server)


def _clustered_jetstream_rules(server: Server) -> Found:
    jetstream = server.block("jetstream")
    if not server.top.has("server_name"):
        yield server.top.at("server_name"), "JetStream in a cluster needs it."
    if not server.block("cluster").has("name") and not server.block("gateway").has("name"):
        yield server.block("cluster").at("name"), "JetStream in a cluster needs it."
    if jetstream.text("extension_hint").lower() not in ("", "will_extend", "no_extend"):
        yield jetstream.at("extension_hint"), "it must be will_extend or no_extend."
    if (jetstream.number("max_outstanding_catchup") or 0) < 0:
        yield jetstream.at("max_outstanding_catchup"), "it must not be negative."


def _meta_group_rules(server: Server) -> Found:
    """server.enableJetStreamClustering, jetstream_cluster.go, and canExtendOtherDomain, jetstream.go: how servers elect the leader of JetStream."""
    cluster = server.block("cluster")
    if cluster.listed("routes") or isinstance(cluster.members.get(cluster.name("routes") or ""), Unknown):
        return
    if server.may_have_system_account and not server.system_account:
        return
    # The server only considers the first remote of the system account.
    of_system = (
        remote
        for remote in server.block("leafnodes").blocks("remotes")
        if server.system_account and remote.text("account", "local") == server.system_account
    )
    extending = next(of_system, None)
    if extending is not None:
        denied = [subject for _path, subject in extending.listed("deny_imports", "deny_import")]
        if not any(isinstance(subject, str) and is_subset(subject, _RAFT) for subject in denied):
            return
    yield (
        cluster.at("routes"),
        "JetStream in a cluster or with gateways needs routes to other servers, or a leaf node of the system account, and there are none.",
    )


# ---- addresses


def _listener_rules(server: Server) -> Found:
    """net.Listen refuses invalid ports, and a second listener on the same port."""
    found = [listener for listener in listeners(server.top) if listener.port > 0]
    for index, (path, host, port) in enumerate(found):
        if port > _LAST_PORT:
            yield path, f"{port} is not a port; the last one is {_LAST_PORT}."
        for _other, other_host, other_port in found[:index]:
            if port == other_port and (host == other_host or not {host, other_host}.isdisjoint(("", "0.0.0.0", "::"))):  # noqa: S104 (what nats-server means by all interfaces)
                yield path, f"something else in this configuration listens on port {port} too."
                break


class Listener(NamedTuple):
    """An address that the server listens on, with the path of its member. The port is negative if the system chooses one."""

    path: Path
    host: str
    port: int


def listeners(top: Block) -> list[Listener]:
    """All addresses that the server listens on."""
    found = []
    for block, names in _listening(Server(top, (), Host(0))):
        host, port = _host_and_port(block, *names)
        if port:
            found.append(Listener(block.at(*(names or _LISTEN)), host, port))
    return found


def _listening(server: Server) -> Iterable[tuple[Block, tuple[str, ...]]]:
    top = server.top
    yield top, ()
    for names in (("http", "http_port", "monitor_port"), ("https", "https_port"), ("prof_port",)):
        if top.name(*names):
            yield top, names
    for name in ("cluster", "gateway", "leafnodes", "websocket", "mqtt"):
        yield server.block(name), ()


def _advertise_rules(server: Server) -> Found:
    """server.parseHostPort, util.go: the addresses that clients and other servers receive."""
    for block, names in (
        (server.top, ("client_advertise",)),
        (server.block("cluster"), ("advertise", "cluster_advertise")),
        (server.block("gateway"), ("advertise",)),
        (server.block("leafnodes"), ("advertise", "leafnode_advertise")),
        (server.block("websocket"), ("advertise",)),
    ):
        text = block.text(*names)
        if text and (block is server.top or block.port()) and not _is_address(text):
            yield (
                block.at(*names),
                f"it must be an address with or without a port, such as n1.example.com:4222, and is {text!r}.",
            )


def _is_address(text: str) -> bool:
    # Like net.SplitHostPort, with an optional port, which must be a number.
    match = re.fullmatch(r"(?:\[[^\[\]]*\]|[^\[\]:]*)(?::\s*[+-]?[0-9]{1,9}\s*)?", text)
    return match is not None


def _ambiguity_rules(server: Server) -> Found:
    """processConfigFile and the functions of blocks, opts.go: they iterate over a Go map, whose order is random."""
    for name, groups in _SAME.items():
        block = server.block(name) if name else server.top
        lowered = [member.lower() for member in block.members]
        for group in (*groups, *((member,) for member in dict.fromkeys(lowered))):
            found = [member for member in block.members if member.lower() in group]
            if len(found) > 1:
                yield (
                    (*block.path, found[-1]),
                    f"{' and '.join(found)} set the same thing, and the server uses either of them at random; set only one.",
                )


_RULES = (
    _operator_rules,
    _sentinel_rules,
    _top_rules,
    _cluster_rules,
    _leafnode_rules,
    _websocket_rules,
    _mqtt_rules,
    _jetstream_rules,
    _listener_rules,
    _advertise_rules,
    _ambiguity_rules,
)
