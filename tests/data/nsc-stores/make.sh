#!/usr/bin/env bash
# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
# Makes the stores in this folder again with nsc: NSC=/path/to/nsc ./make.sh. Their keys are for tests and protect nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
nsc=${NSC:?the path of an nsc binary}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

in_home() {
  HOME=$scratch/$home NKEYS_PATH=$scratch/$home/keys XDG_DATA_HOME=$scratch/$home/data XDG_CONFIG_HOME=$scratch/$home/config "$@"
}

n() {
  in_home "$nsc" "$@" >/dev/null 2>&1 || { echo "failed: nsc $*" >&2; in_home "$nsc" "$@"; exit 1; }
}

public_key() {
  in_home "$nsc" describe account "$1" --json 2>/dev/null | sed -n 's/^ *"sub": "\(A[A-Z2-7]*\)",*/\1/p' | head -1
}

keep() {
  rm -rf "${home:?}"
  mkdir -p "$home"
  cp -r "$scratch/$home/data/nats/nsc/stores" "$home/stores"
  cp -r "$scratch/$home/keys" "$home/keys"
  # Under its own name it would keep the seeds out of this repository too.
  mv "$home/keys/.gitignore" "$home/keys/gitignore"
}

# A store as `nsc init` and a few commands leave it: no strict mode, users signed by the account's own key.
home=plain
mkdir -p "$scratch/$home"
n add operator --name PLAIN
n add account --name APP
n add user --account APP --name orders --allow-pub 'orders.>' --allow-sub '_INBOX.>' --allow-pub-response=5 --response-ttl 2s
n add user --account APP --name readonly --deny-pub '>' --bearer --tag team:web
n add user --account APP --name gone
n delete user --account APP --name gone --revoke
n add user --account APP --name revoked
n revocations add-user --account APP --name revoked
n edit account --name APP --js-mem-storage 64M --js-disk-storage 1G --js-streams 10 --js-consumer 20 --conns 100
n add account --name OLD
n delete account --name OLD --force --rm-nkey
n add account --name KEYLESS
n add user --account KEYLESS --name keyless
keyless=$(in_home "$nsc" describe user --account KEYLESS --name keyless --json 2>/dev/null | sed -n 's/^ *"sub": "\(U[A-Z2-7]*\)",*/\1/p' | head -1)
rm -r "$scratch/$home/keys/keys/U/${keyless:1:2}/$keyless.nk" "$scratch/$home/keys/creds/PLAIN/KEYLESS"
keep

# Strict mode, scoped signing keys, exports and imports with and without activation, mappings, tiers, auth callout, traces.
home=full
mkdir -p "$scratch/$home"
n add operator --name FULL --sys --generate-signing-key
n edit operator --service-url nats://127.0.0.1:4222 --account-jwt-server-url nats://127.0.0.1:4222 --require-signing-keys --tag env:test
n add account --name APP
n edit account --name APP --js-tier 1 --js-disk-storage 1G --js-streams 5
n edit account --name APP --js-tier 3 --js-disk-storage 2G --js-consumer 7
n edit account --name APP --sk generate
n edit signing-key --account APP --sk generate --role service --allow-pub 'svc.>' --allow-sub 'svc.{{name()}}.>' --allow-pub-response=1
n edit signing-key --account APP --sk generate --role everything
n add user --account APP --name plain --expiry 2099-01-01
n add user --account APP --name scoped -K service
n add user --account APP --name open -K everything --tag zone:eu
n add export --account APP --subject 'events.>' --name events
n add export --account APP --subject 'private.*' --private --name private
n add export --account APP --subject 'help' --service --latency lat.help --sampling 50 --response-threshold 3s
n add export --account APP --subject 'rows' --service --response-type Stream
n add export --account APP --subject 'tenant.*.get' --service --account-token-position 2
n add mapping --account APP --from old.orders --to new.orders --weight 60
n add mapping --account APP --from old.orders --to newer.orders --weight 40
n edit account --name APP --trace-context-subject traces.here --trace-context-sampling 25 --description 'The app' --info-url https://example.com/app
n add account --name PARTNER
n edit account --name PARTNER --sk generate
n generate activation --account APP --subject 'private.one' --target-account "$(public_key PARTNER)" --output-file "$scratch/activation.jwt"
n add import --account PARTNER --token "$scratch/activation.jwt" --name one --local-subject 'their.one'
n generate activation --account APP --subject 'private.two' --target-account "$(public_key PARTNER)" --expiry 2098-01-01 --output-file "$scratch/activation.jwt"
n add import --account PARTNER --token "$scratch/activation.jwt" --name two
n add import --account PARTNER --src-account "$(public_key APP)" --remote-subject 'events.>' --local-subject 'their.events.>'
n add import --account PARTNER --src-account "$(public_key APP)" --remote-subject help --service --share
n add user --account PARTNER --name worker --source-network 10.0.0.0/8
n edit user --account PARTNER --name worker --time 08:00:00-18:00:00 --locale Europe/Prague --conn-type STANDARD --payload 1M --subs 10
n add account --name AUTH
n edit account --name AUTH --sk generate
n add user --account AUTH --name callout
n edit authcallout --account AUTH --auth-user "$(in_home "$nsc" describe user --account AUTH --name callout --json 2>/dev/null | sed -n 's/^ *"sub": "\(U[A-Z2-7]*\)",*/\1/p' | head -1)" --allowed-account '*' --curve generate
keep
