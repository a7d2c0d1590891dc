#!/usr/bin/python
"""Module `cloudd_bootstrap`: brings cloudd's database to the version that runs, with its first records."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudd_bootstrap
short_description: Upgrades cloudd's database and makes the admin user, the roles and the catalog
description:
  - Does nothing while version, settings and password are those of the last time, which a private file on the host remembers.
  - The password goes by standard input; neither it nor the settings are shown.
options:
  version:
    description: The version of cloudd that runs.
    type: str
    required: true
  admin_password:
    description: The password of the user admin.
    type: str
    required: true
  config:
    description: The settings of cloudd.
    type: path
    default: /etc/cloudd/cloudd.yaml
  command:
    description: The program.
    type: path
    default: /opt/cloudd/current/bin/cloudd
  remembered:
    description: The file that remembers what was done.
    type: path
    default: /var/lib/cloudd/bootstrapped.json
  database_path:
    description: The database, where it is a file; while it is missing nothing counts as done.
    type: path
  unit:
    description:
      - The unit that must not run while another version upgrades the database; it is left stopped then.
      - Empty where versions work side by side.
    type: str
    default: cloudd-all.service
author:
  - The maintainers
attributes:
  check_mode:
    description: Tells whether anything would be done, not whether it would change something.
    support: partial
"""

EXAMPLES = r"""
- name: Bring the database up to date
  cloudd_bootstrap:
    version: "{{ wheelhouse_cloudd_version }}"
    admin_password: "{{ identity_admin_password }}"
"""

RETURN = r"""
database:
  description: Whether the schema was changed.
  type: bool
  returned: always
records:
  description: Whether records were changed.
  type: bool
  returned: always
"""

import hashlib
import hmac
import json
import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

ARGUMENTS = {
    "version": {"type": "str", "required": True},
    "admin_password": {"type": "str", "required": True, "no_log": True},
    "config": {"type": "path", "default": "/etc/cloudd/cloudd.yaml"},
    "command": {"type": "path", "default": "/opt/cloudd/current/bin/cloudd"},
    "remembered": {"type": "path", "default": "/var/lib/cloudd/bootstrapped.json"},
    "database_path": {"type": "path"},
    "unit": {"type": "str", "default": "cloudd-all.service"},
}

PRIVATE_MODE = 0o600


def digest_of(password: str, salt: bytes) -> str:
    """A slow digest: the password may be one that a person chose."""
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1).hex()


def remember(path: Path, version: str, settings: bytes, password: str) -> None:
    """Note what the database was brought to."""
    salt = os.urandom(16)
    note = {"version": version, "settings": hashlib.sha256(settings).hexdigest(), "salt": salt.hex(), "password": digest_of(password, salt)}
    scratch = path.with_name(f".{path.name}.new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE), "w") as file:
        json.dump(note, file)
    scratch.replace(path)


def version_of(path: Path) -> str:
    """The version that the database was brought to before; empty when nothing is known."""
    try:
        return str(json.loads(path.read_text())["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def is_done(path: Path, version: str, settings: bytes, password: str) -> bool:
    """Whether the database was brought to just this before."""
    try:
        note = json.loads(path.read_text())
        salt = bytes.fromhex(note["salt"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    same = (note.get("version"), note.get("settings")) == (version, hashlib.sha256(settings).hexdigest())
    return same and hmac.compare_digest(str(note.get("password")), digest_of(password, salt))


def last_json(text: str) -> dict:
    """The JSON object on the last line of a command's output; logs may stand before it."""
    for line in reversed(text.strip().splitlines()):
        if line.startswith("{"):
            return json.loads(line)
    return {}


def main() -> None:
    """Do both steps when needed and tell the truth about what changed."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
    )
    version, password = module.params["version"], module.params["admin_password"]
    command, config, remembered = module.params["command"], module.params["config"], Path(module.params["remembered"])
    settings = Path(config).read_bytes() if Path(config).exists() else b""
    database_path = module.params["database_path"]
    lost = bool(database_path) and not Path(database_path).exists()
    if not lost and is_done(remembered, version, settings, password):
        module.exit_json(changed=False, database=False, records=False)
    if module.check_mode:
        module.exit_json(changed=True, database=False, records=False)

    def run(*arguments: str, data: str | None = None) -> dict:
        # A database in a file is made here, in a directory that others may pass through.
        status, out, errors = module.run_command([command, *arguments, "--config", config], data=data, umask=0o077)
        if status:
            module.fail_json(
                msg=f"cloudd {' '.join(arguments)} failed: {errors.strip()[-2000:] or out.strip()[-2000:]}",
                code="cloudd.bootstrap_failed",
                remedy="mend what it names (settings are made from the inventory's variables cloudd_*), and deploy again",
            )
        return last_json(out)

    if module.params["unit"] and version_of(remembered) != version:
        # The version before must not work on tables that change under it; it is not to run again anyway.
        module.run_command(["systemctl", "stop", module.params["unit"]])
    database = bool(run("db", "upgrade" if module.params["unit"] else "expand").get("changed"))
    records = bool(run("bootstrap", data=f"{password}\n").get("changed"))
    remember(remembered, version, settings, password)
    module.exit_json(changed=database or records, database=database, records=records)


if __name__ == "__main__":
    main()
