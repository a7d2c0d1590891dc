"""The strategy `mitogen_linear`, found in whatever environment Ansible itself runs in rather than by a path in ansible.cfg."""

from __future__ import annotations

import os

import ansible_mitogen.affinity
import ansible_mitogen.loaders
import ansible_mitogen.strategy

_Linear = ansible_mitogen.loaders.strategy_loader.get("linear", class_only=True)


# Mitogen keeps the first processor for its connections, and with fewer than four it has Ansible with all its workers share the second.
if (os.cpu_count() or 1) < 4:
    ansible_mitogen.affinity.policy = ansible_mitogen.affinity.Policy()


class StrategyModule(ansible_mitogen.strategy.StrategyMixin, _Linear):  # type: ignore[misc, valid-type]
    """Ansible's linear strategy over Mitogen's connections: one interpreter a host stays alive between tasks."""
