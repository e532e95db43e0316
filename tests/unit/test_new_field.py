# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A new field of a claim requires only one declaration: the test adds a made-up field to a copy of the collection, and makes the schema from it."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys

from checkout import ROOT

_PROGRAM = """
import json, pathlib, sys, time, types
for name, path in (("ansible_collections", []), ("ansible_collections.natsops", []), ("ansible_collections.natsops.security", [sys.argv[1]])):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = path
from ansible_collections.natsops.security.plugins.doc_fragments.claims import ModuleDocFragment
from ansible_collections.natsops.security.plugins.module_utils.claims import Claims, User
from ansible_collections.natsops.security.plugins.module_utils.claims.comparison import describe, differences
from ansible_collections.natsops.security.plugins.module_utils.claims.options import argument_spec
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.keys.keyring import Keyring
from ansible_collections.natsops.security.plugins.module_utils.reconcile.wanted import How
from ansible_collections.natsops.security.plugins.module_utils.store import apply, layout
from ansible_collections.natsops.security.plugins.module_utils.store.document import read_document
from ansible_collections.natsops.security.plugins.module_utils.token import codec

assert argument_spec(User)["nickname"] == {"type": "str"}
assert "nickname" in ModuleDocFragment.USER and "version_added: 9.9.9" in ModuleDocFragment.USER.replace('"', "")

account, user = nkey.create("account"), nkey.create("user")
plain = Claims(name="u", subject=user.public_key, body=User())
named = Claims(name="u", subject=user.public_key, body=User(nickname="bob"))
token = codec.encode(named, account, 1)
assert json.loads(codec.payload_of(codec.decode(token)))["nats"]["nick"] == "bob"
assert codec.decode(token).body.nickname == "bob"
assert differences(plain, named) == ["nickname: none -> bob"]
assert describe(named)["nickname"] == "bob"

definition = {"operator": {"name": "O"}, "accounts": [{"name": "A", "users": [{"name": "u", "nickname": "bob"}]}]}
wanted, problems = read_document(definition)
where = layout.Layout(sys.argv[2] + "/stores", sys.argv[2] + "/keys", "O")
outcome = apply.run(wanted, where, lambda: Keyring((), [where.keys_dir]), How(int(time.time())), apply.Run(False, 5, "a test"))
assert not problems and not outcome.plan.problems, outcome.plan.problems
assert codec.decode(pathlib.Path(where.user_jwt("A", "u")).read_text()).body.nickname == "bob"
"""


def test_made_up_field_reaches_codec_options_documents_and_documentation(tmp_path: pathlib.Path) -> None:
    copy = tmp_path / "copy"
    for folder in ("plugins", "schemas", "roles"):
        shutil.copytree(ROOT / folder, copy / folder)
    for file in ("docs/document.md", "tests/checkout.py"):
        (copy / file).parent.mkdir()
        shutil.copy(ROOT / file, copy / file)
    path = copy / "plugins/module_utils/claims/user.py"
    text = path.read_text()
    before = text.index("    issuer_account: ")
    declaration = '    nickname: str = declare("nick", kinds.TEXT, "A made-up field.", version_added="9.9.9")\n'
    path.write_text(text[:before] + declaration + text[before:])
    subprocess.run([sys.executable, "-c", _PROGRAM, str(copy), str(tmp_path)], check=True)

    before_page = (copy / "docs/document.md").read_text()
    subprocess.run([sys.executable, str(copy / "schemas/make.py")], check=True)
    schema = json.loads((copy / "schemas/document.schema.json").read_text())
    user = schema["properties"]["accounts"]["items"]["properties"]["users"]["items"]["properties"]
    assert user["nickname"] == {
        "description": "A made-up field.",
        "anyOf": [{"$ref": "#/$defs/text"}, {"type": "null"}],
    }
    page = (copy / "docs/document.md").read_text()
    assert "A made-up field." in page
    assert set(before_page.splitlines()) <= set(page.splitlines())
