"""Runs the programs of this folder, each in a venv of its own under .venv-integration/ (made once and kept).

Their libraries do not agree with ours on versions, so pytest cannot hold them. The first run needs the index.
"""

import argparse
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
VENVS = ROOT / ".venv-integration"
# Program -> what pip installs for it, and the versions that stand over those of constraints.txt.
PROGRAMS = {
    "with_jax": (["-e", f"{ROOT}[hlo]"], {}),
    "with_rllib": (["-e", f"{ROOT}[rllib]"], {"gymnasium": "1.2.2"}),
    "with_torchrl": (["-e", f"{ROOT}", "torchrl"], {}),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", nargs="*", choices=[[], *PROGRAMS], help="all, unless named")
    asked = parser.parse_args().programs or list(PROGRAMS)
    failed = [name for name in asked if not run(name)]
    passed = len(asked) - len(failed)
    print(f"integration: {passed} passed, {len(failed)} failed" + "".join(f"\n  {name}" for name in failed))
    return 1 if failed else 0


def run(name: str) -> bool:
    """Make the program's venv unless it is there, and run the program in it."""
    packages, versions = PROGRAMS[name]
    folder = VENVS / name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = folder / "installed"
    if not done.is_file():
        print(f"== {name}: installing", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        constraints = folder / "constraints.txt"
        constraints.write_text(constrained(versions), encoding="utf-8")
        command = [str(python), "-m", "pip", "install", "--quiet", "-c", str(constraints), *packages]
        if subprocess.run(command, check=False).returncode:
            return False
        done.touch()
    print(f"== {name}", flush=True)
    return subprocess.run([str(python), str(HERE / f"{name}.py")], check=False).returncode == 0


def constrained(versions: dict[str, str]) -> str:
    """Return constraints.txt with some versions replaced."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    for package, version in versions.items():
        text, count = re.subn(rf"^{package}==.*$", f"{package}=={version}", text, flags=re.MULTILINE)
        assert count == 1, package
    return text


if __name__ == "__main__":
    sys.exit(main())
