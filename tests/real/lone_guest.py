"""One guest under QEMU without a cloud: in a network namespace of its own, with the DHCP and metadata services a cloud would give it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

GATEWAY = "10.77.0.1"
METADATA_GATEWAY = "10.77.0.2"
METADATA_ADDRESS = "169.254.169.254"
ADDRESS = "10.77.0.50"
MAC = "52:54:00:77:00:50"
NAME_SERVER = "10.77.0.3"
MTU = 1400
SSH_OPTIONS = (
    *("IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"),
    *("ConnectTimeout=10", "BatchMode=yes", "LogLevel=ERROR"),
)

T = TypeVar("T")


def wait_for(what: str, check: Callable[[], T], timeout_seconds: float = 60, pause_seconds: float = 0.2) -> T:
    """What ``check`` answers once that is true; fails with ``what`` it waited for."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        if answer := check():
            return answer
        time.sleep(pause_seconds)
    raise AssertionError(f"no {what} within {timeout_seconds:.0f} s")


class Cable:
    """A network namespace with a tap device, a DHCP server that also hands out routes and an MTU, and a place for metadata."""

    def __init__(self, directory: Path) -> None:
        self.name = f"lone-guest-{os.getpid()}"
        self.metadata = directory / "metadata"
        (self.metadata / "openstack/latest").mkdir(parents=True)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._service: subprocess.Popen[bytes] | None = None
        self.guest: LoneGuest | None = None
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        for command in (
            "link set lo up",
            f"address add {METADATA_ADDRESS}/32 dev lo",
            "tuntap add tap0 mode tap",
            "tuntap add tap1 mode tap",
            f"address add {GATEWAY}/24 dev tap0",
            f"address add {METADATA_GATEWAY}/24 dev tap0",
            "link set tap0 up",
            "link set tap1 up",
        ):
            subprocess.run(["ip", "-n", self.name, *command.split()], check=True)
        self._start(
            *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=tap0", "--bind-interfaces"),
            *(f"--dhcp-range={ADDRESS},{ADDRESS},255.255.255.0,1h", f"--dhcp-host={MAC},{ADDRESS}", f"--dhcp-leasefile={directory}/leases"),
            *(f"--dhcp-option=6,{NAME_SERVER}", f"--dhcp-option=26,{MTU}", "--user=root", "--pid-file="),
            f"--dhcp-option=121,{METADATA_ADDRESS}/32,{METADATA_GATEWAY},0.0.0.0/0,{GATEWAY}",
        )

    def inside(self, *command: str) -> list[str]:
        """The command, run inside the namespace."""
        return ["ip", "netns", "exec", self.name, *command]

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(self.inside(*command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._processes.append(process)
        return process

    def describe(self, meta_data: dict[str, Any], user_data: str | None = None) -> None:
        """What the metadata service says from now on."""
        latest = self.metadata / "openstack/latest"
        (latest / "meta_data.json").write_text(json.dumps(meta_data))
        (latest / "user_data").unlink(missing_ok=True)
        if user_data is not None:
            (latest / "user_data").write_text(user_data)

    def serve_metadata(self) -> None:
        """Start the metadata service, unless it runs."""
        if self._service:
            return
        self._service = self._start("python3", "-m", "http.server", "80", "--bind", METADATA_ADDRESS, "--directory", str(self.metadata))

    def withdraw_metadata(self) -> None:
        """Stop the metadata service."""
        if self._service:
            self._service.kill()
            self._service.wait()
            self._service = None

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        subprocess.run(["ip", "netns", "delete", self.name], check=True)


class LoneGuest:
    """A running QEMU with the disk given; the console is a file, the machine is steered through QMP."""

    def __init__(self, cable: Cable, directory: Path, disk: list[str], memory_mib: int = 128) -> None:
        self.cable = cable
        # There is one cable: who comes takes it from who was there.
        if cable.guest:
            cable.guest.close()
        cable.guest = self
        self.console_path = directory / "console.log"
        self.console_path.unlink(missing_ok=True)
        control = directory / "qmp.sock"
        control.unlink(missing_ok=True)
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            cable.inside(
                *("qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-smp", "1", "-m", str(memory_mib), "-display", "none"),
                *("-smbios", "type=1,product=OpenStack Nova"),
                *("-serial", f"file:{self.console_path}", "-qmp", f"unix:{control},server=on,wait=off", "-no-reboot"),
                *("-netdev", "tap,id=net0,ifname=tap0,script=no,downscript=no", "-device", f"virtio-net-pci,netdev=net0,mac={MAC}"),
                *(word for port in range(4) for word in ("-device", f"pcie-root-port,id=port{port},chassis={port + 1}")),
                *disk,
            )
        )
        wait_for("QMP socket", control.exists, 10)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(control))
        self._stream = self._socket.makefile("rw")
        self._stream.readline()
        self.events: list[str] = []
        self.qmp("qmp_capabilities")

    def qmp(self, command: str, **arguments: Any) -> Any:
        """The answer to a QMP command; keeps the names of the events that come before it."""
        self._stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._stream.flush()
        while True:
            message = json.loads(self._stream.readline())
            if "event" in message:
                self.events.append(message["event"])
                continue
            assert "return" in message, f"QMP {command}: {message}"
            return message["return"]

    def plug(self, driver: str, name: str, port: int, **properties: Any) -> None:
        """Plug a device into one of the machine's four root ports."""
        self.qmp("device_add", driver=driver, id=name, bus=f"port{port}", **properties)

    def unplug(self, name: str) -> None:
        """Ask the guest to give a device back, and wait until it has."""
        self.qmp("device_del", id=name)
        wait_for(f"unplugged {name}", lambda: self.qmp("query-status") and "DEVICE_DELETED" in self.events, 20)
        self.events.clear()

    @property
    def console(self) -> str:
        """All that the guest has printed."""
        return self.console_path.read_text(errors="replace") if self.console_path.exists() else ""

    def wait_for_line(self, pattern: str, timeout_seconds: float = 90) -> re.Match[str]:
        """The first match on the console."""
        try:
            return wait_for(f"line like {pattern!r} on the console", lambda: re.search(pattern, self.console), timeout_seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; the console says:\n{self.console}") from None

    def ssh(self, key: Path, command: str, *, user: str = "root", check: bool = True) -> str:
        """Standard output of the command, run in the guest the way that Tempest runs commands."""
        done = subprocess.run(
            self.cable.inside(
                *("ssh", "-i", str(key), *(f"-o{option}" for option in SSH_OPTIONS), f"{user}@{ADDRESS}"),
                f"set -eu -o pipefail; PATH=$PATH:/sbin:/usr/sbin; {command}",
            ),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not check or done.returncode == 0, f"{command!r} ended with {done.returncode}: {done.stdout} {done.stderr}"
        return done.stdout if done.returncode == 0 else ""

    def wait_for_log_in(self, key: Path, *, user: str = "root", timeout_seconds: float = 60) -> float:
        """Seconds since the start until the key opened the guest."""
        try:
            wait_for("log-in by ssh", lambda: self.ssh(key, "echo in", user=user, check=False) == "in\n", timeout_seconds, 0.3)
        except AssertionError as error:
            raise AssertionError(f"{error}; the console says:\n{self.console}") from None
        return time.monotonic() - self.started

    def power_off(self, timeout_seconds: float = 40) -> float:
        """Press the power button; seconds until the guest has switched itself off."""
        pressed = time.monotonic()
        self.qmp("system_powerdown")
        self.process.wait(timeout=timeout_seconds)
        return time.monotonic() - pressed

    def close(self) -> None:
        self._socket.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
