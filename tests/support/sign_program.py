# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""An example of a program for signers of `type: command`. Its arguments are SEED_FILE and, optionally, the name of a fault to simulate."""

# ruff: noqa: T201

import base64
import os
import sys

import nacl.signing

seed = open(sys.argv[1]).read().strip()  # noqa: PTH123, SIM115
key = nacl.signing.SigningKey(base64.b32decode(seed + "=" * (-len(seed) % 8))[2:34])
fault = sys.argv[2] if len(sys.argv) > 2 else ""
if os.environ["NATS_SIGNER_FORM"] == "single":
    signature = key.sign(sys.stdin.buffer.read()).signature
    if fault == "base64":
        print(base64.b64encode(signature).decode())
    elif fault == "base64url":
        print(base64.urlsafe_b64encode(signature).decode().rstrip("="), end="")
    else:
        sys.stdout.buffer.write(signature)
else:
    for number, line in enumerate(sys.stdin):
        if fault == "dies late" and number == 500:
            os.kill(os.getpid(), 9)
        if fault == "dies" and number == 5:
            print("AAAA", end="", flush=True)
            os.kill(os.getpid(), 9)
        if fault == "fails" and number == 5:
            sys.exit(f"no access to the seed {seed} after 5 signatures")
        if fault == "stops" and number == 5:
            break
        data = base64.b64decode(line)
        print(base64.b64encode(key.sign(data if fault != "other data" else data + b"!").signature).decode())
    if fault == "more":
        print(base64.b64encode(bytes(64)).decode())
