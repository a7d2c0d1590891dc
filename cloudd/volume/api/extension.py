"""The extensions that clients of old ask for."""

from typing import Any

from cloudd.volume.api.path import on

#: (alias, name, what it is)
_EXTENSIONS = (
    ("os-availability-zone", "AvailabilityZones", "Describe availability zones."),
    ("os-extended-snapshot-attributes", "ExtendedSnapshotAttributes", "Progress and project of snapshots."),
    ("os-hosts", "Hosts", "Hosts that keep volumes, for administrators."),
    ("os-quota-sets", "Quotas", "Quotas of projects."),
    ("os-services", "Services", "Services and their state."),
    ("os-types-extra-specs", "TypesExtraSpecs", "Extra specs of volume types."),
    ("os-types-manage", "TypesManage", "Management of volume types."),
    ("os-used-limits", "UsedLimits", "Usage beside the limits."),
    ("os-vol-host-attr", "VolumeHostAttribute", "A volume's host."),
    ("os-vol-image-meta", "VolumeImageMetadata", "What a volume remembers of its image."),
    ("os-vol-tenant-attr", "VolumeTenantAttribute", "A volume's project."),
    ("os-volume-actions", "VolumeActions", "Actions on volumes."),
    ("os-volume-type-access", "VolumeTypeAccess", "Private volume types."),
    ("scheduler-stats", "Scheduler_stats", "Pools and their capacity."),
)


@on("GET", "/extensions", rule="volume:get_extensions")
async def list_extensions() -> dict[str, Any]:
    return {
        "extensions": [
            {"alias": alias, "name": name, "description": text, "links": [], "updated": "2016-04-07T00:00:00+00:00"}
            for alias, name, text in _EXTENSIONS
        ]
    }
