# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Events of a cluster for a program that acts on them: messages that servers publish to the system account, and credentials that expire soon.

Messages come from the network at any rate. So each one is validated and held in a queue of bounded size; messages are counted and dropped while the
queue is full. A lost connection is re-established. Gaps in the sequence of events are reported as events too.
"""

from __future__ import annotations
