"""All boards: their generation, for whoever brings the catalogue of what is declared."""

from __future__ import annotations

from pathlib import Path

from occ.metrics import Catalogue

from . import accounts, command_center, exchange, foreign, meta, nodes, pools, response
from .kit import promql
from .kit.addresses import Addresses
from .kit.emit import Document, document
from .kit.rules import Rules

BOARDS = (
    command_center.board,
    meta.board,
    nodes.board,
    exchange.board,
    accounts.board,
    pools.board,
    response.board,
)


def documents(catalogue: Catalogue, folder: Path, addresses: Addresses) -> list[Document]:
    """Every board as Grafana reads it; limits are read from the rules of the folder `alerting-rules`. Raises Refused."""
    rules = Rules(folder)
    known = declared(catalogue, rules)
    return [document(board(rules), known, addresses) for board in BOARDS]


def declared(catalogue: Catalogue, rules: Rules) -> promql.Declared:
    """Everything that a board may ask for: our families, what is used of others, what rules record."""
    return rules.declared(promql.declared(catalogue, foreign.labels()))
