# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Creds files on the hosts of applications: what the hosts of a play ask for, as one document, and the files on one host.

A key pair that is born on a host waits beside the creds file until its JWT is there; nothing but its public key leaves the host.
"""
