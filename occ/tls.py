"""Server-side TLS by the words of Prometheus' exporter-toolkit, which are those of Go."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

ClientAuth = Literal[
    "NoClientCert", "RequestClientCert", "RequireAnyClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"
]
Version = Literal["TLS12", "TLS13"]
Cipher = Literal[
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
]

CIPHERS: tuple[str, ...] = get_args(Cipher)
_VERSIONS: Mapping[Version, ssl.TLSVersion] = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_VERIFIED = ("VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
_HANDSHAKE, _CERTIFICATE = 22, 11


class TlsError(ValueError):
    """Files that can not be used together; `key` names the setting that is wrong."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True, slots=True)
class Tls:
    """What a TLS server offers and asks for."""

    certificate: Path
    key: Path
    client_auth: ClientAuth = "NoClientCert"
    client_ca: Path | None = None
    oldest: Version = "TLS12"
    newest: Version = "TLS13"
    ciphers: tuple[Cipher, ...] = ()
    server_prefers: bool = True

    def contexts(self) -> Callable[[], ssl.SSLContext]:
        """Gives a context for each connection; the files are read now. Raises TlsError."""
        made = self._context()
        if self.client_auth != "RequireAnyClientCert":
            return lambda: made
        return lambda: _taking_any_certificate(self._context())

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version, context.maximum_version = _VERSIONS[self.oldest], _VERSIONS[self.newest]
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        if not self.server_prefers:
            context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
        self._restrict(context)
        self._load_pair(context)
        if self.client_auth in _VERIFIED and self.client_ca is not None:
            _load_authority(context, self.client_ca)
            required = self.client_auth == "RequireAndVerifyClientCert"
            context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
        return context

    def _restrict(self, context: ssl.SSLContext) -> None:
        """The ciphers are those of TLS 1.2; which ones TLS 1.3 has is not configurable, as in Go."""
        older = [_openssl_name(cipher) for cipher in self.ciphers if "_WITH_" in cipher]
        if older:
            context.set_ciphers(":".join(older))
        elif self.ciphers:
            context.minimum_version = ssl.TLSVersion.TLSv1_3

    def _load_pair(self, context: ssl.SSLContext) -> None:
        if b"-----BEGIN CERTIFICATE-----" not in self.certificate.read_bytes():
            raise TlsError("cert_file", "the file named here holds no certificate in PEM")
        key = self.key.read_bytes()
        if b"PRIVATE KEY-----" not in key:
            raise TlsError("key_file", "the file named here holds no private key in PEM")
        if b"ENCRYPTED" in key:
            raise TlsError("key_file", "the private key is encrypted, and there is nobody to ask for its password")
        try:
            context.load_cert_chain(self.certificate, self.key, password=_nobody)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise TlsError("key_file", "the private key does not belong to the certificate") from None
            raise TlsError("cert_file", f"the certificate and its key can not be used: {_said(error)}") from None


def _load_authority(context: ssl.SSLContext, file: Path) -> None:
    try:
        context.load_verify_locations(cafile=file)
    except ssl.SSLError as error:
        raise TlsError("client_ca_file", f"the file named here holds no certificate in PEM: {_said(error)}") from None


def _nobody() -> str:
    """OpenSSL would ask at the terminal."""
    return ""


def _said(error: ssl.SSLError) -> str:
    return (error.reason or "not PEM").lower().replace("_", " ")


def _openssl_name(cipher: Cipher) -> str:
    exchange, _, rest = cipher.removeprefix("TLS_").partition("_WITH_")
    rest = rest.replace("AES_", "AES").replace("_CBC", "").replace("POLY1305_SHA256", "POLY1305")
    return f"{exchange}_{rest}".replace("_", "-")


def _taking_any_certificate(context: ssl.SSLContext) -> ssl.SSLContext:
    """Makes a context for one connection ask for a certificate and take whichever comes, as RequireAnyClientCert says.

    Python verifies every certificate that it asks for. So the one that comes is trusted in the moment in which it comes,
    by the hook that Python has for watching the messages of a handshake. An expired certificate is still refused.
    """
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN

    def watch(_connection: object, direction: str, _version: Any, content: Any, kind: Any, data: bytes) -> None:
        is_theirs = direction == "read" and (content, kind) == (_HANDSHAKE, _CERTIFICATE)
        if is_theirs and (certificate := first_certificate(data)):
            context.load_verify_locations(cadata=certificate)

    context._msg_callback = watch  # type: ignore[attr-defined]  # noqa: SLF001 - there is no other hook
    return context


def first_certificate(message: bytes) -> bytes:
    """The first certificate of a handshake's Certificate message (RFC 5246 7.4.2, RFC 8446 4.4.2), in DER; or nothing."""
    body = message[4:]
    if int.from_bytes(body[:3], "big") + 3 != len(body):
        body = body[1 + body[0] :] if body else body  # TLS 1.3 puts a context before the list
    size = int.from_bytes(body[3:6], "big")
    return bytes(body[6 : 6 + size])
