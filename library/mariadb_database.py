#!/usr/bin/python
"""Module `mariadb_database`: waits until the host's database is in sync, and keeps one database in it with its account."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mariadb_database
short_description: Keeps a database and its account on a member of a MariaDB cluster
description:
  - Works as the system's root by the unix socket. Statements are replicated, so any member will do, and all at once as well.
  - The account may come from any host, over TLS only. The password goes by standard input and is not shown.
options:
  database:
    description: The database.
    type: str
    required: true
  user:
    description: The account that may do anything in it.
    type: str
    required: true
  password:
    description: The account's password.
    type: str
    required: true
  timeout_seconds:
    description: How long to wait until the member is in sync.
    type: int
    default: 300
author:
  - The maintainers
attributes:
  check_mode:
    description: Tells what would be done.
    support: full
"""

EXAMPLES = r"""
- name: Keep the database of the cloud
  mariadb_database:
    database: cloudd
    user: cloudd
    password: "{{ database_password }}"
"""

RETURN = r"""
statements:
  description: Kinds of statements that were run.
  type: list
  returned: always
"""

import hashlib
import json
import re
import time

from ansible.module_utils.basic import AnsibleModule

ARGUMENTS = {
    "database": {"type": "str", "required": True},
    "user": {"type": "str", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
    "timeout_seconds": {"type": "int", "default": 300},
}
NAME = re.compile(r"[A-Za-z0-9_]+")
LOOK = """
SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = '{database}';
SELECT COALESCE(MAX(priv), '{{}}') FROM mysql.global_priv WHERE user = '{user}' AND host = '%';
SELECT COUNT(*) FROM mysql.db WHERE db = '{database}' AND user = '{user}' AND host = '%' AND create_priv = 'Y';
"""


def digest_of(password: str) -> str:
    """What the server keeps of a password (mysql_native_password)."""
    return "*" + hashlib.sha1(hashlib.sha1(password.encode()).digest()).hexdigest().upper()  # noqa: S324  # the server's own way


def plan(found: list, database: str, user: str, password: str) -> list:
    """The statements that are missing, by the three answers to LOOK."""
    exists, account, granted = found[0] != "0", json.loads(found[1]), found[2] != "0"
    statements = []
    if not exists:
        statements.append(f"CREATE DATABASE IF NOT EXISTS `{database}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    wanted = f"IDENTIFIED BY PASSWORD '{digest_of(password)}' REQUIRE SSL"
    if not account:
        statements.append(f"CREATE USER IF NOT EXISTS '{user}'@'%' {wanted}")
    elif account.get("authentication_string") != digest_of(password) or not account.get("ssl_type"):
        statements.append(f"ALTER USER '{user}'@'%' {wanted}")
    if not granted:
        statements.append(f"GRANT ALL PRIVILEGES ON `{database}`.* TO '{user}'@'%'")
    return statements


def main() -> None:
    """Wait, look, mend."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    database, user, password = (module.params[name] for name in ("database", "user", "password"))
    for name in (database, user):
        if not NAME.fullmatch(name):
            module.fail_json(msg=f"{name!r} is no name of a database or an account: letters, digits and _ only")
    if module.check_mode and module.get_bin_path("mariadb") is None:
        module.exit_json(changed=True, statements=[])
    deadline = time.monotonic() + module.params["timeout_seconds"]

    def sql(text: str) -> tuple:
        return module.run_command(["mariadb", "--no-defaults", "--user=root", "--batch", "--skip-column-names"], data=text)

    while True:
        status, out, errors = sql("SHOW GLOBAL STATUS LIKE 'wsrep_local_state_comment'; SHOW GLOBAL STATUS LIKE 'wsrep_ready';")
        if not status and "Synced" in out and "ON" in out:
            break
        if module.check_mode:
            module.exit_json(changed=True, statements=[])
        if time.monotonic() > deadline:
            _, journal, _ = module.run_command(["journalctl", "--no-pager", "--lines=20", "--output=cat", "--unit", "mariadb"])
            module.fail_json(
                msg=f"the database is not in sync: {out.strip() or errors.strip()}\nThe last of its journal:\n{journal.strip()}",
                code="mariadb.not_in_sync",
                remedy="`galera_member` in the journal says whom it waits for: start that host, or see docs/high-availability.md",
            )
        time.sleep(0.5)
    status, out, errors = sql(LOOK.format(database=database, user=user))
    if status:
        module.fail_json(msg=f"cannot look into the database: {errors.strip()}")
    statements = plan(out.splitlines(), database, user, password)
    if statements and not module.check_mode:
        status, _, errors = sql(";\n".join(statements) + ";\n")
        if status:
            module.fail_json(msg=f"cannot keep database {database}: {errors.strip()}")
    module.exit_json(changed=bool(statements), statements=[statement.split()[0] for statement in statements])


if __name__ == "__main__":
    main()
