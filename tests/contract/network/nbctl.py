"""Somebody else's view of a database of OVN."""

import json
import subprocess
from typing import Any


class Nbctl:
    def __init__(self, remote: str, program: str = "ovn-nbctl") -> None:
        self.command = [program, "--no-leader-only", f"--db={remote}", "--timeout=10"]

    def __call__(self, *words: str) -> str:
        done = subprocess.run([*self.command, *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def rows(self, table: str) -> list[dict[str, Any]]:
        found = json.loads(self("--format=json", "--data=json", "list", table))
        return [dict(zip(found["headings"], row, strict=True)) for row in found["data"]]
