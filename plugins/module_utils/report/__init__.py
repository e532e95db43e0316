# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Reports: one model of a NATS system as JSON, and the outputs made from it. Pure, above the access layer and the policy.

The model has public keys, names, subjects and times, but no JWTs and no seeds. It does not contain the time of its creation, so an unchanged system always
has the same model. Outputs that depend on the current time compute it when they are viewed.

    model         claims, findings and differences as one JSON document
    entities      its operator, accounts, users and links
    layers        accounts in the order in which messages are imported
    comparison    what servers hold, as nats_resolver_info returns it
    changes       what changed between two models
    metrics       a model as metrics for Prometheus
    page          a model as one HTML page; page_sources is generated from the files in web/ by `make report-page`
"""
