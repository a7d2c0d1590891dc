"""Action `options_precheck`: finds the inventory's values that no role can take, of all roles and all hosts, before any host is touched.

Ansible's own look at a role's options (`validate_argument_spec`) is a task of each role on each host, and stops a deployment half done.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ansible._internal._datatag._tags import Origin
from ansible.errors import AnsibleError, AnsibleTemplateSyntaxError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.vault import EncryptedString
from ansible.plugins.action import ActionBase
from ansible.vars.hostvars import HostVarsVars

Problem = dict[str, str]
Spec = Mapping[str, Any]
CODE = "inventory.option_invalid"
SHOWN_LENGTH = 80
NAMED_HOSTS = 5
# What Ansible says before the cause, and the names of its own types, which no operator knows.
PREAMBLE = "^(argument|Elements value for option) '{name}' is of type .+? and we were unable to convert to .+?: "
TYPE = re.compile(r"<class '(?:[\w.]*_AnsibleTagged)?(\w+)'>")


class Setting(NamedTuple):
    """A value that the inventory gives to an option, as it is written there and what it comes to on some host: an error of syntax too."""

    name: str
    written: Any
    value: Any
    is_template: bool


class Option(NamedTuple):
    """An option of a role, as its argument_specs.yml declares it."""

    role: str
    spec: Spec


def faults(name: str, value: Any, spec: Spec) -> list[str]:
    """What is wrong with the value, in Ansible's words. Whether the option is there at all is not asked: a role has defaults."""
    declared = {key: its for key, its in spec.items() if key not in {"required", "default"}}
    messages = ArgumentSpecValidator({name: declared}).validate({name: value}).error_messages
    return [re.sub(PREAMBLE.format(name=name), "", TYPE.sub(lambda found: f"a {found[1].lower()}", text)) for text in messages]


def expected(spec: Spec) -> str:
    """What the option takes, such as `an int`, `a list of str` or `one of vxlan, geneve`."""
    if spec.get("choices"):
        return f"one of {', '.join(map(str, spec['choices']))}"
    kind = str(spec.get("type", "str"))
    return f"{'an' if kind == 'int' else 'a'} {kind}{' of ' + str(spec['elements']) if spec.get('elements') else ''}"


def is_secret(spec: Spec) -> bool:
    """Whether the option or a part of it may not be shown."""
    return bool(spec.get("no_log")) or any(is_secret(part) for part in (spec.get("options") or {}).values())


def is_encrypted(written: Any) -> bool:
    """Whether a part of the value is encrypted in the inventory, whatever its option says of it."""
    if isinstance(written, Mapping):
        return any(map(is_encrypted, written.values()))
    return any(map(is_encrypted, written)) if isinstance(written, list) else isinstance(written, EncryptedString)


def reasons(setting: Setting, option: Option) -> tuple[str, list[str]]:
    """How the value may be shown, and what is wrong with it. What a template comes to may hold another variable's secret."""
    hidden = is_secret(option.spec) or is_encrypted(setting.written)
    if isinstance(setting.value, AnsibleTemplateSyntaxError):
        found = ["it is no template that can be read"]
    elif (found := faults(setting.name, setting.value, option.spec)) and (hidden or setting.is_template):
        found = [f"what it comes to is not {expected(option.spec)}" if setting.is_template else f"it is not {expected(option.spec)}"]
    text = "(a secret)" if hidden else repr(setting.written)
    return text if len(text) <= SHOWN_LENGTH else f"{text[:SHOWN_LENGTH]}…", found


def place(written: Any, inventory: Path) -> str:
    """Where the value is written, such as `group_vars/all/cloud.yml:7: `; empty when Ansible does not know."""
    origin = Origin.get_tag(written)
    if origin is None or not origin.path:
        return f"{origin.description.strip('<>')}: " if origin is not None and origin.description else ""
    path = Path(origin.path)
    shown = path.relative_to(inventory) if path.is_relative_to(inventory) else path
    return f"{shown}:{origin.line_num}: " if origin.line_num else f"{shown}: "


def named(hosts: list[str], everybody: list[str]) -> str:
    """The hosts in a few words."""
    if len(hosts) > 1 and len(hosts) == len(everybody):
        return "all hosts"
    return ", ".join(hosts) if len(hosts) <= NAMED_HOSTS else f"{len(hosts)} hosts ({', '.join(hosts[:NAMED_HOSTS])}, …)"


def problems_of(
    settings: Mapping[Any, tuple[Setting, list[str]]], options: Mapping[str, list[Option]], everybody: list[str], inventory: Path
) -> Iterator[Problem]:
    """Each fault once, with all the hosts that have it. `settings`: by anything, a setting and its hosts."""
    told: dict[tuple[str, str, str], list[str]] = {}
    for setting, hosts in settings.values():
        for option in options[setting.name]:
            shown, found = reasons(setting, option)
            remedy = (
                f"write {expected(option.spec)}; {setting.name} is an option of the role {option.role}: "
                f"{option.spec.get('description', 'see its argument_specs.yml')}"
            )
            for words in found:
                told.setdefault((f"{place(setting.written, inventory)}{setting.name} is {shown}", words, remedy), []).extend(hosts)
    for (what, words, remedy), hosts in sorted(told.items()):
        yield {"code": CODE, "reason": f"{what} on {named(hosts, everybody)}: {words}", "remedy": remedy}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Argument: `roles_directory`. Looks at the hosts of the group baremetal; returns `problems`."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Look at every value and tell all that is wrong at once."""
        super().run(tmp, task_vars)
        variables = task_vars or {}
        hosts = list(variables["groups"].get("baremetal", []))
        options = self._options(Path(self._task.args["roles_directory"]))
        settings = self._settings(hosts, variables["hostvars"], options)
        problems = list(problems_of(settings, options, hosts, Path(variables.get("inventory_dir") or ".")))
        result: dict[str, Any] = {"changed": False, "problems": problems}
        if problems:
            result |= {"failed": True, "msg": "; ".join(f"[{one['code']}] {one['reason']}: {one['remedy']}" for one in problems)}
        return result

    def _options(self, roles: Path) -> dict[str, list[Option]]:
        """What the roles take, by name; two roles may share one."""
        options: dict[str, list[Option]] = {}
        for path in sorted(roles.glob("*/meta/argument_specs.yml")):
            document = self._loader.load_from_file(str(path), cache="all") or {}
            for name, spec in (document.get("argument_specs", {}).get("main", {}).get("options") or {}).items():
                options.setdefault(str(name), []).append(Option(path.parents[1].name, spec))
        return options

    def _settings(self, hosts: list[str], hostvars: Any, options: Mapping[str, Any]) -> dict[Any, tuple[Setting, list[str]]]:
        """The options that the inventory sets, each value once with its hosts. Only a template has to be worked out for each host.

        What needs facts, roles' defaults or the key of a vault that is not there cannot be worked out yet and is passed over.
        """
        settings: dict[Any, tuple[Setting, list[str]]] = {}
        templates: dict[tuple[str, str, str], bool] = {}
        for host in hosts:
            # Without roles' defaults: those are ours, and not the inventory's.
            raw = hostvars.raw_get(host)
            view = None
            for name in sorted(options.keys() & raw.keys()):
                written = raw[name]
                key = (str(name), repr(written), place(written, Path()))
                if key in settings:
                    settings[key][1].append(host)
                    continue
                view = view or HostVarsVars({**raw, "hostvars": hostvars}, self._loader, host)
                try:
                    if key not in templates:
                        templates[key] = bool(self._templar.is_template(written))
                    value = view[name]
                except AnsibleTemplateSyntaxError as error:
                    value = error
                except AnsibleError:
                    continue
                setting = Setting(name, written, value, templates[key])
                its_key = (*key, repr(setting.value)) if setting.is_template else key
                settings.setdefault(its_key, (setting, []))[1].append(host)
        return settings
