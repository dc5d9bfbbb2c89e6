"""The peers that are no dependency of ours, in a virtual environment of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PEERS = ("web3==8.0.0",)


def python_with_peers() -> str:
    """The Python of that environment; made on the first call, which takes a minute."""
    folder = ROOT / ".venv" / "bench-peers"
    python, stamp = folder / "bin" / "python", folder / "peers.txt"
    if not stamp.exists() or stamp.read_text() != "\n".join(PEERS):
        print(f"bench: {', '.join(PEERS)} into an environment of their own ...")
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS], check=True)
        stamp.write_text("\n".join(PEERS))
    return str(python)
