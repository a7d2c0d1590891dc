"""The metadata agent: keeps a listener in each network that has servers on its host, and hands their requests to compute."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any

from cloudd.kit.bus import Bus
from cloudd.kit.errors import Condition
from cloudd.network.agent.forwarder import Forwarder
from cloudd.network.agent.plumbing import Plumbing, PlumbingError
from cloudd.network.messages import CONTROL, NetworksOfHost, RefreshHost, ServedNetwork, ServedNetworks, agent_topic

log = logging.getLogger(__name__)

REFRESH_SECONDS = 30.0
RETRY_SECONDS = 3.0


class MetadataAgent:
    """Asks the control plane what to serve: at start (so after a reboot too), when told to, and now and then."""

    def __init__(self, host: str, bus: Bus, plumbing: Plumbing) -> None:
        self._host = host
        self._bus = bus
        self._plumbing = plumbing
        self._forwarder = Forwarder(bus)
        self._servers: dict[str, asyncio.Server] = {}
        self._plugged: dict[str, ServedNetwork] = {}
        self._asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._bus.serve(agent_topic(self._host), {RefreshHost: self._refresh})
        self._task = asyncio.create_task(self._run(), name="metadata-agent")

    async def stop(self) -> None:
        """Listeners end; namespaces stay, so that a restart finds them."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for network_id in list(self._servers):
            self._close(network_id)

    async def _refresh(self, message: RefreshHost) -> None:
        self._asked.set()

    async def _run(self) -> None:
        while True:
            self._asked.clear()
            wait = REFRESH_SECONDS
            try:
                wanted: ServedNetworks = await self._bus.call(CONTROL, NetworksOfHost(host=self._host), timeout_seconds=10)
                if not await self.serve(wanted.networks):
                    wait = RETRY_SECONDS
            except Condition as error:
                log.info("cannot ask which networks to serve: %s", error.text)
                wait = RETRY_SECONDS
            except Exception:
                log.exception("serving metadata failed; it goes on")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._asked.wait()

    async def serve(self, networks: list[ServedNetwork]) -> bool:
        """Serve these networks and no other; False when some could not be, and should be tried again soon."""
        wanted = {network.network_id: network for network in networks}
        done = True
        for network_id in (await self._plumbing.present() | self._servers.keys()) - wanted.keys():
            done &= await self._attempt(self._drop(network_id), network_id)
        for network in wanted.values():
            done &= await self._attempt(self._add(network), network.network_id)
        return done

    async def _attempt(self, work: Coroutine[Any, Any, None], network_id: str) -> bool:
        try:
            await work
        except (PlumbingError, OSError) as error:
            log.warning("metadata of network %s: %s; trying again in %s s", network_id, error, RETRY_SECONDS)
            return False
        return True

    async def _add(self, network: ServedNetwork) -> None:
        if self._plugged.get(network.network_id) != network or network.network_id not in await self._plumbing.present():
            await self._plumbing.plug(network)
            self._plugged[network.network_id] = network
        if network.network_id not in self._servers:
            listener = await self._plumbing.listen(network.network_id)
            self._servers[network.network_id] = await self._forwarder.serve(listener, network.network_id)
            log.info("serving metadata in network %s", network.network_id)

    async def _drop(self, network_id: str) -> None:
        self._close(network_id)
        self._plugged.pop(network_id, None)
        await self._plumbing.unplug(network_id)
        log.info("no longer serving metadata in network %s", network_id)

    def _close(self, network_id: str) -> None:
        server = self._servers.pop(network_id, None)
        if server is not None:
            server.close()
