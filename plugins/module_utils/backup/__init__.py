# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Backups of an operator: one sealed file with a store, its keystore and its journal, and stores rebuilt from loose files. Texts in, texts out: only
`gather` reads files.

`contents` is what there is, by the paths that nsc has below its data folder, and verifies it up to the operator. `archive` is that as a tar archive with a
manifest. `sealed` puts the archive into boxes for curve keys, `vault` encrypts it with a password as ansible-vault does, and `natscli` is the backup of
`nats auth operator backup`. `bundle` reads any of these, `restore` compares it with what is there, and `rebuild` sorts whatever tokens and seeds turn up.

Each form is opened without this collection by a short command, see docs/backup.md.
"""
