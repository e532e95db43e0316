# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The values that nats-server 2.15 accepts for each setting (opts.go), by block: the rules that can be checked without a server. Pure.

A test sets every setting to a value of each kind, and compares the result with that of a real server.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Iterator, Mapping, NamedTuple, Tuple

from ..base import go_syntax
from ..base.excerpts import quoted
from .reading import Path, Unknown

#: The path of a member, and the problem with it.
Found = Iterator[Tuple[Path, str]]

_INTEGER = re.compile(r"-?[0-9]{1,19}")
_SIZE = re.compile(r"(?:[+-]?[0-9]{1,18}[KMGT])?")  # getStorageSize
_BINARY_SIZE = re.compile(r"([0-9]{1,12}) ?([KMGT])iB", re.IGNORECASE)
# The words that the server's configuration takes for a boolean, in any case.
WRITTEN_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
SLOW_WRITE_POLICIES = ("default", "close", "retry")  # parseWriteDeadlinePolicy


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_duration(value: Any) -> bool:
    try:
        return isinstance(value, str) and go_syntax.parse_duration(value) is not None
    except ValueError:
        return False


def _is_url(value: Any) -> bool:
    try:
        return isinstance(value, str) and go_syntax.parse_url(value.strip()) is not None
    except ValueError:
        return False


def _all(is_one: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """A check that accepts a single value, or a list of values that all pass."""
    return lambda value: all(
        isinstance(item, Unknown) or is_one(item) for item in (value if isinstance(value, list) else [value])
    )


class _Kind(NamedTuple):
    fits: Callable[[Any], bool]
    wanted: str
    is_shown: bool = True  # false for texts and URLs, which may contain passwords


_KINDS = {
    "any": _Kind(lambda _value: True, ""),
    "text": _Kind(lambda value: isinstance(value, str), "a text; put it in quotes", False),
    "texts": _Kind(_all(lambda value: isinstance(value, str)), "a text or a list of texts", False),
    "flag": _Kind(lambda value: isinstance(value, bool), "true or false"),
    "whole": _Kind(_is_integer, "a whole number without a unit"),
    # The server accepts a number as seconds, with a warning.
    "duration": _Kind(
        lambda value: _is_integer(value) or _is_duration(value), "a duration with its unit, such as 30s or 1h30m"
    ),
    "exact duration": _Kind(_is_duration, "a duration with its unit, such as 30s or 1h30m"),
    "seconds": _Kind(
        lambda value: _is_integer(value) or isinstance(value, float) or _is_duration(value),
        "a number of seconds, or a duration such as 2s",
    ),
    "size": _Kind(
        lambda value: _is_integer(value) or (isinstance(value, str) and _SIZE.fullmatch(value) is not None),
        "a number of bytes, or a whole number with K, M, G or T (powers of 1024) and nothing after it, such as 64M",
    ),
    "policy": _Kind(lambda value: str(value).lower() in SLOW_WRITE_POLICIES, "default, close or retry"),
    "url": _Kind(_is_url, "a URL", False),
    "urls": _Kind(lambda value: isinstance(value, list) and _all(_is_url)(value), "a list of URLs", False),
    "url or urls": _Kind(_all(_is_url), "a URL or a list of URLs", False),
    "map": _Kind(lambda value: isinstance(value, dict), "a block, with settings by their names", False),
    "maps": _Kind(
        lambda value: isinstance(value, list) and all(isinstance(item, (dict, Unknown)) for item in value),
        "a list of blocks",
        False,
    ),
}

_LOGIN = {"text": "user username pass password token"}
_OF_CLIENTS = {
    **_LOGIN,
    "seconds": "timeout",
    "flag": "proxy_required",
    "any": "users default_permission default_permissions permissions auth_callout auth_hook",
}
_PLACE = {"any": "listen", "whole": "port", "text": "host net advertise", "policy": "write_timeout"}

# The names of the settings of each block, by the kind of their values. A nested block is named by its path; `[]` is a list of blocks.
BLOCKS: dict[str, dict[str, str]] = {
    "": {
        "text": "client_advertise server_name host net default_sentinel http_base_path store_dir storedir logfile log_file remote_syslog pidfile "
        "pid_file ports_file_dir no_auth_user system_account system",
        "texts": "resolver_pinned_accounts server_tags",
        "whole": "port http_port monitor_port https_port logfile_size_limit log_size_limit logfile_max_num log_max_num prof_port prof_block_rate "
        "max_control_line max_payload max_pending max_connections max_conn max_traced_msg_len max_subscriptions max_subs max_sub_tokens "
        "max_subscription_tokens ping_max connect_error_reports reconnect_error_reports max_closed_clients",
        "flag": "debug trace trace_verbose trace_headers logtime logtime_utc disable_sublist_cache no_sublist_cache syslog proxy_protocol "
        "allow_non_tls no_system_account no_system no_sys_acc no_header_support no_fast_producer_stall",
        "map": "authorization cluster gateway leaf leafnodes tls resolver_tls websocket ws mqtt feature_flags default_js_domain",
        "duration": "ping_interval write_deadline",
        "exact duration": "lame_duck_grace_period",
        "policy": "write_timeout",
    },
    "resolver": {
        "any": "type",
        "text": "dir url",
        "flag": "allow_delete hard_delete",
        "whole": "limit",
        "duration": "interval timeout ttl",
    },
    "cluster": {
        "any": "listen compression",
        "text": "name host net cluster_advertise advertise",
        "texts": "accounts",
        "whole": "port connect_retries pool_size ping_max",
        "map": "authorization tls permissions",
        "urls": "routes",
        "flag": "no_advertise connect_backoff",
        "duration": "ping_interval write_deadline",
        "policy": "write_timeout",
    },
    "gateway": {
        **_PLACE,
        "text": "name host net advertise",
        "whole": "port connect_retries",
        "map": "authorization tls",
        "flag": "connect_backoff reject_unknown reject_unknown_cluster",
        "maps": "gateways",
        "duration": "write_deadline",
    },
    "gateway.gateways[]": {"text": "name", "map": "tls", "url": "url", "urls": "urls"},
    "leafnodes": {
        **_PLACE,
        "any": "listen min_version minimum_version compression",
        "text": "host net leafnode_advertise advertise",
        "map": "authorization tls",
        "maps": "remotes",
        "duration": "reconnect reconnect_delay reconnect_interval dial_timeout write_deadline",
        "flag": "no_advertise isolate_leafnode_interest isolate",
    },
    "leafnodes.authorization": {
        "text": "user username pass password account",
        "any": "nkey users",
        "seconds": "timeout",
        "flag": "proxy_required",
    },
    "leafnodes.remotes[]": {
        "flag": "no_randomize dont_randomize hub ws_compress ws_compression websocket_compress websocket_compression ws_no_masking "
        "websocket_no_masking isolate_leafnode_interest isolate request_isolation disabled ignore_discovered_servers",
        "url or urls": "url urls",
        "text": "account local creds credentials",
        "any": "nkey seed jetstream_cluster_migrate js_cluster_migrate compression",
        "map": "tls proxy",
        "texts": "deny_imports deny_import deny_exports deny_export",
        "duration": "first_info_timeout dial_timeout",
    },
    "leafnodes.remotes[].proxy": {"url": "url", "text": "username password", "duration": "timeout"},
    "websocket": {
        "any": "listen handshake_timeout",
        "whole": "port",
        "text": "host net advertise jwt_cookie user_cookie pass_cookie token_cookie no_auth_user",
        "flag": "no_tls same_origin compress compression",
        "map": "tls authorization authentication headers",
        "texts": "allowed_origins allowed_origin allow_origins allow_origin origins origin",
        "duration": "ping_interval",
    },
    "websocket.authorization": {**_LOGIN, "any": "timeout"},
    "mqtt.authorization": {**_LOGIN, "any": "timeout"},
    "mqtt": {
        "any": "listen consumer_replicas",
        "whole": "port max_ack_pending max_pending max_inflight stream_replicas",
        "text": "host net no_auth_user js_domain",
        "map": "tls authorization authentication",
        "duration": "ack_wait ackwait js_api_timeout api_timeout consumer_inactive_threshold consumer_auto_cleanup",
        "flag": "consumer_memory_storage reject_qos2_publish downgrade_qos2_subscribe",
    },
    "jetstream": {
        "flag": "enabled enable strict meta_compact_sync",
        "any": "cipher",
        "text": "store store_dir storedir domain key ek encryption_key prev_key prev_ek prev_encryption_key extension_hint unique_tag",
        "duration": "sync sync_interval",
        "size": "max_memory_store max_mem_store max_mem max_file_store max_file max_outstanding_catchup max_buffered_size meta_compact_size",
        "map": "limits tpm",
        "whole": "max_buffered_msgs request_queue_limit info_queue_limit meta_compact max_concurrent_io",
    },
    "jetstream.limits": {
        "whole": "max_ack_pending max_ha_assets max_request_batch default_max_consumers",
        "exact duration": "duplicate_window",
        "map": "batch",
    },
    "jetstream.limits.batch": {
        "whole": "max_inflight_per_stream max_inflight_total max_msgs",
        "exact duration": "timeout",
    },
    "jetstream.tpm": {"text": "keys_file encryption_password srk_password", "whole": "pcr", "any": "cipher"},
}
_TLS = {
    "text": "cert_file key_file ca_file cert_match",
    "flag": "insecure verify verify_and_map allow_insecure_cipher_suites cert_match_skip_invalid",
    "any": "verify_cert_and_check_known_urls cipher_suites curve_preferences pinned_certs cert_store cert_match_by ca_certs_match "
    "handshake_first first immediate ocsp_peer certs certificates min_version",
    "seconds": "timeout",
    "whole": "connection_rate_limit",
}
# Blocks with the same settings at every place, by their last name.
SHARED_BLOCKS = {
    "tls": _TLS,
    "resolver_tls": _TLS,
    "authorization": _OF_CLIENTS,
}
_OTHER_NAMES = {
    "leaf": "leafnodes",
    "ws": "websocket",
    "account_resolver": "resolver",
    "accounts_resolver": "resolver",
    "authentication": "authorization",
}


def kinds_of(block: str) -> dict[str, str] | None:
    """The kind of each setting of a block, by name; None for a block that is not declared here."""
    declared = BLOCKS.get(block) or SHARED_BLOCKS.get(block.rpartition(".")[2])
    if declared is None:
        return None
    return {name: kind for kind, names in declared.items() for name in names.split()}


def problems(members: Mapping[str, Any], block: str = "", path: Path = ()) -> Found:
    """Problems with values that the server would refuse, in this block and its nested blocks. Values from the environment are unknown, and not checked."""
    kinds = kinds_of(block) or {}
    for name, value in members.items():
        if value is None or isinstance(value, Unknown):
            continue
        kind = _KINDS[kinds.get(str(name).lower(), "any")]
        if not kind.fits(value):
            shown = f", and is {quoted(value)}" if kind.is_shown and not isinstance(value, (dict, list)) else ""
            yield (*path, name), f"it must be {kind.wanted}{shown}."
            continue
        for inner, where, at in _inner(name, value, block, path):
            yield from problems(inner, where, at)


def unknown(members: Mapping[str, Any], block: str, path: Path) -> Found:
    """Problems with names that the server does not know, in this block and its nested blocks. The top level is not checked: a name there may be a variable."""
    kinds = kinds_of(block) if block else None
    for name, value in members.items():
        if value is None:
            continue
        if kinds is not None and str(name).lower() not in kinds:
            yield (*path, name), f"nats-server has no such setting here; it has {', '.join(sorted(kinds))}."
        for inner, where, at in _inner(name, value, block, path):
            yield from unknown(inner, where, at)


def as_taken(members: Mapping[str, Any], block: str) -> dict[str, Any]:
    """The members of a block in the form that the server accepts.

    Sizes such as `1GiB`, which claims accept too, become numbers of bytes. Numbers and booleans in strings, as templates return them before
    ansible-core 2.19, become numbers and booleans. Durations without a unit, which `nats-server -t` refuses, get the unit seconds. `1GB` is not
    converted, and is refused later: in claims it is 1000**3 bytes, in NATS's configuration 1024**3.
    """
    kinds = kinds_of(block) or {}
    return {name: _as_taken(name, value, block, kinds.get(str(name).lower(), "any")) for name, value in members.items()}


def _as_taken(name: str, value: Any, block: str, kind: str) -> Any:
    if isinstance(value, dict):
        return as_taken(value, place_of(name, block))
    if isinstance(value, list):
        return [as_taken(item, place_of(name, block) + "[]") if isinstance(item, dict) else item for item in value]
    if isinstance(value, str):
        if kind in ("whole", "size", "seconds") and _INTEGER.fullmatch(value):
            return int(value)
        size = _BINARY_SIZE.fullmatch(value) if kind == "size" else None
        if size is not None:
            return int(size.group(1)) * 1024 ** ("KMGT".index(size.group(2).upper()) + 1)
        if kind == "flag":
            return WRITTEN_FLAGS.get(value.lower(), value)
    if kind in ("duration", "exact duration") and _is_integer(value):
        return f"{value}s"
    return value


def place_of(name: str, block: str) -> str:
    """The path of a setting or block in a block, as BLOCKS names it. Names that the server takes for the same are one."""
    name = _OTHER_NAMES.get(str(name).lower(), str(name).lower())
    return f"{block}.{name}" if block else name


def _inner(name: str, value: Any, block: str, path: Path) -> Iterator[tuple[Mapping[str, Any], str, Path]]:
    """The blocks in a value, each with the path of its declaration and its own path."""
    where = place_of(name, block)
    if isinstance(value, dict):
        yield value, where, (*path, name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict):
                yield item, where + "[]", (*path, name, index)
