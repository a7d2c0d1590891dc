"""Passwords of volumes' connections as libvirt's secrets: in its memory only, and readable by none but QEMU."""

import contextlib
import uuid
from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree as ET

import libvirt

from cloudd.compute.drivers.base import DiskSpec

_NAMESPACE = uuid.UUID("5f3c7c52-9d5b-4b57-8a43-6f1f8f6f9d0e")


def set_secrets(handle: Any, disks: Iterable[DiskSpec]) -> list[str]:
    """Have libvirt know the passwords that these disks need; again after each restart of it, for it forgets them. Their targets."""
    names = []
    for disk in disks:
        connection = disk.connection
        if disk.volume_id and connection.get("password"):
            handle.secretDefineXML(_xml(connection["iqn"])).setValue(connection["password"].encode())
            names.append(connection["iqn"])
    return names


def forget_secret(handle: Any, name: str) -> None:
    """Drop the password of a target; unknown is fine."""
    with contextlib.suppress(libvirt.libvirtError):
        handle.secretLookupByUsage(libvirt.VIR_SECRET_USAGE_TYPE_ISCSI, name).undefine()


def secret_names(xml: ET.Element) -> list[str]:
    """The targets whose passwords the disks below an element of a domain's XML use."""
    found = (secret.get("usage") for secret in xml.iterfind(".//source/auth/secret[@type='iscsi']"))
    return [name for name in found if name]


def _xml(name: str) -> str:
    secret = ET.Element("secret", ephemeral="yes", private="yes")
    ET.SubElement(secret, "uuid").text = str(uuid.uuid5(_NAMESPACE, name))
    usage = ET.SubElement(secret, "usage", type="iscsi")
    ET.SubElement(usage, "target").text = name
    return ET.tostring(secret, encoding="unicode")
