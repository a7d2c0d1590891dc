"""A server's states: what each action needs, what it is called meanwhile, and the status that users see."""

import msgspec

from cloudd.compute.store.server import Server

BUILDING, ACTIVE, STOPPED, PAUSED, SUSPENDED, ERROR = "building", "active", "stopped", "paused", "suspended", "error"
RESIZED, RESCUED, DELETED = "resized", "rescued", "deleted"

#: what the API shows as OS-EXT-STS:power_state
NO_STATE, RUNNING, POWER_PAUSED, SHUTDOWN, CRASHED, POWER_SUSPENDED = 0, 1, 3, 4, 6, 7

DELETING = "deleting"
SCHEDULING = "scheduling"
MIGRATING = "migrating"


class Rule(msgspec.Struct, frozen=True):
    """An action is allowed in these states; `task` is the task state while it runs (empty: none is set)."""

    states: frozenset[str]
    task: str = ""
    #: whether a server that is busy already (has a task state) may be asked
    while_busy: bool = False


def _in(*states: str) -> frozenset[str]:
    return frozenset(states)


_RUNNABLE = _in(ACTIVE, STOPPED, PAUSED, SUSPENDED, ERROR)
_PLUGGABLE = _in(ACTIVE, STOPPED, PAUSED)

RULES: dict[str, Rule] = {
    "start": Rule(_in(STOPPED), "powering-on"),
    "stop": Rule(_in(ACTIVE, ERROR), "powering-off"),
    "reboot": Rule(_in(ACTIVE), "rebooting"),
    "hard_reboot": Rule(_RUNNABLE, "rebooting_hard"),
    "pause": Rule(_in(ACTIVE), "pausing"),
    "unpause": Rule(_in(PAUSED), "unpausing"),
    "suspend": Rule(_in(ACTIVE), "suspending"),
    "resume": Rule(_in(SUSPENDED), "resuming"),
    "rebuild": Rule(_in(ACTIVE, STOPPED, ERROR), "rebuilding"),
    "resize": Rule(_in(ACTIVE, STOPPED), "resize_prep"),
    "confirmResize": Rule(_in(RESIZED), "resize_confirming"),
    "revertResize": Rule(_in(RESIZED), "resize_reverting"),
    "migrate": Rule(_in(ACTIVE, STOPPED), "resize_prep"),
    "live_migrate": Rule(_in(ACTIVE, PAUSED), MIGRATING),
    # A server whose host is dead may have been busy when it died.
    "evacuate": Rule(_in(ACTIVE, STOPPED, ERROR), "rebuilding", while_busy=True),
    "createImage": Rule(_in(ACTIVE, STOPPED, PAUSED, SUSPENDED), "image_snapshot"),
    "attach_volume": Rule(_in(ACTIVE, STOPPED, PAUSED, SUSPENDED, RESIZED), while_busy=False),
    "detach_volume": Rule(_in(ACTIVE, STOPPED, PAUSED, SUSPENDED, RESIZED, ERROR)),
    "attach_interface": Rule(_PLUGGABLE),
    "detach_interface": Rule(_PLUGGABLE),
    "addSecurityGroup": Rule(_in(ACTIVE, STOPPED, PAUSED, SUSPENDED, RESIZED, RESCUED), while_busy=True),
    "removeSecurityGroup": Rule(_in(ACTIVE, STOPPED, PAUSED, SUSPENDED, RESIZED, RESCUED), while_busy=True),
    "delete": Rule(_in(BUILDING, ACTIVE, STOPPED, PAUSED, SUSPENDED, ERROR, RESIZED, RESCUED), DELETING, while_busy=True),
}

_BY_STATE = {
    BUILDING: "BUILD",
    ACTIVE: "ACTIVE",
    STOPPED: "SHUTOFF",
    PAUSED: "PAUSED",
    SUSPENDED: "SUSPENDED",
    ERROR: "ERROR",
    RESIZED: "VERIFY_RESIZE",
    RESCUED: "RESCUE",
    DELETED: "DELETED",
}
_BY_TASK = {
    (ACTIVE, "rebooting"): "REBOOT",
    (ACTIVE, "rebooting_hard"): "HARD_REBOOT",
    (STOPPED, "rebooting_hard"): "HARD_REBOOT",
    (ERROR, "rebooting_hard"): "HARD_REBOOT",
    (ACTIVE, "rebuilding"): "REBUILD",
    (STOPPED, "rebuilding"): "REBUILD",
    (ERROR, "rebuilding"): "REBUILD",
    **{(state, f"resize_{stage}"): "RESIZE" for state in (ACTIVE, STOPPED) for stage in ("prep", "migrating", "migrated", "finish")},
    (ACTIVE, MIGRATING): "MIGRATING",
    (PAUSED, MIGRATING): "MIGRATING",
    (RESIZED, "resize_reverting"): "REVERT_RESIZE",
}
STATUSES = frozenset({*_BY_STATE.values(), *_BY_TASK.values(), "PASSWORD", "SHELVED", "SHELVED_OFFLOADED", "SOFT_DELETED", "UNKNOWN"})
_NO_PROGRESS = {"SHUTOFF", "ERROR", "SUSPENDED", "PAUSED", "DELETED"}


def status_of(server: Server) -> str:
    """The status that the API shows."""
    if server.task_state is not None and (status := _BY_TASK.get((server.vm_state, server.task_state))):
        return status
    return _BY_STATE.get(server.vm_state, "UNKNOWN")


def states_of(status: str) -> tuple[set[str], set[tuple[str, str]]]:
    """The vm states and (vm state, task state) pairs that show as a status, upper case."""
    return {state for state, name in _BY_STATE.items() if name == status}, {pair for pair, name in _BY_TASK.items() if name == status}


def shows_progress(status: str) -> bool:
    """Whether the API shows progress with this status."""
    return status not in _NO_PROGRESS
