# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Callback: what tasks of this collection changed and why, by names."""

from __future__ import annotations

DOCUMENTATION = r"""
name: reasons
type: notification
version_added: 0.1.0
short_description: Print what changed and why, by names
description:
  - After each task of this collection that changes something, or would in check mode, a line is printed for each operator, account, user, signing key and so
    on, with what happens to it and why. Neither C(-v) nor C(--diff) is required.
  - Entities that are in a store and not in its document are printed too, as C(extra).
  - Tasks with C(no_log) are printed too. The lines have names, actions and reasons such as C(limits.connections), with the value before and after. They
    never have seeds, tokens or other values of options that are secret.
  - The filter P(natsops.security.nats_reasons#filter) returns the same lines for a registered result.
author: NatsOps authors (@natsops)
requirements:
  - C(natsops.security.reasons) in the setting C(callbacks_enabled) of C(ansible.cfg), or in E(ANSIBLE_CALLBACKS_ENABLED).
options:
  markdown_path:
    description:
      - A file to write everything to as Markdown at the end of the run, for a comment on a merge request after C(ansible-playbook --check). It is replaced
        if it exists, and written also if nothing changes. It also has warnings, such as how many users are cut off, and for a store how many tokens each key
        signs and for which users creds are written.
      - If a task fails or a host is unreachable, and the play neither ignores nor rescues it, the title is that the run failed, and the file has the name of
        the task, the host, and the message unless C(no_log) hides it. As long as the run has not ended, the file says so.
      - A relative path is relative to the current folder.
    type: path
    env:
      - name: NATSOPS_REASONS_MARKDOWN
    ini:
      - section: natsops_reasons
        key: markdown_path
  most_lines:
    description:
      - How many lines to print for one task. Further lines are only counted. The file at O(markdown_path) has all lines.
    type: int
    default: 100
    env:
      - name: NATSOPS_REASONS_MOST_LINES
    ini:
      - section: natsops_reasons
        key: most_lines
seealso:
  - plugin: natsops.security.nats_reasons
    plugin_type: filter
"""

EXAMPLES = r"""
# In ansible.cfg:
#
#   [defaults]
#   callbacks_enabled = natsops.security.reasons
#
# A run then prints, after the line of the task:
#
#   changed: [localhost]
#     APP/orders: expires in 6d, renewal window 14d
#     account APP: limits.connections: 10 -> 20
#     APP/old: extra, it is not in the document
#
# For a comment on a merge request:
#
#   NATSOPS_REASONS_MARKDOWN=comment.md ansible-playbook site.yml --check
"""

import re
from typing import Any

from ansible import context
from ansible.plugins.callback import CallbackBase

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.disk import files, writing
from ansible_collections.natsops.security.plugins.plugin_utils import notes
from ansible_collections.natsops.security.plugins.plugin_utils.reasons import UNFINISHED, Told, lines, markdown


class CallbackModule(CallbackBase):
    """Prints the notes that tasks leave."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "natsops.security.reasons"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._told: list[Told] = []
        self._failures: dict[str, list[list[Told]]] = {}  # by host, of each task
        self._failed_items: dict[str, list[Told]] = {}  # by host, of the current loop

    def v2_playbook_on_start(self, _playbook: Any) -> None:
        """Enable notes, so that tasks leave them."""
        notes.expect()
        self._write(UNFINISHED)

    def _print(self, _result: Any, **_unused: Any) -> None:
        for told in notes.collect():
            self._told.append(told)
            only_looks = "(check mode) " if told.is_check and not _is_check() else ""
            for line in lines(told.changes, self.get_option("most_lines")):
                self._display.display(f"  {only_looks}{line}", color="yellow" if told.changed else None)

    v2_runner_on_ok = v2_runner_item_on_ok = _print

    def v2_runner_item_on_failed(self, result: Any) -> None:
        """Record the failure of an item."""
        self._print(result)
        self._failed_items.setdefault(result._host.get_name(), []).append(_failure(result))

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Record the failure, unless the task ignores it."""
        self._print(result)
        task = result._task
        is_ours = task.action.startswith(_OURS) or (task._role is not None and str(task._role).startswith(_OURS))
        if is_ours and _UNMARKED.search(str(result._result.get("msg"))):
            self._display.display(f"  {_MARK}", color="red")
        host = result._host.get_name()
        failed = self._failed_items.pop(host, None) or [_failure(result)]
        if not ignore_errors:
            self._failures.setdefault(host, []).append(failed)

    v2_runner_on_unreachable = v2_runner_on_failed

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Write the Markdown file."""
        failures = [one for host in self._failures for one in self._failures_of(host, stats)]
        self._write(markdown(self._told, _is_check(), failures))

    def _failures_of(self, host: str, stats: Any) -> list[Told]:
        """The failures that made a host fail. Those before them were rescued or, of an unreachable host, ignored."""
        final = stats.failures.get(host, 0) + stats.dark.get(host, 0)
        return [one for failures in self._failures[host][-final:] for one in failures] if final else []

    def _write(self, text: str) -> None:
        path = self.get_option("markdown_path")
        if not path:
            return
        try:
            held = files.read_text(path, "markdown_path")
            writing.put(path, text, 0o644, held)
        except (NatsSecurityError, OSError) as error:
            self._display.warning(f"natsops.security.reasons: markdown_path: {error}")


_OURS = "natsops.security."
#: What Ansible says of a template of NATS, such as {{name()}} in a scope, which it takes for one of its own.
_UNMARKED = re.compile(r"'(?:name|subject|tag|account)' is undefined")
_MARK = 'Templates of NATS in variables need a mark, as in allow: [!unsafe "orders.{{name()}}.>"]; a document in a file (src) needs none.'


def _failure(result: Any) -> Told:
    """The failure of a task on one host. Ansible has removed the message from the result if `no_log` hides it."""
    host, task = result._host.get_name(), result._task
    error = str(result._result.get("msg") or result._result.get("reason") or "")
    return Told(host, task.get_name(), task.action, bool(task.check_mode), False, True, (), "", error=error)


def _is_check() -> bool:
    return bool(context.CLIARGS.get("check"))
