"""What is said of the chain families: in the help, when a file is checked, and in the docs."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import indent

import pytest
import yaml

from exporters.nodes.__main__ import main
from exporters.nodes.config import chain_models, experimental

DOCS = (Path(__file__).parents[3] / "docs" / "chain-families.md").read_text()
ROWS = {match[1]: match[0] for match in re.finditer(r"^\| `(\w+)` \|.*$", DOCS, re.MULTILINE)}


def test_families_that_no_real_node_has_tried_are_experimental() -> None:
    assert {name for name in chain_models() if experimental(name)} == {"beacon", "solana", "cometbft"}


def test_the_help_lists_the_families(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    helped = " ".join(capsys.readouterr().out.split())
    families = [f"{name} (experimental)" if experimental(name) else name for name in sorted(chain_models())]
    assert f"Chain families: {', '.join(families)}." in helped


@pytest.mark.parametrize("name", sorted(chain_models()))
def test_a_checked_file_is_valid_and_what_is_experimental_in_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / "nodes.yml"
    path.write_text(example(name))
    for variable in re.findall(r"\$\{(\w+)\}", path.read_text()):
        monkeypatch.setenv(variable, "something")
    assert main(["--config", str(path), "--check-config"]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{path}: valid\n"
    said = f"chains[0]: family {name} is experimental: no real node has tried it" in printed.err
    assert said == experimental(name)


@pytest.mark.parametrize("name", sorted(chain_models()))
def test_every_family_has_its_row_in_the_docs(name: str) -> None:
    assert ("experimental" in ROWS[name]) == experimental(name)


def example(name: str) -> str:
    """The chain of this family in the docs, as a whole file."""
    found = re.findall(r"^```yaml\n(.*?)^```", DOCS, re.MULTILINE | re.DOTALL)
    (chain,) = [block for block in found if yaml.safe_load(block)[0]["family"] == name]
    return "chains:\n" + indent(chain, "  ")
