# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Key pairs of every NATS key type, which are parsed with their checksum, sign and verify; and `signers`, whose private keys are stored elsewhere."""
