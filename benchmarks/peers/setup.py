"""Create the peers' virtual environments under ``.bench/``, with pinned versions, where not yet there.

    python benchmarks/peers/setup.py            # all
    python benchmarks/peers/setup.py jumanji    # one

Prints one line per peer: its name and the path of its interpreter. Needs a package index; a peer that was
half made, or made with other pins, is made anew.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The peers leave most of their dependencies open; these are the versions the scripts were run with.
PINS = {
    "jssenv": ("jssenv==1.1.0", "gymnasium==1.4.0", "numpy==2.4.6", "pandas==3.1.1", "plotly==7.1.0"),
    "jumanji": ("jumanji==1.1.2", "jax==0.10.2", "jaxlib==0.10.2", "chex==0.1.92", "numpy==2.4.6"),
    "rl4co": (
        "torch==2.13.0", "rl4co==0.7.0", "torchrl==0.14.1", "tensordict==0.14.3", "lightning==2.6.6",
        "torch-geometric==2.8.1", "numpy==2.4.6",
    ),
}  # fmt: skip


def interpreter(peer: str) -> Path:
    """Path of the peer's interpreter, whether or not it exists yet."""
    folder = ROOT / ".bench" / peer
    return folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"


def prepare(peer: str) -> Path:
    """Make the peer's environment if it is absent, incomplete or of other pins; return its interpreter.

    Raises:
        subprocess.CalledProcessError: if venv or pip fails; the next call then starts anew.
    """
    folder = ROOT / ".bench" / peer
    stamp, python = folder / "pins.txt", interpreter(peer)
    pins = "\n".join(PINS[peer]) + "\n"
    if python.exists() and stamp.exists() and stamp.read_text() == pins:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PINS[peer]], check=True)
    stamp.write_text(pins)
    return python


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peers", nargs="*", help=f"which of {', '.join(PINS)}; default all")
    peers = parser.parse_args().peers or list(PINS)
    unknown = [peer for peer in peers if peer not in PINS]
    if unknown:
        parser.error(f"unknown peer {', '.join(unknown)}; expected {', '.join(PINS)}")
    for peer in peers:
        print(peer, prepare(peer))


if __name__ == "__main__":
    main()
