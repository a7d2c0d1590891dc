"""The first instance of a new cloud: made by openstacksdk as any user would, reached through its floating IP, logged in to by ssh."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openstack.config
import openstack.connection
from openstack import exceptions as sdk_errors

from cloudd.ctl import paths
from cloudd.ctl.failure import Failure

NAME = "first"
USER = "root"
IMAGE, FLAVOR, NETWORK, EXTERNAL_NETWORK = "tiny", "tiny", "private", "public"
KEYPAIR = SECURITY_GROUP = "quickstart"
KEY = paths.CACHE / "quickstart" / "id_ed25519"
ACTIVE_TIMEOUT_SECONDS = 180
LOGIN_TIMEOUT_SECONDS = 180
LOGIN_INTERVAL_SECONDS = 1.0
SSH_OPTIONS = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR")
# What the log-in proves: the kernel runs, and the metadata service told the guest its name.
LOGIN_COMMAND = "hostname; uname -sr; cat /proc/uptime"


class Refused(Exception):
    """The cloud did not give what was asked; `failure` says where, why and what to do."""

    def __init__(self, task: str, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.failure = Failure(NAME, task, reason, remedy, "quickstart.first_instance")


@dataclass(frozen=True, slots=True)
class FirstInstance:
    """The instance that answered: its address, and what it said when logged in to."""

    floating_ip: str
    greeting: str

    @property
    def command(self) -> str:
        """The command line that logs in to it."""
        return f"ssh -i {KEY.relative_to(paths.ROOT)} {' '.join(SSH_OPTIONS[:4])} {USER}@{self.floating_ip}"


def ensure(cloud_name: str, tell: Callable[[str], None]) -> FirstInstance:
    """Make the instance, or find it, and log in to it. Raises Refused."""
    cloud = connect(cloud_name)
    try:
        tell("make the key pair and the security group")
        ensure_keypair(cloud, public_key(KEY))
        ensure_security_group(cloud)
        tell(f"boot the instance {NAME}")
        server = ensure_server(cloud)
        tell("give it a floating IP")
        address = ensure_floating_ip(cloud, server)
    except sdk_errors.SDKException as error:
        raise Refused(
            "ask the cloud", str(error), "see `journalctl -u cloudd-all` on the host for the request's id, then run it again"
        ) from error
    tell(f"log in to {address} by ssh")
    return FirstInstance(address, log_in(address))


def connect(cloud_name: str) -> Any:
    """A session with the cloud of that name in the repository's own clouds.yaml, whatever the environment says."""
    config = openstack.config.OpenStackConfig(config_files=[str(paths.CLOUDS_YAML)], load_envvars=False)
    return openstack.connection.Connection(config=config.get_one(cloud_name), app_name="cloudctl")


def public_key(private: Path) -> str:
    """The public half of the quickstart's own ssh key, which is made at the first call."""
    if not private.exists():
        private.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "quickstart", "-f", str(private)], check=True)
    return private.with_suffix(".pub").read_text(encoding="utf-8").strip()


def ensure_keypair(cloud: Any, key: str) -> None:
    """A key pair with exactly this key; one left by an older clone gives way."""
    found = cloud.compute.find_keypair(KEYPAIR)
    if found is not None and found.public_key.split()[:2] != key.split()[:2]:
        cloud.compute.delete_keypair(found)
        found = None
    if found is None:
        cloud.compute.create_keypair(name=KEYPAIR, public_key=key)


def ensure_security_group(cloud: Any) -> None:
    """A security group that lets ssh and ping in."""
    group = cloud.network.find_security_group(SECURITY_GROUP)
    if group is None:
        group = cloud.network.create_security_group(name=SECURITY_GROUP, description="ssh and ping, made by cloudctl quickstart")
    open_already = {rule["protocol"] for rule in group.security_group_rules if rule["direction"] == "ingress"}
    for protocol, port in (("icmp", None), ("tcp", 22)):
        if protocol not in open_already:
            cloud.network.create_security_group_rule(
                security_group_id=group.id,
                direction="ingress",
                ether_type="IPv4",
                protocol=protocol,
                port_range_min=port,
                port_range_max=port,
            )


def ensure_server(cloud: Any) -> Any:
    """The server, ACTIVE: booted when there is none, started when it is off."""
    server = cloud.compute.find_server(NAME)
    if server is None:
        server = cloud.compute.create_server(
            name=NAME,
            image_id=_named(cloud.image, "image", IMAGE).id,
            flavor_id=_named(cloud.compute, "flavor", FLAVOR).id,
            networks=[{"uuid": _named(cloud.network, "network", NETWORK).id}],
            key_name=KEYPAIR,
            security_groups=[{"name": SECURITY_GROUP}],
        )
    server = cloud.compute.get_server(server.id)
    if server.status == "SHUTOFF":
        cloud.compute.start_server(server)
    try:
        return cloud.compute.wait_for_server(server, status="ACTIVE", failures=["ERROR"], interval=0.5, wait=ACTIVE_TIMEOUT_SECONDS)
    except (sdk_errors.ResourceFailure, sdk_errors.ResourceTimeout) as error:
        server = cloud.compute.get_server(server.id)
        fault = (server.fault or {}).get("message") or str(error)
        remedy = f"mend what the reason names, then: openstack server delete {NAME}, and ./cloudctl quickstart again"
        raise Refused(f"boot the instance {NAME}", f"it is {server.status}: {fault}", remedy) from error


def ensure_floating_ip(cloud: Any, server: Any) -> str:
    """The floating IP of the server's first port, made when it has none."""
    port = next(iter(cloud.network.ports(device_id=server.id)), None)
    if port is None:
        raise Refused("give it a floating IP", "it has no port on any network", f"openstack server delete {NAME}, then run it again")
    found = next(iter(cloud.network.ips(port_id=port.id)), None)
    if found is None:
        external = _named(cloud.network, "network", EXTERNAL_NETWORK)
        found = cloud.network.create_ip(floating_network_id=external.id, port_id=port.id)
    return str(found.floating_ip_address)


def log_in(address: str) -> str:
    """What the guest answers when logged in to. Raises Refused when it does not within the time it may take to boot."""
    command = ["ssh", "-i", str(KEY), *SSH_OPTIONS, "-o", "BatchMode=yes", "-o", "ConnectTimeout=3", f"{USER}@{address}", LOGIN_COMMAND]
    until = time.monotonic() + LOGIN_TIMEOUT_SECONDS
    while True:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.strip()
        if time.monotonic() > until:
            reason = f"no log-in at {address} within {LOGIN_TIMEOUT_SECONDS} s: {done.stderr.strip()}"
            raise Refused("log in by ssh", reason, f"see what the guest says: openstack --os-cloud quickstart console log show {NAME}")
        time.sleep(LOGIN_INTERVAL_SECONDS)


def _named(service: Any, kind: str, name: str) -> Any:
    """The resource of that name, which post_deploy makes."""
    found = getattr(service, f"find_{kind}")(name)
    if found is None:
        raise Refused(f"find {kind} {name}", f"the cloud has no {kind} {name}", "./cloudctl post_deploy -i inventory/lab-all-in-one")
    return found
