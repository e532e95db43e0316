# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Rules as code: a policy, which is a list of rules and of exceptions from them, checked against the claims of one operator. Pure, above the access layer.

A rule has a kind, which decides; parameters, a level and a selection of what it applies to come from the policy. A finding names who breaks the rule, and
the place in the claims where that is said. An exception covers findings until a date; after that date it is a finding itself.

    parameters   what a rule takes, read from YAML
    findings     rules, selections, exceptions and findings
    kinds        all kinds of rules, with what they check
    builtin      the rules of levels 1 and 2, each with its reason and its reference
    reading      a policy from YAML, with everything that is wrong with it
    checking     a policy and a tree to results
    junit, sarif results as reports
"""
