# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The lower layers of the Ansible collection natsops.security, copied here when the wheel is built: `base`, `disk`, `keys`, `claims`, `token`,
`rules`, `decision`. Each imports only from those before it.

Use them for what the top-level names do not offer, such as signers in an HSM. Their names may change with any version before 1.0.
"""
