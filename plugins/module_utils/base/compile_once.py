# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Makes a task's import of this collection cheaper. Changes nothing else, and nothing outside of Ansible's archive of the task.

Ansible hands a module to Python in a zip archive, without bytecode, and zipimport compiles every file in it twice: to tell its name, and to run
it. To import nats_user takes 55 ms of CPU time with this and 90 without (make bench BENCHMARKS=task).
"""

from __future__ import annotations

import sys
import zipimport


class _Importer(zipimport.zipimporter):
    def get_filename(self, fullname: str) -> str:
        """The file that holds a module, told by its name alone."""
        path = self.archive + "/" + self.prefix + fullname.rpartition(".")[2]
        return path + ("/__init__.py" if self.is_package(fullname) else ".py")


def compile_once() -> None:
    """See to it that files of the archive that this one is in are compiled once. Does nothing where there is no archive."""
    archive = getattr(__spec__.loader, "archive", None)
    if archive is None:
        return

    def importer(path: str) -> _Importer:
        if not path.startswith(archive):
            raise ImportError(path)
        return _Importer(path)

    sys.path_hooks.insert(0, importer)
    for path in [path for path in sys.path_importer_cache if path.startswith(archive)]:
        del sys.path_importer_cache[path]
