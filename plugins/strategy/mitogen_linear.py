"""The strategy `mitogen_linear`, found in whatever environment Ansible itself runs in rather than by a path in ansible.cfg.

It passes over hosts that a task is not for without a process of their own: a fork takes some 25 ms of a core, for each task on each host.
A task that takes one host after the other (`throttle: 1`, `any_errors_fatal`) ends with the first host it fails on: what broke one
shall not break all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import Any

import ansible_mitogen.affinity
import ansible_mitogen.loaders
import ansible_mitogen.strategy
from ansible.errors import AnsibleError
from ansible.executor.task_result import _RawTaskResult
from ansible.template import Templar

POLL_SECONDS = 0.01

_Linear = ansible_mitogen.loaders.strategy_loader.get("linear", class_only=True)


# Mitogen keeps the first processor for its connections, and with fewer than four it has Ansible with all its workers share the second.
if (os.cpu_count() or 1) < 4:
    ansible_mitogen.affinity.policy = ansible_mitogen.affinity.Policy()


class StrategyModule(ansible_mitogen.strategy.StrategyMixin, _Linear):  # type: ignore[misc, valid-type]
    """Ansible's linear strategy over Mitogen's connections: one interpreter a host stays alive between tasks."""

    def __init__(self, tqm: Any) -> None:
        super().__init__(tqm)
        self._begun: tuple[str, set[str]] = ("", set())
        self._ended: dict[str, bool] = {}

    def _queue_task(self, host: Any, task: Any, task_vars: dict[str, Any], play_context: Any) -> None:
        result = self._passed_over(task, task_vars) or self._held_back(host, task, task_vars)
        if result is None:
            super()._queue_task(host, task, task_vars, play_context)
            return
        self._queued_task_cache[host.name, task._uuid] = {"host": host, "task": task, "task_vars": task_vars, "play_context": play_context}
        self._tqm.send_callback("v2_runner_on_start", host, task)
        self._final_q.send_task_result(_RawTaskResult(host=host, task=task, return_data=result, task_fields=task.dump_attrs()))
        self._pending_results += 1

    def _process_pending_results(self, *arguments: Any, **options: Any) -> list[_RawTaskResult]:
        results: list[_RawTaskResult] = super()._process_pending_results(*arguments, **options)
        self._note_ended(results)
        return results

    def _note_ended(self, results: Iterable[_RawTaskResult]) -> None:
        """Remember on which hosts the present task has ended, and whether badly."""
        self._ended |= {
            result.host.name: result.is_failed() or result.is_unreachable() for result in results if result.task._uuid == self._begun[0]
        }

    def _held_back(self, host: Any, task: Any, task_vars: dict[str, Any]) -> dict[str, Any] | None:
        """The answer for a host that shall not be touched, because the task failed on the one before it; waits for that one."""
        if not task.throttle or not task.any_errors_fatal or task.ignore_errors:
            return None
        if int(Templar(loader=self._loader, variables=task_vars).template(task.throttle)) != 1:
            return None
        if self._begun[0] != task._uuid:
            self._begun, self._ended = (task._uuid, set()), {}
        while self._begun[1] - self._ended.keys() and not self._tqm.has_dead_workers():
            time.sleep(POLL_SECONDS)
            with self._results_lock:
                self._note_ended(self._results)
        failed = [name for name, badly in self._ended.items() if badly]
        if failed:
            return {"changed": False, "skipped": True, "skip_reason": f"Not begun, for it failed on {failed[0]}"}
        self._begun[1].add(host.name)
        return None

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
