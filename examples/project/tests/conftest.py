# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Makes modules of collections available to pytest-ansible. Outside a collection, it looks for a module before Ansible knows the collection paths."""

from __future__ import annotations

from ansible.plugins.loader import init_plugin_loader

init_plugin_loader()
