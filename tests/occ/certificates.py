"""An authority of the tests, and what it vouches for, as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """An authority that writes its certificate, and those that it issues, into a folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._ca = trustme.CA()
        self.certificate = folder / f"{name}.pem"
        self._ca.cert_pem.write_to_path(self.certificate)

    def issue(self, name: str, *identities: str, common_name: str | None = None) -> Pair:
        """A pair of files; `identities` become subject alternative names of their kind."""
        made = self._ca.issue_cert(*(identities or ("localhost", "127.0.0.1")), common_name=common_name)
        pair = Pair(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        made.cert_chain_pems[0].write_to_path(pair.certificate)
        made.private_key_pem.write_to_path(pair.key)
        return pair
