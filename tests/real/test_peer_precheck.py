"""The probes between hosts, on real links: two network namespaces joined by a bridge, and each fault made there."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.real

MODULE = Path(__file__).resolve().parents[2] / "plugins" / "module_utils" / "network_probe.py"
NAMESPACES = ("peercheck1", "peercheck2")
BRIDGE = "peercheckbr"
#: Runs a function of the module inside a namespace and prints its answer.
CALL = (
    "import importlib.util, json, sys; s = importlib.util.spec_from_file_location('m', sys.argv[1]);"
    " m = importlib.util.module_from_spec(s); s.loader.exec_module(m);"
    " print(json.dumps(sorted(getattr(m, sys.argv[2])(*eval(sys.argv[3])))))"
)
ADVERTISE = (
    "import socket, sys, time; s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112);"
    " s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton('203.0.113.2'));"
    " hello = bytes([0x21, int(sys.argv[1]), 100, 1, 0, 1, 0, 0, 203, 0, 113, 9]);"
    " [(s.sendto(hello, ('224.0.0.18', 0)), time.sleep(0.2)) for _ in range(10)]"
)


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def inside(number: int, function: str, *arguments: Any) -> list[Any]:
    command = (sys.executable, "-c", CALL, str(MODULE), function, repr(arguments))
    return list(json.loads(run("ip", "netns", "exec", NAMESPACES[number - 1], *command)))


@pytest.fixture(scope="module")
def hosts() -> Iterator[None]:
    try:
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        run("ip", "link", "set", BRIDGE, "up")
        for number, name in enumerate(NAMESPACES, 1):
            run("ip", "netns", "add", name)
            run("ip", "link", "add", f"peercheck{number}o", "type", "veth", "peer", "name", "eth0", "netns", name)
            run("ip", "link", "set", f"peercheck{number}o", "master", BRIDGE, "up")
            run("ip", "-n", name, "address", "add", f"203.0.113.{number}/24", "dev", "eth0")
            run("ip", "-n", name, "link", "set", "eth0", "up")
        yield
    finally:
        for name in NAMESPACES:
            subprocess.run(["ip", "netns", "del", name], check=False)
        subprocess.run(["ip", "link", "del", BRIDGE], check=False)


@pytest.mark.usefixtures("hosts")
def test_who_answers() -> None:
    assert inside(1, "reach", "203.0.113.1", {"203.0.113.2", "203.0.113.77"}, 56) == ["203.0.113.2"]
    assert inside(2, "reach", "203.0.113.2", {"203.0.113.1"}, 1472) == ["203.0.113.1"]


@pytest.mark.usefixtures("hosts")
def test_a_narrow_way_lets_small_packets_only_through() -> None:
    run("ip", "-n", NAMESPACES[1], "link", "set", "eth0", "mtu", "1400")
    try:
        assert inside(2, "reach", "203.0.113.2", {"203.0.113.1"}, 1472) == []
        assert inside(2, "reach", "203.0.113.2", {"203.0.113.1"}, 1372) == ["203.0.113.1"]
    finally:
        run("ip", "-n", NAMESPACES[1], "link", "set", "eth0", "mtu", "1500")


@pytest.mark.usefixtures("hosts")
def test_a_call_that_is_swallowed_is_told_from_one_that_is_refused() -> None:
    rules = "tcp dport 16514 drop; tcp dport 3306 reject with icmp type admin-prohibited;"
    rules = f"table ip peercheck {{ chain input {{ type filter hook input priority filter; {rules} }}; }}"
    run("ip", "netns", "exec", NAMESPACES[1], "nft", rules)
    try:
        assert inside(1, "swallowed", "203.0.113.1", {("203.0.113.2", port) for port in (16514, 3306, 49152)}) == [
            ["203.0.113.2", 3306],
            ["203.0.113.2", 16514],
        ]
    finally:
        run("ip", "netns", "exec", NAMESPACES[1], "nft", "delete table ip peercheck")
    assert inside(1, "swallowed", "203.0.113.1", {("203.0.113.2", 16514)}) == []


@pytest.mark.usefixtures("hosts")
def test_who_holds_an_address() -> None:
    (link,) = json.loads(run("ip", "-n", NAMESPACES[1], "-json", "link", "show", "eth0"))
    assert inside(1, "holders", "eth0", "203.0.113.2") == [link["address"]]
    assert inside(1, "holders", "eth0", "203.0.113.1") == []
    assert inside(1, "holders", "eth0", "203.0.113.9") == []


@pytest.mark.usefixtures("hosts")
def test_a_router_is_heard() -> None:
    speaker = threading.Thread(target=run, args=("ip", "netns", "exec", NAMESPACES[1], sys.executable, "-c", ADVERTISE, "84"))
    speaker.start()
    assert inside(1, "routers", "eth0", 1.5) == [["203.0.113.2", 84]]
    speaker.join()
