"""Every code that a failure can carry is explained to the operator."""

from __future__ import annotations

import re

from tests.unit.deployer.conftest import ROOT

SOURCES = [path for pattern in ("plugins/action/*.py", "library/*.py", "cloudd/ctl/*.py") for path in ROOT.glob(pattern)]
CODE = re.compile(r"""(?:code["']?\s*[:=]\s*|problem\(\s*)["']([a-z]+\.[a-z_]+)["']""")
ROLE_CODE = re.compile(r"(?:fail_msg: >-\s+|')([a-z]+\.[a-z_]+): ")


def test_every_code_is_in_the_operators_page() -> None:
    codes = {code for path in SOURCES for code in CODE.findall(path.read_text(encoding="utf-8"))}
    codes |= {code for path in ROOT.glob("roles/*/tasks/*.yml") for code in ROLE_CODE.findall(path.read_text(encoding="utf-8"))}
    explained = set(re.findall(r"`([a-z]+\.[a-z_]+)`", (ROOT / "docs" / "operator.md").read_text(encoding="utf-8")))
    assert len(codes) > 20
    assert not codes - explained
