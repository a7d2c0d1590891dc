#!/usr/bin/python
"""Module `host_health`: tells everything about one host of a cloud that an operator should know."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_health
short_description: Tell how a host of a cloud fares
description:
  - Looks and changes nothing. Units, disks, memory, clock, certificates, and the host's member of each cluster (MariaDB, RabbitMQ, OVN).
  - What is not installed is not asked about.
options:
  control_hosts:
    description: How many control hosts the cloud has; every cluster should have as many members.
    type: int
    default: 1
  deployer_time:
    description: Seconds since 1970 on the deployment host when it asked; returned as C(asked), to compare clocks.
    type: float
  certificate_days:
    description: A certificate with fewer days left is told.
    type: int
    default: 30
author:
  - The maintainers
attributes:
  check_mode:
    description: Changes nothing in either mode.
    support: full
"""

EXAMPLES = r"""
- name: See how the host fares
  host_health:
    control_hosts: 3
"""

RETURN = r"""
checks:
  description:
    - Each C(name), C(title) and its C(findings); a finding has C(level) (warning or error), C(subject), C(text) and C(remedy).
  type: list
  returned: always
clock:
  description: Seconds since 1970 on this host.
  type: float
  returned: always
asked:
  description: The C(deployer_time) that was given.
  type: float
  returned: always
"""

import json
import os
import shutil
import time
from fnmatch import fnmatch
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

UNITS = (
    "cloudd-*.service", "mariadb.service", "galera-member.service", "rabbitmq-server.service", "haproxy.service", "keepalived.service",
    "ovn-*.service", "openvswitch-switch.service", "libvirtd.service", "virtqemud.service", "tgt.service",
)  # fmt: skip
TLS = Path("/etc/cloudd/tls")
DISK_WARNING, DISK_ERROR = 0.85, 0.95
MEMORY_WARNING = 0.05
WAITING_MESSAGES = 1000
DAY_SECONDS = 86400


def finding(level, subject, text, remedy):
    """One thing that is not as it should be, in the shape of the cloud's own health report."""
    return {"level": level, "subject": subject, "text": text, "remedy": remedy}


def unit_findings(enabled, states):
    """Units that start with the host and do not run. `states`: unit → what systemd calls it."""
    for unit in enabled:
        state = states.get(unit, "inactive")
        if state not in ("active", "reloading"):
            yield finding("error", unit, f"is {state}", f"systemctl start {unit}; journalctl -u {unit} tells why it stopped")


def failed_findings(failed, enabled):
    """Other units of the host that failed."""
    for unit in sorted(set(failed) - set(enabled)):
        yield finding("warning", unit, "failed", f"journalctl -u {unit} tells why; systemctl reset-failed {unit} forgets it")


def disk_findings(usages):
    """File systems that fill up. `usages`: path → (total, free) bytes."""
    for path, (total, free) in usages.items():
        used = 1 - free / total
        if used >= DISK_WARNING:
            level = "error" if used >= DISK_ERROR else "warning"
            yield finding(level, path, f"is {used:.0%} full, {free / 1024**3:.1f} GiB are free", "make room, or give it a larger disk")


def memory_findings(total_kib, available_kib):
    """Hardly any memory is left."""
    if available_kib < total_kib * MEMORY_WARNING:
        yield finding(
            "warning", "memory", f"{available_kib // 1024} MiB of {total_kib // 1024} MiB are available", "move servers away, or add memory"
        )


def certificate_findings(ends, now, least_days):
    """Certificates that end soon. `ends`: path → seconds since 1970."""
    for path, end in ends.items():
        days = int((end - now) // DAY_SECONDS)
        if days < least_days:
            level, text = ("error", "has ended") if days < 0 else ("warning", f"ends in {days} days")
            yield finding(level, path, text, "./cloudctl reconfigure makes a host's anew; the authority's own: docs/operator.md")


def galera_findings(status, members):
    """The database's member is in sync, and nobody is missing. `status`: the server's wsrep variables, None when it does not answer."""
    if status is None:
        yield finding("error", "MariaDB", "does not answer", "systemctl status mariadb galera-member")
    elif status.get("wsrep_on", "ON") == "ON" and members > 1:
        if status.get("wsrep_local_state_comment") != "Synced":
            remedy = "wait: it fetches what it missed; should it not end, journalctl -u mariadb tells why"
            yield finding("error", "MariaDB", f"is {status.get('wsrep_local_state_comment')}, not Synced", remedy)
        size = int(status.get("wsrep_cluster_size", 0))
        if size < members:
            yield finding(
                "warning", "MariaDB", f"sees {size} of {members} members", "start mariadb on the missing host; it joins by itself"
            )


def rabbitmq_findings(status, members):
    """The queue's node runs with all others. `status`: rabbitmqctl's cluster_status, None when it does not answer."""
    if status is None:
        yield finding("error", "RabbitMQ", "does not answer", "systemctl status rabbitmq-server")
        return
    running = status.get("running_nodes", [])
    if len(running) < members:
        yield finding(
            "warning",
            "RabbitMQ",
            f"sees {len(running)} of {members} nodes",
            "start rabbitmq-server on the missing host; it joins by itself",
        )
    if status.get("partitions"):
        yield finding(
            "error", "RabbitMQ", f"is partitioned: {status['partitions']}", "mend the network; the smaller side waits and joins again"
        )
    for alarm in status.get("alarms", []):
        yield finding("error", "RabbitMQ", f"has the alarm {alarm}", "make room on its disk, or memory: it takes no messages until then")


def queue_findings(queues):
    """Queues in which work piles up."""
    for queue in queues:
        if int(queue.get("messages", 0)) > WAITING_MESSAGES:
            text = f"{queue['messages']} messages wait for {queue.get('consumers', 0)} consumers"
            yield finding("warning", queue["name"], text, "see that the worker or agent that serves it runs")


def is_first(status):
    """Whether this node lists the queues for all: the first of those that run now."""
    return bool(status) and min(status.get("running_nodes", [""])) == status.get("local_node")


class Host:
    """What the checks ask of the host they run on."""

    def __init__(self, module):
        self._module = module

    def run(self, *command):
        """What the command prints; None when it is not there or fails."""
        if shutil.which(command[0]) is None:
            return None
        status, output, _ = self._module.run_command(list(command))
        return output if status == 0 else None

    def enabled(self):
        """Our units that start with the host, and those that they bring along (ovn-central brings ovn-northd)."""
        listed = self.run("systemctl", "list-unit-files", "--state=enabled", "--plain", "--no-legend", *UNITS) or ""
        units = [line.split()[0] for line in listed.splitlines()]
        brought = self.run("systemctl", "show", "--property=Wants", "--value", *units) if units else ""
        return sorted({*units, *(unit for unit in (brought or "").split() if any(fnmatch(unit, pattern) for pattern in UNITS))})

    def states(self, units):
        if not units:
            return {}
        shown = self._module.run_command(["systemctl", "is-active", *units])[1].split()
        return dict(zip(units, shown, strict=False))

    def failed(self):
        listed = self.run("systemctl", "list-units", "--failed", "--plain", "--no-legend") or ""
        return [line.split()[0] for line in listed.splitlines()]

    def usages(self):
        paths = [path for path in ("/", "/var/lib", "/var/log", "/var/lib/cloudd") if Path(path).exists()]
        found, seen = {}, set()
        for path in paths:
            device = os.stat(path).st_dev
            if device not in seen:
                seen.add(device)
                usage = shutil.disk_usage(path)
                found[path] = (usage.total, usage.free)
        return found

    def memory(self):
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
        return int(lines["MemTotal"].split()[0]), int(lines["MemAvailable"].split()[0])

    def certificate_ends(self):
        ends = {}
        for path in sorted(TLS.glob("*.pem")):
            text = self.run("openssl", "x509", "-noout", "-enddate", "-dateopt", "iso_8601", "-in", str(path))
            if text:
                ends[str(path)] = time.mktime(time.strptime(text.partition("=")[2].strip(), "%Y-%m-%d %H:%M:%SZ")) - time.timezone
        return ends

    def galera(self):
        text = self.run("mysql", "--skip-column-names", "--batch", "--execute", "show global status like 'wsrep%'")
        return None if text is None else dict(line.split("\t", 1) for line in text.splitlines())

    def rabbitmq(self):
        text = self.run("rabbitmqctl", "--quiet", "cluster_status", "--formatter", "json")
        if text is None:
            return None
        status = json.loads(text)
        return {**status, "local_node": f"rabbit@{os.uname().nodename}"}

    def queues(self):
        text = self.run(
            "rabbitmqctl", "--quiet", "list_queues", "--vhost", "cloudd", "--formatter", "json", "name", "messages", "consumers"
        )
        return json.loads(text or "[]")


def look(host, wanted):
    """All checks that make sense here: (name, title, findings)."""
    enabled = host.enabled()
    yield "host.units", "units", [*unit_findings(enabled, host.states(enabled)), *failed_findings(host.failed(), enabled)]
    yield "host.disks", "disks", disk_findings(host.usages())
    yield "host.memory", "memory", memory_findings(*host.memory())
    yield "host.certificates", "certificates", certificate_findings(host.certificate_ends(), time.time(), wanted["certificate_days"])
    if "mariadb.service" in enabled:
        yield "host.mariadb", "MariaDB", galera_findings(host.galera(), wanted["control_hosts"])
    if "rabbitmq-server.service" in enabled:
        status = host.rabbitmq()
        queues = queue_findings(host.queues()) if is_first(status) else []
        yield "host.rabbitmq", "RabbitMQ", [*rabbitmq_findings(status, wanted["control_hosts"]), *queues]
    if Path("/usr/local/sbin/ovn_quorum").exists():
        status, output, complaint = host._module.run_command(["/usr/local/sbin/ovn_quorum"])
        text = (complaint or output).strip().splitlines()
        remedy = "start the OVN databases on the missing host; they join by themselves"
        yield (
            "host.ovn",
            "OVN databases",
            [finding("error", "OVN databases", text[-1] if text else "have no quorum", remedy)] if status else [],
        )


def main():
    """Look, answer."""
    module = AnsibleModule(
        argument_spec={
            "control_hosts": {"type": "int", "default": 1},
            "deployer_time": {"type": "float"},
            "certificate_days": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    checks = [{"name": name, "title": title, "findings": list(found)} for name, title, found in look(Host(module), module.params)]
    module.exit_json(changed=False, checks=checks, asked=module.params["deployer_time"], clock=time.time())


if __name__ == "__main__":
    main()
