"""TLS and logins over real connections, with curl as the client."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from tests.occ.certificates import Authority, Pair
from tests.occ.served import LINES, PASSWORD, Answer, Site, hashed, site

TLS = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
USERS = f"basic_auth_users: {{prometheus: {hashed()}}}\n"

REFUSED_BY_SERVER = (35, 52, 55, 56)
"""curl's codes for a handshake that failed, no answer at all, and a connection that was reset while sending or receiving."""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path)
    made.issue("server")
    return made


def trusting(authority: Authority) -> tuple[str, Path]:
    return ("--cacert", authority.certificate)


def showing(pair: Pair) -> tuple[str | Path, ...]:
    return ("--cert", pair.certificate, "--key", pair.key)


def served(answer: Answer) -> bool:
    return (answer.code, answer.status) == (0, 200) and answer.body.startswith(LINES)


def refused(answer: Answer) -> bool:
    return answer.code in REFUSED_BY_SERVER and answer.status == 0


class TestTls:
    async def test_a_client_that_trusts_the_authority_is_served(self, tmp_path: Path, authority: Authority) -> None:
        async with site(TLS, tmp_path) as server:
            assert server.scheme == "https"
            assert served(await server.curl("/metrics", *trusting(authority)))

    async def test_one_that_does_not_goes_away(self, tmp_path: Path, authority: Authority) -> None:
        async with site(TLS, tmp_path) as server:
            assert (await server.curl()).code == 60

    @pytest.mark.parametrize(("version", "code"), [("1.0", 35), ("1.1", 35), ("1.2", 0), ("1.3", 0)])
    async def test_nothing_older_than_tls_1_2_is_spoken(
        self, tmp_path: Path, authority: Authority, version: str, code: int
    ) -> None:
        async with site(TLS, tmp_path) as server:
            flags = (f"--tlsv{version}", "--tls-max", version, "--ciphers", "DEFAULT:@SECLEVEL=0")
            answer = await server.curl("/metrics", *trusting(authority), *flags)
            assert (answer.code, served(answer)) == (code, code == 0)

    @pytest.mark.parametrize(("setting", "version"), [("min_version: TLS13", "1.3"), ("max_version: TLS12", "1.2")])
    async def test_the_configured_versions_hold(
        self, tmp_path: Path, authority: Authority, setting: str, version: str
    ) -> None:
        async with site(f"{TLS}  {setting}\n", tmp_path) as server:
            for asked in ("1.2", "1.3"):
                answer = await server.curl("/metrics", *trusting(authority), f"--tlsv{asked}", "--tls-max", asked)
                assert served(answer) is (asked == version)

    async def test_the_configured_ciphers_hold(self, tmp_path: Path, authority: Authority) -> None:
        text = f"{TLS}  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n"
        async with site(text, tmp_path) as server:
            for cipher, works in (("ECDHE-ECDSA-AES256-GCM-SHA384", True), ("ECDHE-ECDSA-AES128-GCM-SHA256", False)):
                assert served(await server.curl("/metrics", *trusting(authority), "--ciphers", cipher)) is works

    async def test_plain_http_on_its_port_gets_no_answer(self, tmp_path: Path, authority: Authority) -> None:
        async with site(TLS, tmp_path) as server:
            plain = Site(server.address)
            assert (await plain.curl()).status == 0
            assert served(await server.curl("/metrics", *trusting(authority)))

    async def test_http_1_1_is_what_is_spoken_whatever_http2_says(self, tmp_path: Path, authority: Authority) -> None:
        async with site(f"{TLS}http_server_config: {{http2: true}}\n", tmp_path) as server:
            answer = await server.curl("/metrics", *trusting(authority), "--http2")
            assert answer.head.startswith("HTTP/1.1 200")

    async def test_headers_of_the_file_are_on_every_answer(self, tmp_path: Path) -> None:
        text = "http_server_config: {headers: {X-Frame-Options: deny, Content-Security-Policy: default-src 'none'}}"
        async with site(text, tmp_path) as server:
            for path in ("/metrics", "/nothing", "/-/healthy"):
                head = (await server.curl(path)).head
                assert "X-Frame-Options: deny\nContent-Security-Policy: default-src 'none'" in head

    async def test_a_new_certificate_is_shown_to_the_next_connection_and_the_old_one_is_undisturbed(
        self, tmp_path: Path, authority: Authority
    ) -> None:
        context = ssl.create_default_context(cafile=str(authority.certificate))
        async with site(TLS, tmp_path) as server:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", server.address.port, ssl=context, server_hostname="localhost"
            )
            other = Authority(tmp_path, "other")
            other.issue("server")
            assert (await server.curl("/metrics", *trusting(authority))).code == 60
            assert served(await server.curl("/metrics", *trusting(other)))
            writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert b"healthy" in await reader.read()
            writer.close()

    async def test_half_of_a_new_pair_leaves_the_old_one_in_force(
        self, tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with site(TLS, tmp_path) as server:
            authority.issue("new").certificate.replace(tmp_path / "server.crt")
            for _ in range(2):
                assert served(await server.curl("/metrics", *trusting(authority)))
        [said] = [record.message for record in caplog.records if record.levelno >= logging.ERROR]
        place = f"{tmp_path}/web.yml:3: tls_server_config.key_file"
        assert said == (
            f"refused, the former rules stay in force: {place}: the private key does not belong to the certificate"
        )


class TestClientCertificates:
    """The five ways of `client_auth_type`."""

    @pytest.mark.parametrize(
        ("way", "works"),
        [
            ("NoClientCert", {"none", "ours", "theirs"}),
            ("RequestClientCert", {"none", "ours", "theirs"}),
            ("RequireAnyClientCert", {"ours", "theirs"}),
            ("VerifyClientCertIfGiven", {"none", "ours"}),
            ("RequireAndVerifyClientCert", {"ours"}),
        ],
    )
    @pytest.mark.parametrize("version", ["1.2", "1.3"])
    async def test_who_is_served(
        self, tmp_path: Path, authority: Authority, version: str, way: str, works: set[str]
    ) -> None:
        strangers = tmp_path / "strangers"
        strangers.mkdir()
        shown = {
            "none": (),
            "ours": showing(authority.issue("client")),
            "theirs": showing(Authority(strangers).issue("client")),
        }
        verified = "" if way == "NoClientCert" else "  client_ca_file: authority.pem\n"
        async with site(f"{TLS}  client_auth_type: {way}\n{verified}", tmp_path) as server:
            common = (*trusting(authority), f"--tlsv{version}", "--tls-max", version)
            answers = {who: await server.curl("/metrics", *common, *flags) for who, flags in shown.items()}
        assert {who for who, answer in answers.items() if served(answer)} == works
        assert {who for who, answer in answers.items() if refused(answer)} == shown.keys() - works

    @pytest.mark.parametrize("way", ["RequireAnyClientCert", "RequireAndVerifyClientCert"])
    @pytest.mark.parametrize(
        ("identity", "status"), [("prometheus.example", 200), ("10.1.2.3", 200), ("other.example", 0)]
    )
    async def test_only_allowed_names_are_served(
        self, tmp_path: Path, authority: Authority, way: str, identity: str, status: int
    ) -> None:
        text = (
            f"{TLS}  client_auth_type: {way}\n  client_ca_file: authority.pem\n"
            "  client_allowed_sans: [prometheus.example, 10.1.2.3]\n"
        )
        async with site(text, tmp_path) as server:
            answer = await server.curl("/metrics", *trusting(authority), *showing(authority.issue("client", identity)))
            assert answer.status == status

    async def test_an_authority_that_is_replaced_no_longer_vouches(self, tmp_path: Path, authority: Authority) -> None:
        (tmp_path / "clients").mkdir()
        first, second = (Authority(tmp_path / "clients", name) for name in ("first", "second"))
        one, two = first.issue("one"), second.issue("two")
        first.certificate.replace(tmp_path / "clients.pem")
        text = f"{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.pem\n"
        async with site(text, tmp_path) as server:
            assert served(await server.curl("/metrics", *trusting(authority), *showing(one)))
            second.certificate.replace(tmp_path / "clients.pem")
            assert refused(await server.curl("/metrics", *trusting(authority), *showing(one)))
            assert served(await server.curl("/metrics", *trusting(authority), *showing(two)))

    async def test_a_verified_certificate_makes_a_client_trusted(self, tmp_path: Path, authority: Authority) -> None:
        text = f"{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: authority.pem\n"
        async with site(text, tmp_path) as server:
            flags = (*trusting(authority), *showing(authority.issue("client")), "-H", "X-Forwarded-For: 10.0.0.1")
            assert (await server.curl("/who", *flags)).body == "trusted\n"


class TestLogins:
    @pytest.fixture
    def text(self, tmp_path: Path) -> str:
        return USERS

    @pytest.mark.parametrize("path", ["/metrics", "/", "/-/healthy", "/-/ready", "/who", "/nothing"])
    async def test_without_one_nothing_is_told_wherever_one_looks(self, tmp_path: Path, path: str, text: str) -> None:
        async with site(text, tmp_path) as server:
            answer = await server.curl(path)
        assert (answer.status, answer.body) == (401, "credentials are missing or wrong\n")
        assert 'WWW-Authenticate: Basic realm="occ", charset="UTF-8"' in answer.head

    @pytest.mark.parametrize(
        ("login", "status"),
        [
            (f"prometheus:{PASSWORD}", 200),
            (f"prometheus:{PASSWORD}x", 401),
            (f"Prometheus:{PASSWORD}", 401),
            ("prometheus:", 401),
            (f":{PASSWORD}", 401),
            (f"nobody:{PASSWORD}", 401),
        ],
    )
    async def test_user_and_password_have_to_fit(self, tmp_path: Path, login: str, status: int, text: str) -> None:
        async with site(text, tmp_path) as server:
            for _ in range(2):
                assert (await server.curl("/metrics", "--user", login)).status == status

    @pytest.mark.parametrize(
        "header",
        ["Bearer abc", "Basic", "Basic !!!", "Basic cHJvbWV0aGV1cw==", "Basic /////w==", "basic  ", "Digest a=b"],
    )
    async def test_a_header_that_is_no_login_is_none(self, tmp_path: Path, header: str, text: str) -> None:
        async with site(text, tmp_path) as server:
            assert (await server.curl("/metrics", "-H", f"Authorization: {header}")).status == 401

    async def test_it_makes_a_client_trusted_from_anywhere(self, tmp_path: Path, text: str) -> None:
        async with site(text, tmp_path) as server:
            flags = ("--user", f"prometheus:{PASSWORD}", "-H", "X-Forwarded-For: 10.0.0.1", "-H", "Host: desk.example")
            assert (await server.curl("/who", *flags)).body == "trusted\n"

    async def test_a_user_who_is_removed_is_out_at_once(self, tmp_path: Path, text: str) -> None:
        async with site(text, tmp_path) as server:
            login = ("--user", f"prometheus:{PASSWORD}")
            assert (await server.curl("/metrics", *login)).status == 200
            (tmp_path / "web.yml").write_text(f"basic_auth_users: {{other: {hashed('another')}}}")
            assert (await server.curl("/metrics", *login)).status == 401
            assert (await server.curl("/metrics", "--user", "other:another")).status == 200

    async def test_a_password_that_is_changed_is_out_at_once(self, tmp_path: Path, text: str) -> None:
        async with site(text, tmp_path) as server:
            assert (await server.curl("/metrics", "--user", f"prometheus:{PASSWORD}")).status == 200
            (tmp_path / "web.yml").write_text(f"basic_auth_users: {{prometheus: {hashed('another')}}}")
            assert (await server.curl("/metrics", "--user", f"prometheus:{PASSWORD}")).status == 401

    async def test_no_password_and_no_hash_is_in_the_log(
        self, tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("DEBUG")
        async with site(text, tmp_path) as server:
            for login in (f"prometheus:{PASSWORD}", f"other:{PASSWORD}"):
                await server.curl("/metrics", "--user", login)
        assert PASSWORD not in caplog.text
        assert "$2b$" not in caplog.text


class TestWhoIsTrusted:
    """Without a login: whoever sits at this machine, and nobody who only comes through it."""

    @pytest.mark.parametrize(
        ("flags", "told"),
        [
            ((), "trusted\n"),
            (("-H", "Host: 127.0.0.1:9"), "trusted\n"),
            (("-H", "Host: [::1]"), "trusted\n"),
            (("-H", "Host: desk.example"), "a stranger\n"),
            (("-H", "Host: 127.0.0.1.desk.example"), "a stranger\n"),
            (("-H", "Host: a b"), "a stranger\n"),
            (("-H", "X-Forwarded-For: 10.0.0.1"), "a stranger\n"),
            (("-H", "Forwarded: for=10.0.0.1"), "a stranger\n"),
            (("-H", "X-Real-IP: 10.0.0.1"), "a stranger\n"),
            (("-H", "Via: 1.1 proxy"), "a stranger\n"),
            (("-H", "Origin: https://page.example"), "a stranger\n"),
            (("-H", "Origin: null"), "a stranger\n"),
            (("-H", "Sec-Fetch-Site: cross-site"), "a stranger\n"),
            (("-H", "Sec-Fetch-Site: same-origin"), "trusted\n"),
        ],
    )
    async def test_by_what_a_request_says(self, flags: Sequence[str], told: str) -> None:
        async with site() as server:
            assert (await server.curl("/who", *flags)).body == told


async def test_a_client_certificate_that_is_too_old_is_refused_also_by_require_any(
    tmp_path: Path, authority: Authority
) -> None:
    made = trustme.CA().issue_cert("a.example", not_after=datetime(2020, 1, 1, tzinfo=UTC))
    old = Pair(tmp_path / "old.crt", tmp_path / "old.key")
    made.cert_chain_pems[0].write_to_path(old.certificate)
    made.private_key_pem.write_to_path(old.key)
    async with site(f"{TLS}  client_auth_type: RequireAnyClientCert\n", tmp_path) as server:
        assert refused(await server.curl("/metrics", *trusting(authority), *showing(old)))
