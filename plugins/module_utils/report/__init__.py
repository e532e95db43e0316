# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures: one model of a NATS system as JSON, and what is made of it. Pure, above the access layer and the policy.

The model has public keys, names, subjects and times, and no JWT and no seed. It has no time of its own making, so the same system has the same model
tomorrow; whatever counts days does so where the model is looked at.

    model         claims, findings and differences as one JSON document
    entities      its operator, accounts, users and links
    layers        accounts in the order in which messages are imported
    comparison    what servers hold, as nats_resolver_info returns it
    changes       what changed between two models
    metrics       a model as metrics for Prometheus
    page          a model as one HTML page; page_sources is made of the files in web/ by `make report-page`
"""
