"""The self-signed certificate for ``server.tls = "self-signed"``: made at first start, renewed when it runs out.

Browsers give a page their microphone only over HTTPS or on localhost. Key and certificate lie in *one* file, so that no
crash can leave a key beside another's certificate; it is readable by its owner alone. It is trusted by nobody but
those who say so in their browser.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import logging
import os
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from speakage_daemon.errors import ServeError

VALID: Final = dt.timedelta(days=397)
"""Browsers refuse certificates that live longer."""
_RENEW_BEFORE: Final = dt.timedelta(days=7)
_FILE: Final = "speakage.pem"

logger = logging.getLogger(__name__)


def self_signed(folder: Path, now: dt.datetime) -> Path:
    """The file with key and certificate, made or renewed when needed; raises :class:`ServeError`."""
    file = folder / _FILE
    names = server_names()
    try:
        if not usable(file, names, now):
            logger.info("making a self-signed certificate: %s", file)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(file, make(names, now))
    except OSError as error:
        raise ServeError(
            f"{file}: the certificate cannot be kept there ({error.strerror}); "
            "set server.tls_folder to a folder of yours"
        ) from None
    return file


def server_names() -> tuple[str, ...]:
    """The names the certificate is for."""
    host = socket.gethostname().lower()
    return ("localhost", "127.0.0.1", "::1", *([host] if host and host != "localhost" else []))


def usable(file: Path, names: Sequence[str], now: dt.datetime) -> bool:
    """Whether the file holds a certificate for these names that is good for some time yet."""
    try:
        pem = file.read_bytes()
        certificate = x509.load_pem_x509_certificate(pem)
        key = serialization.load_pem_private_key(pem, password=None)
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except FileNotFoundError:
        return False
    except (ValueError, TypeError, x509.ExtensionNotFound) as error:
        logger.warning("%s is damaged (%s) and is made again", file, error)
        return False
    return (
        set(_alternatives(names)) == set(alternatives)
        and key.public_key() == certificate.public_key()
        and certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - _RENEW_BEFORE
    )


def make(names: Sequence[str], now: dt.datetime) -> bytes:
    """A new key and its certificate, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Speakage on this machine")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # clocks of phones are not exact
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName(_alternatives(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def _alternatives(names: Sequence[str]) -> list[x509.GeneralName]:
    return [_alternative(name) for name in names]


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(file: Path, pem: bytes) -> None:
    """Complete or not at all; ``mkstemp`` makes files that only their owner may read."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".certificate-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(pem)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
