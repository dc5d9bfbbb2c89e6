"""receiver.yml: what is accepted, and what is said of the rest."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from occ.config import load
from occ.errors import ConfigError
from receiver.config import ReceiverConfig
from receiver.main import main
from receiver.policy import Approval
from tests.occ.certificates import Authority
from tests.receiver import acting
from tests.receiver.rules import SIGNING_KEY, password_hash
from tests.receiver.support import TOKEN, config_file

CORPUS = sorted((Path(__file__).parent / "bad-config").glob("*.yml"))
EXAMPLE = Path(__file__).parents[2] / "config/receiver.yml"


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_bad_file_is_refused_with_every_problem_and_its_place(path: Path) -> None:
    expected = re.findall(r"^# expect: (.*)$", path.read_text(), re.MULTILINE)
    assert expected, "the file does not say what is expected of it"
    with pytest.raises(ConfigError) as caught:
        load(path, ReceiverConfig, {"AM_TOKEN": TOKEN})
    assert [f"{problem.line}: {problem.path}: {problem.message}" for problem in caught.value.problems] == expected
    assert "canary" not in str(caught.value)


def test_the_corpus_is_there() -> None:
    assert len(CORPUS) >= 18


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The example and the files that it names, with its secrets at hand."""
    text = "".join(EXAMPLE.with_name(f"{name}.yml").read_text() for name in ("receiver", "actions", "policy"))
    for number, name in enumerate(sorted(set(re.findall(r"/run/secrets/([\w.-]+)", text)))):
        known = {".hash": password_hash(number), ".key": SIGNING_KEY}
        (tmp_path / name).write_text(known.get(Path(name).suffix, f"{name}-of-the-tests-{TOKEN}"))
    for name in ("receiver", "actions", "policy"):
        example = EXAMPLE.with_name(f"{name}.yml").read_text()
        (tmp_path / f"{name}.yml").write_text(example.replace("/run/secrets/", f"{tmp_path}/"))
    return tmp_path / "receiver.yml"


def test_the_example_is_valid_and_its_secrets_are_known(example: Path) -> None:
    loaded = load(example, ReceiverConfig, {})
    assert {f"am_token-of-the-tests-{TOKEN}", f"receiver.mac-of-the-tests-{TOKEN}", password_hash(2)} <= loaded.secrets
    assert TOKEN not in repr(loaded.config)


def test_the_example_s_people_can_do_all_that_its_actions_ask_for(example: Path) -> None:
    rulebook = load(example, ReceiverConfig, {}).config.rulebook
    assert rulebook is not None
    policy = rulebook.policy
    for action in rulebook.catalogue.actions:
        rule = policy.rule(action.name)
        assert rule is not None
        asking = [person.id for person in policy.people if policy.may_request(person, rule) is None]
        everybody = [Approval(person.id, person.roles) for person in policy.people]
        assert any(policy.missing(rule, requester, everybody) == () for requester in asking), action.name
        assert any(policy.missing_release(requester, everybody) == () for requester in asking), action.name
    freezing = [person.id for person in policy.people if policy.may_freeze(person) is None]
    everybody = [Approval(person.id, person.roles) for person in policy.people]
    assert any(policy.missing_unfreeze(who, everybody) == () for who in freezing)


def test_the_example_s_actions_answer_alerts_that_there_are(example: Path) -> None:
    rulebook = load(example, ReceiverConfig, {}).config.rulebook
    assert rulebook is not None
    rules = "".join(path.read_text() for path in EXAMPLE.parents[1].glob("alerting-rules/alerts/*.yml"))
    offered = {it["alertname"] for action in rulebook.catalogue.actions for it in action.offered_by}
    assert offered
    assert offered <= set(re.findall(r"(?m)^\s*- alert: (\w+)$", rules))


def test_a_relative_database_is_relative_to_the_working_directory(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(example, ReceiverConfig, {}).config.database_path == tmp_path / "receiver.db"


def test_an_absolute_database_has_four_slashes(tmp_path: Path) -> None:
    found = load(config_file(tmp_path), ReceiverConfig, {"AM_TOKEN": TOKEN}).config
    assert found.database.startswith("sqlite:////")
    assert found.database_path == tmp_path / "receiver.db"


def test_a_wrong_file_ends_with_2_before_anything_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = config_file(tmp_path, "polcy: policy.yml\n")
    assert main(["--config", str(path)]) == 2
    said = capsys.readouterr().err
    assert f"{path}:2: ingest.bearer: environment variable AM_TOKEN is not set" in said
    assert f"{path}:3: polcy: unknown key" in said
    assert [found.name for found in tmp_path.iterdir()] == ["receiver.yml"]


def test_a_right_file_is_said_to_be_valid_and_nothing_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AM_TOKEN", TOKEN)
    path = config_file(tmp_path)
    assert main(["--config", str(path), "--check-config"]) == 0
    assert capsys.readouterr().out == f"{path}: valid\n"
    assert [found.name for found in tmp_path.iterdir()] == ["receiver.yml"]


@pytest.mark.parametrize("address", ["0.0.0.0:9720", ":9720", "[::]:9720", "192.0.2.1:9720", "occ.example:9720"])
def test_pages_without_a_login_are_served_on_loopback_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("AM_TOKEN", TOKEN)
    assert main(["--config", str(config_file(tmp_path)), "--web.listen-address", address]) == 2
    assert (
        capsys.readouterr().err == f"--web.listen-address {address}: without a policy the pages have no login; "
        "beyond loopback they are served with TLS and a login alone (--web.config.file)\n"
    )
    assert [found.name for found in tmp_path.iterdir()] == ["receiver.yml"]


def test_without_people_it_must_be_said_that_there_is_no_login(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AM_TOKEN", TOKEN)
    assert main(["--config", str(config_file(tmp_path)), "--web.listen-address", "127.0.0.1:0"]) == 2
    assert "nobody can log in; to serve this machine all the same, say --without-login" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--without-login"], "--without-login: the configuration names a policy"),
        (["--web.listen-address", "192.0.2.1:9720"], "beyond loopback passwords and sessions are sent over TLS alone"),
    ],
)
def test_with_people_there_are_logins_and_no_secret_goes_in_the_clear(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    flags: list[str],
    complaint: str,
) -> None:
    for name, value in acting.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    assert main(["--config", str(acting.files(tmp_path)), "--check-config", *flags]) == 2
    assert complaint in capsys.readouterr().err


def test_with_people_beyond_loopback_tls_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in acting.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    Authority(tmp_path).issue("server")
    (tmp_path / "web.yml").write_text("tls_server_config: {cert_file: server.crt, key_file: server.key}")
    flags = ["--web.listen-address", "192.0.2.1:9720", "--web.config.file", str(tmp_path / "web.yml"), "--check-config"]
    assert main(["--config", str(acting.files(tmp_path)), *flags]) == 0
