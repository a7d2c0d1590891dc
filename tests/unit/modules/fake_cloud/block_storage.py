"""The fake cloud's volumes, snapshots and volume types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from openstack.block_storage.v3.snapshot import Snapshot
from openstack.block_storage.v3.type import Type
from openstack.block_storage.v3.volume import Volume

from .shelf import Shelf


class FakeVolume(Volume):
    """A volume whose metadata goes to the fake cloud instead of over HTTP."""

    def replace_metadata(self, session: Any, metadata: Any = None) -> Any:
        session.keep_metadata(self.id, metadata)
        return self


class FakeBlockStorage:
    """Stands where connection.block_storage does."""

    def __init__(self, cloud: Any) -> None:
        self.__cloud = cloud
        self.__volumes = Shelf(FakeVolume)
        self.__snapshots = Shelf(Snapshot)
        self.__types = Shelf(Type)
        self.__types.put("type-file", name="file")
        self.__count = 0

    def keep_metadata(self, volume_id: str, metadata: dict[str, str]) -> None:
        """Hold metadata as a real cloud does: with what it adds itself."""
        self.__cloud.calls.append("replace_metadata")
        self.__volumes.kept[volume_id]["metadata"] = {**metadata, "readonly": "False"}

    def set_attachment(self, volume_id: str, server_id: str | None) -> None:
        """Attach or detach as the compute service does."""
        attachments = [{"server_id": server_id, "device": "/dev/vdb", "attachment_id": f"attachment-{volume_id}"}] if server_id else []
        self.__volumes.kept[volume_id].update(status="attaching" if server_id else "detaching")
        self.__volumes.later(volume_id, status="in-use" if server_id else "available", attachments=attachments)

    def break_volume(self, volume_id: str) -> None:
        """Let a volume fall into an error state."""
        self.__volumes.kept[volume_id]["status"] = "error"

    def find_volume(self, name_or_id: str, ignore_missing: bool = True) -> Any:
        return self.__volumes.find(name_or_id, ignore_missing)

    def get_volume(self, volume: str) -> Any:
        return self.__volumes.get(volume)

    def volumes(self, *, details: bool = True, all_projects: bool = False) -> Iterator[Any]:
        return self.__volumes.all()

    def create_volume(self, **attrs: Any) -> Any:
        self.__cloud.calls.append("create_volume")
        self.__count += 1
        volume_id = f"volume-{self.__count}"
        image_id = attrs.pop("image_id", None)
        made_from = {"volume_image_metadata": {"image_id": image_id}} if image_id else {}
        defaults = {"attachments": [], "volume_type": "file", "is_bootable": bool(image_id), "availability_zone": "nova"}
        volume = self.__volumes.put(volume_id, **{**defaults, **attrs, **made_from, "status": "creating"})
        self.__volumes.later(volume_id, status="available")
        return volume

    def update_volume(self, volume: str, **attrs: Any) -> Any:
        self.__cloud.calls.append("update_volume")
        self.__volumes.kept[volume].update(attrs)
        return self.__volumes.get(volume)

    def set_volume_bootable_status(self, volume: str, bootable: bool) -> None:
        self.__cloud.calls.append("set_volume_bootable_status")
        self.__volumes.kept[volume]["is_bootable"] = bootable

    def extend_volume(self, volume: str, size: int) -> None:
        self.__cloud.calls.append("extend_volume")
        before = self.__volumes.kept[volume]["status"]
        self.__volumes.kept[volume]["status"] = "extending"
        self.__volumes.later(volume, status=before, size=size)

    def delete_volume(self, volume: str, ignore_missing: bool = True) -> None:
        self.__cloud.calls.append("delete_volume")
        self.__volumes.kept[volume]["status"] = "deleting"
        self.__volumes.vanish_later(volume)

    def find_snapshot(self, name_or_id: str, ignore_missing: bool = True) -> Any:
        return self.__snapshots.find(name_or_id, ignore_missing)

    def snapshots(self) -> Iterator[Any]:
        return self.__snapshots.all()

    def find_type(self, name_or_id: str, ignore_missing: bool = True) -> Any:
        return self.__types.find(name_or_id, ignore_missing)

    def types(self) -> Iterator[Any]:
        return self.__types.all()
