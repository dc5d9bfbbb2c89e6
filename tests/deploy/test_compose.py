"""docker-compose.yml: valid, complete, hardened, and of one mind with the files that it mounts."""

import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.deploy import compose
from tests.deploy.compose import FILE, ROOT, Project
from tests.deploy.conftest import BY_HAND, secrets

TEXT = FILE.read_text()


def validated(path: Path) -> subprocess.CompletedProcess[str]:
    """By the JSON schema of the Compose Specification."""
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        path,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_it_is_valid_by_the_compose_specification() -> None:
    checked = validated(FILE)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_nothing_is_wrong_with_it(project: Project) -> None:
    assert compose.faults(project) == []


def test_every_process_that_has_a_configuration_is_a_service_and_is_scraped(project: Project) -> None:
    processes = {path.stem for path in (ROOT / "config").glob("*.yml")} - {"actions", "policy"}
    assert {service.name for service in project.services.values() if service.built} == processes
    scraped = re.findall(r"'(\w+):\d+'", (ROOT / "alerting-rules/prometheus.yml").read_text())
    assert processes <= set(scraped)


def test_exporters_have_no_way_to_the_receiver(project: Project) -> None:
    networks = {name: set(service.uses("networks")) for name, service in project.services.items()}
    exporters = {path.parent.name for path in ROOT.glob("exporters/*/__main__.py")} & networks.keys()
    assert exporters
    assert [name for name in exporters if networks[name] & networks["receiver"]] == []


def test_nothing_that_watches_waits_for_what_it_watches(project: Project) -> None:
    waiting = {name: service.document.get("depends_on") for name, service in project.services.items()}
    assert {name: waits for name, waits in waiting.items() if waits} == {
        "grafana": {"prometheus": {"condition": "service_healthy"}}
    }


def test_grafana_is_given_a_data_source_and_the_boards(project: Project) -> None:
    told = project.services["grafana"].texts()
    assert re.search(r"(?m)^\s*url: ['\"]?http://prometheus:9090", told)
    (boards,) = re.findall(r"(?m)^\s*path: ['\"]?([\w./-]+)", told)
    mounted = project.services["grafana"].local(boards)
    assert mounted is not None
    assert list(mounted.glob("*.json"))


def test_the_variables_are_those_of_the_example() -> None:
    example = (ROOT / ".env.example").read_text()
    assert set(re.findall(r"(?m)^(\w+)=", example)) == {name for name, _, _ in compose.VARIABLE.findall(TEXT)}


def test_without_a_copy_of_the_configuration_it_says_so() -> None:
    with pytest.raises(compose.Unset, match="OCC_CONFIG is your copy of config/"):
        compose.read(TEXT, {})


# The secrets --------------------------------------------------------------------------------------------------------


def test_the_group_reads_the_secrets_and_others_nothing(house: Path) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (house / "secrets").iterdir()}
    people = {f"{person['id']}_password" for person in yaml.safe_load((house / "policy.yml").read_text())["people"]}
    assert {modes.pop(name) for name in people} == {0o600}
    assert set(modes.values()) == {0o640}
    assert stat.S_IMODE((house / "nodes.yml").stat().st_mode) == 0o640


def test_what_is_there_stays_and_what_only_the_house_has_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "receiver.yml").touch()
    first = secrets(tmp_path)
    assert first.returncode == 1
    assert all(name in first.stderr for name in BY_HAND)
    before = {path: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}
    for name in BY_HAND:
        (tmp_path / "secrets" / name).write_text("given\n")
    assert secrets(tmp_path).returncode == 0
    assert {path: path.read_bytes() for path in before} == before


def test_a_folder_that_is_no_copy_of_the_configuration_is_left_alone(tmp_path: Path) -> None:
    assert secrets(tmp_path).returncode == 1
    assert list(tmp_path.iterdir()) == []


# The checks above, seen to find something ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("was", "becomes", "fault"),
    [
        ("prom/prometheus:v3.5.1", "prom/prometheus:latest", "prometheus: image prom/prometheus:latest is not pinned"),
        ("prom/prometheus:v3.5.1", "prom/prometheus", "prometheus: image prom/prometheus is not pinned"),
        ("grafana/grafana:12.4.0", "grafana/grafana:12.4", "grafana: image grafana/grafana:12.4 is not pinned"),
        ("occ-nodes:0.1.0", "occ-nodes:0.0.9", "nodes: image occ-nodes:0.0.9 is not the one that is built here"),
        ("pull_policy: build", "pull_policy: missing", "nodes: image occ-nodes:0.1.0 is not the one that is built"),
        ("{EXTRA: nodes,", "{EXTRA: receiver,", "nodes: is built for receiver and port 9721"),
        ('PORT: "9720"', 'PORT: "9999"', "receiver: is built for receiver and port 9999"),
        ("read_only: true\n  cap", "read_only: false\n  cap", "nodes: read_only is not True"),
        ("cap_drop: [ALL]", "cap_drop: [NET_RAW]", "nodes: cap_drop is not ['ALL']"),
        ('"no-new-privileges:true"', "", "grafana: security_opt is not ['no-new-privileges:true']"),
        ("restart: unless-stopped", 'restart: "no"', "receiver: restart is not unless-stopped"),
        ("init: true", "init: true\n  privileged: true", "nodes: privileged is set"),
        ("init: true", "init: true\n  cap_add: [NET_ADMIN]", "nodes: cap_add is set"),
        ('user: "10001:10001"', 'user: "0:0"', "nodes: user is 0:0"),
        ('user: "10001:10001"', "user: root", "nodes: user is root"),
        ('cpus: "1", memory: 2G, pids: 128', 'cpus: "1", pids: 128', "prometheus: no limit of memory"),
        (", pids: 64", "", "nodes: no limit of pids"),
        (', max-file: "5"', "", "grafana: its log has no max-file"),
        ("test: [CMD, python,", "test: [NONE, python,", "nodes: no health check that asks 127.0.0.1"),
        ("healthcheck:", "x-healthcheck:", "alertmanager: no health check that asks 127.0.0.1"),
        ("127.0.0.1:9090/-/ready", "127.0.0.1/-/ready", "prometheus: no health check that asks 127.0.0.1"),
        ("timeout: 5s", "", "grafana: its health check has no timeout"),
        ("127.0.0.1:9720:9720", "0.0.0.0:9720:9720", "receiver: port 0.0.0.0:9720:9720 is not published on 127.0.0.1"),
        ("127.0.0.1:9720:9720", "9720:9720", "receiver: port 9720:9720 is not published on 127.0.0.1 alone"),
        ("127.0.0.1:9720:9720", "127.0.0.1:9720:9999", "receiver: publishes port 9999, and answers on 9720"),
        ("PASSWORD__FILE: /run/secrets/", "PASSWORD: ", "grafana: a secret stands in the environment, as GF_SECURITY_ADM"),
        ("http://localhost:3000", "http://a:b@localhost:3000", "grafana: a secret stands in the environment, as GF_SERVER"),
        ("--storage.path=/alert", "--web.token=hunter2/alert", "alertmanager: a secret stands on the command line, as --web.token"),
        ("secrets: [grafana_admin_password]", "secrets: []", "grafana: reads the secret grafana_admin_password, which"),
        ("receiver.crt, am_token,", "receiver.crt, scrape_password, am_token,", "alertmanager: is given the secret scrape_"),
        ("secrets: [receiver.crt, scrape_password]", "secrets: [nobody]", "prometheus: secret nobody is not declared"),
        ("/secrets/slack_url", "/secrets/slack", "/secrets/slack, its secret /run/secrets/slack_url"),
        ("  slack_url: {", '  pushover: {file: "${OCC_CONFIG}/nodes.yml"}\n  slack_url: {', "secret pushover is used by nobody"),
        ("networks: [boards]", "networks: [board]", "grafana: network board is not declared"),
        ("  boards: {}", "  boards: {}\n  spare: {}", "network spare is used by nobody"),
        ("- grafana:/var", "- graphs:/var", "grafana: volume graphs is not declared"),
        ("source: nodes,", "source: knots,", "nodes: config knots is not declared"),
        ("source: ./alerting-rules,", "source: ./rules,", "prometheus: there is no"),
        ("--config=/etc/occ/nodes.yml", "--config=/etc/occ/node.yml", "nodes: reads /etc/occ/node.yml, which is not there"),
        ("create_host_path: false", "create_host_path: true", "alertmanager: could write to, or make, ./alerting-rules/"),
        ("read_only: true, bind", "read_only: false, bind", "prometheus: could write to, or make, ./alerting-rules"),
        ("{prometheus: {condition", "{mimir: {condition", "grafana: waits for mimir, which does not exist"),
        ("networks: [exporters, alerting, boards]", "networks: [alerting, boards]", "prometheus: asks nodes, with which it"),
        ("127.0.0.1:9721/", "127.0.0.1:9731/", "prometheus: asks nodes:9721, which answers on 9731"),
    ],
)  # fmt: skip
def test_a_fault_is_named(house: Path, was: str, becomes: str, fault: str) -> None:
    assert was in TEXT
    changed = compose.read(TEXT.replace(was, becomes), {"OCC_CONFIG": str(house)})
    assert any(fault in found for found in compose.faults(changed)), compose.faults(changed)


def test_a_key_that_compose_does_not_know_is_found(tmp_path: Path) -> None:
    misspelt = tmp_path / "docker-compose.yml"
    misspelt.write_text(TEXT.replace("stop_grace_period", "stop_grace"))
    checked = validated(misspelt)
    assert checked.returncode == 1
    assert "stop_grace" in checked.stdout
