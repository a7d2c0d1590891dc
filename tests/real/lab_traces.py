"""What a lab has on this machine outside of its cache: links, namespaces, tables, cgroups, mounts, processes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def traces(name: str, index: int) -> set[str]:
    """Everything that bears the lab's name; empty once it is down."""
    marks = (f"lab{index}-", f"lab-{name}-", f"cloud_lab_{name.replace('-', '_')}", f"cloud_lab_{name}")
    found = set(os.listdir("/sys/class/net")) | set(_output("ip", "netns").split()) | set(_output("nft", "list", "tables").split())
    found |= {str(path) for path in Path("/sys/fs/cgroup").glob("**/lab-*")}
    found |= {str(path) for path in Path("/run/systemd/nspawn").glob("*/*")}
    found |= set(Path("/proc/mounts").read_text().split())
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found |= set(process.read_text().split("\0"))
        except OSError:
            continue
    return {trace for trace in found if any(mark in trace for mark in marks)}


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
