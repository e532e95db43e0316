# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Key pairs of every type that NATS has: parsed with their checksum, signing and verifying; and `signers`, whose private keys are elsewhere."""
