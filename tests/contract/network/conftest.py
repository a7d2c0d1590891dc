"""Both engines behind one fixture: the fake, and OVN's northbound schema served by a private ovsdb-server."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cloudd.network.drivers.base import NetworkDriver
from cloudd.network.drivers.fake import FakeDriver
from cloudd.network.drivers.ovn import OvnDriver

SCHEMA = Path("/usr/share/ovn/ovn-nb.ovsschema")
needs_ovn = pytest.mark.skipif(not SCHEMA.exists() or shutil.which("ovsdb-server") is None, reason="ovn-common is not installed")


@pytest.fixture(scope="session")
def northbound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The remote of a fresh northbound database."""
    directory = tmp_path_factory.mktemp("ovn")
    database, socket = directory / "nb.db", directory / "nb.sock"
    subprocess.run(["ovsdb-tool", "create", str(database), str(SCHEMA)], check=True)
    server = subprocess.Popen(
        ["ovsdb-server", f"--remote=punix:{socket}", f"--unixctl={directory}/ctl", "--no-chdir", "-vconsole:off", str(database)],
        env={"OVS_RUNDIR": str(directory), "PATH": "/usr/bin:/usr/sbin:/bin:/sbin"},
    )
    try:
        while not socket.exists():
            assert server.poll() is None, "ovsdb-server ended at once"
        yield f"unix:{socket}"
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture(params=["fake", pytest.param("ovn", marks=needs_ovn)])
async def driver(request: pytest.FixtureRequest) -> AsyncIterator[NetworkDriver]:
    """A started engine that holds nothing."""
    made: NetworkDriver = FakeDriver() if request.param == "fake" else OvnDriver(request.getfixturevalue("northbound"))
    await made.start("11111111-cloud", lambda state: None, lambda: None)
    yield made
    for kind, objects in (await made.inventory()).items():
        for object_id in objects:
            await made.delete(kind, object_id)
    await made.stop()
    await asyncio.sleep(0)
