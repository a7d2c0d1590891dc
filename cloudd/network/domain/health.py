"""What an operator should know of networks: hosts that are silent, changes that the engine refuses, and what it lacks."""

from cloudd.kit.health import Check, Finding
from cloudd.network.domain.realization import Realization
from cloudd.network.domain.records import Ground
from cloudd.network.drivers.base import KINDS, NetworkDriver
from cloudd.network.store.change import change_table

#: The engine may be away for a moment; a change refused more often than this is told.
PATIENT_ATTEMPTS = 2


class Health:
    def __init__(self, ground: Ground, driver: NetworkDriver) -> None:
        self.db = ground.cloud.db
        self.stores = ground.stores
        self.driver = driver
        self.rows = Realization(ground.stores, ground.settings.dns_nameservers)

    def checks(self) -> list[Check]:
        return [
            Check("network.hosts", "network hosts", self.look_at_hosts),
            Check("network.changes", "changes on their way to the engine", self.look_at_changes),
            Check("network.engine", "networks and the engine", self.compare_engine),
        ]

    async def look_at_hosts(self) -> list[Finding]:
        remedy = "start ovn-controller there, and see that it reaches the southbound database"
        return [
            Finding("error", host.hostname, "its ovn-controller is silent", remedy)
            for host in await self.driver.chassis()
            if not host.alive
        ]

    async def look_at_changes(self) -> list[Finding]:
        async with self.db.read() as tx:
            refused = await self.stores.changes.find(tx, change_table.c.attempts > PATIENT_ATTEMPTS)
        remedy = "see OVN's northbound database and the worker's log"
        return [Finding("error", f"{one.kind} {one.object_id}", f"the engine refuses it: {one.error}", remedy) for one in refused]

    async def compare_engine(self) -> list[Finding]:
        """What rows want and the engine lacks, and what it has that no row wants; what is on its way is left out."""
        held = await self.driver.inventory()
        async with self.db.read() as tx:
            wanted = await self.rows.ids(tx)
            waiting = {(one.kind, one.object_id) for one in await self.stores.changes.find(tx)}
        remedy = "the reconciler mends it; should it stay, see the worker's log"
        found = []
        for kind in KINDS:
            differing = [("lacks it", one) for one in wanted[kind].keys() - held[kind].keys()]
            differing += [("has it without a row", one) for one in held[kind].keys() - wanted[kind].keys()]
            found += [
                Finding("warning", f"{kind} {object_id}", f"the engine {what}", remedy)
                for what, object_id in sorted(differing)
                if (kind, object_id) not in waiting
            ]
        return found
