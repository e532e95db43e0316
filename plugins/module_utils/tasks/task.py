# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The code that all modules share: running a task, failing with one message, and masking secrets."""

from __future__ import annotations

import time
import traceback
from typing import Any, Callable, Dict, Iterable, Iterator

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..base.errors import Missing, NatsSecurityError, unless_made
from ..base.excerpts import quoted
from ..base.recognition import MASK
from ..base.texts import place_of_half, without_halves
from ..disk.snapshot import Snapshot
from ..disk.writing import Overtaken
from ..keys import nkey
from ..keys.nkey import KeyPair
from ..token import decorated
from . import masking, paths
from .shapes import shape_problems

try:
    from ansible.module_utils.secrets import register_secret
except ImportError:  # ansible-core before 2.22
    register_secret = None

#: Whether Ansible masks secrets when it prints them and leaves results unchanged, as ansible-core 2.22 and later do.
MASKS_OUTPUT = register_secret is not None

Hide = Callable[[Dict[str, Any]], Dict[str, Any]]

#: Ends the message of an unexpected error.
OUR_FAULT = "This is a fault of natsops.security, please report it."
#: The minimum length of a secret that is masked everywhere. A shorter one would mask unrelated words; its option is masked in any case.
_SHORTEST_SECRET = 8

#: The maximum number of attempts if a program without a lock changes the task's files in between. It could do so at each file.
_ATTEMPTS = 10


class CarefulModule(AnsibleModule):
    """An AnsibleModule that never shows or logs a seed, private key, bearer token or password in a URL.

    Such a secret may be in the wrong argument, such as a path or an option that does not exist, or in a file that the task reads. All output of the
    module goes through `log`, `warn` and `_return_formatted`, which recognise and mask secrets again.
    """

    params: dict[str, Any]
    no_log_values: set[str]
    #: The files that the task has read.
    snapshot: Snapshot

    def __init__(self, hide: Hide | None = None, **declared: Any) -> None:
        #: Returns the arguments as they may be shown, if they have secrets that cannot be recognised by their form.
        self.hide = hide
        #: Whether the arguments have secrets, in the right option or not.
        self.has_secrets = False
        #: Secrets that the task returns on request.
        self.asked_for: set[str] = set()
        self._kept: set[str] = set()
        super().__init__(**declared)

    def _load_params(self) -> None:
        super()._load_params()
        self._guard_params()

    def _guard_params(self) -> None:
        """Register the secrets among the arguments before the arguments are used, and refuse values that Ansible would refuse without naming their option."""
        #: The place of an argument with half of a surrogate pair. Ansible cannot log it, so it is escaped until the task fails.
        self.place_of_half = ""
        try:
            self.place_of_half = place_of_half(self.params)
            if self.place_of_half:
                self.params = without_halves(self.params)
            for secret in masking.secrets_given_in(self.params):
                self.has_secrets = True
                self.keep_secret(secret)
            for password in masking.passwords_given_in(self.params):
                self.keep_secret(password)
            if self.has_secrets:
                self.params = masking.without_secret_names(self.params)
        except RecursionError:
            self.fail_json(msg="An option is nested too deeply to be read.", invocation={})
        problems = [
            *_problems_of_definition(self.params.get("definition")),
            *shape_problems(self.argument_spec, self.params),
        ]
        if problems:
            self.fail_json(msg="\n".join(problems), invocation={})

    def _log_invocation(self) -> None:
        self._forget_short_secrets()
        # Masked before Ansible logs them: its own search for passwords in URLs masks only a part of those that contain a colon, / or @.
        params = self.params
        shown = self.hide(params) if self.hide is not None else params
        try:
            self.params = masking.hide_in(shown, self._kept, ())
            super()._log_invocation()
        finally:
            self.params = params

    def log(self, msg: str, log_args: dict[str, Any] | None = None) -> None:
        """Log to the system, without secrets."""
        arguments = {name: masking.hide(str(value), self._kept) for name, value in (log_args or {}).items()}
        super().log(masking.hide(msg, self._kept), log_args=arguments)

    def warn(self, warning: str, **how: Any) -> None:
        """Warn without secrets."""
        super().warn(masking.hide(warning, self._kept), **how)

    def hide_secrets(self, text: str) -> str:
        """The text without secrets, for output of the module other than its result."""
        return masking.hide(text, self._kept)

    def hide_secrets_in(self, value: Any) -> Any:
        """The same for all strings of a JSON value, including names. Use it before serialization, because JSON text may have secrets with escapes."""
        return masking.hide_in(value, self._kept, ())

    def _return_formatted(self, kwargs: dict[str, Any]) -> None:
        self._forget_short_secrets()
        arguments = kwargs["invocation"].get("module_args") if "invocation" in kwargs else self.params
        if self.hide is not None and arguments is not None:
            arguments = self.hide(arguments)
        kwargs["invocation"] = {"module_args": _without_secret_options(self.argument_spec, arguments)}
        hidden = masking.hide_in(kwargs, self._kept, self.asked_for)
        self._leave_with(dict(hidden))

    def _leave_with(self, result: dict[str, Any]) -> None:
        """Pass the result to Ansible."""
        super()._return_formatted(result)

    def _forget_short_secrets(self) -> None:
        # Ansible masks the value of an option with no_log everywhere, even within words.
        self.no_log_values = {value for value in self.no_log_values if len(value) >= _SHORTEST_SECRET}

    def keep_secret(self, secret: str) -> None:
        """Mask a secret that cannot be recognised by its form."""
        self._kept.add(secret)
        self.no_log_values.add(secret)
        if register_secret is not None:
            register_secret(secret)


def _problems_of_definition(definition: Any) -> Iterator[str]:
    """The problems with a document that is no dictionary: only a JSON text can be one."""
    is_json = isinstance(definition, str) and definition.lstrip().startswith("{")
    if not (definition is None or isinstance(definition, dict) or is_json):
        yield f"definition: expected a dictionary, not {quoted(definition)}."
        yield "src: use this for a document in a file."


def run(
    task: Callable[[CarefulModule], dict[str, Any]],
    argument_spec: dict[str, Any],
    writes: Iterable[str] = (),
    needs_nkeys: bool = True,
    make: Callable[..., CarefulModule] | None = None,
    if_missing: dict[str, Any] | Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    **rules: Any,
) -> None:
    """Create the module, run its task, and exit with its result or with one error message.

    `writes` are the options that name files which the task creates, changes or removes. `rules` are arguments of AnsibleModule, such as `required_if` and
    `mutually_exclusive`, and `hide` of CarefulModule, for tasks whose options may have secrets anywhere. All modules are created here, so each masks
    secrets and supports check mode. `make` creates the module instead of CarefulModule, for code that runs on the controller. `if_missing` is the result in
    check mode if what the task reads does not exist yet, or returns it for the parameters. Files that it would write count as changed.
    """
    module = (make or CarefulModule)(argument_spec=argument_spec, supports_check_mode=True, **rules)
    if needs_nkeys and nkey.NKEYS_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("nkeys"), exception=nkey.NKEYS_IMPORT_ERROR)
    try:
        refuse_half(module.place_of_half)
        if module.has_secrets and module.hide is None:
            _refuse_secrets_in_wrong_options(module.argument_spec, module.params)
        result = _do(module, task, frozenset(writes))
    except NatsSecurityError as error:
        if if_missing is None or not isinstance(error, Missing) or not module.check_mode:
            module.fail_json(msg=str(error))
        warn_of_missing(module, str(error))
        foreseen = if_missing(module.params) if callable(if_missing) else if_missing
        result = {"changed": any(module.params[option] is not None for option in writes), **(foreseen or {})}
    except OSError as error:
        module.fail_json(msg=f"{error.filename or 'A file'} cannot be used: {error.strerror or error}.")
    except RecursionError:
        module.fail_json(msg="An option or a document is nested too deeply to be read.")
    except Exception as error:
        # Python would print the error unmasked.
        module.fail_json(msg=f"{type(error).__name__}: {error}. {OUR_FAULT}", exception=traceback.format_exc())
    if result.get("failed"):  # a task that fails with a result
        module.fail_json(**result)
    module.exit_json(**result)


def _do(
    module: CarefulModule, task: Callable[[CarefulModule], dict[str, Any]], writes: frozenset[str]
) -> dict[str, Any]:
    """Run a task with locks on its files, and run it again if a program without a lock changed one of them in between."""
    options = list(paths.path_options(module.argument_spec, module.params))
    paths.check_paths(options)
    paths.check_distinct(options, writes)
    written = [option for option in options if option.name in writes]
    module.snapshot = Snapshot(writes=not module.check_mode)
    if module.check_mode or not written:
        return task(module)
    with paths.alone_with(written):
        attempt = 1
        while True:
            try:
                result = task(module)
            except NatsSecurityError as error:
                # The error may be an inconsistency between two files, one of which another program was about to write.
                is_overtaken = isinstance(error, Overtaken) or not module.snapshot.is_current()
                if attempt == _ATTEMPTS or not is_overtaken:
                    raise
                attempt += 1
                module.snapshot = Snapshot()
            else:
                # An earlier attempt may already have written some of the files.
                return result if attempt == 1 else dict(result, changed=True)


def warn_of_missing(module: CarefulModule, message: str) -> None:
    """Warn in check mode of an error that the real run reports unless an earlier task creates what is missing."""
    module.warn(unless_made(message))


def refuse_half(place: str) -> None:
    """Raise NatsSecurityError for a text with half of a surrogate pair, given by its place. An empty place means that there is none."""
    if place:
        raise NatsSecurityError(f"{place} contains half of a surrogate pair, which is not a character.")


def _refuse_secrets_in_wrong_options(spec: dict[str, Any], params: dict[str, Any]) -> None:
    shown = _without_secret_options(spec, params)
    for name, option in spec.items():
        place = masking.place_of_secret(shown.get(name), name)
        if place is not None and option.get("type") == "path":
            raise NatsSecurityError(
                f"{place} contains a seed, expected the path of a file. A seed itself goes into an option whose name ends in seed."
            )
        if place is not None:
            raise NatsSecurityError(
                f"{place}: this contains a seed or a private key, which is not allowed here. A seed itself goes into an option whose name ends in seed."
            )


def refuse_secrets(value: Any, path: str) -> None:
    """Raise NatsSecurityError if a document contains a seed, which would be published with its claims."""
    place = masking.place_of_secret(value, "")
    if place is not None:
        raise NatsSecurityError(
            f"{path}: there is a seed at {place or 'the top'}. A document contains only names and public keys; seeds stay in the keystore."
        )


def _without_secret_options(spec: dict[str, Any], params: Any) -> Any:
    """The arguments with the values of all options with no_log masked, regardless of their length."""
    if not isinstance(params, dict):
        return params
    shown = {}
    for name, value in params.items():
        option = spec.get(name, {})
        if option.get("no_log") and value is not None:
            value = MASK
        elif isinstance(option.get("options"), dict):
            items = value if isinstance(value, list) else [value]
            masked = [_without_secret_options(option["options"], item) for item in items]
            value = masked if isinstance(value, list) else masked[0]
        shown[name] = value
    return shown


def keep_secret(module: CarefulModule, secret: str) -> None:
    """Mask a secret in all output of the module."""
    module.keep_secret(secret)


def keep_secrets_of(module: CarefulModule, text: str) -> None:
    """The same for all secrets in a text that the task is given or reads, and for everything that looks like a secret."""
    for secret in masking.secrets_given_in(text):
        module.keep_secret(secret)


def return_secret(module: CarefulModule, secret: str, *parts: str) -> None:
    """Leave a secret that the task requests unmasked in its result. `parts` are the secrets that it contains, which stay masked elsewhere.

    ansible-core 2.22 and later masks the secret when it prints it; earlier versions do not.
    """
    module.asked_for.add(secret)
    if register_secret is None:
        module.no_log_values.difference_update((secret, *parts))


def now() -> int:
    """The current time of this host, in Unix seconds."""
    return int(time.time())


def of_type(pair: KeyPair, key_type: str, option: str) -> KeyPair:
    """Return the key pair if it is of the type that the option expects. Raises NatsSecurityError otherwise. An empty type accepts any key."""
    if key_type and pair.type != key_type:
        raise NatsSecurityError(
            f"{option}: this is the {pair.type} key {pair.public_key}, expected the key of {a_or_an(key_type)}."
        )
    return pair


def a_or_an(word: str) -> str:
    """The word with its article."""
    return ("an " if word[0] in "aeio" else "a ") + word


def parse_seed(seed: str, option: str, key_type: str) -> KeyPair:
    """The key pair of a seed that an option has as content. Raises NatsSecurityError with the name of the option."""
    try:
        return of_type(decorated.seed_in(seed), key_type, option)
    except NatsSecurityError as error:
        raise NatsSecurityError(str(error) if str(error).startswith(option) else f"{option}: {error}") from None
