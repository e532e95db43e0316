# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Configurations in operator mode that `nats-server -t` accepts but with which nats-server does not start, and similar ones with which it does."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from support.sites import Site

Options = dict[str, Any]


@dataclasses.dataclass
class Kit:
    """An operator with a system account and another account, and functions that create the other parts of cases."""

    site: Site

    def __post_init__(self) -> None:
        """Create the keys."""
        self.operator_key = self.site.make_key("o.nk", "operator")
        self.other_key = self.site.make_key("other.nk", "operator")
        self.system_key = self.site.make_key("s.nk", "account")
        self.app_key = self.site.make_key("a.nk", "account")
        self.system, self.app = self.system_key.public_key, self.app_key.public_key

    def operator(self, system: str | None = None, limits: Options | None = None, **claims: Any) -> Options:
        """Return the value of the option `operator`. `system` replaces the system account; if empty, there is none."""
        system = self.system if system is None else system
        claims = {**({"system_account": system} if system else {}), **claims}
        key = self.operator_key
        return {
            "jwt": self.site.make_jwt("operator.jwt", "operator", key.public_key, key, claims),
            "system_account": system or None,
            "resolver_preload": {
                self.system: self.site.make_jwt(
                    "sys.jwt", "account", self.system, key, {"limits": limits} if limits else {}
                ),
                self.app: self.site.make_jwt("app.jwt", "account", self.app, key),
            },
        }

    def other(self, **claims: Any) -> list[str]:
        """Return a list with the JWT of another operator, to be trusted as well."""
        return [self.site.make_jwt("other.jwt", "operator", self.other_key.public_key, self.other_key, claims)]

    def user(self, **claims: Any) -> str:
        """Return the JWT of a user of the account."""
        return self.site.make_jwt(
            "user.jwt", "user", self.site.make_key("u.nk", "user").public_key, self.app_key, claims
        )

    def options(self, **more: Any) -> Options:
        """Return options with which a server starts, overridden by `more`."""
        return {"name": "n1", "operator": self.operator(), "data_dir": str(self.site.folder), **LISTENING, **more}


#: Ports that the system chooses.
LISTENING: Options = {"listen": "127.0.0.1", "port": -1, "monitoring": {"host": "127.0.0.1", "port": -1}}
CLUSTER: Options = {"name": "C", "host": "127.0.0.1", "port": -1}
ROUTED: Options = {**CLUSTER, "routes": ["nats://127.0.0.1:1"]}
ALONE = "127.0.0.1:-1"


@dataclasses.dataclass(frozen=True)
class Case:
    """Changed options, the place of the problem, and a part of the message. `checked_by_t` is true if `nats-server -t` also refuses the configuration."""

    options: Callable[[Kit], Options]
    place: str
    words: str
    checked_by_t: bool = False


def site(text: str) -> Callable[[Kit], Options]:
    """Return the options of a case with `site_config`. APP and SYSTEM are replaced by the public keys of these accounts."""
    return lambda kit: {"site_config": text.replace("APP", kit.app).replace("SYSTEM", kit.system)}


def same(**options: Any) -> Callable[[Kit], Options]:
    """Return the options of a case that requires no keys."""
    return lambda _kit: options


REFUSED: dict[str, Case] = {
    # ---- the operator and its accounts
    "other system account": Case(
        lambda kit: {"operator": {**kit.operator(), "system_account": kit.app}},
        "operator.system_account",
        "and that of the operator's jwt is",
    ),
    "other system account of the site": Case(
        site("system_account: APP"), "site_config line 1: system_account", "servers use the operator's"
    ),
    "no system account": Case(
        lambda kit: {"operator": kit.operator("")},
        "resolver",
        "the type full needs a system account, and the operator has none",
    ),
    "no system account for a cache": Case(
        lambda kit: {"operator": kit.operator(""), "resolver": {"type": "cache"}},
        "resolver",
        "the type cache needs a system account",
    ),
    "other operators that do not name the system account": Case(
        lambda kit: {
            "operator": {**kit.operator(), "system_account": kit.app},
            "trusted_operators": kit.other(system_account=kit.system),
        },
        "operator.system_account",
        "and the operators' jwts name",
    ),
    "other operator that wants another server": Case(
        lambda kit: {"trusted_operators": kit.other(assert_server_version="99.0.0")},
        "operator.jwt",
        "the operator requires nats-server 99.0.0",
    ),
    "several operators and no system account": Case(
        lambda kit: {"operator": {**kit.operator(), "system_account": None}, "trusted_operators": kit.other()},
        "resolver",
        "with several operators it has to be in the configuration",
    ),
    "strict operator without signing keys": Case(
        lambda kit: {"operator": kit.operator(strict_signing_key_usage=True)}, "operator.jwt", "requires signing keys"
    ),
    "server too old": Case(
        lambda kit: {"operator": kit.operator(assert_server_version="99.0.0")},
        "operator.jwt",
        "requires nats-server 99.0.0 or later",
    ),
    "version that cannot be read": Case(
        lambda kit: {"operator": kit.operator(assert_server_version="2.15")},
        "operator.jwt",
        "the operator's assert_server_version cannot be read",
    ),
    "mistyped pinned account": Case(
        lambda kit: {"pinned_accounts": [kit.app, kit.app[:-1] + ("A" if kit.app[-1] != "A" else "B")]},
        "pinned_accounts[1]",
        "not the public key of an account",
    ),
    "pinned account by its name": Case(
        site("resolver_pinned_accounts: [ORDERS]"),
        "site_config line 1: resolver_pinned_accounts[0]",
        "not the public key of an account",
    ),
    "sentinel that is not a bearer": Case(
        lambda kit: {"default_sentinel": kit.user(permissions={"publish": {"allow": ["a"]}})},
        "default_sentinel",
        "this user is not a bearer",
    ),
    "sentinel with limits of its own": Case(
        lambda kit: {"default_sentinel": kit.user(issuer_account=kit.app, limits={"subscriptions": 5})},
        "default_sentinel",
        "this user is not a bearer",
    ),
    "sentinel that is an account": Case(
        lambda kit: {"default_sentinel": kit.operator()["resolver_preload"][kit.app]},
        "default_sentinel",
        "the JWT of a bearer user",
    ),
    "sentinel that is not a JWT": Case(same(default_sentinel="guest"), "default_sentinel", "the JWT of a bearer user"),
    "sentinel that was tampered with": Case(
        lambda kit: {"default_sentinel": kit.user(bearer_token=True)[:-6] + "AAAAAA"},
        "default_sentinel",
        "the JWT of a bearer user",
    ),
    "sentinel of the site": Case(
        site("default_sentinel: guest"), "site_config line 1: default_sentinel", "of a bearer user"
    ),
    "accounts of the site": Case(
        site("accounts { A { users: [ {user: u, password: p} ] } }"),
        "site_config line 1: accounts",
        "accounts come from the operator",
    ),
    "mappings of the site": Case(
        site("mappings { a: b }"), "site_config line 1: mappings", "accounts come from the operator"
    ),
    "users of the site": Case(
        site("authorization {\n  users: [ {user: u, password: p} ]\n}"),
        "site_config line 2: authorization.users",
        "users come from accounts",
    ),
    "callout of the site": Case(
        site("authorization { auth_callout { issuer: APP, auth_users: [ u ] } }"),
        "site_config line 1: authorization.auth_callout",
        "is part of the JWT of an account",
    ),
    "trusted keys of the site": Case(
        lambda kit: {"site_config": f"trusted_keys: [{kit.operator_key.public_key}]"},
        "site_config line 1: trusted_keys",
        "cannot be combined with an operator",
    ),
    "no_auth_user of the site": Case(
        site("no_auth_user: guest"), "site_config line 1: no_auth_user", "cannot be used in operator mode"
    ),
    "memory resolver without the system account": Case(
        same(resolver={"type": "memory"}, preload="none"),
        "operator.resolver_preload",
        "is not among the accounts of the configuration",
    ),
    "memory resolver with a foreign system account": Case(
        lambda kit: {"resolver": {"type": "memory"}, "operator": _foreign(kit)},
        "operator.resolver_preload",
        "which is not a key of the operator that may sign accounts",
    ),
    "memory resolver with an expired system account": Case(
        lambda kit: {"resolver": {"type": "memory"}, "operator": _expired(kit)},
        "operator.resolver_preload",
        "has expired",
    ),
    "accounts for a URL resolver": Case(
        same(resolver={"type": "url", "url": "http://127.0.0.1:1/"}, preload="all"),
        "operator.resolver_preload",
        "does not read accounts from the configuration",
    ),
    # ---- the server
    "grace period as long as all": Case(
        same(lame_duck_duration="30s", lame_duck_grace_period="30s"),
        "lame_duck_grace_period",
        "shorter than lame_duck_duration",
    ),
    "grace period of the site": Case(
        site("lame_duck_grace_period: '5m'"),
        "site_config line 1: lame_duck_grace_period",
        "shorter than lame_duck_duration",
    ),
    "duration of seconds": Case(
        same(lame_duck_duration="20s"), "lame_duck_duration", "at least 30s", checked_by_t=True
    ),
    "larger payload than pending": Case(
        site("max_payload: 100MB"),
        "site_config line 1: max_payload",
        "max_payload (104857600) must not be larger than max_pending (67108864)",
    ),
    "smaller pending than payload": Case(
        site("max_pending: 1k"), "site_config line 1: max_pending", "max_pending (1000)"
    ),
    "monitoring with TLS alone": Case(
        same(monitoring={"host": "127.0.0.1", "port": -1, "tls": True}), "monitoring", "https needs tls"
    ),
    "monitoring twice": Case(
        site("https_port: -1"), "site_config line 1: https_port", "for http or for https, not for both"
    ),
    "OCSP without verify": Case(
        site("tls { ocsp_peer: true }"), "site_config line 1: tls.ocsp_peer", "ocsp_peer needs verify"
    ),
    "two listeners on a port": Case(
        same(port=24222, monitoring={"host": "127.0.0.1", "port": 24222}), "monitoring", "listens on port 24222 too"
    ),
    "site's listener on a port that is taken": Case(
        lambda kit: {
            "port": 24222,
            "site_config": "\nmqtt { port: 24222 }\njetstream { store_dir: '" + str(kit.site.folder) + "' }",
        },
        "site_config line 2: mqtt.port",
        "listens on port 24222 too",
    ),
    "address with too many colons": Case(
        site("client_advertise: 'a:b:c'"), "site_config line 1: client_advertise", "an address with or without a port"
    ),
    "advertised port that is none": Case(
        same(cluster={**CLUSTER, "advertise": "n1:client"}), "cluster.advertise", "an address with or without a port"
    ),
    # ---- cluster and gateway
    "unknown compression": Case(
        same(cluster={**CLUSTER, "compression": "zstd"}), "cluster.compression", "'zstd' is not a compression mode"
    ),
    "thresholds that descend": Case(
        same(cluster={**CLUSTER, "compression": {"mode": "s2_auto", "rtt_thresholds": ["50ms", "10ms"]}}),
        "cluster.compression",
        "in ascending order",
    ),
    "too many thresholds": Case(
        same(
            cluster={**CLUSTER, "compression": {"mode": "auto", "rtt_thresholds": ["1ms", "2ms", "3ms", "4ms", "5ms"]}}
        ),
        "cluster.compression",
        "one to four durations",
    ),
    "thresholds of nothing": Case(
        same(leafnodes={"listen": ALONE, "compression": {"rtt_thresholds": ["0s"]}}),
        "leafnodes.compression",
        "one to four durations",
    ),
    "accounts without a pool": Case(
        lambda kit: {"cluster": {**CLUSTER, "pool_size": -1, "accounts": [kit.app]}},
        "cluster.pool_size",
        "must not be negative",
    ),
    "account twice": Case(
        lambda kit: {"cluster": {**CLUSTER, "accounts": [kit.app, kit.app]}},
        "cluster.accounts[0]",
        "listed more than once",
    ),
    "gateway of another name": Case(
        same(cluster=CLUSTER, gateway={"name": "B", "listen": ALONE}),
        "gateway.name",
        "must be that of the cluster, C, and is B",
    ),
    "gateway without a name": Case(same(gateway={"listen": ALONE}), "gateway.name", "needs the name of this cluster"),
    "gateway without a port": Case(same(gateway={"name": "A"}), "gateway.port", "needs a port"),
    "remote gateway without a name": Case(
        same(gateway={"name": "A", "listen": ALONE, "gateways": [{"urls": ["nats://127.0.0.1:1"]}]}),
        "gateway.gateways[0].name",
        "needs the name of its cluster",
    ),
    "remote gateway without URLs": Case(
        same(gateway={"name": "A", "listen": ALONE, "gateways": [{"name": "B"}]}),
        "gateway.gateways[0].urls",
        "the gateway B needs urls",
    ),
    # ---- leaf nodes
    "remote without an account": Case(
        same(leafnodes={"remotes": [{"url": "nats://127.0.0.1:1"}]}),
        "leafnodes.remotes[0].account",
        "needs the public key of the local account",
    ),
    "remote with the name of an account": Case(
        same(leafnodes={"remotes": [{"url": "nats://127.0.0.1:1", "account": "ORDERS"}]}),
        "leafnodes.remotes[0].account",
        "and this has ORDERS",
    ),
    "remote of the site with another word for it": Case(
        site(
            "leaf { remotes: [ {url: 'nats://127.0.0.1:1', account: APP}\n{url: 'nats://127.0.0.1:2', LOCAL: ORDERS} ] }"
        ),
        "site_config line 2: leaf.remotes[1].LOCAL",
        "and this has ORDERS",
    ),
    "users of leaf nodes": Case(
        same(leafnodes={"listen": ALONE, "authorization": {"users": [{"user": "a", "password": "b"}]}}),
        "leafnodes.authorization.users",
        "leaf nodes connect with the creds of one",
    ),
    "account of leaf nodes": Case(
        same(leafnodes={"listen": ALONE, "authorization": {"user": "a", "password": "b", "account": "ORDERS"}}),
        "leafnodes.authorization.account",
        "the public key of an account (A...) in operator mode, and is ORDERS",
    ),
    "websockets and others": Case(
        lambda kit: {
            "leafnodes": {"remotes": [{"urls": ["ws://127.0.0.1:1", "nats://127.0.0.1:2"], "account": kit.app}]}
        },
        "leafnodes.remotes[0].urls",
        "or none is",
    ),
    "unknown compression of a remote": Case(
        lambda kit: {
            "leafnodes": {"remotes": [{"url": "nats://127.0.0.1:1", "account": kit.app, "compression": "gzip"}]}
        },
        "leafnodes.remotes[0].compression",
        "'gzip' is not a compression mode",
    ),
    "leaf nodes and gateways without a system account": Case(
        lambda kit: {
            "operator": kit.operator(""),
            "resolver": {"type": "memory"},
            "leafnodes": {"listen": ALONE},
            "gateway": {"name": "A", "listen": ALONE},
        },
        "leafnodes",
        "need a system account",
    ),
    # ---- websockets and MQTT
    "websockets without TLS": Case(same(websocket={"listen": ALONE}), "websocket.tls", "it needs tls, or no_tls"),
    "no_auth_user of websockets": Case(
        same(websocket={"listen": ALONE, "no_tls": True, "no_auth_user": "guest"}),
        "websocket.no_auth_user",
        "cannot be used in operator mode",
    ),
    "origin that is not a URL": Case(
        same(websocket={"listen": ALONE, "no_tls": True, "allowed_origins": ["https://ok.example", "example.com"]}),
        "websocket.allowed_origins[1]",
        "is not an origin",
    ),
    "header of the server": Case(
        same(websocket={"listen": ALONE, "no_tls": True, "headers": {"Sec-WebSocket-Key": "x"}}),
        "websocket.headers.Sec-WebSocket-Key",
        "the server's own",
    ),
    "MQTT without JetStream": Case(same(mqtt={"listen": ALONE}), "mqtt", "it needs JetStream"),
    "no_auth_user of MQTT": Case(
        same(mqtt={"listen": ALONE, "no_auth_user": "guest"}, jetstream={}),
        "mqtt.no_auth_user",
        "cannot be used in operator mode",
    ),
    "negative time of MQTT": Case(
        same(mqtt={"listen": ALONE, "ack_wait": "-1s"}, jetstream={}), "mqtt.ack_wait", "must not be negative"
    ),
    # ---- JetStream
    "domain with a dot": Case(same(jetstream={"domain": "hub.eu"}), "jetstream.domain", "a domain has no dots"),
    "domain with a wildcard": Case(
        site("jetstream { domain: '*' }"), "site_config line 1: jetstream.domain", "a domain has no dots"
    ),
    "default domain of a name": Case(
        site("default_js_domain { ORDERS: hub }"),
        "site_config line 1: default_js_domain.ORDERS",
        "is not the public key of an account",
    ),
    "default domain of the system account": Case(
        site("default_js_domain { SYSTEM: hub }"),
        "site_config line 1: default_js_domain.",
        "the system account has no JetStream",
    ),
    "default domain with a blank": Case(
        site("default_js_domain { APP: 'h b' }"), "site_config line 1: default_js_domain.", "a domain has no blanks"
    ),
    "unknown extension hint": Case(
        same(cluster=ROUTED, jetstream={"extension_hint": "perhaps"}),
        "jetstream.extension_hint",
        "will_extend or no_extend",
    ),
    "negative catch-up": Case(
        same(cluster=ROUTED, jetstream={"max_outstanding_catchup": -1}),
        "jetstream.max_outstanding_catchup",
        "must not be negative",
    ),
    "JetStream in a cluster without routes": Case(
        same(cluster=CLUSTER, jetstream={}), "cluster.routes", "needs routes to other servers"
    ),
    "JetStream with gateways alone": Case(
        same(gateway={"name": "A", "listen": ALONE}, jetstream={}), "cluster.routes", "needs routes to other servers"
    ),
    "JetStream over a leaf node of another account": Case(
        lambda kit: {"cluster": CLUSTER, "jetstream": {}, "leafnodes": {"remotes": [_remote(kit.app)]}},
        "cluster.routes",
        "a leaf node of the system account",
    ),
    "JetStream over a leaf node without Raft": Case(
        lambda kit: {
            "cluster": CLUSTER,
            "jetstream": {},
            "leafnodes": {"remotes": [_remote(kit.system, deny_imports=["a", "$NRG.>"])]},
        },
        "cluster.routes",
        "a leaf node of the system account",
    ),
    "key and TPM": Case(same(jetstream={"key": "k", "tpm": {"keys_file": "/dev/null"}}), "jetstream.tpm", "not both"),
    "JetStream limits of the system account": Case(
        lambda kit: {"operator": kit.operator(limits={"jetstream": {"disk_storage": "1GiB"}}), "jetstream": {}},
        "jetstream",
        "refuse JetStream on the system account",
    ),
    # ---- types of values
    "size with a unit that the server does not take": Case(
        same(jetstream={"max_memory_store": "64MB"}),
        "jetstream.max_memory_store",
        "with K, M, G or T (powers of 1024) and nothing after it, such as 64M, and is '64MB'.",
        checked_by_t=True,
    ),
    "size of a fraction": Case(
        same(jetstream={"max_file": "1.5G"}), "jetstream.max_file", "a number of bytes", checked_by_t=True
    ),
    "number with a unit": Case(
        same(jetstream={"limits": {"max_ack_pending": "1k"}}),
        "jetstream.limits.max_ack_pending",
        "a whole number without a unit, and is '1k'.",
        checked_by_t=True,
    ),
    "duration of days": Case(
        same(resolver={"interval": "1d"}),
        "resolver.interval",
        "a duration with its unit, such as 30s or 1h30m, and is '1d'.",
        checked_by_t=True,
    ),
    "number in the place of a boolean": Case(
        same(jetstream={"strict": 1}), "jetstream.strict", "true or false, and is 1.", checked_by_t=True
    ),
    "URL that is none": Case(
        lambda kit: {"leafnodes": {"remotes": [{"urls": ["nats://[::1"], "account": kit.app}]}},
        "leafnodes.remotes[0].urls",
        "a URL or a list of URLs.",
        checked_by_t=True,
    ),
    "one route that is not a list": Case(
        site('cluster { name: C, listen: "127.0.0.1:-1", routes: "nats://127.0.0.1:1" }'),
        "site_config line 1: cluster.routes",
        "a list of URLs.",
        checked_by_t=True,
    ),
    "size of the site with a unit": Case(
        site('max_payload: "1MB"'), "site_config line 1: max_payload", "without a unit", checked_by_t=True
    ),
}


def _older(kit: Kit) -> list[str]:
    """Return a JWT of the same operator that alone would keep a server from starting."""
    key = kit.operator_key
    return [kit.site.make_jwt("older.jwt", "operator", key.public_key, key, {"assert_server_version": "99.0.0"})]


def _foreign(kit: Kit) -> Options:
    operator = kit.operator()
    operator["resolver_preload"][kit.system] = kit.site.make_jwt("foreign.jwt", "account", kit.system, kit.other_key)
    return operator


def _expired(kit: Kit) -> Options:
    operator = kit.operator()
    token = kit.site.make_jwt("expired.jwt", "account", kit.system, kit.operator_key, age=1000, expires_in=10)
    operator["resolver_preload"][kit.system] = token
    return operator


#: Configurations that are similar to those above, but with which a server starts.
ACCEPTED: dict[str, Callable[[Kit], Options]] = {
    "another operator": lambda kit: {"trusted_operators": kit.other()},
    "another operator that names the system account": lambda kit: {
        "operator": {**kit.operator(""), "system_account": kit.system},
        "trusted_operators": kit.other(system_account=kit.system),
    },
    "another operator that signed the system account": lambda kit: {
        "resolver": {"type": "memory"},
        "operator": _foreign(kit),
        "trusted_operators": kit.other(),
    },
    "another operator that is strict without signing keys": lambda kit: {
        "trusted_operators": kit.other(strict_signing_key_usage=True)
    },
    "the same operator again": lambda kit: {"trusted_operators": [kit.operator()["jwt"], *_older(kit)]},
    "plain": same(),
    # Before ansible-core 2.19, templates return text.
    "numbers and booleans that came as text": same(
        jetstream={"max_mem": "1048576", "strict": "True", "limits": {"max_ack_pending": "5"}}
    ),
    "sizes and durations": same(jetstream={"max_mem": "64M", "max_file": 1048576, "sync": "2m"}),
    "password that is a number": same(leafnodes={"listen": ALONE, "authorization": {"user": "a", "password": 12345}}),
    "duration of a number, of seconds": same(leafnodes={"listen": ALONE, "reconnect": 5}),
    "duration of a number, of the site": site("ping_interval: 20"),
    "sizes as claims have them": same(jetstream={"max_mem": "64MiB", "max_file": "1 GiB"}),
    "cache": same(resolver={"type": "cache", "ttl": "1h"}),
    "memory": same(resolver={"type": "memory"}),
    "memory without a system account": lambda kit: {"operator": kit.operator(""), "resolver": {"type": "memory"}},
    "bearer sentinel": lambda kit: {"default_sentinel": kit.user(bearer_token=True)},
    "scoped sentinel": lambda kit: {"default_sentinel": _scoped(kit)},
    "server new enough": lambda kit: {"operator": kit.operator(assert_server_version="2.15.0")},
    "pinned account": lambda kit: {"pinned_accounts": [kit.app]},
    "leaf nodes": lambda kit: {
        "leafnodes": {
            "listen": ALONE,
            "authorization": {"user": "a", "password": "b", "account": kit.app},
            "remotes": [
                {
                    "urls": ["ws://127.0.0.1:1", "wss://127.0.0.1:2"],
                    "account": kit.app,
                    "compression": {"rtt": ["1ms", "0s", "2ms"]},
                }
            ],
        }
    },
    "gateway": same(
        cluster=CLUSTER,
        gateway={"name": "C", "listen": ALONE, "gateways": [{"name": "D", "url": "nats://127.0.0.1:1"}]},
    ),
    "websockets and MQTT": same(
        websocket={"listen": ALONE, "no_tls": True, "no_auth_user": "", "allowed_origins": "https://a.example:8443"},
        mqtt={"listen": ALONE, "ack_wait": "30s"},
        jetstream={"domain": "hub-eu"},
    ),
    "MQTT in a cluster": same(
        cluster={**CLUSTER, "advertise": "n1.example.com", "compression": "On"}, mqtt={"listen": ALONE}
    ),
    "blocks that listen nowhere": same(websocket={"compression": True}, mqtt={"no_auth_user": "guest"}),
    "JetStream in a cluster": same(cluster=ROUTED, jetstream={}),
    "JetStream over a leaf node of the system account": lambda kit: {
        "cluster": CLUSTER,
        "jetstream": {},
        "leafnodes": {"remotes": [_remote(kit.system, deny_imports="orders.>")]},
    },
    "one port on two addresses": same(port=24223, cluster={**CLUSTER, "host": "127.0.0.2", "port": 24223}),
    "site": site(
        "max_payload: 8MB, max_pending: 64mb\nlame_duck_duration: '3m'; lame_duck_grace_period: '150s'\nauthorization { timeout: 3 }"
    ),
}


def _remote(account: str, **more: Any) -> Options:
    return {"url": "nats://127.0.0.1:1", "account": account, **more}


def _scoped(kit: Kit) -> str:
    return kit.user(issuer_account=kit.app, limits={"subscriptions": 0, "data": 0, "payload": 0})
