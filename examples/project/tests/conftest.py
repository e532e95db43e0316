# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Lets pytest-ansible find modules of collections: outside of a collection it looks for a module before Ansible knows where those are."""

from __future__ import annotations

from ansible.plugins.loader import init_plugin_loader

init_plugin_loader()
