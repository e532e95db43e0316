# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The layers that the Ansible collection natsops.security stands on, put here when the wheel is built: `base`, `disk`, `keys`, `claims`, `token`,
`rules`, `decision`, each of which imports only from those before it.

They are there for what the names on top do not offer, such as signers in an HSM. Their names may change with any version before 1.0.
"""
