# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Code that tests in several folders share: free ports, servers, modules run on a folder, playbooks."""
