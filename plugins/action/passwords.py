"""Action `passwords`: makes the secrets that a cloud still lacks and adds them to one file, plain or encrypted with ansible-vault."""

from __future__ import annotations

import base64
import os
import secrets
import string
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultLib, is_encrypted
from ansible.plugins.action import ActionBase

LETTERS_AND_DIGITS = string.ascii_letters + string.digits
FERNET_KEY_BYTES = 32
NEW = "(a new secret)"
PRIVATE_MODE = 0o600
SHORTEST_PASSWORD = 12
HEADER = "---\n# Secrets of this cloud, made once. Keep a copy in a safe place; `ansible-vault encrypt` is welcome.\n"


def make(kind: str, length: int) -> str | list[str]:
    """A new secret: `length` characters of a password, or `length` Fernet keys."""
    if kind == "password":
        return "".join(secrets.choice(LETTERS_AND_DIGITS) for _ in range(length))
    if kind == "fernet_keys":
        return [base64.urlsafe_b64encode(os.urandom(32)).decode() for _ in range(length)]
    raise ValueError(f"unknown kind of secret {kind!r}; there are password and fernet_keys")


def is_fernet_key(text: str) -> bool:
    """Whether the text is a key that tokens can be sealed with: 32 bytes in base64."""
    try:
        return len(base64.b64decode(text.encode(), altchars=b"-_", validate=True)) == FERNET_KEY_BYTES
    except ValueError:
        return False


def problems_of(known: Mapping[str, Any], wanted: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    """What is wrong with the secrets there are, never telling their values. `wanted`: the kinds of those that we make, by name."""
    problems = []
    for name, value in known.items():
        keys = wanted.get(name, {}).get("kind") == "fernet_keys"
        if keys and not (isinstance(value, list) and value and all(is_fernet_key(str(key)) for key in value)):
            remedy = (
                f"mend it (a list of keys, each 32 bytes in base64), or delete {name} from the secrets' file; the next run makes new keys"
            )
            problems.append({"code": "passwords.malformed", "reason": f"{name} is no list of token keys", "remedy": remedy})
            continue
        text = str(value) if not isinstance(value, list) else "".join(map(str, value))
        if len(text) < SHORTEST_PASSWORD or len(set(text)) < SHORTEST_PASSWORD // 2:
            problems.append(
                {
                    "code": "passwords.weak",
                    "reason": f"{name} is too short or too regular to be a secret",
                    "remedy": f"delete the line {name} from the secrets' file; the next run makes a strong one",
                }
            )
    return problems


def stand_in(spec: Mapping[str, Any]) -> str | list[str]:
    """What stands for a secret that check mode does not make: of the same shape, and plainly none."""
    return [NEW] * int(spec["length"]) if spec["kind"] == "fernet_keys" else NEW


def add(path: Path, text: str, new: Mapping[str, Any]) -> str:
    """The file's text with the new secrets after those there are, so that comments and single encrypted values stay."""
    lines = yaml.safe_dump(dict(new), sort_keys=True, default_flow_style=False)
    return (text if text.endswith("\n") or not text else text + "\n") + lines if text else HEADER + lines


def write_privately(path: Path, text: bytes) -> None:
    """Replace the file in one step; at no moment may others read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        os.fchmod(descriptor, PRIVATE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs on the deployment host. Arguments: `path`, and `secrets`: name → {kind, length}. Returns `made`: the names, never the values.

    In check mode nothing is written, and variables of those names hold words that stand for the secrets, so that files can be foretold.
    """

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Make what is missing, keep what is there, refuse what is weak."""
        super().run(tmp, task_vars)
        path = Path(self._task.args["path"])
        raw = path.read_bytes() if path.exists() else b""
        encrypted = is_encrypted(raw)
        try:
            text = (VaultLib(self._loader._vault.secrets).decrypt(raw) if encrypted else raw).decode()
            known = dict(self._loader.load(text, file_name=str(path)) or {}) if text else {}
        except AnsibleError as error:
            return {
                "failed": True,
                "code": "passwords.unreadable",
                "msg": f"{path} cannot be read: {error.message}",
                "remedy": "give the right --vault-password-file (or --vault-id), or mend the file",
            }
        wanted = self._task.args["secrets"]
        problems = [problem | {"reason": f"{path}: {problem['reason']}"} for problem in problems_of(known, wanted)]
        if problems:
            return {"failed": True, "msg": "secrets cannot be used", "problems": problems}
        missing = {str(name): make(spec["kind"], int(spec["length"])) for name, spec in wanted.items() if name not in known}
        loose = bool(raw) and path.stat().st_mode & 0o077 != 0
        if (missing or loose) and not self._task.check_mode:
            whole = (add(path, text, missing) if missing else text).encode()
            write_privately(path, VaultLib(self._loader._vault.secrets).encrypt(whole) if encrypted else whole)
        result: dict[str, Any] = {"changed": bool(missing or loose), "made": sorted(missing)}
        if missing:
            if self._task.check_mode:
                result["ansible_facts"] = {name: stand_in(wanted[name]) for name in missing}
            result["diff"] = {
                "before": "",
                "after": "".join(f"{name}: (a new secret)\n" for name in sorted(missing)),
                "after_header": str(path),
            }
        return result
