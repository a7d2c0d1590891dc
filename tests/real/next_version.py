"""Makes the version after this one in a copy of the repository: a table, a message and a route change, as a real release changes them.

Compute hosts tell which kernel they run: a field in the heartbeat, a column of the host (revisions that expand and contract), a field
in the answer of os-services.
"""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

from cloudd.migrations import schema

COPIED = ("pyproject.toml", "constraints.txt", "README.md")
VERSIONS = Path(schema.__file__).parent / "versions"
#: File, what stands there, and what stands there in the next version.
ADDRESS = '    address: str = ""\n'
ZONE = "    availability_zone: str\n"
FIELD = '    kernel: str = ""\n'
CAPACITY = '    sa.Column("capacity", Json(), nullable=False),\n'
COLUMN = '    sa.Column("kernel", sa.String(64), server_default="", nullable=False),\n'
BEAT = "heartbeat = m.Heartbeat(\n"
KERNEL = '                kernel=__import__("platform").release(),\n'
VALUE = '"capacity": beat.capacity,\n'
BINARY = '        "binary": BINARY,\n'
CHANGES = [
    ("compute/messages.py", ADDRESS + ZONE, ADDRESS + FIELD + ZONE),
    ("compute/agent/agent.py", BEAT, BEAT + KERNEL),
    ("compute/store/host.py", CAPACITY, CAPACITY + COLUMN),
    ("compute/store/host.py", ADDRESS + ZONE, ADDRESS + FIELD + ZONE),
    ("compute/domain/host.py", VALUE, VALUE + '                        "kernel": beat.kernel,\n'),
    ("compute/api/host_service.py", BINARY, BINARY + '        "kernel": host.kernel,\n'),
]
REVISION = '''"""{title}."""

import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {down!r}
branch_labels = None
depends_on = {depends!r}
phase = {phase!r}


def upgrade() -> None:
    {work}
'''


def make(source: Path, target: Path) -> None:
    """Copy what a wheelhouse is built from, and change it. AssertionError where this version is no longer what the changes fit."""
    shutil.copytree(source / "cloudd", target / "cloudd", ignore=shutil.ignore_patterns("__pycache__"))
    for name in COPIED:
        shutil.copy(source / name, target / name)
    for name, before, after in CHANGES:
        path = target / "cloudd" / name
        text = path.read_text()
        assert text.count(before) == 1, f"{name} has {text.count(before)} times: {before}"
        path.write_text(text.replace(before, after))
    newest = newest_expansion()
    column = "sa.Column('kernel', sa.String(64), server_default='', nullable=False)"
    _revision(target, "9001", "expand", newest, None, f"op.add_column('compute_host', {column})")
    _revision(target, "9002", "contract", None, "9001", "op.create_index('ix_compute_host_kernel', 'compute_host', ['kernel'])")


def newest_expansion() -> str:
    """The last revision that expands, of this version."""
    revisions = []
    for path in VERSIONS.glob("0*.py"):
        top = {node.targets[0].id: node.value for node in ast.parse(path.read_text()).body
               if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)}  # fmt: skip
        if ast.literal_eval(top["phase"]) == schema.EXPAND:
            revisions.append(str(ast.literal_eval(top["revision"])))
    return max(revisions)


def _revision(target: Path, revision: str, phase: str, down: str | None, depends: str | None, work: str) -> None:
    text = REVISION.format(title="Made up for a test", revision=revision, down=down, depends=depends, phase=phase, work=work)
    (target / "cloudd" / "migrations" / "versions" / f"{revision}_made_up.py").write_text(text)
