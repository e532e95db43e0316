# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A program that signs, for example by calling a KMS. It is started directly, never through a shell.

The protocol, version 1. The program is started with its arguments, in which `{public_key}` is replaced by the public key, and with two variables in
its environment: `NATS_SIGNER_PUBLIC_KEY`, and `NATS_SIGNER_FORM`, which is `single` or `batch`.

- In the form `single`, it reads the bytes to sign from standard input until end of file, and writes one signature to standard output: the 64 bytes, or
  their base64 (either alphabet, with or without padding and newline). It is started once per signature.
- In the form `batch`, it reads lines until end of file, each with the base64 of the bytes to sign (standard alphabet, padded), and writes for each, in
  order, a line with the base64 of the signature. It is started once for all signatures.

It exits with 0 once its output is complete. Its standard error is shown, masked, if something is wrong. A program that neither reads nor writes anything
for `timeout` seconds is killed, with all processes that it started.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import os
import selectors
import shutil
import signal
import subprocess
import time
from typing import IO, Generator, NamedTuple, Sequence

from ...base.errors import NatsSecurityError
from ...base.recognition import may_hold_secrets
from .external import shown

#: More than the base64 of a signature on a line of its own.
_MOST_BYTES_EACH = 256
#: How much of standard error is kept.
_ERRORS_KEPT = 4000
_CHUNK = 65536
_READ = selectors.EVENT_READ
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")


class Ran(NamedTuple):
    """The result of a program: its output, and why it failed, in which case the output may be incomplete. `failure` is empty if it succeeded."""

    output: bytes
    failure: str


class Command:
    """The face of a program. The timeout is in seconds."""

    def __init__(self, argv: Sequence[str], public_key: str, is_batch: bool, timeout: float) -> None:
        if not argv or not argv[0]:
            raise NatsSecurityError("argv has no program in it.")
        for number, argument in enumerate(argv):
            if may_hold_secrets(argument):
                raise NatsSecurityError(
                    f"argv[{number}] has a seed in it, which every user of this host could read there."
                )
            if "\0" in argument:
                raise NatsSecurityError(f"argv[{number}] has a NUL in it.")
        self._argv = [argument.replace("{public_key}", public_key) for argument in argv]
        self._public_key = public_key
        self._is_batch = is_batch
        self._timeout = timeout

    def public_bytes(self) -> None:
        """None: a program is not asked for its key, because its signatures are verified. NatsSecurityError if it is missing or not executable."""
        program = self._argv[0]
        if shutil.which(program) is None:
            if os.path.isfile(program) and not os.access(program, os.X_OK):
                raise NatsSecurityError(f"the program {program} is not executable: `chmod +x {program}`.")
            raise NatsSecurityError(f"there is no program {program} that can be started.")

    def sign_all(self, messages: Sequence[bytes]) -> Generator[bytes, None, None]:
        """The signatures of the messages, from one run of the program or from one run per message."""
        if self._is_batch:
            yield from self._sign_batch(messages)
        else:
            for message in messages:
                ran = self._run(message, 1, "single")
                if ran.failure:
                    raise NatsSecurityError(ran.failure)
                yield ran.output if len(ran.output) == 64 else _from_base64(ran.output)

    def _sign_batch(self, messages: Sequence[bytes]) -> Generator[bytes, None, None]:
        lines = b"".join(base64.b64encode(message) + b"\n" for message in messages)
        ran = self._run(lines, len(messages), "batch")
        *whole, rest = ran.output.split(b"\n")
        # If the program failed, its last line may be incomplete.
        for line in whole if ran.failure else [*whole, rest]:
            if line.strip():
                yield _from_base64(line)
        if ran.failure:
            raise NatsSecurityError(ran.failure)

    def _run(self, data: bytes, count: int, form: str) -> Ran:
        environment = dict(os.environ, NATS_SIGNER_PUBLIC_KEY=self._public_key, NATS_SIGNER_FORM=form)
        try:
            process = subprocess.Popen(  # noqa: S603 (a list of arguments that the task names, without a shell)
                self._argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            cure = " A script needs a first line such as #!/bin/sh." if error.errno == errno.ENOEXEC else ""
            raise NatsSecurityError(f"the program {self._argv[0]} cannot be started: {error.strerror}.{cure}") from None
        try:
            return _converse(process, data, count * _MOST_BYTES_EACH, self._timeout)
        finally:
            _end(process)


def _from_base64(output: bytes) -> bytes:
    text = output.strip().translate(_TO_STANDARD).rstrip(b"=")
    with contextlib.suppress(ValueError):
        signature = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
        if len(signature) == 64:
            return signature
    raise NatsSecurityError(f"{len(output)} bytes of output, expected a signature of 64 bytes in base64.")


def _converse(process: subprocess.Popen[bytes], data: bytes, most_bytes: int, timeout: float) -> Ran:
    """Write the input of a program and read its output at the same time, so that neither waits for the other."""
    failure = ""
    with selectors.DefaultSelector() as selector:
        talk = _Talk(process, selector, memoryview(data))
        deadline = time.monotonic() + timeout
        while not failure and talk.is_open:
            ready = selector.select(min(0.2, timeout))
            if ready:
                deadline = time.monotonic() + timeout
            elif process.poll() is not None:
                break  # A process that it started keeps its output open.
            elif time.monotonic() > deadline:
                failure = f"did not read or write anything for {timeout:g} s"
            for key, _unused in ready:
                talk.go_on(key)
            if len(talk.output) > most_bytes:
                failure = f"writes more than {most_bytes} bytes"
    failure = failure or _end_of(process, max(0.0, deadline - time.monotonic()))
    said = shown(talk.errors.decode("utf-8", "replace")) or "it wrote nothing to standard error"
    return Ran(bytes(talk.output), f"the program {failure}: {said}." if failure else "")


class _Talk:
    """The input and output of a running program."""

    def __init__(self, process: subprocess.Popen[bytes], selector: selectors.BaseSelector, waiting: memoryview) -> None:
        self.output, self.errors = bytearray(), bytearray()
        self._process, self._selector, self._waiting = process, selector, waiting
        streams = ((process.stdin, selectors.EVENT_WRITE), (process.stdout, _READ), (process.stderr, _READ))
        for stream, event in streams:
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, event)

    @property
    def is_open(self) -> bool:
        """Whether more output may come."""
        return any(key.events == _READ for key in self._selector.get_map().values())

    def go_on(self, key: selectors.SelectorKey) -> None:
        """Write or read what is possible now."""
        if key.events != _READ:
            self._waiting = _feed(key.fd, self._waiting)
            if not self._waiting:
                self._selector.unregister(key.fileobj)
                _close(self._process.stdin)
            return
        chunk = os.read(key.fd, _CHUNK)
        if not chunk:
            self._selector.unregister(key.fileobj)
        elif key.fileobj is self._process.stdout:
            self.output += chunk
        else:
            self.errors = _end_of_text(self.errors + chunk)


def _end_of(process: subprocess.Popen[bytes], seconds: float) -> str:
    """How a program that closed its output failed, as a phrase; empty if it exited with 0."""
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        return "closed its output and did not exit"
    return f"was ended by signal {-status}" if status < 0 else f"exited with {status}" if status else ""


def _end_of_text(errors: bytearray) -> bytearray:
    """The last part of a text, which begins after a space, because a part of a secret would not be recognized as one."""
    return errors if len(errors) <= _ERRORS_KEPT else errors[-_ERRORS_KEPT:].partition(b" ")[2]


def _feed(descriptor: int, waiting: memoryview) -> memoryview:
    """Write as much as fits. What is left to write: nothing if the program no longer reads, because its output shows whether that was too early."""
    try:
        return waiting[os.write(descriptor, waiting[:_CHUNK]) :]
    except BlockingIOError:
        return waiting
    except BrokenPipeError:
        return waiting[:0]


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a program that still runs, with all processes that it started, and close its streams."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        _close(stream)


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        with contextlib.suppress(BrokenPipeError):
            stream.close()
