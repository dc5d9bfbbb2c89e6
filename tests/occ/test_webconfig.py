"""`--web.config.file`: what it may hold, what is refused and where, and files that change while they are in force."""

from __future__ import annotations

import os
import re
import ssl
from pathlib import Path
from typing import get_args

import pytest

from occ.config import Model
from occ.errors import ConfigError
from occ.tls import CIPHERS, ClientAuth, first_certificate
from occ.webconfig import HttpServer, TlsServer, WebConfig, WebConfigFile
from tests.occ.certificates import Authority, Pair
from tests.occ.served import hashed

HASH = "$2y$10$" + "a" * 53


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return authority.issue("server")


TLS = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "web.yml"
    path.write_text(text)
    return path


def refused(folder: Path, text: str) -> list[str]:
    """What is said of a file: line, path and message of each problem."""
    path = written(folder, text)
    with pytest.raises(ConfigError) as error:
        WebConfigFile(path)
    return [str(problem).removeprefix(f"{path}:") for problem in error.value.problems]


class TestWhatItMayHold:
    def test_nothing_at_all_lets_everybody_in(self, tmp_path: Path) -> None:
        rules = WebConfigFile(written(tmp_path, "{}")).current()
        assert (rules.tls, rules.users, rules.headers, rules.guarded) == (None, {}, {}, False)

    def test_without_a_file_too(self) -> None:
        assert WebConfigFile().current().guarded is False

    def test_everything_that_exporter_toolkit_has(self, tmp_path: Path, pair: Pair) -> None:
        text = (
            f"{TLS}"
            "  client_auth_type: RequireAndVerifyClientCert\n"
            "  client_ca_file: authority.pem\n"
            "  client_allowed_sans: [prometheus.example]\n"
            "  min_version: TLS12\n"
            "  max_version: TLS13\n"
            "  prefer_server_cipher_suites: false\n"
            "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n"
            "http_server_config:\n"
            "  http2: false\n"
            "  headers: {X-Frame-Options: deny, Strict-Transport-Security: max-age=31536000}\n"
            f"basic_auth_users: {{prometheus: {HASH}}}\n"
        )
        rules = WebConfigFile(written(tmp_path, text)).current()
        assert rules.tls is not None
        assert rules.client_auth == "RequireAndVerifyClientCert"
        assert rules.allowed_sans == {"prometheus.example"}
        assert rules.headers["X-Frame-Options"] == "deny"
        assert list(rules.users) == ["prometheus"]
        assert rules.guarded
        assert rules.verified

    def test_files_stand_beside_it_or_at_an_absolute_path(self, tmp_path: Path, pair: Pair) -> None:
        inner = tmp_path / "inner"
        inner.mkdir()
        text = f"tls_server_config: {{cert_file: ../server.crt, key_file: {pair.key}}}"
        assert WebConfigFile(written(inner, text)).current().tls is not None

    @pytest.mark.parametrize("cipher", CIPHERS)
    def test_every_cipher_of_go_is_one_of_openssl(self, tmp_path: Path, pair: Pair, cipher: str) -> None:
        made = WebConfigFile(written(tmp_path, f"{TLS}  cipher_suites: [{cipher}]\n")).current().tls
        assert made is not None
        older = [found["name"] for found in made().get_ciphers() if found["protocol"] != "TLSv1.3"]
        if "_WITH_" in cipher:
            assert len(older) == 1
        else:
            assert made().minimum_version is ssl.TLSVersion.TLSv1_3

    def test_a_hash_is_a_secret(self, tmp_path: Path) -> None:
        file = WebConfigFile(written(tmp_path, f"basic_auth_users: {{a: {HASH}}}"))
        assert HASH in file.secrets
        assert HASH not in repr(file.current())


def _tls(more: str) -> str:
    return TLS + "".join(f"  {line}\n" for line in more.splitlines())


WAYS = "'NoClientCert', 'RequestClientCert', 'RequireAnyClientCert', 'VerifyClientCertIfGiven' or 'RequireAndVerifyClientCert'"
REQUIRING = "RequireAnyClientCert or RequireAndVerifyClientCert"


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("text", "problems"),
        [
            ("", [" is empty"]),
            ("tls: {}", ["1: tls: unknown key"]),
            ("basic_auth_user: {}", ["1: basic_auth_user: unknown key; did you mean `basic_auth_users`?"]),
            (
                "tls_server_config: {}",
                ["1: tls_server_config.cert_file: is required", "1: tls_server_config.key_file: is required"],
            ),
            (
                "tls_server_config: {cert_file: no.crt, key_file: server.key}",
                ["1: tls_server_config.cert_file: can not read the file named here: No such file or directory"],
            ),
            (
                "tls_server_config: {cert_file: 1, key_file: server.key}",
                ["1: tls_server_config.cert_file: expected the path of a file"],
            ),
            (
                "tls_server_config: {cert_file: server.key, key_file: server.key}",
                ["1: tls_server_config.cert_file: the file named here holds no certificate in PEM"],
            ),
            (
                "tls_server_config: {cert_file: server.crt, key_file: server.crt}",
                ["1: tls_server_config.key_file: the file named here holds no private key in PEM"],
            ),
            (
                "tls_server_config: {cert_file: server.crt, key_file: other.key}",
                ["1: tls_server_config.key_file: the private key does not belong to the certificate"],
            ),
            (
                "tls_server_config: {cert_file: server.crt, key_file: locked.key}",
                [
                    "1: tls_server_config.key_file: the private key is encrypted, and there is nobody to ask for its password"
                ],
            ),
            (
                _tls("client_auth_type: Always"),
                [f"4: tls_server_config.client_auth_type: expected {WAYS}"],
            ),
            (
                _tls("client_ca_file: authority.pem"),
                ["4: tls_server_config.client_ca_file: needs a client_auth_type, else no certificate is asked for"],
            ),
            (
                _tls("client_auth_type: RequireAndVerifyClientCert"),
                [
                    "4: tls_server_config.client_auth_type: RequireAndVerifyClientCert needs client_ca_file, to verify against"
                ],
            ),
            (
                _tls("client_auth_type: VerifyClientCertIfGiven\nclient_ca_file: server.key"),
                [
                    "5: tls_server_config.client_ca_file: the file named here holds no certificate in PEM: no certificate or crl found"
                ],
            ),
            (
                _tls("client_allowed_sans: [a]"),
                [f"4: tls_server_config.client_allowed_sans: needs a client_auth_type of {REQUIRING}"],
            ),
            (_tls("min_version: TLS11"), ["4: tls_server_config.min_version: expected 'TLS12' or 'TLS13'"]),
            (
                _tls("min_version: TLS13\nmax_version: TLS12"),
                ["5: tls_server_config.max_version: must not be below min_version"],
            ),
            ("http_server_config: {headers: {Server: x}}", None),
            (
                "http_server_config: {headers: {X-Frame-Options: allow}}",
                ["1: http_server_config.headers.X-Frame-Options: expected deny or sameorigin"],
            ),
            (
                'http_server_config: {headers: {X-XSS-Protection: "1\\r\\nSet-Cookie: a"}}',
                ["1: http_server_config.headers.X-XSS-Protection: expected printable ASCII"],
            ),
            (
                "http_server_config: {http2: maybe}",
                ["1: http_server_config.http2: expected true or false, got a string"],
            ),
            (
                "basic_auth_users: {anna: s3cr3t-in-the-clear}",
                ["1: basic_auth_users.anna: expected a bcrypt hash, as `htpasswd -nBC 10 NAME` makes it"],
            ),
            (
                f"basic_auth_users: {{anna: {HASH.replace('$10$', '$31$')}}}",
                ["1: basic_auth_users.anna: a bcrypt hash of cost 31: it must be between 4 and 14"],
            ),
            (
                f'basic_auth_users: {{"an:na": {HASH}}}',
                ["1: basic_auth_users.an:na: a user's name has 1 to 255 characters, and no colon"],
            ),
        ],
    )
    def test_each_with_its_place(
        self, tmp_path: Path, authority: Authority, pair: Pair, text: str, problems: list[str] | None
    ) -> None:
        authority.issue("other")
        (tmp_path / "locked.key").write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
        said = refused(tmp_path, text)
        if problems is None:
            assert len(said) == 1
            assert "headers.Server: can not be set; there are: Content-Security-Policy" in said[0]
        else:
            assert said == problems

    def test_no_message_repeats_what_may_be_a_secret(self, tmp_path: Path) -> None:
        said = refused(
            tmp_path, "basic_auth_users: {anna: s3cr3t-in-the-clear}\ntls_server_config: {cert_file: s3cr3t-too}"
        )
        assert len(said) == 3
        assert "s3cr3t" not in "".join(said)

    def test_what_a_process_demands_besides(self, tmp_path: Path) -> None:
        path = written(tmp_path, "{}")
        with pytest.raises(ConfigError, match="a login is needed"):
            WebConfigFile(path, lambda rules: None if rules.guarded else "a login is needed")


class TestFilesThatChange:
    """The rules are those of the files as they are, and of the files as they last could be used."""

    @pytest.fixture
    def file(self, tmp_path: Path, pair: Pair) -> WebConfigFile:
        return WebConfigFile(written(tmp_path, f"{TLS}basic_auth_users: {{a: {HASH}}}\n"))

    def test_while_they_stay_the_same_nothing_is_read(self, file: WebConfigFile) -> None:
        assert file.current() is file.current()

    def test_users(self, tmp_path: Path, file: WebConfigFile) -> None:
        written(tmp_path, f"{TLS}basic_auth_users: {{b: {HASH}}}\n")
        assert list(file.current().users) == ["b"]

    def test_a_certificate_of_the_same_size_within_the_same_tick_of_the_clock(
        self, tmp_path: Path, authority: Authority, file: WebConfigFile
    ) -> None:
        before = file.current()
        stamps = (tmp_path / "server.crt").stat()
        authority.issue("server")
        os.utime(tmp_path / "server.crt", ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
        assert file.current() is not before
        assert file.problems == ()

    def test_one_file_of_a_pair_keeps_the_former_rules_until_the_other_has_come(
        self, tmp_path: Path, authority: Authority, file: WebConfigFile, caplog: pytest.LogCaptureFixture
    ) -> None:
        before, changes = file.current(), []
        file.changed = lambda: changes.append(file.problems)
        new = authority.issue("new")
        new.certificate.replace(tmp_path / "server.crt")
        for _ in range(3):
            assert file.current() is before
        assert len(caplog.messages) == 1
        assert "the private key does not belong to the certificate" in caplog.messages[0]
        assert len(file.problems) == 1
        new.key.replace(tmp_path / "server.key")
        assert file.current() is not before
        assert not file.problems
        assert [len(problems) for problems in changes] == [1, 0]

    def test_a_broken_file_keeps_the_former_rules(self, tmp_path: Path, file: WebConfigFile) -> None:
        before = file.current()
        for text in ("", "nonsense", "tls_server_config: {}", "\0"):
            written(tmp_path, text)
            assert file.current() is before
            assert file.problems
        (tmp_path / "web.yml").unlink()
        assert file.current() is before
        assert "No such file" in file.problems[0]

    def test_what_it_names_may_come_after_it(
        self, tmp_path: Path, authority: Authority, file: WebConfigFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("occ.webconfig.TRY_AGAIN", 0.0)
        before = file.current()
        written(tmp_path, TLS.replace("server.", "later."))
        assert file.current() is before
        authority.issue("later")
        assert file.current() is not before
        assert file.problems == ()

    def test_what_the_process_demands_holds_for_every_change(self, tmp_path: Path) -> None:
        path = written(tmp_path, f"basic_auth_users: {{a: {HASH}}}")
        file = WebConfigFile(path, lambda rules: None if rules.users else "a login is needed")
        written(tmp_path, "{}")
        assert list(file.current().users) == ["a"]
        assert file.problems == (f"{path}: a login is needed",)

    def test_a_folder_that_is_swapped_as_kubernetes_does_it(self, tmp_path: Path) -> None:
        def version(name: str) -> None:
            (tmp_path / name).mkdir()
            Authority(tmp_path / name).issue("server")
            written(tmp_path / name, TLS)

        version("one")
        version("two")
        (tmp_path / "now").symlink_to("one")
        file = WebConfigFile(tmp_path / "now" / "web.yml")
        before = file.current()
        (tmp_path / "next").symlink_to("two")
        (tmp_path / "next").replace(tmp_path / "now")
        assert file.current() is not before
        assert file.problems == ()


class TestFirstCertificate:
    """Of a Certificate message, as TLS 1.2 and 1.3 write it."""

    @pytest.mark.parametrize(
        ("body", "found"),
        [
            (b"\x00\x00\x05\x00\x00\x02DE", b"DE"),
            (b"\x00\x00\x0a\x00\x00\x02DE\x00\x00\x02FG", b"DE"),
            (b"\x00\x00\x00\x07\x00\x00\x02DE\x00\x00", b"DE"),
            (b"\x00\x00\x00", b""),
            (b"\x00\x00\x00\x00", b""),
            (b"", b""),
        ],
    )
    def test_it_is_found(self, body: bytes, found: bytes) -> None:
        assert first_certificate(b"\x0b" + len(body).to_bytes(3, "big") + body) == found


def test_the_docs_name_every_setting() -> None:
    text = (Path(__file__).parents[2] / "docs/operations.md").read_text()
    names = set(re.findall(r"`(\w+)`", text))
    parts: list[type[Model]] = [TlsServer, HttpServer, WebConfig]
    assert {name for part in parts for name in part.model_fields} - names == set()
    assert set(get_args(ClientAuth)) - names == set()


def test_hashes_of_htpasswd_are_taken(tmp_path: Path) -> None:
    text = f"basic_auth_users: {{a: {hashed().replace('$2b$', '$2y$')}, b: {hashed().replace('$2b$', '$2a$')}}}"
    assert len(WebConfigFile(written(tmp_path, text)).current().users) == 2
