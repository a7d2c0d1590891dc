"""What each piece of long work on volumes must know: the parameters of the sagas."""

import msgspec


class CreateVolumeParams(msgspec.Struct):
    volume_id: str
    project_id: str
    user_id: str


class DeleteVolumeParams(msgspec.Struct):
    volume_id: str
    project_id: str
    user_id: str
    #: those that go with it
    snapshot_ids: list[str] = []


class ExtendVolumeParams(msgspec.Struct):
    volume_id: str
    project_id: str
    user_id: str
    size_gib: int
    previous_status: str


class UploadVolumeParams(msgspec.Struct):
    volume_id: str
    project_id: str
    user_id: str
    image_id: str
    disk_format: str
    previous_status: str


class SnapshotParams(msgspec.Struct):
    """For taking, deleting and reverting to a snapshot."""

    snapshot_id: str
    volume_id: str
    project_id: str
    user_id: str
    in_use: bool = False
