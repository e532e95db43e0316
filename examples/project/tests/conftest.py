# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Makes modules of collections available to pytest-ansible. Outside a collection, it looks for a module before Ansible knows the collection paths.

Modules run with the Python of the tests, which has nkeys; otherwise Ansible looks for one on this machine.
"""

from __future__ import annotations

import os
import sys

from ansible.plugins.loader import init_plugin_loader

os.environ.setdefault("ANSIBLE_PYTHON_INTERPRETER", sys.executable)
init_plugin_loader()
