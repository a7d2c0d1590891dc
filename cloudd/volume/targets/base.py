"""The ability of every kind of export, and the one that exports nothing."""

import abc

from cloudd.volume.drivers.base import Connection


class Target(abc.ABC):
    """Makes what a driver attached on this host reachable from others. Each act may be repeated: the second time finds it done."""

    @abc.abstractmethod
    async def recover(self) -> None:
        """Bring back every export that should be there; run at start, and time and again, for the exporting daemon may die alone."""

    @abc.abstractmethod
    async def export(self, volume_id: str, attachment_id: str, local: Connection) -> Connection:
        """Make `local` reachable for one attachment; how. The same attachment gets the same answer."""

    @abc.abstractmethod
    async def withdraw(self, attachment_id: str) -> None:
        """End an export, whoever still uses it; fine where there is none."""


class LocalOnly(Target):
    """Volumes are used on the host that keeps them: the embedded cloud."""

    async def recover(self) -> None:
        """Nothing is kept."""

    async def export(self, volume_id: str, attachment_id: str, local: Connection) -> Connection:
        return local

    async def withdraw(self, attachment_id: str) -> None:
        """Nothing is kept."""
