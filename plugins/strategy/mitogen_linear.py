"""The strategy `mitogen_linear`, found in whatever environment Ansible itself runs in rather than by a path in ansible.cfg.

It passes over hosts that a task is not for without a process of their own: a fork takes some 25 ms of a core, for each task on each host.
"""

from __future__ import annotations

import os
from typing import Any

import ansible_mitogen.affinity
import ansible_mitogen.loaders
import ansible_mitogen.strategy
from ansible.errors import AnsibleError
from ansible.executor.task_result import _RawTaskResult
from ansible.template import Templar

_Linear = ansible_mitogen.loaders.strategy_loader.get("linear", class_only=True)


# Mitogen keeps the first processor for its connections, and with fewer than four it has Ansible with all its workers share the second.
if (os.cpu_count() or 1) < 4:
    ansible_mitogen.affinity.policy = ansible_mitogen.affinity.Policy()


class StrategyModule(ansible_mitogen.strategy.StrategyMixin, _Linear):  # type: ignore[misc, valid-type]
    """Ansible's linear strategy over Mitogen's connections: one interpreter a host stays alive between tasks."""

    def _queue_task(self, host: Any, task: Any, task_vars: dict[str, Any], play_context: Any) -> None:
        result = self._passed_over(task, task_vars)
        if result is None:
            super()._queue_task(host, task, task_vars, play_context)
            return
        self._queued_task_cache[host.name, task._uuid] = {"host": host, "task": task, "task_vars": task_vars, "play_context": play_context}
        self._tqm.send_callback("v2_runner_on_start", host, task)
        self._final_q.send_task_result(_RawTaskResult(host=host, task=task, return_data=result, task_fields=task.dump_attrs()))
        self._pending_results += 1

    def _passed_over(self, task: Any, task_vars: dict[str, Any]) -> dict[str, Any] | None:
        """What a worker would answer where the task's condition is false; None where that needs a worker to tell."""
        if not task.when or task.loop is not None:
            return None
        why: dict[str, Any] = {}
        try:
            if task._resolve_conditional(task.when, task_vars, result_context=why):
                return None
        except AnsibleError:
            return None  # a worker meets it again, and tells of it in Ansible's way
        result = {"changed": False, "skipped": True, "skip_reason": "Conditional result was False", **why}
        task.update_result_no_log(Templar(loader=self._loader, variables=task_vars), result)
        return result
