"""Certificates are made once, renewed for a reason, and their keys stay private."""

from __future__ import annotations

import datetime
import stat
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography import x509

Act = Callable[..., dict[str, Any]]


@pytest.fixture
def act(load: Callable[[str], ModuleType], tmp_path: Path) -> Act:
    """Run the action plugin with arguments over sensible ones."""
    plugin = load("plugins/action/host_certificate.py")

    def run(check_mode: bool = False, **changes: Any) -> dict[str, Any]:
        arguments = {
            "directory": str(tmp_path / "pki"),
            "name": "c1",
            "subject_names": ["c1", "10.1.0.11"],
            "authority_name": "test authority",
            "authority_days": 3650,
            "days": 397,
            "renew_days": 60,
        }
        result: dict[str, Any] = plugin.keep(arguments | changes, check_mode=check_mode)
        return result

    return run


def certificate(result: dict[str, Any]) -> x509.Certificate:
    return x509.load_pem_x509_certificate(Path(result["certificate"]).read_bytes())


def test_made_once_and_then_left_alone(act: Act) -> None:
    first = act()
    assert first["changed"]
    again = act()
    assert not again["changed"]
    assert certificate(first) == certificate(again)
    authority = x509.load_pem_x509_certificate(Path(first["ca"]).read_bytes())
    certificate(first).verify_directly_issued_by(authority)
    names = certificate(first).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["c1"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.1.0.11"]


def test_one_that_hypervisors_would_refuse_is_replaced(
    act: Act, monkeypatch: pytest.MonkeyPatch, load: Callable[[str], ModuleType]
) -> None:
    first = certificate(act())
    usage = first.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert usage.key_encipherment
    plugin = load("plugins/action/host_certificate.py")
    older = plugin._key_usage(authority=True)
    with monkeypatch.context() as patch:
        patch.setattr(x509.CertificateBuilder, "add_extension", _without_usage(x509.CertificateBuilder.add_extension, older))
        act(renew_days=400)
    result = act()
    assert (result["changed"], result["reason"]) == (True, "usage changed")
    assert not act()["changed"]


def _without_usage(add: Callable[..., Any], older: x509.KeyUsage) -> Callable[..., Any]:
    """As a version would have written it that did not know what hypervisors ask for."""

    def add_extension(builder: Any, value: Any, critical: bool) -> Any:
        return add(builder, older if isinstance(value, x509.KeyUsage) else value, critical=critical)

    return add_extension


def test_keys_are_private_and_not_told(act: Act, tmp_path: Path) -> None:
    result = act()
    for path in (Path(result["key"]), tmp_path / "pki/ca.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text().splitlines()[1] not in str(result)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"subject_names": ["c1", "10.1.0.11", "cloud.example.org"]}, "names changed"), ({"renew_days": 400}, "expires soon")],
)
def test_renewed_when_due(act: Act, changes: dict[str, Any], reason: str) -> None:
    before = certificate(act())
    result = act(**changes)
    assert (result["changed"], result["reason"]) == (True, reason)
    assert certificate(result) != before


def test_a_new_authority_renews_all(act: Act, tmp_path: Path) -> None:
    act()
    for path in (tmp_path / "pki/ca.pem", tmp_path / "pki/ca.key"):
        path.unlink()
    assert act()["reason"] == "authority changed"


def test_half_an_authority_is_not_replaced(act: Act, tmp_path: Path) -> None:
    act()
    (tmp_path / "pki/ca.key").unlink()
    with pytest.raises(Exception, match=r"half of the certificate authority is missing: .*ca\.key"):
        act()
    assert not (tmp_path / "pki/ca.key").exists()


def test_a_supplied_authority_is_used_and_checked(act: Act, tmp_path: Path) -> None:
    supplied = act(directory=str(tmp_path / "other"), name="x")
    paths = {"ca_certificate_path": supplied["ca"], "ca_key_path": str(tmp_path / "other/ca.key")}
    result = act(**paths)
    assert result["ca"] == supplied["ca"]
    assert not (tmp_path / "pki/ca.pem").exists()
    with pytest.raises(Exception, match="is not the key of"):
        act(**paths | {"ca_key_path": supplied["key"]})


def test_check_mode_makes_nothing(act: Act, tmp_path: Path) -> None:
    assert act(check_mode=True)["changed"]
    assert not (tmp_path / "pki").exists()


def test_it_lasts_as_long_as_asked(act: Act) -> None:
    left = certificate(act(days=100)).not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(days=99) < left <= datetime.timedelta(days=100)
