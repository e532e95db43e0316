# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Runs work in a separate thread, one item after the other, while its results are used: a signer makes the next signatures while the last ones are
verified, and a call that hangs in an external library can be abandoned.

10,000 signatures of OpenBao or SoftHSM take a tenth less time this way, on two cores that also have other work (make bench BENCHMARKS=signers).
"""

from __future__ import annotations

import queue
import threading
from typing import Callable, Generator, Sequence, TypeVar

from ...base.errors import NatsSecurityError

T = TypeVar("T")
R = TypeVar("R")


def ahead(do: Callable[[T], R], items: Sequence[T], timeout: float | None) -> Generator[R, None, None]:
    """The result of `do` for each item, in order. Errors of `do` are raised here.

    NatsSecurityError if an item takes longer than `timeout` seconds. The thread is then abandoned and ends with the process; otherwise it has ended when
    this generator is closed.
    """
    results: queue.SimpleQueue[R | _Failure] = queue.SimpleQueue()
    stop = threading.Event()

    def work() -> None:
        for item in items:
            if stop.is_set():
                return
            try:
                results.put(do(item))
            except BaseException as error:
                results.put(_Failure(error))
                return

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        for _unused in items:
            try:
                result = results.get(timeout=timeout)
            except queue.Empty:
                seconds, timeout = timeout or 0.0, 0.0  # so that join() does not wait again
                raise NatsSecurityError(f"it did not answer for {seconds:g} s.") from None
            if isinstance(result, _Failure):
                raise result.error
            yield result
    finally:
        stop.set()
        thread.join(timeout)


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error
