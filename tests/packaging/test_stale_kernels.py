"""An edit in a helper of another file must reach the kernels that call it, whose own file is unchanged."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ganttlet

HELPER = "{decorator}\ndef helper(x):\n    return x + {step}\n"
KERNEL = "from {package}.helper import helper\n\n{decorator}\ndef kernel(x):\n    return helper(x)\n"
DECORATORS = {
    "keyed": "from ganttlet.core.jit import jit\n\n@jit",
    "bare": "import numba\n\n@numba.njit(cache=True)",
}
RUN = """
import json
from bare.kernel import kernel as bare
from keyed.kernel import kernel as keyed
found = {}
for name, kernel in (("keyed", keyed), ("bare", bare)):
    value = kernel(10)
    found[name] = {"value": value, "hits": sum(kernel.stats.cache_hits.values())}
print(json.dumps(found))
"""


def write_helpers(folder: Path, step: int) -> None:
    for package, decorator in DECORATORS.items():
        (folder / package / "helper.py").write_text(HELPER.format(decorator=decorator, step=step))


def run(code: str, path: Path, cache: Path) -> str:
    # A byte-code file keyed by size and second would hide an edit made within one second.
    settings = {"PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
    settings |= {"GANTTLET_CACHE": str(cache / "keyed"), "NUMBA_CACHE_DIR": str(cache / "bare")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ | settings
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, int]]]:
    """Three runs of the same kernels: the first, one with nothing changed, one after the helpers' edit."""
    folder = tmp_path_factory.mktemp("stale")
    for package, decorator in DECORATORS.items():
        (folder / package).mkdir()
        (folder / package / "__init__.py").touch()
        (folder / package / "kernel.py").write_text(KERNEL.format(package=package, decorator=decorator))
    found = []
    for step in (1, 1, 5):
        if not found or step != 1:
            write_helpers(folder, step)
        found.append(json.loads(run(RUN, folder, folder / "cache")))
    return found


def test_an_edited_helper_is_seen(runs: list[dict[str, dict[str, int]]]) -> None:
    assert [found["keyed"]["value"] for found in runs] == [11, 11, 15]


def test_an_unchanged_kernel_comes_from_the_cache(runs: list[dict[str, dict[str, int]]]) -> None:
    assert [found["keyed"]["hits"] for found in runs] == [0, 1, 0]


def test_the_bare_decorator_would_give_the_old_result(runs: list[dict[str, dict[str, int]]]) -> None:
    """The control: without it, the first test could not fail."""
    assert [found["bare"]["value"] for found in runs] == [11, 11, 11]


def test_an_edit_in_ganttlet_itself_moves_its_cache(tmp_path: Path) -> None:
    source = Path(ganttlet.__file__).parent
    copy = tmp_path / "ganttlet"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    code = (
        "from ganttlet.core import jit, rng\nprint(jit.__file__)\nprint(jit.cache_folder(rng.__file__, rng.__name__))"
    )
    folders = []
    for edit in ("", "", "# edited\n"):
        with (copy / "core" / "record.py").open("a", encoding="utf-8") as file:
            file.write(edit)
        origin, folder = run(code, tmp_path, tmp_path / "cache").splitlines()
        assert Path(origin).is_relative_to(copy), "the copy is the one imported"
        folders.append(folder)
    assert folders[0] == folders[1] != folders[2]
