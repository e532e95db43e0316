#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: a whole operator from one document, in nsc's layout."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_store
version_added: 0.1.0
short_description: Make a whole NATS operator from one document, in nsc's layout
description:
  - One document says what an operator, its accounts and their users are to be. This module makes a store on disk say so, in one task; thousands of
    users take seconds.
  - Tokens that are there are kept as long as they verify, mean what the document says, are signed by a key that may sign them and are not due for
    renewal. All others are issued again, and the result says why, of each.
  - The layout of the files is that of C(nsc), to the byte. C(nsc) and C(nats auth) work on the store, and a store that they made is adopted as it is,
    with its keys. M(natsops.security.nats_store_info) writes the document for it.
  - JWTs are verified from the top down, the operator, accounts by the operator's keys, users by their account's keys. A JWT that no key of its parent
    signed, and one that is filed under another name, is a problem. Nothing is taken from it, and it stays as it is.
  - The operator's public key and the JWTs of the operator and the accounts, as the last run left them, are recorded in the folder
    C(.natsops/stores/STORE) of the keystore, from the first run on, also on a store that C(nsc) made. Another key of the operator or of an account is
    a problem after that, until the document names it as C(public_key). A JWT that is older than the one on record, or gone, is replaced by that one.
  - Everything is validated before anything is written. All problems are reported at once, each with its place in the document, and with any of them
    nothing is written.
  - What is in the store and not in the document is reported, and removed only with O(prune) or with C(state=absent) in the document. A removed user is
    revoked in its account first. What is removed goes to an archive in the folder C(.natsops) of the store and of the keystore, seeds and creds encrypted
    to O(archive_key) if it is given.
  - Signing keys and revocations are never dropped by omission, except for signing keys with O(prune). Keys are never replaced.
  - One run works on a store at a time, others wait. A run that is killed at any moment leaves a store that works, and the next run completes it.
extends_documentation_fragment:
  - natsops.security.attributes
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
        C(signing_keys) is a list of role names, under which the keys are made and kept, or of dictionaries with C(role), C(public_key) or both.
        C(system_account) is the name of an account. C(remove_signing_keys) is a list of roles or public keys.
      - >-
        C(accounts) is a list of dictionaries with C(name), C(users), C(signing_keys), and the options of M(natsops.security.nats_account).
        C(signing_keys) is a list of role names, or of dictionaries with C(role), and C(template) for a scope; C(public_key) names a key that is there.
        C(signing_key_role) is the role of the operator's key that signs the account; if omitted, the one that signed it last, or the first one.
        C(remove_signing_keys) is a list of roles or public keys, C(remove_revocations) of user names or public keys.
      - >-
        C(users) of an account is a list of dictionaries with C(name), C(signing_key_role), and the options of M(natsops.security.nats_user).
        C(signing_key_role) is the role of the account's key that signs the user, also of a scoped one; if omitted, whichever unscoped one signed it
        last, or the first one, or the account's own. With C(creds=false) no creds file is made.
      - Names stand where NATS wants public keys. In C(imports[].account), C(exports[].revocations) and C(authorization.allowed_accounts) these
        are names of accounts in the document, or public keys of accounts from elsewhere; in C(revocations) and C(authorization.auth_users) names of
        users of the account, or public keys. C(authorization.xkey) is the public curve key of an auth callout, or a dictionary with C(role) for one that is
        made and kept under that name, whose seed in the keystore is for the service.
      - The import of a private export of an account in the document gets its activation token without being asked. C(imports[].activation) is a
        dictionary of C(expires_in), C(expires_at), C(renew_before) and C(renew_spread) for it.
      - In C(imports[].subject), V({{account-subject(\)}}) stands for the public key of the importing account.
      - Operator, accounts and users have C(audience), C(not_before), C(expires_in), C(expires_at), C(renew_before) and C(renew_spread) as the modules
        for one of them have, and C(public_key), for a key whose seed is elsewhere. Accounts and users have C(state), V(present) or V(absent).
      - An account with C(renew_before) is renewed early enough that none of its users outlives it. Its window is as long as the longest C(expires_in) of
        its users, where that is shorter than its own.
      - With C(renamed_from) an account or a user gets its C(name) in place of the one that it had before. It keeps its key, its users and revocations, and
        with the key its JetStream data. JWTs and creds files move to the new name, and what has the name in it is issued again. Where nothing has the
        name of before any more, this does nothing, so it may stay. It is an error where neither name is in the store, where both are, and where something
        else in the document has the name of before. A store that does not exist yet is made with the new names.
      - With C(state=existing) the operator or an account is taken as it is found, and only what is listed under it is managed. So who holds a signing key
        of one account keeps its users, without the key of the operator and without describing the rest.
    type: dict
  src:
    description:
      - A file with the document, in YAML or JSON, on the host that this module runs on. No templates are filled in, so those of scopes can be
        written as they are, or with C(!unsafe), as they have to be in variables of Ansible.
      - With thousands of users this takes far less time than O(definition), of which Ansible looks for templates in every value.
    type: path
  user_public_keys:
    description:
      - Public keys of users whose seeds are made elsewhere, such as on the hosts of applications, by C(ACCOUNT/USER). So a document in version control
        stays free of keys. The same as C(public_key) of these users.
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
      - Phases of rotations of signing keys, and of the keys of users. In the document a role is a slot, so it stays as it is when the key behind the role
        changes, and a user is a name. The role P(natsops.security.rotation#role) goes through all phases, and sees to servers, hosts and connections.
      - What is known of a role is its JWT, and the roles on record, so a run that was killed is gone on with by the next. The generations of keys stay
        on record until the rotation is complete, also in runs without this option.
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
          - The name of the operator in the document, whose identity key is rotated. This key is the subject of its JWT, so it is another operator for servers
            afterwards. Accounts, users and signing keys stay the same.
        type: str
      strict_mode:
        description:
          - Takes the store to C(strict_signing_key_usage) in phases, in which clients stay connected. The document has this option, and the signing keys,
            from the beginning on. Excludes all other options but O(rotations[].phase), and other rotations.
          - V(add) puts the signing keys of the document into the JWTs of the operator and the accounts, where they sign nothing yet; users stay as they are.
            What later phases would be refused for is a problem here already. V(resign) has these keys sign again what identity keys signed, and creds
            files are written. V(retire) makes the operator strict. Under a strict operator, all are the same as a task without it.
        type: bool
        default: false
      phase:
        description:
          - V(add) makes the next key and puts it into the JWT, with the same scope. It signs nothing yet, and what the current key signs stays valid.
          - V(resign) has the next key sign, and everything of the document that the current key signed is signed again by it. The current key is retiring
            from then on; it stays in the JWT, so tokens that it signed are valid still.
          - V(retire) takes the key that is retiring out of the JWT, and its seed goes to the archive. Refused while something that it signed is in the store.
          - V(replace) does all of it at once, for a key that is compromised. What the old key signed is refused as soon as servers have the new JWT.
          - Of a user, V(resign) gives it a new key, with a new JWT and creds file; the old creds file goes to the archive, and where
            C(authorization.auth_users) names the user, both keys are there. V(retire) revokes the old key in the account and archives its seed. V(replace)
            does both at once. There is no V(add), as no JWT has two keys.
          - Of the curve key of an auth callout, V(add) makes the next key, for the service to have its seed beside that of the current one; V(resign) puts it
            into the account in place of the current one, as an account has one curve key; V(retire) archives the old seed.
          - Of the operator's identity key, V(add) makes the next key and puts it among the signing keys of the JWT, so that servers that are restarted with it
            trust both; V(resign) has it sign the accounts that the identity key signed; V(retire) issues the JWT of the operator about it, with the same
            signing keys, and archives the old seed. There is no V(replace).
        type: str
        required: true
        choices: [add, resign, retire, replace]
      public_key:
        description:
          - The public key that is to go. With it a task is idempotent after the rotation too, as the key is gone then. If omitted, the key that is
            retiring, or else the one that signs now, so that a rotation begins again where none is under way.
        type: str
      next_public_key:
        description:
          - The public key that follows, where a signer holds it elsewhere, see O(signers). If omitted, the key is made in the keystore. It has to be given
            where a signer holds the key that is to go, so that no key of an HSM is followed by a seed in a file.
          - Of a user, the key that follows where its seed is made elsewhere, such as
            RV(natsops.security.nats_credentials#module:users[].next_public_key). It has to be given where the seed of the key that is to go is not here. A
            new key in the C(public_key) of the user, or in O(user_public_keys), is the same.
        type: str
      compromised:
        description:
          - Whether the key that is to go was stolen. Then the result and a warning name what it gave access to, and since when, also in check mode, see
            RV(rotations). What is done is the same; V(replace) closes the hole at once.
        type: bool
        default: false
  prune:
    description:
      - Remove what is in the store and not in the document, accounts, users and signing keys.
    type: bool
    default: false
  cut_off:
    description:
      - Let a signing key of an account go although users have JWTs that it signed. Servers close the connections of these users as soon as they have the
        new JWT of the account, also where the users get new JWTs in the same run.
      - Also let a signing key of the operator go although accounts have JWTs that it signed. A server trusts the keys in the JWT of the operator that it was
        started with, so it refuses these accounts, or their new JWTs, until it has both the new JWT of the operator and those of the accounts.
      - Without this option both are refused, for keys that C(remove_signing_keys) names and for those that O(prune) removes. A rotation replaces the key
        without an outage, see O(rotations). Users and accounts that are removed in the same run do not count.
    type: bool
    default: false
  cluster:
    description:
      - What is known of the running servers, as tasks for servers return it. A task that would leave a server or a client without a key that it needs is then
        refused, also in check mode, and the message names the servers or the users.
      - No account is signed by a key of the operator that one of O(cluster.servers) does not trust yet, whichever option causes it.
      - No key of the operator goes while one of O(cluster.accounts) is signed by it, and no key of an account or user while one of O(cluster.connections) uses
        it. This does not apply with O(cut_off), nor to a task with O(rotations[].phase=replace).
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
          - RV(natsops.security.nats_connections#module:connections), of the account whose key goes. For a rotation with O(rotations[].strict_mode) those of a
            task with O(natsops.security.nats_connections#module:identity_keys).
        type: list
        elements: dict
        default: []
  seeds:
    description:
      - Seeds that are not in the keystore, for example from a vault, such as that of the operator. They are used to sign, and written nowhere.
    type: list
    elements: str
  unsigned_path:
    description:
      - A file for JWTs that keys elsewhere are to sign, such as that of the operator on a machine without a network. Without it, a key that is not at
        hand is a problem.
      - If such a key has to sign anything, the JWTs are written to this file and RV(unsigned) has its checksum. Keys that the document asks for are made,
        and nothing else in the store changes.
      - M(natsops.security.nats_sign) signs the file where the key is. When it is back, with all signatures in it, the next run puts the JWTs into the
        store and does the rest. As long as it is not, and the document asks for the same, later runs change nothing.
      - If the document changes in the meantime, a new file of another checksum is made, unless all of the earlier one is signed, which is then used first.
    type: path
  vault_file:
    description:
      - A file on the controller, encrypted as C(ansible-vault) does, that seeds are kept in instead of the keystore. Which ones, O(vault_keys) says.
        It is made when missing, and holds a YAML dictionary of seeds by public key. Its seeds sign, and are written nowhere else.
      - A seed leaves the keystore after the file was written, read back and decrypted and has it, so that a run that is killed at any moment loses
        none, and the next one completes it. C(nsc) cannot sign with a key that is not in the keystore.
      - Nothing is done with a file that cannot be decrypted, that has a key of another operator, or that is missing or lacks a key though seeds were
        moved to it.
      - A relative path is one in the folder of the playbook.
    type: path
  vault_password:
    description:
      - The password of O(vault_file). If omitted, the vault passwords of the play, as C(--vault-id) gives them.
    type: str
  vault_keys:
    description:
      - The seeds that go to O(vault_file), those of the operator's keys, or those of the accounts' keys too.
    type: str
    choices: [operator, accounts]
    default: operator
  _vault:
    description:
      - What the action plugin of this module and the module tell one another where there is a vault. Not for tasks.
    type: dict
    suboptions:
      file:
        description: [The vault on the controller.]
        type: str
        required: true
      exists:
        description: [Whether it is there.]
        type: bool
        default: false
      seeds:
        description: [Its seeds by public key.]
        type: dict
        default: {}
      transport_key:
        description: [What seeds are sealed with on their way to the controller.]
        type: str
      digests:
        description: ["The seeds that the vault holds, by public key, to be taken out of the keystore."]
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

- name: Have a new key sign for a role, and keep the old one valid
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

- name: Look which keys of the operator the servers trust, and what they hold
  natsops.security.nats_resolver_info:
    servers: [tls://n1.example.com:4222]
    expected_servers: [n1, n2, n3]
    store_path: /etc/nats/stores/ACME
    system_signer_path: /etc/nats/keys
  register: running

- name: Sign by the next key of the operator, unless a server does not trust it yet
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
    - An C(action) is V(created), V(changed), V(kept), V(removed), or V(extra) for what is not in the document and stays.
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
      description: When the token that is kept expires. Omitted where it never expires.
      type: str
      sample: "2027-01-31T12:00:00Z"
created_users:
  description: The names of the users that are created, by account.
  returned: success
  type: dict
  sample: {"APP": ["orders", "dashboard"]}
kept_users:
  description: The names of the users that are kept as they are, by account. M(natsops.security.nats_store_info) reports more about them.
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
  description: The operator's C(name), C(public_key), C(jwt) and C(jwt_path). The JWT is null in check mode when it would be issued.
  returned: success
  type: dict
  sample: {"name": "ACME", "public_key": "OBXR...", "jwt": "eyJ0...", "jwt_path": "/etc/nats/stores/ACME/ACME.jwt"}
system_account:
  description: The system account's C(public_key), C(jwt) and C(jwt_path). Null where there is none.
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
    - The keys of the roles in O(rotations), the C(current) one, and where there is one the C(next) one and the one that is C(retiring). C(retired) are
      those that left the JWT in this task. A rotation of a user's key has C(user) in place of C(role), and C(retired) are the keys that were revoked.
      That of the operator's identity key has C(operator) in place of C(account) and C(role).
    - With O(rotations[].compromised) there is C(exposed), which is about the C(key) to go and the store before the task. C(users) and C(activations) (as
      C(IMPORTER/SUBJECT)) are what a signing key of the account has signed, C(accounts) what a key of the operator has signed. For the key of a user it is
      the user, for a curve key the account of the auth callout.
    - C(since) is the issue time of the oldest JWT in the store that the key has signed, or that names the key; C(oldest) is this JWT. The key existed by
      then, and may be older, as a JWT that is issued again leaves no trace. When the key is gone, lists are empty and the others null.
  returned: success, with O(rotations)
  type: list
  elements: dict
  sample: [{"account": "APP", "role": "main", "current": "ACWZ...", "next": null, "retiring": "ADX6...", "retired": []}]
users:
  description:
    - The C(public_key), C(jwt) and C(expires) of the users in O(return_users) that the document has, by C(ACCOUNT/USER). In check mode the JWT of a user
      that would be signed is null, and a new key is a placeholder. C(earlier_keys), where there are any, are those that the user had before.
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
    - What waits for keys elsewhere, with the C(path) and the C(checksum) of the file, the names of the C(requests), and the public keys of the
      C(issuers). Null if nothing does. While JWTs wait, RV(entities) and RV(summary) are the plan. In check mode, a file that would be made has no
      checksum and no requests.
  returned: with O(unsigned_path)
  type: dict
  sample: {"path": "/media/stick/requests.json", "checksum": "0f2c5b...", "requests": ["operator", "account APP"], "issuers": ["OBXR..."]}
vault:
  description:
    - What was moved to O(vault_file), or would be in check mode. C(moved) is a list of public keys, or of placeholders for new keys in check mode; C(path)
      is the path of the file.
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

from ansible_collections.natsops.security.plugins.module_utils.base.compile_once import compile_once

compile_once()

from ansible_collections.natsops.security.plugins.module_utils.tasks.running import running_spec
from ansible_collections.natsops.security.plugins.module_utils.tasks.signer_options import signers_spec
from ansible_collections.natsops.security.plugins.module_utils.tasks.store import store_task
from ansible_collections.natsops.security.plugins.module_utils.tasks.store_options import archive_spec, store_spec
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import run


def main() -> None:
    """Run the module."""
    # Nothing here makes cycles, and to look for them among the users of a large document takes a tenth of the time.
    gc.disable()
    try:
        run(
            store_task,
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
