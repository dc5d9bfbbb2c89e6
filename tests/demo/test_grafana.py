"""How the demo starts a Grafana. None can be had here: a small program stands in for it, and tells what it was given."""

import json
import sys
from pathlib import Path

import aiohttp
import pytest
import yaml

from demo.centre import Centre
from demo.processes import Supervisor

STAND_IN = f"""#!{sys.executable}
import http.server, json, os, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        told = json.dumps({{"argv": sys.argv[1:], "environment": dict(os.environ)}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

address = os.environ["GF_SERVER_HTTP_ADDR"], int(os.environ["GF_SERVER_HTTP_PORT"])
http.server.HTTPServer(address, Handler).serve_forever()
"""


@pytest.fixture
def centre(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Centre:
    binary = tmp_path / "opt/bin/grafana"
    binary.parent.mkdir(parents=True)
    (tmp_path / "opt/public").mkdir()
    binary.write_text(STAND_IN)
    binary.chmod(0o755)
    monkeypatch.setenv("GRAFANA", str(binary))
    made = Centre(tmp_path / "run", scale=10)
    made.write()
    return made


async def test_it_is_started_with_the_boards_and_their_data_source(centre: Centre, tmp_path: Path) -> None:
    (part,) = [part for stage in centre.stages() for part in stage if part.name == "grafana"]
    async with Supervisor(tmp_path) as supervisor, aiohttp.ClientSession() as session:
        await supervisor.start(part)
        async with session.get(centre.url("grafana")) as response:
            told = json.loads(await response.text())
    assert told["argv"] == ["server", "--homepath", str(tmp_path / "opt")]
    url, boards = provisioned(Path(told["environment"]["GF_PATHS_PROVISIONING"]))
    assert url == centre.url("prometheus")
    assert boards >= {"occ-nodes.json", "occ-meta.json"}


def provisioned(folder: Path) -> tuple[str, set[str]]:
    """The data source's URL, and the boards."""
    (source,) = yaml.safe_load((folder / "datasources/occ.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((folder / "dashboards/occ.yml").read_text())["providers"]
    return source["url"], {board.name for board in Path(provider["options"]["path"]).iterdir()}


def test_links_of_alerts_lead_to_it(centre: Centre) -> None:
    written = yaml.safe_load((centre.run / "config/prometheus.yml").read_text())
    assert written["global"]["external_labels"]["grafana_url"] == centre.url("grafana")


def test_without_one_the_demo_does_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRAFANA", raising=False)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    bare = Centre(tmp_path / "run", scale=10)
    bare.write()
    assert "grafana" not in {part.name for stage in bare.stages() for part in stage}
    written = yaml.safe_load((bare.run / "config/prometheus.yml").read_text())
    assert "grafana_url" not in written["global"]["external_labels"]
