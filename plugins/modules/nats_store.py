#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: a whole operator from one document, in nsc's layout."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_store
version_added: 0.1.0
short_description: Manage a whole NATS operator from one document, in nsc's layout
description:
  - One document describes an operator, its accounts and their users. This module reconciles a store on disk with it, in one task; thousands of users
    take seconds.
  - Existing tokens are kept as long as they verify, match the document, are signed by a key that may sign them and are not due for renewal. All
    others are issued again, and the result has the reasons for each.
  - The layout of the files is exactly that of C(nsc). C(nsc) and C(nats auth) work on the store, and a store that they made is adopted unchanged, with
    its keys. M(natsops.security.nats_store_info) returns the document for it.
  - JWTs are verified from the top down, the operator, accounts by the operator's keys, users by their account's keys. A JWT that is not signed by a
    key of its parent, or that is filed under another name, is a problem. Nothing is taken over from it, and it is not changed.
  - The operator's public key and the JWTs of the operator and the accounts, as written by the last run, are recorded in the folder
    C(.natsops/stores/STORE) of the keystore, from the first run on, also for a store that C(nsc) made. After that, another key of the operator or of an
    account is a problem until the document names it as C(public_key). A JWT that is older than the recorded one, or missing, is replaced by the recorded one.
  - Everything is validated before anything is written. All problems are reported at once, each with its place in the document, and nothing is written
    if there are any.
  - What is in the store and not in the document is reported, and removed only with O(prune) or with C(state=absent) in the document. A removed user is
    revoked in its account first. Removed files are moved to an archive in the folder C(.natsops) of the store and of the keystore; seeds and creds are
    encrypted to O(archive_key) if it is given. A warning for each account names the removed and revoked users, whose clients servers will refuse.
  - Signing keys and revocations are never dropped by omission, except for signing keys with O(prune). Keys are never replaced.
  - Only one run works on a store at a time, others wait. After a run that is killed at any moment, the store still works, and the next run completes it.
extends_documentation_fragment:
  - natsops.security.attributes
  - natsops.security.attributes.in_process
  - natsops.security.attributes.actiongroup_nats
  - natsops.security.store
  - natsops.security.store.archive
  - natsops.security.signers
attributes:
  action_group:
    membership:
      - natsops.security.nats
      - natsops.security.stores
      - natsops.security.keystores
      - natsops.security.signers
author: NatsOps authors (@natsops)
requirements: [nkeys, PyYAML for YAML in O(src)]
options:
  definition:
    description:
      - The document. Exactly one of this and O(src) is needed.
      - >-
        C(operator) has C(name), C(signing_keys), C(system_account), and the options of M(natsops.security.nats_operator).
        C(signing_keys) is a list of role names, for which keys are created and kept, or of dictionaries with C(role), C(public_key) or both.
        C(system_account) is the name of an account. C(remove_signing_keys) is a list of roles or public keys.
      - >-
        C(accounts) is a list of dictionaries with C(name), C(users), C(signing_keys), and the options of M(natsops.security.nats_account).
        C(signing_keys) is a list of role names, or of dictionaries with C(role), and C(template) for a scope; C(public_key) names an existing key.
        C(signing_key_role) is the role of the operator's key that signs the account. Defaults to the one that signed it last, or the first one.
        C(remove_signing_keys) is a list of roles or public keys, C(remove_revocations) of user names or public keys.
      - >-
        C(users) of an account is a list of dictionaries with C(name), C(signing_key_role), and the options of M(natsops.security.nats_user).
        C(signing_key_role) is the role of the account's key that signs the user, which may be a scoped one. Defaults to the unscoped one that signed
        it last, or the first one, or the account's own key. With C(creds=false), no creds file is created.
      - Names are used where NATS uses public keys. In C(imports[].account), C(exports[].revocations) and C(authorization.allowed_accounts) these
        are names of accounts in the document, or public keys of accounts from elsewhere; in C(revocations) and C(authorization.auth_users) names of
        users of the account, or public keys. C(authorization.xkey) is the public curve key of an auth callout, or a dictionary with C(role) for one that is
        created and kept under that name, whose seed in the keystore is for the service.
      - The import of a private export of an account in the document gets its activation token automatically. C(imports[].activation) is a
        dictionary of C(expires_in), C(expires_at), C(renew_before) and C(renew_spread) for it.
      - In C(imports[].subject), V({{account-subject(\)}}) stands for the public key of the importing account.
      - Operator, accounts and users have C(audience), C(not_before), C(expires_in), C(expires_at), C(renew_before) and C(renew_spread) as in the modules
        for single entities, and C(public_key), for a key whose seed is elsewhere. Accounts and users have C(state), V(present) or V(absent).
      - An account with C(renew_before) is renewed early enough that none of its users expires after it. Its renewal window is extended to the longest
        C(expires_in) of its users, if that is shorter than its own C(expires_in).
      - With C(renamed_from), an account or a user gets its C(name) instead of its previous one. It keeps its key, its users and revocations, and with the
        key its JetStream data. JWTs and creds files move to the new name, and JWTs that contain the name are issued again. Once no entity has the previous
        name, this has no effect, so it may remain in the document. It is an error if neither name or both names are in the store, or if another entity of the
        document has the previous name. A store that does not exist yet is created with the new names.
      - With C(state=existing), the operator or an account is used unchanged, and only what is listed under it is managed. So the holder of a signing key
        of one account can manage its users, without the key of the operator and without describing the rest.
    type: dict
  src:
    description:
      - A file with the document, in YAML or JSON, on the host that this module runs on. Ansible does not template it, so templates of scopes
        can be written without quoting, or with C(!unsafe), which is required in variables of Ansible.
      - With thousands of users this takes far less time than O(definition), because Ansible templates every value of that.
    type: path
  user_public_keys:
    description:
      - Public keys of users whose seeds are created elsewhere, such as on the hosts of applications, by C(ACCOUNT/USER). The same as C(public_key) of
        these users, but the document in version control does not need to contain the keys.
    type: dict
  return_users:
    description:
      - Users of the document, as C(ACCOUNT/USER), to return the JWTs of in RV(users). The JWT of a bearer is a secret by itself, and is masked.
    type: list
    elements: str
    default: []
  store:
    description:
      - The name of the store's folder in O(stores_dir). Defaults to the name of the operator.
    type: str
  rotations:
    description:
      - Phases of rotations of signing keys, and of the keys of users. The document has roles and the names of users instead of their keys, so it does not
        change when a key is replaced. The role P(natsops.security.rotation#role) runs all phases, including the steps on servers, hosts and connections.
      - The state of a rotation is in the JWT and in the recorded roles, so a run that was killed is continued by the next one. The generations of keys
        stay recorded until the rotation is complete, also in runs without this option.
    type: list
    elements: dict
    default: []
    suboptions:
      account:
        description:
          - The name of the account in the document whose signing key, or whose user's key, is rotated. If omitted, a signing key of the operator is rotated.
        type: str
      role:
        description:
          - The role of the signing key, or of the curve key of an auth callout in C(authorization.xkey). Exactly one of this, O(rotations[].user),
            O(rotations[].operator) and O(rotations[].strict_mode) is needed.
        type: str
      user:
        description:
          - The name of a user of O(rotations[].account), whose key is rotated. Its key is the subject of its JWT, so a new key requires a new
            JWT, with the same claims. The JWT of the previous key stays valid until that key is revoked.
          - The document need not describe the user, but it has to manage its account, in which the old key is revoked.
        type: str
      operator:
        description:
          - The name of the operator in the document, whose identity key is rotated. This key is the subject of its JWT, so for servers it is a different
            operator afterwards. Accounts, users and signing keys stay the same.
        type: str
      strict_mode:
        description:
          - Migrates the store to C(strict_signing_key_usage) in phases, while clients stay connected. The document must have C(strict_signing_key_usage)
            and the signing keys from the first phase on. Can be combined only with O(rotations[].phase), and with no other rotations.
          - V(add) puts the signing keys of the document into the JWTs of the operator and the accounts, where they sign nothing yet; users are not changed.
            Problems that would prevent later phases are reported in this phase already. V(resign) signs again with these keys what identity keys signed, and
            writes creds files. V(retire) makes the operator strict. Under a strict operator, all phases are the same as a task without this option.
        type: bool
        default: false
      phase:
        description:
          - V(add) creates the next key and adds it to the JWT, with the same scope. It signs nothing yet, and what the current key signs stays valid.
          - V(resign) makes the next key the one that signs, and signs again everything of the document that the current key signed. The current key is
            retiring from then on; it stays in the JWT, so tokens that it signed are still valid.
          - V(retire) removes the retiring key from the JWT, and its seed is moved to the archive. This is refused while something that it signed is in the
            store.
          - V(replace) does all of this at once, for a compromised key. What the old key signed is refused as soon as servers have the new JWT.
          - For a user, V(resign) gives it a new key, with a new JWT and creds file; the old creds file is moved to the archive, and if
            C(authorization.auth_users) names the user, the list then has both keys. V(retire) revokes the old key in the account and archives its seed.
            V(replace) does both at once. There is no V(add), because a JWT has only one subject.
          - For the curve key of an auth callout, V(add) creates the next key, so that its seed can be given to the service in addition to the current one;
            V(resign) replaces the current one in the account, because an account has only one curve key; V(retire) archives the old seed.
          - For the operator's identity key, V(add) creates the next key and adds it to the signing keys of the JWT, so that servers that are restarted with it
            trust both; V(resign) signs with it the accounts that the identity key signed; V(retire) issues the JWT of the operator with the next key as its
            subject and the same signing keys, and archives the old seed. There is no V(replace).
        type: str
        required: true
        choices: [add, resign, retire, replace]
      public_key:
        description:
          - The public key to replace. With it, the task changes nothing once the rotation is complete. Defaults to the key that is retiring, or else
            to the current one, so that without this option another rotation begins if none is under way.
        type: str
      next_public_key:
        description:
          - The next public key, if a signer holds it elsewhere, see O(signers). If omitted, the key is created in the keystore. Required if a signer holds
            the key to replace, so that a key in an HSM is not replaced by a seed in a file.
          - For a user, the next key if its seed is created elsewhere, such as
            RV(natsops.security.nats_credentials#module:users[].next_public_key). Required if the seed of the key to replace is not available. A new key in
            the C(public_key) of the user, or in O(user_public_keys), is the same.
        type: str
      compromised:
        description:
          - Whether the key to replace was stolen. If so, the result and a warning name what it gave access to, and since when, also in check mode, see
            RV(rotations). The rotation itself is the same; V(replace) ends the access at once.
        type: bool
        default: false
  prune:
    description:
      - Remove accounts, users and signing keys that are in the store and not in the document.
    type: bool
    default: false
  cut_off:
    description:
      - Allow the removal of a signing key of an account although users have JWTs that it signed. Servers close the connections of these users as soon as they
        have the new JWT of the account, also where the users get new JWTs in the same run.
      - Also allow the removal of a signing key of the operator although accounts have JWTs that it signed. A server trusts the keys in the JWT of the operator
        that it was started with, so it refuses these accounts, or their new JWTs, until it has both the new JWT of the operator and those of the accounts.
      - Without this option both are refused, for keys that C(remove_signing_keys) names and for those that O(prune) removes. A rotation replaces the key
        without an outage, see O(rotations). Users and accounts that are removed in the same run do not count.
    type: bool
    default: false
  cluster:
    description:
      - The state of the running servers, as returned by tasks for servers. A task that would leave a server or a client without a key that it needs is then
        refused, also in check mode, and the message names the servers or the users.
      - No account is signed by a key of the operator that one of O(cluster.servers) does not trust yet, regardless of the option that causes it.
      - No key of the operator is removed while one of O(cluster.accounts) is signed by it, and no key of an account or user while one of O(cluster.connections)
        uses it. With O(cut_off) this is a warning. It does not apply to the keys of a slot with O(rotations[].phase=replace).
    type: dict
    suboptions:
      servers:
        description: [RV(natsops.security.nats_resolver_info#module:servers).]
        type: list
        elements: dict
        default: []
      accounts:
        description: [RV(natsops.security.nats_resolver_info#module:accounts) of a task without O(natsops.security.nats_resolver_info#module:public_keys).]
        type: list
        elements: dict
        default: []
      connections:
        description:
          - RV(natsops.security.nats_connections#module:connections), of the account whose key is removed. For a rotation with O(rotations[].strict_mode) those
            of a task with O(natsops.security.nats_connections#module:identity_keys).
        type: list
        elements: dict
        default: []
  seeds:
    description:
      - Seeds that are not in the keystore, for example from a vault, such as that of the operator. They are used to sign, and are not written to any file.
    type: list
    elements: str
  unsigned_path:
    description:
      - A file for unsigned JWTs that keys elsewhere are to sign, such as that of the operator on a machine without a network. Without it, a key that
        is not available is a problem.
      - If such a key has to sign anything, the JWTs are written to this file and RV(unsigned) has its checksum. Keys that the document requires are created,
        and nothing else in the store changes.
      - M(natsops.security.nats_sign) signs the file where the key is. When it is back, with all signatures in it, the next run puts the JWTs into the
        store and does the rest. Until then, later runs change nothing if the document is the same.
      - If the document changes in the meantime, a new file with another checksum is written, unless all requests of the earlier one are signed; these are then
        used first.
    type: path
  vault_file:
    description:
      - A file on the controller, encrypted with C(ansible-vault), that seeds are kept in instead of the keystore. O(vault_keys) selects the seeds.
        The file is created if it is missing, and holds a YAML dictionary of seeds by public key. Its seeds are used to sign, and are not written to other
        files.
      - A seed is removed from the keystore only after the file was written, read back, decrypted and found to contain it, so that a run that is killed at any
        moment loses none, and the next one completes it. C(nsc) cannot sign with a key that is not in the keystore.
      - The task fails without a change if the file cannot be decrypted, has a key of another operator, or is missing or lacks a key although seeds
        were moved to it.
      - A relative path is relative to the folder of the playbook.
    type: path
  vault_password:
    description:
      - The password of O(vault_file). Defaults to the vault passwords of the play, as given with C(--vault-id).
    type: str
  vault_keys:
    description:
      - The seeds that are moved to O(vault_file), those of the operator's keys, or those of the accounts' keys too.
    type: str
    choices: [operator, accounts]
    default: operator
  _vault:
    description:
      - Internal data that the action plugin of this module and the module exchange if there is a vault. Not for use in tasks.
    type: dict
    suboptions:
      file:
        description: [The vault on the controller.]
        type: str
        required: true
      exists:
        description: [Whether it exists.]
        type: bool
        default: false
      seeds:
        description: [Its seeds by public key.]
        type: dict
        default: {}
      transport_key:
        description: [The key that seeds are sealed to on their way to the controller.]
        type: str
      digests:
        description: ["The seeds that the vault holds, by public key, to remove from the keystore."]
        type: dict
"""

EXAMPLES = r"""
- name: Make an operator with two accounts and their users
  natsops.security.nats_store:
    stores_dir: /etc/nats/stores
    keys_dir: /etc/nats/keys
    definition:
      operator:
        name: ACME
        signing_keys: [main]
        system_account: SYS
        strict_signing_key_usage: true
        operator_service_urls: [tls://nats.example.com:4222]
      accounts:
        - name: SYS
          signing_keys: [{role: main}]
          users:
            - name: sys
        - name: APP
          limits:
            connections: 100
            jetstream:
              disk_storage: 10GiB
          signing_keys:
            - role: main
            - role: reader
              template:
                permissions:
                  subscribe:
                    allow: [prices.>]
          exports:
            - subject: orders.create
              type: service
              token_required: true
          users:
            - name: orders
              expires_in: 90d
              renew_before: 14d
            - name: dashboard
              signing_key_role: reader
        - name: PARTNER
          signing_keys: [{role: main}]
          imports:
            - account: APP
              subject: orders.create
              type: service
          users:
            - name: shop
  register: store

- name: Show what would change, and what is in the store and not in the document
  natsops.security.nats_store:
    src: /srv/nats/acme.yml
    stores_dir: /etc/nats/stores
    keys_dir: /etc/nats/keys
  check_mode: true
  diff: true

- name: Remove what is not in the document
  natsops.security.nats_store:
    src: /srv/nats/acme.yml
    stores_dir: /etc/nats/stores
    keys_dir: /etc/nats/keys
    prune: true

- name: Rename an account and a user, which keep their keys
  natsops.security.nats_store:
    stores_dir: /etc/nats/stores
    keys_dir: /etc/nats/keys
    definition:
      operator: {name: ACME, state: existing}
      accounts:
        - name: SHOP
          renamed_from: APP
          signing_keys: [{role: main}]
          users:
            - name: buyer
              renamed_from: orders

- name: Let a new key sign for a role, and keep the old one valid
  natsops.security.nats_store:
    src: /srv/nats/acme.yml
    stores_dir: /etc/nats/stores
    keys_dir: /etc/nats/keys
    rotations:
      - {account: APP, role: main, phase: resign}

- name: Keep the operator's seeds in a vault on the controller
  natsops.security.nats_store:
    src: /srv/nats/acme.yml
    stores_dir: /etc/nats/stores
    keys_dir: /etc/nats/keys
    vault_file: operator-seeds.vault
    vault_password: "{{ lookup('ansible.builtin.env', 'NATS_VAULT_PASSWORD') }}"
  delegate_to: signing-host

- name: Read which keys of the operator the servers trust, and which accounts they hold
  natsops.security.nats_resolver_info:
    servers: [tls://n1.example.com:4222]
    expected_servers: [n1, n2, n3]
    store_path: /etc/nats/stores/ACME
    system_signer_path: /etc/nats/keys
  register: running

- name: Sign with the next key of the operator, unless a server does not trust it yet
  natsops.security.nats_store:
    src: /srv/nats/acme.yml
    rotations: [{role: main, phase: resign}]
    cluster:
      servers: "{{ running.servers }}"
      accounts: "{{ running.accounts }}"
"""

RETURN = r"""
entities:
  description:
    - What happened to every entity, or would happen in check mode, except for users that are created or kept, which are in RV(created_users) and
      RV(kept_users). The first is the store itself.
    - An C(action) is V(created), V(changed), V(kept), V(removed), or V(extra) for what is not in the document and is kept.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(store), V(operator), V(account), V(user), V(activation), V(signing_key), V(user_key) for a key that a user had before,
        V(curve_key) for a key of an auth callout in its rotation, or V(identity_key) for one that the operator had before.
      type: str
      sample: user
    name:
      description: The name; the role of a signing key; the name of the user of a user's key.
      type: str
      sample: orders
    account:
      description: The account, of users, activations and signing keys of accounts.
      type: str
      sample: APP
    action:
      description: What happened.
      type: str
      sample: changed
    reasons:
      description: The reason, as a sentence. Omitted for entities that are kept or created.
      type: list
      elements: str
      sample: ["limits.connections: 10 -> 20"]
    public_key:
      description: The public key. In check mode, a placeholder for a key that does not exist yet.
      type: str
      sample: UDAUGD2567MCKGLKERIAYKLXZJK6QZVHWBOXB3L7I2ABPF3ZMYEWQDWK
    expires:
      description: When the token that is kept expires. Omitted if it never expires.
      type: str
      sample: "2027-01-31T12:00:00Z"
created_users:
  description: The names of the users that are created, by account.
  returned: success
  type: dict
  sample: {"APP": ["orders", "dashboard"]}
kept_users:
  description: The names of the users that are kept unchanged, by account. M(natsops.security.nats_store_info) reports more about them.
  returned: success
  type: dict
  sample: {"PARTNER": ["shop"]}
summary:
  description: How many entities each action has, with all users.
  returned: success
  type: dict
  sample: {"created": 0, "changed": 1, "kept": 1020, "extra": 0, "removed": 0}
prepared:
  description:
    - How many tokens are signed, or would be in check mode, by which keys, and the users whose creds are written, as text. It is empty if there are none.
      The diff ends with it.
  returned: success
  type: str
  sample: "tokens to sign: 1\n  1 by ACME, role main (OB6R...)\ncreds to write: APP/orders\n"
operator:
  description: The operator's C(name), C(public_key), C(jwt) and C(jwt_path). The JWT is null in check mode if it would be issued.
  returned: success
  type: dict
  sample: {"name": "ACME", "public_key": "OBXR...", "jwt": "eyJ0...", "jwt_path": "/etc/nats/stores/ACME/ACME.jwt"}
system_account:
  description: The system account's C(public_key), C(jwt) and C(jwt_path). Null if there is none.
  returned: success
  type: dict
  sample: {"public_key": "ACNG...", "jwt": "eyJ0...", "jwt_path": "/etc/nats/stores/ACME/accounts/SYS/SYS.jwt"}
accounts:
  description: The C(public_key), C(jwt) and C(jwt_path) of each account of the document, by name.
  returned: success
  type: dict
  sample: {"APP": {"public_key": "ACWZ...", "jwt": "eyJ0...", "jwt_path": "/etc/nats/stores/ACME/accounts/APP/APP.jwt"}}
rotations:
  description:
    - The keys of the roles in O(rotations), the C(current) one, and if there are any, the C(next) and the C(retiring) one. C(retired) are those that
      were removed from the JWT in this task. A rotation of a user's key has C(user) instead of C(role), and C(retired) are the keys that were revoked. That of
      the operator's identity key has C(operator) instead of C(account) and C(role).
    - With O(rotations[].compromised), there is C(exposed), which describes the C(key) to replace and the store before the task. C(users) and C(activations) (as
      C(IMPORTER/SUBJECT)) are what a signing key of the account has signed, C(accounts) what a key of the operator has signed. For the key of a user it is
      the user, for a curve key the account of the auth callout.
    - C(since) is the issue time of the oldest JWT in the store that the key has signed, or that names the key; C(oldest) is this JWT. The key existed by
      then, and may be older, because earlier JWTs that were issued again are not kept. If the key was already removed, lists are empty and the others null.
  returned: success, with O(rotations)
  type: list
  elements: dict
  sample: [{"account": "APP", "role": "main", "current": "ACWZ...", "next": null, "retiring": "ADX6...", "retired": []}]
users:
  description:
    - The C(public_key), C(jwt) and C(expires) of the users in O(return_users) that the document has, by C(ACCOUNT/USER). In check mode the JWT of a user
      that would be signed is null, and a new key is a placeholder. C(earlier_keys), if there are any, are those that the user had before.
  returned: with O(return_users)
  type: dict
  sample: {"APP/orders": {"public_key": "UDAU...", "jwt": "eyJ0...", "expires": "2027-01-31T12:00:00Z"}}
store_path:
  description: The folder of the store.
  returned: success
  type: str
  sample: /etc/nats/stores/ACME
keys_path:
  description: The folder of the keystore.
  returned: success
  type: str
  sample: /etc/nats/keys
creds_path:
  description: The folder of the creds files, in which every account has a folder with a file C(USER.creds) for each user.
  returned: success
  type: str
  sample: /etc/nats/keys/creds/ACME
unsigned:
  description:
    - The requests that wait for signatures by keys elsewhere, with the C(path) and the C(checksum) of the file, the names of the C(requests),
      and the public keys of the signers in C(issuers). Null if there are none. While JWTs wait, RV(entities) and RV(summary) are the plan. In check mode, a
      file that would be written has no checksum and no requests.
  returned: with O(unsigned_path)
  type: dict
  sample: {"path": "/media/stick/requests.json", "checksum": "0f2c5b...", "requests": ["operator", "account APP"], "issuers": ["OBXR..."]}
vault:
  description:
    - The seeds that were moved to O(vault_file), or would be in check mode. C(moved) is a list of public keys, or of placeholders for new keys in check mode;
      C(path) is the path of the file.
  returned: with O(vault_file)
  type: dict
  sample: {"path": "/srv/nats/operator-seeds.vault", "moved": ["OBXRLALQTO33D3YDBUQQ3MMOHMF2DR3W7OTF3DG2VUCUCUKC2GE7R7EL"]}
problems:
  description: What is wrong with the document or the store, with C(path) and C(message). The message of the error has them too.
  returned: when there is any
  type: list
  elements: dict
  sample: [{"path": "accounts[1].users[0].signing_key_role", "message": "APP has no signing key with the role writer; available: main, reader."}]
"""

import gc
from typing import Callable

from ansible_collections.natsops.security.plugins.module_utils.base.compile_once import compile_once

compile_once()

from ansible_collections.natsops.security.plugins.module_utils.tasks.running import running_spec
from ansible_collections.natsops.security.plugins.module_utils.tasks.signer_options import signers_spec
from ansible_collections.natsops.security.plugins.module_utils.tasks.store import store_task
from ansible_collections.natsops.security.plugins.module_utils.tasks.store_options import archive_spec, store_spec
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import CarefulModule, run


def main(make: Callable[..., CarefulModule] | None = None) -> None:
    """Run the module. `make` creates it if the controller runs it in its own process."""
    # No reference cycles are created here, and searching for them among the users of a large document takes a tenth of the time.
    gc.disable()
    try:
        run(
            store_task,
            make=make,
            argument_spec={
                "definition": {"type": "dict"},
                "src": {"type": "path"},
                **store_spec(),
                **archive_spec(),
                "store": {"type": "str"},
                "user_public_keys": {"type": "dict", "no_log": False},
                "return_users": {"type": "list", "elements": "str", "default": []},
                "rotations": {
                    "type": "list",
                    "elements": "dict",
                    "default": [],
                    "options": {
                        "account": {"type": "str"},
                        "role": {"type": "str"},
                        "user": {"type": "str"},
                        "operator": {"type": "str"},
                        "strict_mode": {"type": "bool", "default": False},
                        "phase": {"type": "str", "required": True, "choices": ["add", "resign", "retire", "replace"]},
                        "public_key": {"type": "str", "no_log": False},
                        "next_public_key": {"type": "str", "no_log": False},
                        "compromised": {"type": "bool", "default": False},
                    },
                },
                "prune": {"type": "bool", "default": False},
                "cut_off": {"type": "bool", "default": False},
                **running_spec(),
                "seeds": {"type": "list", "elements": "str", "no_log": True},
                **signers_spec(),
                "unsigned_path": {"type": "path"},
                "vault_file": {"type": "path"},
                "vault_password": {"type": "str", "no_log": True},
                "vault_keys": {
                    "type": "str",
                    "choices": ["operator", "accounts"],
                    "default": "operator",
                    "no_log": False,
                },
                "_vault": {
                    "type": "dict",
                    "options": {
                        "file": {"type": "str", "required": True},
                        "exists": {"type": "bool", "default": False},
                        "seeds": {"type": "dict", "default": {}, "no_log": True},
                        "transport_key": {"type": "str", "no_log": True},
                        "digests": {"type": "dict"},
                    },
                },
            },
            required_one_of=[("definition", "src", "_vault")],
            mutually_exclusive=[("definition", "src")],
            required_by={"vault_password": ["vault_file"]},
        )
    finally:
        gc.enable()


if __name__ == "__main__":
    main()
