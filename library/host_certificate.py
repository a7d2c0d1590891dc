#!/usr/bin/python
"""Module `host_certificate`: a host's part of the action of the same name, its certificates in their places."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_certificate
short_description: Gives a host a certificate of the cloud's authority
description:
  - Keeps the authority and the host's certificate in O(directory) of the deployment host, made where they are missing and renewed when they
    are due; brings them to the host as C(/etc/cloudd/tls/ca.pem), C(host.pem) and C(host.key).
  - The action plugin of this name passes the contents to the module; tasks leave O(ca), O(certificate) and O(key) out.
options:
  directory:
    description: Where authority and certificates lie on the deployment host.
    type: path
  name:
    description: The host's name.
    type: str
  subject_names:
    description: Names and addresses by which clients reach the host.
    type: list
    elements: str
  authority_name:
    description: Name of the cloud's own authority.
    type: str
  authority_days:
    description: How long the cloud's own authority is good for.
    type: int
  days:
    description: How long a certificate is good for.
    type: int
  renew_days:
    description: How long before its end a certificate is replaced.
    type: int
  ca_certificate_path:
    description: Certificate of a supplied authority, on the deployment host.
    type: path
  ca_key_path:
    description: Key of a supplied authority, on the deployment host.
    type: path
  group:
    description: The group on the host that may read the key; made where it is missing.
    type: str
    default: root
  path:
    description: The directory of the certificates on the host.
    type: path
    default: /etc/cloudd/tls
  ca:
    description: The authority's certificate, PEM.
    type: str
  certificate:
    description: The host's certificate, PEM.
    type: str
  key:
    description: Its key, PEM.
    type: str
author:
  - The maintainers
attributes:
  check_mode:
    description: Tells which files would be written, and makes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Bring the host its certificate
  host_certificate:
    directory: "{{ inventory_dir }}/pki"
    name: "{{ inventory_hostname }}"
    subject_names: ["{{ inventory_hostname }}", 10.0.0.11]
    authority_name: The cloud's certificate authority
    authority_days: 3650
    days: 397
    renew_days: 60
"""

RETURN = r"""
reason:
  description: Why the certificate was made anew; empty when it was not.
  returned: always
  type: str
written:
  description: Paths on the host that changed.
  returned: always
  type: list
  elements: str
"""

import grp
import os
import stat
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

ARGUMENTS = {
    "path": {"type": "path", "default": "/etc/cloudd/tls"},
    "group": {"type": "str", "default": "root"},
    "ca": {"type": "str", "required": True},
    "certificate": {"type": "str", "required": True},
    "key": {"type": "str", "required": True, "no_log": True},
}
# Every service may pass through; the files in it have rights of their own.
DIRECTORY_MODE = 0o711


def group_id(module, name: str) -> int:
    """The group's number; made where it is missing, -1 in check mode."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        if module.check_mode:
            return -1
        module.run_command(["groupadd", "--system", name], check_rc=True)
        return grp.getgrnam(name).gr_gid


def is_right(path: Path, content: bytes, gid: int, mode: int) -> bool:
    """Whether the file is there with this content, owner and rights."""
    try:
        status = path.stat()
        return (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (os.geteuid(), gid, mode) and path.read_bytes() == content
    except FileNotFoundError:
        return False


def write(path: Path, content: bytes, gid: int, mode: int) -> None:
    """Replace the file in one step; nobody else can read it on the way."""
    scratch = path.with_name(f".{path.name}.new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        os.fchown(file.fileno(), os.geteuid(), gid)
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    scratch.replace(path)


def keep_directory(module, path: Path) -> bool:
    """Have the directory with its rights; true when that changes something."""
    if path.is_dir() and stat.S_IMODE(path.stat().st_mode) == DIRECTORY_MODE:
        return False
    if not module.check_mode:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(DIRECTORY_MODE)
    return True


def main() -> None:
    """Write what is not as it should be."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    given, directory = module.params, Path(module.params["path"])
    gid = group_id(module, given["group"])
    changed = keep_directory(module, directory)
    files = {
        "ca.pem": (given["ca"], 0, 0o644),
        "host.pem": (given["certificate"], 0, 0o644),
        "host.key": (given["key"], gid, 0o640 if gid else 0o600),
    }
    written = []
    for name, (content, its_group, mode) in files.items():
        if not is_right(directory / name, content.encode(), its_group, mode):
            written.append(str(directory / name))
            if not module.check_mode:
                write(directory / name, content.encode(), its_group, mode)
    module.exit_json(changed=changed or bool(written), written=written)


if __name__ == "__main__":
    main()
