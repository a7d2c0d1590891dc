"""The template of tempest.conf renders, and Tempest itself knows every option that it sets."""

from __future__ import annotations

import configparser
import pathlib
from typing import Any

import jinja2
import pytest
import yaml

ROLE = pathlib.Path(__file__).resolve().parents[3] / "roles" / "tempest"
FACTS = {
    "image_id": "11111111-1111-1111-1111-111111111111",
    "image_alt_id": "22222222-2222-2222-2222-222222222222",
    "flavor_id": "1",
    "flavor_alt_id": "2",
    "public_network_id": "33333333-3333-3333-3333-333333333333",
    "services": ["block-storage", "compute", "identity", "image", "network"],
    "network_extensions": ["router", "security-group"],
    "microversions": {"compute": "2.90", "placement": "1.39", "volume": "3.70"},
}


@pytest.fixture(scope="module")
def rendered() -> configparser.ConfigParser:
    """The file as the role writes it, read back."""
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    values: dict[str, Any] = {
        **defaults,
        "ansible_managed": "made by a test",
        "tempest_admin_password": "secret",
        "tempest_ca_certificate_path": "/ca.pem",
        "tempest_directory": "/tempest",
        "tempest_image_path": "/tiny.qcow2",
        "api_address": "192.0.2.1",
        "groups": {"compute": ["aio"]},
        "__tempest_facts": {"tempest_facts": FACTS},
    }
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True)
    text = environment.from_string((ROLE / "templates" / "etc" / "tempest.conf.j2").read_text()).render(values)
    assert "{{" not in text
    parser = configparser.ConfigParser(interpolation=None, default_section="none")
    parser.read_string(text)
    return parser


def test_tempest_knows_every_option(rendered: configparser.ConfigParser) -> None:
    from oslo_concurrency import lockutils
    from oslo_log import _options
    from tempest import config

    known = {(getattr(group, "name", group) or "DEFAULT", option.dest) for group, options in config.list_opts() for option in options}
    known |= {("DEFAULT", option.dest) for _, options in _options.list_opts() for option in options} | {("DEFAULT", "debug")}
    known |= {("oslo_concurrency", option.dest) for option in lockutils._opts}
    written = {(section, option) for section in rendered.sections() for option in rendered.options(section)}
    assert sorted(written - known) == []


def test_facts_reach_their_options(rendered: configparser.ConfigParser) -> None:
    assert rendered["compute"]["image_ref"] == FACTS["image_id"]
    assert rendered["compute"]["image_ref_alt"] == FACTS["image_alt_id"]
    assert rendered["network"]["public_network_id"] == FACTS["public_network_id"]
    assert rendered["network-feature-enabled"]["api_extensions"] == "router,security-group"
    assert rendered["service_available"]["cinder"] == "True"
    assert rendered["service_available"]["swift"] == "False"


def test_the_guideline_is_whole() -> None:
    tests = (ROLE / "files" / "guideline-2020.06.txt").read_text().split()
    assert len(tests) == len(set(tests)) == 283
    assert all("[id-" in test for test in tests)


def test_the_image_is_where_its_builder_puts_it() -> None:
    built = yaml.safe_load((ROLE.parent / "post_deploy" / "defaults" / "main.yml").read_text())["post_deploy_images_directory"]
    path = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())["tempest_image_path"]
    assert path.rpartition("/")[0] == built
