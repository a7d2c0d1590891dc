"""Each revision says whether it expands or contracts; those that expand only add what the version before can live with."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloudd.kit.db import Database
from cloudd.kit.settings import Settings
from cloudd.migrations import schema

VERSIONS = Path(schema.__file__).parent / "versions"
#: Older than the first cloud that could be upgraded under load.
BEFORE_UPGRADES = {"0001", "0002", "0003", "0004"}
ADDITIONS = {"create_table", "add_column", "create_index", "batch_alter_table", "f"}

REVISION = """
import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {down!r}
branch_labels = None
depends_on = {depends!r}
phase = {phase!r}


def upgrade() -> None:
    {work}
"""


def constants(path: Path) -> dict[str, object]:
    """The constants at the top of a revision's file."""
    found = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


def objections(source: str) -> list[str]:
    """What `upgrade` of an expanding revision does that the version before may mind."""
    upgrade = next(node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == "upgrade")
    found = []
    for call in [node for node in ast.walk(upgrade) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]:
        assert isinstance(call.func, ast.Attribute)
        if isinstance(call.func.value, ast.Name) and call.func.value.id in {"op", "batch_op"} and call.func.attr not in ADDITIONS:
            found.append(f"line {call.lineno}: {call.func.attr} belongs to a revision that contracts")
        if call.func.attr == "create_index" and any(k.arg == "unique" and ast.literal_eval(k.value) for k in call.keywords):
            found.append(f"line {call.lineno}: a new rule that rows be unique may refuse what the version before writes")
        if call.func.attr == "add_column":
            (column,) = [node for node in call.args if isinstance(node, ast.Call)]
            given = {k.arg: k.value for k in column.keywords}
            nullable = "nullable" not in given or ast.literal_eval(given["nullable"])
            if not nullable and "server_default" not in given:
                found.append(f"line {call.lineno}: the version before cannot insert rows without the new column; give it a server_default")
    return found


@pytest.mark.parametrize("path", sorted(VERSIONS.glob("0*.py")), ids=lambda path: path.stem)
def test_every_revision_says_its_phase(path: Path) -> None:
    own = constants(path)
    assert own["phase"] in (schema.EXPAND, schema.CONTRACT)
    if own["phase"] == schema.CONTRACT:
        assert own["depends_on"], "the tables that it contracts are those of a revision that expands"
    elif own["revision"] not in BEFORE_UPGRADES:
        assert not objections(path.read_text())
        assert not own["depends_on"]


@pytest.mark.parametrize(
    "work",
    [
        "op.drop_table('t')",
        "op.drop_column('t', 'c')",
        "op.alter_column('t', 'c', nullable=False)",
        "op.execute('UPDATE t SET c = 1')",
        "op.add_column('t', sa.Column('c', sa.Integer(), nullable=False))",
        "op.create_index('i', 't', ['c'], unique=True)",
    ],
)
def test_what_does_more_than_add_is_objected_to(work: str) -> None:
    assert objections(REVISION.format(revision="1", down=None, depends=None, phase="expand", work=work))


def test_additions_are_not_objected_to() -> None:
    for work in (
        "op.add_column('t', sa.Column('c', sa.Integer(), nullable=True))",
        "op.add_column('t', sa.Column('c', sa.Integer(), server_default='0', nullable=False))",
        "op.create_index('i', 't', ['c'])",
        "op.create_table('u', sa.Column('c', sa.Integer(), nullable=False))",
    ):
        assert not objections(REVISION.format(revision="1", down=None, depends=None, phase="expand", work=work))


class Versions:
    """Migrations of a version that is made up: the real ones, and some more."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self._monkeypatch = monkeypatch
        self.settings = Settings({"database": {"url": f"sqlite:///{directory}/cloud.db"}})

    def have(self, name: str, **more: tuple[str, str | None, str | None, str]) -> None:
        """Go to the version `name` with more revisions: (phase, down_revision, depends_on, work)."""
        home = self.directory / name
        shutil.copytree(VERSIONS.parent, home, ignore=shutil.ignore_patterns("__pycache__"))
        for revision, (phase, down, depends, work) in more.items():
            text = REVISION.format(revision=revision, down=down, depends=depends, phase=phase, work=work)
            (home / "versions" / f"{revision}.py").write_text(text)
        self._monkeypatch.setattr(schema, "__file__", str(home / "schema.py"))

    async def columns(self, table: str) -> set[str]:
        db = Database(f"sqlite:///{self.directory}/cloud.db")
        try:
            found = await db.engine.run(lambda c: {column["name"] for column in sa.inspect(c).get_columns(table)})
            return set(found)
        finally:
            await db.close()


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Versions:
    return Versions(tmp_path, monkeypatch)


NEWEST = max(str(constants(path)["revision"]) for path in VERSIONS.glob("0*.py"))
ADD = ("expand", NEWEST, None, "op.add_column('kit_lock', sa.Column('holder', sa.String(64), nullable=True))")
DROP = ("contract", None, "9001", "op.drop_table('network_mark')")
LATER = ("expand", "9001", None, "op.add_column('kit_lock', sa.Column('since', sa.Integer(), nullable=True))")


async def test_contraction_waits_for_its_own_time(versions: Versions) -> None:
    versions.have("n")
    await schema.expand(versions.settings)
    versions.have("n1", **{"9001": ADD, "9002": DROP})
    await schema.expand(versions.settings)
    assert "holder" in await versions.columns("kit_lock")
    assert await versions.columns("network_mark")
    assert await schema.current(versions.settings) == "9001"
    # The version before is rolled back to, and deployed again.
    versions.have("n-again")
    await schema.expand(versions.settings)
    assert await schema.current(versions.settings) == "9001"
    versions.have("n1-again", **{"9001": ADD, "9002": DROP})
    await schema.upgrade(versions.settings)
    with pytest.raises(sa.exc.NoSuchTableError):
        await versions.columns("network_mark")
    # The next version expands on.
    versions.have("n2", **{"9001": ADD, "9002": DROP, "9003": LATER})
    await schema.expand(versions.settings)
    assert {"holder", "since"} <= await versions.columns("kit_lock")
    assert await schema.current(versions.settings) == "9002,9003"
    await schema.upgrade(versions.settings)


async def test_a_later_version_expands_past_a_contraction_that_waits(versions: Versions) -> None:
    versions.have("n")
    await schema.expand(versions.settings)
    versions.have("n2", **{"9001": ADD, "9002": DROP, "9003": LATER})
    await schema.expand(versions.settings)
    assert {"holder", "since"} <= await versions.columns("kit_lock")
    assert await versions.columns("network_mark")


async def test_an_empty_database_gets_everything(versions: Versions) -> None:
    versions.have("n1", **{"9001": ADD, "9002": DROP})
    await schema.expand(versions.settings)
    with pytest.raises(sa.exc.NoSuchTableError):
        await versions.columns("network_mark")
