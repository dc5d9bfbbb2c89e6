"""The peers that are no dependency of ours, in a virtual environment of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PEERS = ("web3==8.0.0",)
BATCHING_PEERS = ("dank-mids==4.20.215", "multicall==0.15.2", "web3==7.16.0")
"""Of an environment apart: they need a web3 before 8."""


def python_with_peers(peers: tuple[str, ...] = PEERS, name: str = "bench-peers") -> str:
    """The Python of that environment; made on the first call, which takes a minute."""
    folder = ROOT / ".venv" / name
    python, stamp = folder / "bin" / "python", folder / "peers.txt"
    if not stamp.exists() or stamp.read_text() != "\n".join(peers):
        print(f"bench: {', '.join(peers)} into an environment of their own ...")
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *peers], check=True)
        stamp.write_text("\n".join(peers))
    return str(python)
