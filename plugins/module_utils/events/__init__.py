# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What happens in a cluster, as it happens: what servers publish to the system account, and what ends soon, as events for a program that acts on them.

Messages come from the network at whatever rate. So each is read as what it has to be, held in a queue of bounded size, and counted where that is full;
a connection that is lost is re-established. What is missing between two events is an event itself.
"""

from __future__ import annotations
