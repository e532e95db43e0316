# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The one engine: wanted entities, what is found, and the keys at hand become a plan, for any number of entities in any place.

`wanted` describes what a task asks for, `place` what is found, `names` finds the key behind every name, `claims` derives the claims, `issuers`
says who may sign, `verdict` asks the rules, and `operators`, `accounts`, `activations` and `users` decide. `engine.reconcile` is the whole: pure
but for reading the files of users; no key is made and nothing is signed. `signing` makes the tokens of a plan once its keys exist.
"""
