"""Whether the cloud is whole again: every unit up, every quorum full, every agent reporting, nothing in between two states."""

from __future__ import annotations

import asyncio
import time

import httpx

from tests.faults.lab import Host, Lab
from tests.faults.load import Api

PAUSE_SECONDS = 1.0
#: One line for each thing that is not as it should be. Only what is installed is asked about.
INSPECT = r"""
ours="cloudd-*.service mariadb.service rabbitmq-server.service haproxy.service keepalived.service
    ovn-*.service openvswitch-switch.service libvirtd.service virtqemud.service"
for unit in $(systemctl list-unit-files --state=enabled --plain --no-legend $ours | cut -d' ' -f1); do
    case $(systemctl is-active $unit) in active) ;; *) echo "$unit is $(systemctl is-active $unit)" ;; esac
done
if systemctl is-enabled -q mariadb 2>/dev/null; then
    state=$(mysql -NBe "select concat_ws(' ', max(if(variable_name='wsrep_cluster_size', variable_value, null)),
        max(if(variable_name='wsrep_local_state_comment', variable_value, null))) from information_schema.global_status" 2>/dev/null)
    [ "$state" = "@CONTROLLERS@ Synced" ] || echo "galera is $state"
fi
for database in OVN_Northbound:nb OVN_Southbound:sb; do
    socket=/run/ovn/ovn${database#*:}_db.ctl
    [ -S $socket ] || continue
    state=$(timeout 3 ovs-appctl -t $socket cluster/status ${database%:*} 2>/dev/null | grep -c '^Status: cluster member\|^Leader: [^u]')
    [ "$state" = 2 ] || echo "${database%:*} has no leader"
done
if systemctl is-enabled -q rabbitmq-server 2>/dev/null; then
    links=$(ss -Htn state established '( sport = :25672 or dport = :25672 )' | wc -l)
    [ $links -ge @PEERS@ ] || echo "rabbitmq has $links links to its peers"
fi
echo looked
"""


class Health:
    def __init__(self, lab: Lab, api: Api) -> None:
        self.lab = lab
        self.api = api

    async def complaints(self) -> list[str]:
        """What is wrong now, each with the host's name."""
        answers = await asyncio.gather(*[self._on(host) for host in self.lab.hosts.values()], self._in_books())
        return [complaint for answer in answers for complaint in answer]

    async def _on(self, host: Host) -> list[str]:
        controllers = len(self.lab.in_group("control"))
        command = INSPECT.replace("@CONTROLLERS@", str(controllers)).replace("@PEERS@", str(controllers - 1))
        lines = (await self.lab.on(host, command)).splitlines()
        if "looked" not in lines:
            return [f"{host.name}: does not answer"]
        return [f"{host.name}: {line}" for line in lines if line != "looked"]

    async def _in_books(self) -> list[str]:
        found = []
        try:
            services = (await self.api.request("GET", "/compute/v2.1/os-services")).json()["services"]
            found += [f"compute on {one['host']} is {one['state']}" for one in services if one["state"] != "up"]
            agents = (await self.api.request("GET", "/network/v2.0/agents")).json()["agents"]
            found += [f"{one['agent_type']} on {one['host']} is not alive" for one in agents if not one["alive"]]
            volumes = (await self.api.request("GET", "/volume/v3/os-services")).json()["services"]
            found += [f"volume on {one['host']} is {one['state']}" for one in volumes if one["state"] != "up"]
            servers = (await self.api.request("GET", "/compute/v2.1/servers/detail?all_tenants=1")).json()["servers"]
            found += [
                f"server {one['name']} is {one['status']} ({one['OS-EXT-STS:task_state']})"
                for one in servers
                if one["OS-EXT-STS:task_state"] or one["status"] not in {"ACTIVE", "SHUTOFF"}
            ]
        except (httpx.HTTPError, KeyError, ValueError) as error:
            found.append(f"API: {type(error).__name__} {error}")
        return found

    async def wait(self, timeout_seconds: float) -> tuple[float, list[str]]:
        """Seconds until nobody complains, and who still does when the time is up."""
        started = time.monotonic()
        while True:
            complaints = await self.complaints()
            passed = time.monotonic() - started
            if not complaints or passed > timeout_seconds:
                return passed, complaints
            await asyncio.sleep(PAUSE_SECONDS)

    async def doubles(self) -> list[str]:
        """Instances that run on more than one host: the one thing that must never be."""
        command = "for uuid in $(virsh list --uuid 2>/dev/null); do echo $uuid; done"
        places: dict[str, list[str]] = {}
        for host in self.lab.in_group("compute"):
            for uuid in (await self.lab.on(host, command)).split():
                places.setdefault(uuid, []).append(host.name)
        return [f"{uuid} on {' and '.join(hosts)}" for uuid, hosts in places.items() if len(hosts) > 1]
