"""A network engine in memory with the behaviour of the real one, for tests and for control planes without hosts."""

from collections.abc import Callable

from cloudd.network.drivers.base import (
    KINDS,
    Chassis,
    DependencyMissing,
    DriverError,
    Kind,
    NetworkDriver,
    NetworkSpec,
    PortSpec,
    PortState,
    RouterSpec,
    SecurityGroupSpec,
    Spec,
)


class FakeDriver(NetworkDriver):
    """Holds the specs it was given.

    `plug` and `unplug` play the host (`plug_at_once` does it for every bound port); `broken` makes every call fail.
    """

    def __init__(
        self, hosts: tuple[str, ...] = ("fake-host",), physical_networks: tuple[str, ...] = ("external",), plug_at_once: bool = False
    ) -> None:
        self.objects: dict[Kind, dict[str, Spec]] = {kind: {} for kind in KINDS}
        self.up: dict[str, bool] = {}
        self.broken = False
        self._plug_at_once = plug_at_once
        self._hosts = hosts
        self._physical_networks = physical_networks
        self._on_port_state: Callable[[PortState], None] | None = None

    async def start(self, cloud_id: str, on_port_state: Callable[[PortState], None], on_chassis_change: Callable[[], None]) -> None:
        self._on_port_state = on_port_state
        for port_id, up in self.up.items():
            on_port_state(PortState(port_id, up))

    async def stop(self) -> None:
        self._on_port_state = None

    async def sync_network(self, spec: NetworkSpec) -> bool:
        return self._put("network", spec)

    async def sync_port(self, spec: PortSpec) -> bool:
        self._check()
        if spec.network_id not in self.objects["network"]:
            raise DependencyMissing(f"network {spec.network_id} of port {spec.id} is not in the engine yet")
        for group_id in spec.security_group_ids:
            if group_id not in self.objects["security_group"]:
                raise DependencyMissing(f"security group {group_id} of port {spec.id} is not in the engine yet")
        changed = self._put("port", spec)
        plugged = self._plug_at_once and bool(spec.host)
        self._set_up(spec.id, spec.role.startswith("router") or plugged or self.up.get(spec.id, False))
        return changed

    async def sync_router(self, spec: RouterSpec) -> bool:
        return self._put("router", spec)

    async def sync_security_group(self, spec: SecurityGroupSpec) -> bool:
        return self._put("security_group", spec)

    async def delete(self, kind: Kind, object_id: str) -> bool:
        self._check()
        if kind == "network":
            for port in list(self.objects["port"].values()):
                if isinstance(port, PortSpec) and port.network_id == object_id:
                    await self.delete("port", port.id)
        if kind == "port":
            self.up.pop(object_id, None)
        return self.objects[kind].pop(object_id, None) is not None

    async def inventory(self) -> dict[Kind, dict[str, int]]:
        self._check()
        return {kind: {spec.id: spec.revision for spec in specs.values()} for kind, specs in self.objects.items()}

    async def port_states(self) -> dict[str, bool]:
        self._check()
        return dict(self.up)

    async def chassis(self) -> list[Chassis]:
        self._check()
        return [
            Chassis(name=host, hostname=host, alive=True, gateway=True, physical_networks=self._physical_networks) for host in self._hosts
        ]

    async def ask_for_life(self) -> None:
        self._check()

    def plug(self, port_id: str) -> None:
        """The host has plugged the port."""
        self._set_up(port_id, True)

    def unplug(self, port_id: str) -> None:
        """The port has left its host."""
        self._set_up(port_id, False)

    def _set_up(self, port_id: str, up: bool) -> None:
        if self.up.get(port_id) == up:
            return
        self.up[port_id] = up
        if self._on_port_state is not None:
            self._on_port_state(PortState(port_id, up))

    def _put(self, kind: Kind, spec: Spec) -> bool:
        self._check()
        known = self.objects[kind].get(spec.id)
        if known is not None and (known.revision > spec.revision or known == spec):
            return False
        self.objects[kind][spec.id] = spec
        return True

    def _check(self) -> None:
        if self.broken:
            raise DriverError("the fake engine was told to fail")
