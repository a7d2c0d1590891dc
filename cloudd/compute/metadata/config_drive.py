"""Writes a config drive: an ISO 9660 volume labelled config-2 that a guest mounts instead of asking over the network."""

import io
from pathlib import Path, PurePosixPath

import pycdlib

LABEL = "config-2"


def write_config_drive(path: Path, files: dict[str, bytes]) -> None:
    """Make the image at `path` from `files`, named as in the metadata tree (openstack/latest/meta_data.json)."""
    iso = pycdlib.PyCdlib()
    # Rock Ridge for Linux, Joliet for Windows: both need names that plain ISO 9660 does not have.
    iso.new(interchange_level=4, vol_ident=LABEL, rock_ridge="1.09", joliet=3)
    made: set[PurePosixPath] = set()
    for name, content in sorted(files.items()):
        target = PurePosixPath("/", name)
        for parent in reversed(target.parents):
            if parent != PurePosixPath("/") and parent not in made:
                iso.add_directory(str(parent), rr_name=parent.name, joliet_path=str(parent))
                made.add(parent)
        iso.add_fp(io.BytesIO(content), len(content), str(target), rr_name=target.name, joliet_path=str(target))
    iso.write(str(path))
    iso.close()
