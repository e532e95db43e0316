# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Who may do what, according to the tokens of one operator: a pure layer above the rules. It reads no files and asks no server.

The input is a `tree.Tree`: verified claims of the operator, its accounts and its users, each with the place that it comes from. The answers follow
nats-server 2.15, including its unexpected behaviour. Where a rule is not obvious, a comment names the function of the server that it comes from.

    subjects     sets of subjects, exact on wildcards
    transforms   how a server turns one subject into another
    permissions  what one user may publish, subscribe to and receive
    links        imports, and whether they work
    routes       where a message goes, and where messages come from
    questions    the questions that modules and filters accept, and their answers
"""
