"""Action `host_certificate`: keeps the cloud's authority and each host's certificate on the deployment host, and gives them to the hosts.

The directory holds `ca.pem`, `ca.key` (the cloud's own authority) and `hosts/<name>.pem`, `hosts/<name>.key`. Keys never leave it
but for the host they belong to, and are never shown.
"""

from __future__ import annotations

import datetime
import fcntl
import ipaddress
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PRIVATE_MODE = 0o600
# Clocks of hosts may be a little behind.
BACKDATED = datetime.timedelta(hours=1)


class CertificateError(Exception):
    """What is wrong with the certificates there are, and what to do about it."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy


class Authority:
    """A certificate authority in two files; the cloud's own is made when it is missing, a supplied one is only read."""

    def __init__(self, certificate_path: Path, key_path: Path) -> None:
        self.certificate_path, self.key_path = certificate_path, key_path

    def make(self, name: str, days: int) -> bool:
        """Make both files when neither is there; true when they were made."""
        if self.certificate_path.exists() and self.key_path.exists():
            return False
        if self.certificate_path.exists() or self.key_path.exists():
            lost = self.key_path if self.certificate_path.exists() else self.certificate_path
            raise CertificateError(f"half of the certificate authority is missing: {lost}", "bring it back, or delete the other half too")
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
        certificate = (
            _builder(subject, subject, key.public_key(), days)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        _write(self.key_path, _pem_of_key(key))
        _write(self.certificate_path, certificate.public_bytes(serialization.Encoding.PEM))
        return True

    def load(self) -> None:
        """Read the files and see that they belong together."""
        try:
            self.certificate = x509.load_pem_x509_certificate(self.certificate_path.read_bytes())
            key = serialization.load_pem_private_key(self.key_path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise CertificateError(f"the certificate authority cannot be read: {error}", "give PEM files, the key unencrypted") from error
        if key.public_key() != self.certificate.public_key():
            raise CertificateError(f"{self.key_path} is not the key of {self.certificate_path}", "give the two files of one authority")
        if self.certificate.not_valid_after_utc < _now():
            raise CertificateError(
                f"the certificate authority {self.certificate_path} has expired", "give a new one, or delete the old one"
            )
        self.key: CertificateIssuerPrivateKeyTypes = key  # type: ignore[assignment]

    def issue(self, name: str, names: list[x509.GeneralName], days: int) -> tuple[bytes, bytes]:
        """A new key and a certificate for it, both PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
        certificate = (
            _builder(subject, self.certificate.subject, key.public_key(), days)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return _pem_of_key(key), certificate.public_bytes(serialization.Encoding.PEM)


def why_renew(pem: bytes, key: bytes, authority: Authority, names: list[x509.GeneralName], renew_days: int) -> str:
    """Why a host needs a new certificate; empty when the old one will do."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        private = serialization.load_pem_private_key(key, password=None)
    except (ValueError, TypeError):
        return "cannot be read"
    if private.public_key() != certificate.public_key():
        return "key is another one's"
    try:
        certificate.verify_directly_issued_by(authority.certificate)
    except Exception:  # any reason for which it does not verify is the same to us
        return "authority changed"
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return "usage changed"
    if usage != _key_usage(authority=False):
        return "usage changed"
    try:
        present = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return "names changed"
    if set(present) != set(names):
        return "names changed"
    if certificate.not_valid_after_utc - _now() < datetime.timedelta(days=renew_days):
        return "expires soon"
    return ""


def general_names(texts: list[str]) -> list[x509.GeneralName]:
    """Subject alternative names in a settled order: addresses as addresses, all else as host names."""
    names: list[x509.GeneralName] = []
    for text in sorted({text.strip() for text in texts if text and text.strip()}):
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(text)))
        except ValueError:
            names.append(x509.DNSName(text))
    return names


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _builder(subject: x509.Name, issuer: x509.Name, key: Any, days: int) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - BACKDATED)
        .not_valid_after(_now() + datetime.timedelta(days=days))
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        # libvirt and QEMU refuse a certificate without it, although no key exchange of today encrypts with the key.
        key_encipherment=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem_of_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _write(path: Path, content: bytes) -> None:
    """Replace a file in one step, readable by its owner alone from the first byte."""
    scratch = path.with_name(f".{path.name}.new")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Hosts run in parallel, and there must be one authority."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    (directory / "hosts").mkdir(exist_ok=True, mode=0o700)
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def keep(wanted: Mapping[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """Make what is missing and renew what is due, by the arguments of the action; returns its result."""
    directory = Path(wanted["directory"])
    own = not (wanted.get("ca_certificate_path") or wanted.get("ca_key_path"))
    authority = Authority(
        Path(wanted.get("ca_certificate_path") or directory / "ca.pem"), Path(wanted.get("ca_key_path") or directory / "ca.key")
    )
    certificate, key = (directory / "hosts" / f"{wanted['name']}.{kind}" for kind in ("pem", "key"))
    paths = {"ca": str(authority.certificate_path), "certificate": str(certificate), "key": str(key)}
    names = general_names(list(wanted["subject_names"]))
    if check_mode and not (authority.certificate_path.exists() and certificate.exists()):
        return {"changed": True, "reason": "is missing", **paths}
    with _alone(directory):
        made = own and not check_mode and authority.make(str(wanted["authority_name"]), int(wanted["authority_days"]))
        authority.load()
        reason = "is missing"
        if certificate.exists() and key.exists():
            reason = why_renew(certificate.read_bytes(), key.read_bytes(), authority, names, int(wanted["renew_days"]))
        if reason and not check_mode:
            private, public = authority.issue(str(wanted["name"]), names, int(wanted["days"]))
            _write(key, private)
            _write(certificate, public)
    return {"changed": bool(made or reason), "reason": reason, **paths}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes the arguments that library/host_certificate.py documents; keeps the files here, and has the module bring them to the host."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Keep the certificate, and bring it to the host."""
        super().run(tmp, task_vars)
        try:
            kept = keep(self._task.args, check_mode=self._task.check_mode)
        except CertificateError as error:
            return {"failed": True, "code": "certificates.unusable", "msg": str(error), "remedy": error.remedy}
        # In check mode there may be none yet, and all that can be told is that one will come.
        foretold = self._task.check_mode and kept["changed"]
        contents = {name: "(new)" if foretold else Path(kept[name]).read_text() for name in ("ca", "certificate", "key")}
        places = {name: self._task.args[name] for name in ("group", "path") if name in self._task.args}
        result = dict(self._execute_module(module_args={**places, **contents}, task_vars=task_vars))
        # Nothing of the key is to be told, neither here nor in a log.
        result.pop("invocation", None)
        if not result.get("failed"):
            result |= {"reason": kept["reason"], "changed": bool(result["changed"] or kept["changed"])}
            if self._task.diff and result["changed"]:
                result["diff"] = {"prepared": "\n".join(result["written"])}
        return result
