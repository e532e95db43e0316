# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Files on the host, whatever their content: `files` reads and removes, `writing` creates and replaces, `batch` does so for many, `lock` takes turns.

A file appears under its name complete and synced, or not at all. A new file never replaces one that is there; a file is replaced only while it still holds
what the caller read. Only regular files are read, and none is waited for. Every error of the system becomes a FileError with the path and the reason.
"""
