# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What Go's standard library, version 1.26, accepts as a URL, a network, a time of day, a number, a duration or a time
zone.

The Go JWT library validates with it. Nothing here knows about claims. Messages do not repeat the text, because a URL
may contain a password.
"""

from __future__ import annotations

import math
import pkgutil
import re
from decimal import Decimal
from typing import NamedTuple
from urllib.parse import unquote

# src/time/zoneinfo_unix.go, platformZoneSources
ZONEINFO_DIRECTORIES = ("/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/usr/lib/locale/TZ", "/etc/zoneinfo")

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_USER = re.compile(r"[A-Za-z0-9._:~!$&'()*+,;=%@-]*")
_PORT = re.compile(r"(?::[0-9]*)?")
_HOST_CHARACTERS = r"""A-Za-z0-9._~!$&'()*+,;=:\[\]<>"\-"""
_HOST = re.compile(rf"(?:[{_HOST_CHARACTERS}]|[^\x00-\x7f]|%25|%[89A-Fa-f][0-9A-Fa-f])*")
_ZONE = re.compile(rf"(?:[{_HOST_CHARACTERS}%]|[^\x00-\x7f])*")
# What an escape in an IPv6 zone may stand for: a character of a host, a percent sign, a space.
_ZONE_ESCAPED = re.compile(rf"[{_HOST_CHARACTERS}% ]")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")

_IPV4_FIELD = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_IPV4_FIELD}(?:\.{_IPV4_FIELD}){{3}}")
_IPV6_GROUP = re.compile(r"[0-9A-Fa-f]{1,4}")
_IP_KIND = re.compile(r"[.:%]")

_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:[.,][0-9]+)?")
_DIGITS = re.compile(r"[0-9]+")
# A number and its unit; a duration is one or more of them (time.ParseDuration).
DURATION_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_DURATION = re.compile(f"(?:{DURATION_PART.pattern})+")
_DURATION_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}


class Url(NamedTuple):
    """The parts of a url.URL that are used here. `hostname` is the host without port and brackets.

    Host and path are unescaped; bytes that are not UTF-8 become surrogates, as in os.fsdecode(). A URL with an opaque
    part has no user, host or path.
    """

    scheme: str
    opaque: str
    has_user: bool
    host: str
    hostname: str
    path: str


def parse_url(text: str) -> Url:
    """The parts of a URL, absolute or relative. ValueError where url.Parse returns an error (src/net/url/url.go).

    As of Go 1.26, the host of an http or https URL has at most one colon outside of brackets. A program whose go.mod
    names an older Go version is less strict (urlstrictcolons=0).
    """
    url, fragment = text.partition("#")[::2]
    parts = _parse_url(url)
    _check_escapes(fragment, "the fragment")
    return parts


def parse_cidr(text: str) -> None:
    """Refuse what isn't an address and a prefix length, such as 10.0.0.0/8 or 2001:db8::/32.

    ValueError where net.ParseCIDR returns an error (src/net/ip.go, src/net/netip/netip.go).
    """
    address, slash, prefix = text.partition("/")
    if not slash:
        raise ValueError("no prefix length, such as /24")
    version = _ip_version(address)
    if version is None or "%" in address:
        raise ValueError("not an IP address")
    bits = 32 if version == 4 else 128
    if not _DIGITS.fullmatch(prefix) or _number(prefix) > bits:
        raise ValueError(f"the prefix length is not a number from 0 to {bits}")


def parse_clock(text: str) -> None:
    """Refuse what isn't a time of day: 8:00:00 and 08:00:00.5 are, 08:00 is not.

    ValueError where time.Parse("15:04:05", text) returns an error (src/time/format.go).
    """
    clock = _CLOCK.fullmatch(text)
    if clock is None:
        raise ValueError("not a time of day of the form hh:mm:ss")
    for name, value, limit in zip(("hour", "minute", "second"), clock.groups(), (24, 60, 60)):
        if int(value) >= limit:
            raise ValueError(f"the {name} is not below {limit}")


def atoi(text: str) -> int:
    """The decimal number, with or without a sign.

    ValueError where strconv.Atoi returns an error on a 64 bit machine (src/internal/strconv/atoi.go).
    """
    digits = text[1:] if text.startswith(("+", "-")) else text
    if not _DIGITS.fullmatch(digits):
        raise ValueError("not a decimal number")
    value = -_number(digits) if text.startswith("-") else _number(digits)
    if not -(1 << 63) <= value < 1 << 63:
        raise ValueError("the number needs more than 64 bits")
    return value


def check_location(name: str) -> None:
    """Refuse what isn't a time zone.

    ValueError where time.LoadLocation returns an error on Linux (src/time/zoneinfo.go). As in Go, the host decides
    which zones exist: those in ZONEINFO_DIRECTORIES, and those of the Python package tzdata in place of Go's
    zoneinfo.zip. The variable ZONEINFO is ignored. On a host with neither, every well-formed name passes.
    """
    if name in ("", "UTC", "Local"):
        return
    if ".." in name or "\\" in name or name.startswith("/"):
        raise ValueError("not the name of a time zone")
    if not _is_known_zone(name) and _is_known_zone("Etc/UTC"):
        raise ValueError("unknown time zone")


def parse_duration(text: str) -> int:
    """The nanoseconds of a duration such as 1m30s or 1.5h. ValueError where time.ParseDuration returns an error (src/time/format.go)."""
    sign, unsigned = (-1, text[1:]) if text[:1] == "-" else (1, text[1:] if text[:1] == "+" else text)
    if unsigned == "0":
        return 0
    if not _DURATION.fullmatch(unsigned):
        raise ValueError("not a duration: write numbers with their units, such as 30s, 1m30s or 2h")
    total = sum(int(Decimal(number) * _DURATION_UNITS[unit]) for number, unit in DURATION_PART.findall(unsigned))
    if total >= 1 << 63:
        raise ValueError("longer than 292 years")
    return sign * total


def format_float(value: float) -> str:
    """The number as encoding/json writes a float64 (floatEncoder in src/encoding/json/encode.go).

    ValueError for NaN and infinities.
    """
    if not math.isfinite(value):
        raise ValueError("not a number that JSON can hold")
    shortest = repr(float(value))
    if value != 0 and not 1e-6 <= abs(value) < 1e21:
        return shortest.replace("e-0", "e-")
    plain = format(Decimal(shortest), "f")
    return plain[:-2] if plain.endswith(".0") else plain


def _parse_url(url: str) -> Url:
    """func parse, for a URL without its fragment."""
    if _CONTROL.search(url):
        raise ValueError("control character in the URL")
    if url.startswith(":"):
        raise ValueError("missing protocol scheme")
    scheme, rest = "", url
    match = _SCHEME.match(url)
    if match:
        scheme, rest = match[1].lower(), url[match.end() :]
    rest = rest.partition("?")[0]
    if not rest.startswith("/"):
        if scheme:
            return Url(scheme, rest, False, "", "", "")
        if ":" in rest.partition("/")[0]:
            raise ValueError("the first path segment contains a colon")
    user, at, host, path = "", "", "", rest
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, path = rest[2:].partition("/")
        user, at, host = authority.rpartition("@")
        host, path = _parse_host(scheme, host), slash + path
        if not _USER.fullmatch(user):
            raise ValueError("invalid character in the user or password")
        _check_escapes(user, "the user or password")
    _check_escapes(path, "the path")
    return Url(scheme, "", bool(at), host, _hostname(host), _unescape(path))


def _parse_host(scheme: str, host: str) -> str:
    """func parseHost: host and port without escapes."""
    if "[" not in host:
        colon = host.find(":")
        if colon >= 0:
            if scheme not in ("http", "https"):
                colon = host.rfind(":")
            if not _PORT.fullmatch(host[colon:]):
                raise ValueError("invalid port")
        return _unescape_host(host)
    if host.rfind("[") > 0:
        raise ValueError("[ inside of the host")
    address, bracket, port = host[1:].rpartition("]")
    if not bracket:
        raise ValueError("missing ] in the host")
    if not _PORT.fullmatch(port):
        raise ValueError("invalid port")
    address, percent, zone = address.partition("%25")
    address = _unescape_host(address)
    if percent:
        address += _unescape_zone(percent + zone)
    if _ip_version(address) != 6:
        raise ValueError("no IPv6 address between [ and ]")
    return f"[{address}]{port}"


def _unescape_host(text: str) -> str:
    """func unescape, with encodeHost."""
    if not _HOST.fullmatch(text):
        raise ValueError("invalid character or escape in the host")
    return _unescape(text)


def _unescape_zone(text: str) -> str:
    """func unescape, with encodeZone."""
    _check_escapes(text, "the IPv6 zone")
    if not _ZONE.fullmatch(text) or not all(_ZONE_ESCAPED.match(chr(int(code, 16))) for code in _ESCAPE.findall(text)):
        raise ValueError("invalid character or escape in the IPv6 zone")
    return _unescape(text)


def _check_escapes(text: str, place: str) -> None:
    if _BAD_ESCAPE.search(text):
        raise ValueError(f"% without two hexadecimal digits in {place}")


def _unescape(text: str) -> str:
    return unquote(text, errors="surrogateescape")


def _hostname(host: str) -> str:
    """The first result of func splitHostPort."""
    colon = host.rfind(":")
    if colon >= 0 and _PORT.fullmatch(host[colon:]):
        host = host[:colon]
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _number(digits: str) -> int:
    """The number. Digits after the 21st are dropped, since Python refuses to convert thousands of digits."""
    return int(digits.lstrip("0")[:21] or "0")


def _ip_version(text: str) -> int | None:
    """4, 6, or None for what netip.ParseAddr refuses (src/net/netip/netip.go)."""
    kind = _IP_KIND.search(text)
    if kind is None:
        return None
    if kind[0] == ".":
        return 4 if _IPV4.fullmatch(text) else None
    address, percent, zone = text.partition("%")
    if percent and not zone:
        return None
    head, ellipsis, tail = address.partition("::")
    groups = head.split(":") if head else []
    if tail:
        groups += tail.split(":")
    length = len(groups)
    # An IPv4 address at the very end stands for two groups.
    if groups and not address.endswith("::") and _IPV4.fullmatch(groups[-1]):
        groups.pop()
        length += 1
    if not all(_IPV6_GROUP.fullmatch(group) for group in groups):
        return None
    return 6 if (length < 8 if ellipsis else length == 8) else None


def _is_known_zone(name: str) -> bool:
    return _is_zone(_packaged(name)) or any(_is_zone(_read(f"{path}/{name}")) for path in ZONEINFO_DIRECTORIES)


def _is_zone(data: bytes) -> bool:
    """The first checks of LoadLocationFromTZData: the magic number, and a version that Go reads."""
    return data[:5] in (b"TZif\0", b"TZif2", b"TZif3")


def _read(path: str) -> bytes:
    try:
        # Path() would drop the trailing slash of Europe/Prague/, which is not a file.
        with open(path.encode("utf-8", "surrogatepass"), "rb") as file:
            return file.read(5)
    except (OSError, ValueError):  # ValueError: a NUL
        return b""


def _packaged(name: str) -> bytes:
    try:
        return pkgutil.get_data("tzdata", f"zoneinfo/{name}") or b""
    except (OSError, ValueError):  # ValueError: a NUL, a surrogate
        return b""
