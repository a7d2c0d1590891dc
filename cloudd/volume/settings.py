"""The section `volume` of the settings."""

import msgspec

from cloudd.kit import settings


class QuotaDefaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a project may have unless its own quota says otherwise; -1 is without limit."""

    volumes: int = 10
    snapshots: int = 10
    gigabytes: int = 1000
    per_volume_gigabytes: int = -1
    backups: int = 10
    backup_gigabytes: int = 1000
    groups: int = 10


class VolumeSettings(msgspec.Struct, forbid_unknown_fields=True):
    #: what keeps volumes on this host: file, or fake in tests
    driver: str = "file"
    #: where the file driver keeps them
    directory: str = "/var/lib/cloudd/volumes"
    #: how volumes reach other hosts: none (they are used on their own), or tgt (iSCSI by tgtd)
    target: str = "none"
    #: where tgtd listens, at the host's management address
    target_port: int = 3260
    target_socket_path: str = "/var/run/tgtd/socket.0"
    #: credentials of the exports, to bring them back after a restart
    target_directory: str = "/var/lib/cloudd/exports"
    availability_zone: str = "nova"
    quota: QuotaDefaults = QuotaDefaults()
    #: a copy of a large image or volume may take this long
    copy_timeout_seconds: float = 3600
    heartbeat_interval_seconds: float = 10


settings.declare("volume", VolumeSettings)
