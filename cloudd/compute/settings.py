"""The compute section of the settings."""

from typing import Literal

import msgspec

from cloudd.kit import settings


class QuotaSettings(msgspec.Struct, forbid_unknown_fields=True):
    """A project's limits until an administrator sets others; -1 is none."""

    instances: int = 20
    cores: int = 40
    ram: int = 102400
    metadata_items: int = 128
    key_pairs: int = 100
    server_groups: int = 10
    server_group_members: int = 10


class ComputeSettings(msgspec.Struct, forbid_unknown_fields=True):
    #: libvirt for real servers, fake keeps them in memory
    driver: Literal["libvirt", "fake"] = "libvirt"
    libvirt_uri: str = "qemu:///system"
    instances_directory: str = "/var/lib/cloudd/instances"
    #: auto takes kvm where the host has it, else QEMU's own emulation
    virt_type: Literal["auto", "kvm", "qemu"] = "auto"
    #: pc or q35, where the image does not say (hw_machine_type)
    machine: str = "pc"
    graphics: Literal["none", "vnc"] = "none"
    #: auto, none, host-model, host-passthrough, maximum
    cpu_mode: str = "auto"
    cpu_allocation_ratio: float = 4.0
    memory_allocation_ratio: float = 1.0
    disk_allocation_ratio: float = 1.0
    #: what the host keeps for itself
    reserved_memory_mib: int = 512
    heartbeat_seconds: float = 5
    #: a host not heard of for so long counts as down
    host_down_seconds: float = 60
    #: how long a guest may take to shut down before its plug is pulled
    shutdown_timeout_seconds: float = 60
    build_timeout_seconds: float = 900
    #: the other hosts' hypervisors, as a live migration reaches them
    migration_uri: str = "qemu+tls://{address}/system"
    #: QEMU's certificates, for disks and memory on their way to another host; empty: they travel in the clear
    migration_tls_directory: str = "/etc/pki/qemu"
    #: a live migration that has not come to its end by then is called off
    live_migration_timeout_seconds: float = 3600
    #: what each act of the fake driver takes
    fake_latency_seconds: float = 0
    quota: QuotaSettings = msgspec.field(default_factory=QuotaSettings)


settings.declare("compute", ComputeSettings, retired=["metadata_secret"])
