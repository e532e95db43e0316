# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Parse NATS's configuration language (nats-server, conf/lex.go and conf/parse.go) into data, with the place of every member.

Not every error that the server reports is found here, and some input that the server accepts is an error here: `nats-server -t` is authoritative.
Input that both accept has the same meaning.
"""

from __future__ import annotations

import os.path
import re
from typing import Any, Callable, NamedTuple, Sequence, Tuple

from ..base.errors import NatsSecurityError
from ..base.units import INT64_MAX, INT64_MIN

#: The path of a value from the top: names of members and indexes of lists.
Path = Tuple[Any, ...]


class Unknown:
    """The value of a variable that is not defined in the files: the server reads it from its environment."""

    def __repr__(self) -> str:
        return "(from the environment)"


class Place(NamedTuple):
    """The place of a member: the path of the file, as its include resolves to it, and the line of the member's name."""

    file: str
    line: int


class Value(NamedTuple):
    """A single value and its place in a text: the positions of its first character and after its last one, including quotes."""

    path: Path
    start: int
    end: int
    value: Any


class Document(NamedTuple):
    """A parsed file with its includes. `places` has the place of every member of `data` by path, `values` only the values in the file itself."""

    data: dict[str, Any]
    places: dict[Path, Place]
    values: list[Value]


#: Returns the text of a file by its path; None if it cannot be read.
ReadFile = Callable[[str], "str | None"]

# unicode.IsSpace
_SPACE = r"[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
_SPACES = re.compile(_SPACE + "+")
_BLANKS = re.compile(r"[ \t]*")
_COMMENT = re.compile(r"(?:#|//)[^\r\n]*")
_KEY = re.compile(rf"(?:(?!{_SPACE})[^=:])+")
_KEY_END = re.compile(rf"{_SPACE}*(?:([=:]){_SPACE}*)?")
_RAW_END = r"[\r\n \t;,\]}']|\Z"
_RAW = re.compile(rf"(?:\\.|(?!{_RAW_END}).)+", re.DOTALL)
_DOUBLE_QUOTED = re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL)
_SINGLE_QUOTED = re.compile(r"'([^']*)'")
_BLOCK = re.compile(r"\((.*?\n)\)(?=\n|\Z)", re.DOTALL)
_ESCAPE = re.compile(r'\\(?:x([0-9A-Fa-f]{2})|([tnr"\\]))')
_PLAIN = {"t": "\t", "n": "\n", "r": "\r", '"': '"', "\\": "\\"}
_NUMBER_END = r"(?=[\r\n};, \t]|\Z)"
_INTEGER = re.compile(rf"(-?[0-9]+)(?:([kKmMgGtTpPeE])([bBiI]*))?{_NUMBER_END}")
_NEGATIVE = re.compile(r"-[0-9]+(?![0-9.kKmMgGtTpPeE])")  # unlike _INTEGER, it needs no _NUMBER_END
_FLOAT = re.compile(r"-?[0-9]+\.[0-9]+(?![0-9.])")
_ADDRESS = re.compile(r"[0-9]+\.[0-9]+\.[0-9.:-]*")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_BOOLS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_BCRYPT = "2a$"
#: The maximum depth of nested maps, lists and includes.
_DEPTH = 50


def read(text: str, file: str, read_file: ReadFile) -> Document:
    """Parse the text of a file and its includes. NatsSecurityError, with file and line, for text that cannot be parsed."""
    return _read(text, file, read_file, 0)


def _read(text: str, file: str, read_file: ReadFile, depth: int) -> Document:
    reader = _Reader(text, file, read_file, depth)
    reader.document()
    return Document(reader.scopes[0], reader.places, reader.values)


class _Reader:
    """A parser for the text of one file. `scopes` are the maps around the position, the outermost first; variables are looked up in them."""

    def __init__(self, text: str, file: str, read_file: ReadFile, depth: int) -> None:
        self.text, self.file, self.read_file, self.depth = text, file, read_file, depth
        self.at = 0
        self.counted = (0, 1)  # a position and its line, from which the next count starts
        self.scopes: list[dict[str, Any]] = [{}]
        self.places: dict[Path, Place] = {}
        self.values: list[Value] = []

    def fail(self, what: str) -> NatsSecurityError:
        """An error with the file and the line of the position."""
        line = self.text.count("\n", 0, self.at) + 1
        return NatsSecurityError(f"{self.file} line {line}: {what}")

    def line(self, at: int) -> int:
        """The line of a position, which must not be before that of an earlier call."""
        counted, line = self.counted
        self.counted = (at, line + self.text.count("\n", counted, at))
        return self.counted[1]

    def skip(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Skip text that matches at the position, and return the match."""
        match = pattern.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
        return match

    def peek(self) -> str:
        """The character at the position; empty at the end."""
        return self.text[self.at : self.at + 1]

    def skip_between(self) -> None:
        """Skip white space and comments."""
        while self.skip(_SPACES) or self.skip(_COMMENT):
            pass

    # ---- members

    def document(self) -> None:
        """Parse the whole text, which may be enclosed in braces like JSON."""
        if "\0" in self.text:
            self.at = self.text.index("\0")
            raise self.fail("a NUL is the end of the configuration.")
        self.skip_between()
        braces = self.peek() == "{"
        if braces:
            self.at += 1
        self.members((), "}" if braces else "")
        if braces:
            self.at += 1
            self.skip_between()
            if self.at < len(self.text):
                raise self.fail("there is text after the last brace.")

    def members(self, path: Path, end: str) -> None:
        """Parse the members of the innermost map, up to its end character."""
        while True:
            self.skip_between()
            if self.peek() == end:
                return
            start = self.at
            key, quoted = self.key()
            if not quoted and key.lower() == "include" and _SPACES.match(self.text, self.at):
                self.skip(_BLANKS)
                self.include(path)
                continue
            separated = self.skip(_KEY_END)
            if separated is None or self.peek() in ("", end or "\n"):
                self.at = start
                raise self.fail(f"{key!r} has no value.")
            member = (*path, key)
            self.places[member] = Place(self.file, self.line(start))
            self.scopes[-1][key] = self.value(member)
            self.value_end(end)

    def key(self) -> tuple[str, bool]:
        """The name of a member, and whether it is quoted."""
        for pattern in (_DOUBLE_QUOTED_KEY, _SINGLE_QUOTED):
            match = self.skip(pattern)
            if match is not None:
                return match.group(1), True
        match = None if self.peek() in (",", ";") else self.skip(_KEY)
        if match is None:
            raise self.fail("the name of an option is missing.")
        return match.group(), False

    def value_end(self, end: str) -> None:
        """Skip what must follow a value: the end of the line, the end of the enclosing map or list, or a comma; in maps also a semicolon."""
        self.skip(_BLANKS)
        self.skip(_COMMENT)
        if self.peek() in {"": ",;}", "}": ",;", "]": ","}[end] and self.peek():
            self.at += 1
        elif self.peek() not in ("\r", "\n", "", end):
            raise self.fail(f"{self.peek()!r} where a value has to end.")

    def include(self, path: Path) -> None:
        """Parse another file in the place of an include."""
        match = self.skip(_SINGLE_QUOTED) or self.skip(_DOUBLE_QUOTED_KEY) or self.skip(_INCLUDED)
        if match is None:
            raise self.fail("include needs the name of a file.")
        # Like filepath.Join, which also joins absolute paths to the folder.
        file = os.path.normpath(os.path.join(os.path.dirname(self.file), match.group(match.lastindex or 0).lstrip("/")))
        text = self.read_file(file)
        if text is None:
            raise self.fail(f"the file {file} that it includes cannot be read.")
        if self.depth == _DEPTH:
            raise self.fail("files include one another.")
        included = _read(text, file, self.read_file, self.depth + 1)
        self.scopes[-1].update(included.data)
        self.places.update({(*path, *inner): place for inner, place in included.places.items()})

    # ---- values

    def value(self, path: Path) -> Any:
        """Parse the value at the position."""
        if len(path) > _DEPTH:
            raise self.fail("values are nested too deep.")
        start = self.at
        opening = self.peek()
        if opening == "{":
            return self.map(path)
        if opening == "[":
            return self.list(path)
        value = self.quoted(opening) if opening in ('"', "'", "(") else self.raw()
        self.values.append(Value(path, start, self.at, value))
        return value

    def map(self, path: Path) -> dict[str, Any]:
        """Parse a map, beginning at its brace."""
        self.at += 1
        self.scopes.append({})
        self.members(path, "}")
        self.at += 1
        return self.scopes.pop()

    def list(self, path: Path) -> list[Any]:
        """Parse a list, beginning at its bracket."""
        self.at += 1
        found: list[Any] = []
        while True:
            self.skip_between()
            if self.peek() == "]":
                self.at += 1
                return found
            if not self.peek():
                raise self.fail("a list does not end.")
            found.append(self.value((*path, len(found))))
            self.value_end("]")

    def quoted(self, opening: str) -> str:
        """Parse a string in quotes, or a block in parentheses, whose closing parenthesis is on a line of its own."""
        match = self.skip({'"': _DOUBLE_QUOTED, "'": _SINGLE_QUOTED, "(": _BLOCK}[opening])
        if match is None:
            raise self.fail("a string does not end.")
        return self.unescape(match.group(1)) if opening == '"' else match.group(1)

    def unescape(self, text: str) -> str:
        """The text with its escapes replaced."""

        def plain(match: re.Match[str]) -> str:
            return chr(int(match.group(1), 16)) if match.group(1) else _PLAIN[match.group(2)]

        if "\\" in _ESCAPE.sub("", text):
            raise self.fail(
                "a backslash has to be followed by x and two digits, t, n, r, a double quote or a backslash."
            )
        return _ESCAPE.sub(plain, text)

    def raw(self) -> Any:
        """Parse a number, a variable, or an unquoted string."""
        match = self.skip(_INTEGER)
        if match is not None:
            return self.integer(*match.groups())
        match = self.skip(_NEGATIVE)
        if match is not None:
            return self.integer(match.group(), "", "")
        match = self.skip(_FLOAT)
        if match is not None:
            return float(match.group())
        match = self.skip(_TIME) or self.skip(_ADDRESS)
        if match is not None:
            return match.group()
        if self.peek() in ("-", ".", "'"):
            raise self.fail("a number begins with a digit.")
        match = self.skip(_RAW)
        if match is None:
            raise self.fail("a value is missing.")
        word = match.group()
        if self.peek() == "'":
            self.at += 1
        if "\\" in word:
            return self.unescape(word)
        if word.lower() in _BOOLS:
            return _BOOLS[word.lower()]
        return self.variable(word) if word.startswith("$") else word

    def integer(self, digits: str, unit: str | None, rest: str | None) -> int:
        """A number with its unit: k is 1000, kb, ki and kib are 1024."""
        number = int(digits[:30])
        if unit:
            if rest and rest.lower() not in ("b", "i", "ib"):
                raise self.fail(f"{unit}{rest} is not a unit of size.")
            number *= (1024 if rest else 1000) ** ("kmgtpe".index(unit.lower()) + 1)
        if not INT64_MIN <= number <= INT64_MAX:
            raise self.fail("a number is out of range.")
        return number

    def variable(self, word: str) -> Any:
        """The value of a variable."""
        name = word[1:]
        if name.startswith(_BCRYPT):
            return word
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        return Unknown()


_DOUBLE_QUOTED_KEY = re.compile(r'"([^"]*)"')
_INCLUDED = re.compile(r"[^\r\n \t;}'\"]+")


def shown(path: Sequence[Any]) -> str:
    """A path for messages, such as `leafnodes.remotes[0].account`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".")
