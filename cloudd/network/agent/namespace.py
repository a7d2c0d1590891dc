"""A network's place on a host: a namespace joined to the integration bridge by a veth pair, one end with the metadata port's addresses."""

import asyncio
import ctypes
import os
import socket
import threading
from pathlib import Path

from cloudd.network.agent.plumbing import Plumbing, PlumbingError
from cloudd.network.messages import ServedNetwork

PREFIX = "ovnmeta-"
ADDRESS, PORT = "169.254.169.254", 80
NAMESPACES = Path("/run/netns")
CLONE_NEWNET = 0x40000000
BACKLOG = 128


def namespace_of(network_id: str) -> str:
    return PREFIX + network_id


def outer_link(network_id: str) -> str:
    """Interface names have at most 15 characters."""
    return "meta" + network_id.replace("-", "")[:10] + "0"


def inner_link(network_id: str) -> str:
    return "meta" + network_id.replace("-", "")[:10] + "1"


async def run(*words: str) -> str:
    """A command's output. Raises PlumbingError with what it complained about."""
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    output, complaint = await process.communicate()
    if process.returncode != 0:
        raise PlumbingError(f"`{' '.join(words)}` failed: {complaint.decode().strip() or f'exit code {process.returncode}'}")
    return output.decode()


async def succeeds(*words: str) -> bool:
    try:
        await run(*words)
    except PlumbingError:
        return False
    return True


async def link_exists(name: str) -> bool:
    # Not by /sys, which in a container may show another namespace's links.
    return await succeeds("ip", "link", "show", "dev", name)


class NamespacePlumbing(Plumbing):
    """Needs root, iproute2, ethtool and ovs-vsctl."""

    def __init__(self, bridge: str) -> None:
        self._bridge = bridge

    async def present(self) -> set[str]:
        if not NAMESPACES.is_dir():
            return set()
        return {path.name.removeprefix(PREFIX) for path in NAMESPACES.iterdir() if path.name.startswith(PREFIX)}

    async def plug(self, network: ServedNetwork) -> None:
        space, outer, inner = namespace_of(network.network_id), outer_link(network.network_id), inner_link(network.network_id)
        if not (NAMESPACES / space).exists():
            await run("ip", "netns", "add", space)
        if not await succeeds("ip", "-n", space, "link", "show", "dev", inner) or not await link_exists(outer):
            # The switch holds on to the device it knew; it must let go before one of the same name comes.
            await self._remove_link(outer)
            await run("ip", "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", space)
        # The userspace datapath does not fill in checksums that a sender left out; the kernel's own does not mind.
        await run("ethtool", "-K", outer, "tx", "off")
        await run("ip", "netns", "exec", space, "ethtool", "-K", inner, "tx", "off")
        await run("ip", "-n", space, "link", "set", inner, "address", network.mac_address, "mtu", str(network.mtu))
        await self._set_addresses(space, inner, {*network.addresses, f"{ADDRESS}/32"})
        await run("ip", "-n", space, "link", "set", "lo", "up")
        await run("ip", "-n", space, "link", "set", inner, "up")
        await run("ip", "link", "set", outer, "up", "mtu", str(network.mtu))
        interface = ["set", "Interface", outer, f"external_ids:iface-id={network.port_id}"]
        await run("ovs-vsctl", "--may-exist", "add-port", self._bridge, outer, "--", *interface)

    async def _set_addresses(self, space: str, link: str, wanted: set[str]) -> None:
        output = await run("ip", "-n", space, "-o", "-4", "address", "show", "dev", link)
        held = {line.split()[3] for line in output.splitlines()}
        for address in held - wanted:
            await run("ip", "-n", space, "address", "del", address, "dev", link)
        for address in wanted - held:
            await run("ip", "-n", space, "address", "add", address, "dev", link)

    async def unplug(self, network_id: str) -> None:
        space = namespace_of(network_id)
        await self._remove_link(outer_link(network_id))
        if (NAMESPACES / space).exists():
            await run("ip", "netns", "del", space)

    async def _remove_link(self, outer: str) -> None:
        await run("ovs-vsctl", "--if-exists", "del-port", self._bridge, outer)
        # A namespace that is going takes its link along at its own time, perhaps just now.
        if await link_exists(outer) and not await succeeds("ip", "link", "del", outer) and await link_exists(outer):
            raise PlumbingError(f"the link {outer} cannot be removed")

    async def listen(self, network_id: str) -> socket.socket:
        return await asyncio.to_thread(listen_in, NAMESPACES / namespace_of(network_id))


def listen_in(namespace: Path) -> socket.socket:
    """A socket belongs to the namespace in which it was made, so only a thread of its own has to go there."""
    made: list[socket.socket | OSError] = []
    thread = threading.Thread(target=lambda: made.append(_listen_here(namespace)), name="setns")
    thread.start()
    thread.join()
    if not made or isinstance(made[0], OSError):
        raise PlumbingError(f"cannot listen on {ADDRESS}:{PORT} in {namespace.name}: {made[0] if made else 'the thread failed'}")
    return made[0]


def _listen_here(namespace: Path) -> socket.socket | OSError:
    library = ctypes.CDLL(None, use_errno=True)
    try:
        descriptor = os.open(namespace, os.O_RDONLY)
        try:
            if library.setns(descriptor, CLONE_NEWNET) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
        finally:
            os.close(descriptor)
        return socket.create_server((ADDRESS, PORT), backlog=BACKLOG, reuse_port=False)
    except OSError as error:
        return error
