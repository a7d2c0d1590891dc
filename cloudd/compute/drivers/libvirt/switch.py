"""A host's Open vSwitch: what it can do with the packets that guests leave unfinished, and which ports it keeps of servers."""

import logging
import subprocess
import time

_LOG = logging.getLogger(__name__)
_KEEP_SECONDS = 60.0


class Switches:
    """Answers by bridge, remembered for a minute; what could not be found out is asked again."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, bool]] = {}

    def may_offload(self, bridge: str) -> bool:
        """Whether guests on the bridge may leave checksums and segmentation to it; blocks.

        The kernel's datapath finishes such packets. The one in user space does so only with `userspace-tso-enable`; without it
        every TCP connection of the guest would hang.
        """
        asked_at, answer = self._known.get(bridge, (0.0, True))
        if asked_at and time.monotonic() - asked_at < _KEEP_SECONDS:
            return answer
        try:
            answer = _ask(bridge)
        except FileNotFoundError:
            # No Open vSwitch here, so this is a bridge of the kernel.
            return True
        except subprocess.SubprocessError as error:
            _LOG.warning("ovs-vsctl does not tell the datapath of bridge %s: %s; is ovsdb-server running on this host?", bridge, error)
            return True
        self._known[bridge] = (time.monotonic(), answer)
        return answer


def forget_ports(server_id: str) -> None:
    """Remove the ports that a power cut left of a server which is gone from this host; libvirt itself removes them of one it ends."""
    try:
        names = _run("--bare", "--columns=name", "find", "Interface", f"external_ids:vm-id={server_id}").split()
        for name in names:
            _run("--if-exists", "del-port", name)
    except FileNotFoundError:
        return
    except subprocess.SubprocessError as error:
        _LOG.warning("ovs-vsctl does not let go of the ports of server %s: %s; is ovsdb-server running on this host?", server_id, error)


def _ask(bridge: str) -> bool:
    offloads = ("--", "--if-exists", "get", "Open_vSwitch", ".", "other_config:userspace-tso-enable")
    datapath, _, offload = _run("get", "Bridge", bridge, "datapath_type", *offloads).partition("\n")
    return datapath.strip().strip('"') != "netdev" or offload.strip().strip('"') == "true"


def _run(*arguments: str) -> str:
    command = ["ovs-vsctl", "--timeout=5", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout
