# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Who may do what, according to the tokens of one operator: a pure layer above the rules. Nothing is read, no server is asked.

The input is a `tree.Tree`: verified claims of the operator, its accounts and its users, each with the place that it comes from. Everything else follows
nats-server 2.15, whose function a comment names wherever its behaviour is not obvious, and its oddities are part of the answers.

    subjects     sets of subjects, exact on wildcards
    transforms   how a server turns one subject into another
    permissions  what one user may publish, subscribe to and receive
    links        imports, and whether they work
    routes       where a message goes, and where messages come from
    questions    the questions that modules and filters take, and their answers
"""
