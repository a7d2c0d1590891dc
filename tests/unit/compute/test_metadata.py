"""The metadata tree and the config drive hold what guests look for, where they look for it."""

import base64
import io
import json
from pathlib import Path

import pycdlib

from cloudd.compute.metadata.answer import answer
from cloudd.compute.metadata.config_drive import LABEL, write_config_drive
from cloudd.compute.metadata.facts import AddressFacts, NicFacts, ServerFacts, network_data, tree

FACTS = ServerFacts(
    server_id="5b7c4a56-2a57-4d44-8d0c-2b8b9a7f3f10",
    name="web.one",
    hostname="web-one",
    project_id="p1",
    key_name="mine",
    public_key="ssh-ed25519 AAAA me",
    user_data=base64.b64encode(b"#!/bin/sh\n").decode(),
    metadata={"role": "web"},
    nics=[
        NicFacts(
            port_id="0f6e0000-1111-2222-3333-444455556666",
            network_id="n1",
            mac_address="fa:16:3e:00:00:01",
            addresses=[AddressFacts(address="10.0.0.5", prefix_length=24, gateway="10.0.0.1", name_servers=["1.1.1.1"], dhcp=False)],
            floating_addresses=["10.83.2.9"],
        )
    ],
)


def test_openstack_tree() -> None:
    document = json.loads(answer(FACTS, "/openstack/latest/meta_data.json") or b"")
    assert document["uuid"] == FACTS.server_id
    assert document["public_keys"] == {"mine": "ssh-ed25519 AAAA me"}
    assert document["meta"] == {"role": "web"}
    assert answer(FACTS, "/openstack/latest/user_data") == b"#!/bin/sh\n"
    assert b"meta_data.json" in (answer(FACTS, "/openstack/2018-08-27/") or b"").split()
    assert answer(FACTS, "/openstack/1999-01-01/meta_data.json") is None
    assert answer(FACTS, "/elsewhere") is None


def test_ec2_tree() -> None:
    assert answer(FACTS, "/latest/meta-data/local-hostname") == b"web-one"
    assert answer(FACTS, "/2009-04-04/meta-data/public-keys/") == b"0=mine"
    assert answer(FACTS, "/latest/meta-data/public-keys/0/openssh-key") == b"ssh-ed25519 AAAA me"
    assert answer(FACTS, "/latest/meta-data/local-ipv4") == b"10.0.0.5"
    assert answer(FACTS, "/latest/meta-data/public-ipv4") == b"10.83.2.9"
    assert answer(FACTS, "/latest/meta-data/placement/availability-zone") == b"nova"
    assert answer(FACTS, "/latest/user-data") == b"#!/bin/sh\n"
    names = (answer(FACTS, "/latest/meta-data/") or b"").split(b"\n")
    assert b"placement/" in names
    assert answer(FACTS, "/latest/meta-data/nothing") is None


def test_network_data_of_a_network_without_dhcp() -> None:
    data = network_data(FACTS)
    assert data["networks"][0]["netmask"] == "255.255.255.0"
    assert data["networks"][0]["routes"][0]["gateway"] == "10.0.0.1"
    assert data["services"] == [{"type": "dns", "address": "1.1.1.1"}]


def test_config_drive_reads_back(tmp_path: Path) -> None:
    files = tree(FACTS)
    write_config_drive(tmp_path / "drive.iso", files)
    iso = pycdlib.PyCdlib()
    iso.open(str(tmp_path / "drive.iso"))
    assert iso.pvd.volume_identifier.decode().strip() == LABEL
    for name, content in files.items():
        read = io.BytesIO()
        iso.get_file_from_iso_fp(read, rr_path=f"/{name}")
        assert read.getvalue() == content
    iso.close()
