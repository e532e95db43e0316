# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Files on the host, regardless of their content: `files` reads and removes, `writing` creates and replaces, `batch` does so for many, `lock` locks.

A file appears under its name complete and synced, or not at all. A new file never replaces an existing one; a file is replaced only if it still holds what
the caller read. Only regular files are read, and reading never blocks. Every system error becomes a FileError with the path and the reason.
"""
