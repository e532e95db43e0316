# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What several folders of tests need, each thing once: free ports, servers, modules run on a folder, playbooks."""
