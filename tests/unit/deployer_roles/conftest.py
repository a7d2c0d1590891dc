"""Modules and action plugins of the host roles are loaded by their path, as Ansible does."""

from __future__ import annotations

from tests.unit.deployer.conftest import ROOT, load

__all__ = ["ROOT", "load"]
