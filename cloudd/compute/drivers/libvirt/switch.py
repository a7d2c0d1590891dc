"""What a host's Open vSwitch can do with the packets that guests leave unfinished."""

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


def _ask(bridge: str) -> bool:
    arguments = ["get", "Bridge", bridge, "datapath_type", "--", "--if-exists", "get", "Open_vSwitch", "."]
    command = ["ovs-vsctl", "--timeout=5", *arguments, "other_config:userspace-tso-enable"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=10)
    datapath, _, offload = done.stdout.partition("\n")
    return datapath.strip().strip('"') != "netdev" or offload.strip().strip('"') == "true"
