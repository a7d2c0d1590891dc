"""Keys and certificates: made, read and fingerprinted."""

import base64
import binascii
import datetime
import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

_BITS = 2048
# Microsoft's user principal name: what Windows guests map a certificate to a user by.
_UPN = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")


def generate(kind: str, user_id: str) -> tuple[str, str]:
    """A new (private, public) pair: for ssh an RSA key and its OpenSSH line, for x509 a key and a self-signed client certificate."""
    key = rsa.generate_private_key(65537, _BITS)
    if kind == "x509":
        public = _certificate(key, user_id)
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    else:
        public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode() + " Generated\n"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    return private.decode(), public


def _certificate(key: rsa.RSAPrivateKey, user_id: str) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user_id[:64])])
    moment = datetime.datetime.now(datetime.UTC)
    # DER of UTF8String, up to 255 bytes of text.
    text = f"{user_id[:64]}@localhost".encode()
    upn = x509.OtherName(_UPN, b"\x0c" + bytes([len(text)]) + text)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment)
        .not_valid_after(moment + datetime.timedelta(days=3650))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([upn]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def fingerprint(kind: str, public_key: str) -> str:
    """MD5 of an SSH key, SHA-1 of a certificate, as pairs of digits with colons. ValueError says what is wrong with it."""
    if kind == "x509":
        certificate = x509.load_pem_x509_certificate(public_key.encode())
        return _colons(certificate.fingerprint(hashes.SHA1()))  # noqa: S303  (the API's format)
    parts = public_key.split()
    if len(parts) < 2:
        raise ValueError("an SSH public key is written as: type, key in base64, comment")
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except binascii.Error as error:
        raise ValueError("the key is not base64") from error
    length = int.from_bytes(blob[:4], "big")
    if blob[4 : 4 + length] != parts[0].encode():
        raise ValueError(f"the key is not of the type {parts[0]} that it names")
    return _colons(hashlib.md5(blob, usedforsecurity=False).digest())


def _colons(digest: bytes) -> str:
    return ":".join(f"{byte:02x}" for byte in digest)
