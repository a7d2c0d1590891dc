"""Modules and action plugins of the host roles are loaded by their path, as Ansible does."""

from __future__ import annotations

import ansible.module_utils

from tests.unit.deployer.conftest import ROOT, load

__all__ = ["ROOT", "load"]

# Ansible's loader puts the repository's module_utils beside its own; plain Python is told here.
ansible.module_utils.__path__.append(str(ROOT / "plugins" / "module_utils"))
