# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Creds files on the hosts of applications: the requests of all hosts of a play as one document, and the files on one host.

A key pair that is created on a host waits beside the creds file until its JWT is issued. Only its public key leaves the host.
"""
