# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The engine that all modules share: it makes a plan from wanted entities, existing tokens and available keys, for any number of entities in any place.

`wanted` describes what a task asks for, `place` what exists. `names` finds the key for every name, `claims` derives the claims, `issuers`
determines which keys may sign, and `verdict` applies the rules. `operators`, `accounts`, `activations` and `users` decide. `engine.reconcile` runs
all of this. It is pure except that it reads the files of users: it creates no keys and signs nothing. `signing` signs the tokens of a plan once its
keys exist.
"""
