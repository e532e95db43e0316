# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Backups of an operator: one sealed file with a store, its keystore and its journal, and stores rebuilt from loose files. Everything works on texts; only
`gather` and `collect` read files.

`contents` has the files by their paths below nsc's data folder, and verifies them up to the operator. `archive` packs them as a tar archive with a
manifest. `keys/sealed.py` seals the archive to curve keys, `vault` encrypts it with a password as ansible-vault does, and `natscli` is the format of
`nats auth operator backup`. `bundle` reads all of these formats, `restore` compares a backup with existing files, and `rebuild` sorts tokens and seeds
from any source into stores. `recorded` adds the record of nats_store to a rebuilt store.

A short command opens each format without this collection, see docs/backup.md.
"""
