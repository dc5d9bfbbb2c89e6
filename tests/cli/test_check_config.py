"""`occ check-config`: files that are right by themselves may still disagree."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from cli.main import main
from tests.receiver.rules import ACTIONS, POLICY, RECEIVER

CONFIG = Path(__file__).parents[2] / "config"
NODES = """\
assets: {ETH: [WETH]}
chains:
  - name: ethereum
    family: evm
    chain_id: 1
    block_time: 12s
    nodes: [{name: own, url: "http://127.0.0.1:8545"}]
"""


def checked(folder: Path, capsys: pytest.CaptureFixture[str], *flags: str, **files: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error, with the folder's name left out."""
    for name, text in files.items():
        (folder / f"{name.replace('_', '-')}.yml").write_text(text)
    code = main(["check-config", str(folder), *flags])
    said = capsys.readouterr()
    return code, said.out.replace(f"{folder}/", ""), said.err.replace(f"{folder}/", "")


def test_the_examples_are_valid_together(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = checked(CONFIG, capsys, "--without-secrets")
    assert (code, err) == (0, "")
    names = ("actions", "exchange", "nodes", "policy", "pools", "receiver")
    assert out.splitlines() == [f"{name}.yml: valid" for name in names]


def test_every_problem_of_every_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = checked(tmp_path, capsys, nodes=NODES.replace("12s", "12"), receiver="database: x\n")
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "nodes.yml:6: chains[0].block_time: expected a duration such as 500ms, 5s or 1h",
        "receiver.yml:1: database: expected sqlite:///PATH, or sqlite:////PATH for an absolute one",
        "receiver.yml:1: ingest: is required",
    ]


@pytest.mark.parametrize(
    ("was", "becomes", "expected"),
    [
        (
            "chain_id: 1",
            "chain_id: 5",
            "nodes.yml:5: chains[0].chain_id: ethereum is said to have another chain_id in nodes-asia.yml",
        ),
        (
            "12s",
            "6s",
            "nodes.yml:6: chains[0].block_time: ethereum is said to have another block_time in nodes-asia.yml",
        ),
        ("ETH: [WETH]", "BTC: [WETH]", "nodes.yml:1: assets.BTC: WETH is an alias of ETH in nodes-asia.yml"),
    ],
)
def test_one_name_means_one_thing_in_all_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], was: str, becomes: str, expected: str
) -> None:
    code, out, err = checked(tmp_path, capsys, nodes=NODES.replace(was, becomes), nodes_asia=NODES)
    assert (code, out, err.splitlines()) == (2, "nodes-asia.yml: valid\n", [expected])


def test_an_alias_means_one_asset_within_a_file_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = checked(tmp_path, capsys, nodes=NODES.replace("{ETH: [WETH]}", "{ETH: [WETH], BTC: [WETH]}"))
    assert (code, err) == (2, "nodes.yml:1: assets.BTC: WETH is an alias of ETH already\n")


POOLS = """\
chains:
  - name: ethereum
    rpc: [{name: own, url: "http://127.0.0.1:8545"}]
    feeds: [{name: eth-usd, kind: chainlink, address: "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419", base: WETH, quote: USD, heartbeat: 1h}]
"""


@pytest.mark.parametrize(("was", "becomes"), [("name: own", "name: geth"), ("name: ethereum", "name: mainnet")])
def test_one_node_has_one_name_in_all_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], was: str, becomes: str
) -> None:
    assert checked(tmp_path, capsys, nodes=NODES, pools=POOLS)[0] == 0
    code, out, err = checked(tmp_path, capsys, nodes=NODES, pools=POOLS.replace(was, becomes))
    assert (code, out) == (2, "nodes.yml: valid\n")
    assert err == "pools.yml:3: chains[0].rpc[0].name: this node is ethereum/own in nodes.yml\n"


def test_keys_that_are_not_looked_at_make_no_two_nodes_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nodes = NODES.replace("8545", "8545/${ONE_KEY}")
    pools = POOLS.replace("8545", "8545/${OTHER_KEY}").replace("name: own", "name: other")
    assert checked(tmp_path, capsys, "--without-secrets", nodes=nodes, pools=pools)[::2] == (0, "")


def test_a_file_that_no_process_reads_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = checked(tmp_path, capsys, nodes=NODES, nods=NODES)
    assert (code, out) == (2, "nodes.yml: valid\n")
    assert err.startswith("nods.yml: no process reads a file of this name; there are: nodes.yml or nodes-")


def test_an_empty_folder_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"{tmp_path}: there is no configuration file here\n"


def test_secrets_are_looked_at_unless_told_otherwise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = NODES.replace("8545", "8545/${NO_SUCH_KEY}")
    assert checked(tmp_path, capsys, nodes=text)[0] == 2
    assert checked(tmp_path, capsys, "--without-secrets", nodes=text)[0] == 0


ACTING = {"receiver": RECEIVER, "actions": ACTIONS, "policy": POLICY}


def test_what_can_be_done_and_who_may_do_it_are_checked_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {**ACTING, "policy": POLICY.replace("action: halt", "action: hold")}
    code, out, err = checked(tmp_path, capsys, "--without-secrets", **files)
    assert (code, out) == (2, "actions.yml: valid\n")
    assert err == "policy.yml:13: rules[0].action: there is no such action; there are: halt, resume, order-size\n"


def test_what_is_wrong_in_a_file_that_another_names_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {**ACTING, "actions": ACTIONS.replace("executor: parameter", "executor: shell")}
    code, out, err = checked(tmp_path, capsys, "--without-secrets", **files)
    assert (code, out) == (2, "policy.yml: valid\n")
    known = "cancel_orders, expire_silence, http, parameter, script, silence"
    assert err.splitlines() == [
        f"actions.yml:29: actions[2].steps[0].executor: there is no such executor; there are: {known}",
        "receiver.yml:6: actions: the file named here can not be used",
    ]


def test_actions_and_policies_are_checked_before_a_receiver_names_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = POLICY.replace("by: [oncall]", "by: [nobody]")
    code, out, err = checked(tmp_path, capsys, "--without-secrets", policy=policy, actions="{}")
    known = "admin, commander, everybody, oncall, operator, risk, trader, viewer"
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "actions.yml:1: actions: is required",
        f"policy.yml:15: freeze.by[0]: is no role and no group; there are: {known}",
    ]


def test_a_policy_that_nobody_could_follow_is_valid_and_is_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = POLICY.replace("{role: risk}]", "{role: risk, count: 3}]")
    code, out, err = checked(tmp_path, capsys, "--without-secrets", policy=policy)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "policy.yml: valid"
    assert out.splitlines()[1].endswith(
        "policy.yml:14: rules[1].approvals: whoever requests it, the others are not enough to approve it"
    )


def test_a_script_that_could_not_run_on_this_machine_is_valid_and_is_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "script.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    known = hashlib.sha256(script.read_bytes()).hexdigest()
    step = f"{{executor: script, path: {script}, sha256: {known}, arguments: [$venue]}}"
    verify = "{query: up, heartbeat: up, within: 1s}"
    actions = f"""actions:
  - name: move
    title: Move elsewhere
    parameters: {{venue: {{choices: [a, b]}}}}
    verify: {verify}
    steps: [{step}]
"""
    assert checked(tmp_path, capsys, actions=actions) == (0, "actions.yml: valid\n", "")
    script.write_text("#!/bin/sh\nexit 1\n")
    code, out, err = checked(tmp_path, capsys, actions=actions)
    assert (code, err) == (0, "")
    assert out.splitlines()[1].endswith(
        "actions.yml:6: actions[0].steps[0].path: could not run here: its sha256 is not the one that is allowed"
    )
