# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Rules as code: a policy, which is a list of rules and exceptions, checked against the claims of one operator. Pure, above the access layer.

The kind of a rule defines the check. Its parameters, its level and the selection of what it applies to come from the policy. A finding names the entities that
break the rule, and the place in the claims. An exception covers findings until a date; after that date, the exception is itself a finding.

    parameters   the parameters of rules, read from YAML
    findings     rules, selections, exceptions and findings
    kinds        all kinds of rules, with their checks
    builtin      the rules of levels 1 and 2, each with its reason and its reference
    reading      reads a policy from YAML and reports every problem with it
    checking     checks a policy against a tree
    junit, sarif results as reports
"""
