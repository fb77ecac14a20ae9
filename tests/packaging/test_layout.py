"""The house rules that a machine can check: who imports whom, file sizes, versions, a family's files."""

import ast
import pkgutil
import re
import statistics
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

import ganttlet
from ganttlet.core.family import BUILT_IN, load_object

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = {"envs": "ganttlet", "agents": "ganttlet_agents"}
FOLDERS = ("envs", "agents", "tests", "benchmarks", "examples")
ROOM = ("instance", "generator", "kernel", "env", "solution", "render")
FAMILIES = sorted(BUILT_IN)
HEAVY = ("ganttlet_agents", "torch", "ortools", "highspy", "ray", "matplotlib", "stable_baselines3")
KERNEL_DECORATORS = {"njit", "jit", "vectorize", "guvectorize", "generated_jit", "stencil", "cfunc"}
LONGEST, MEDIAN = 500, 150


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def module_of(path: Path) -> str:
    """Return the dotted name of a file under a source root."""
    parts = path.relative_to(ROOT).with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, *, late: bool = True) -> set[str]:
    """Return the dotted names a file imports, relative ones made absolute; inside functions only if late."""
    package = module_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    found: set[str] = set()
    pending: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if not late and (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or is_type_checking(node)
        ):
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            found.update(f"{source}.{alias.name}" for alias in node.names)
        pending.extend(ast.iter_child_nodes(node))
    return found


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def inside(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(("root", "package"), PACKAGES.items())
def test_a_source_root_holds_exactly_one_typed_package(root: str, package: str) -> None:
    entries = [path.name for path in (ROOT / root).iterdir() if not path.name.startswith((".", "__"))]
    assert entries == [package]
    assert (ROOT / root / package / "__init__.py").is_file()
    assert (ROOT / root / package / "py.typed").is_file()


@pytest.mark.parametrize("root", PACKAGES)
def test_every_folder_with_modules_is_a_package(root: str) -> None:
    folders = {path.parent for path in sources(root)}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_no_file_is_long() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources(*FOLDERS)}
    assert {str(path): count for path, count in lengths.items() if count > LONGEST} == {}
    for root in PACKAGES:
        assert statistics.median(count for path, count in lengths.items() if path in sources(root)) <= MEDIAN


def test_import_finder_sees_every_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks below are worth something only if the finder cannot be fooled."""
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    path = tmp_path / "envs" / "ganttlet" / "one" / "env.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "from . import kernel\nfrom ..two import env\nimport torch.nn as nn\n"
        "if TYPE_CHECKING:\n    import ray\n"
        "def late():\n    from ganttlet.three.env import E\n"
    )
    early = {"ganttlet.one.kernel", "ganttlet.two.env", "torch.nn"}
    assert imports(path) == early | {"ray", "ganttlet.three.env.E"}
    assert imports(path, late=False) == early


def test_environments_import_nothing_heavy() -> None:
    wrong = {
        (str(path.relative_to(ROOT)), name)
        for path in sources("envs")
        for name in imports(path, late=False)
        if any(inside(name, heavy) for heavy in HEAVY)
    }
    assert wrong == set()


def test_environments_need_only_matplotlib_beside_their_dependencies() -> None:
    allowed = {*sys.stdlib_module_names, "ganttlet", "gymnasium", "numpy", "numba", "matplotlib"}
    wrong = {
        (str(path.relative_to(ROOT)), name)
        for path in sources("envs")
        for name in imports(path)
        if name.split(".")[0] not in allowed
    }
    assert wrong == set()


def test_families_do_not_import_one_another() -> None:
    wrong = []
    for path in sources(*PACKAGES):
        parts = set(module_of(path).split("."))
        for family in FAMILIES:
            if family in parts:
                others = [other for other in FAMILIES if other != family]
                names = imports(path)
                wrong += [
                    f"{path.relative_to(ROOT)} imports {name}"
                    for name in names
                    if any(other in name.split(".") for other in others)
                ]
    assert wrong == []


def test_core_knows_no_family() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources("envs/ganttlet/core")
        for name in imports(path)
        if inside(name, "ganttlet") and not inside(name, "ganttlet.core")
    ]
    assert wrong == []


@pytest.mark.parametrize("root", [*PACKAGES, "benchmarks"])
def test_kernels_are_compiled_by_core_jit_alone(root: str) -> None:
    wrong = []
    for path in sources(root):
        if module_of(path) == "ganttlet.core.jit":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and inside(node.module, "numba"):
                names = {alias.name for alias in node.names}
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("numba", "nb"):
                names = {node.attr}
            else:
                continue
            wrong += [f"{path.relative_to(ROOT)}: {name}" for name in names & KERNEL_DECORATORS]
    assert wrong == []


@pytest.mark.parametrize("family", FAMILIES)
def test_every_room_holds_the_same_files(family: str) -> None:
    room = ROOT / "envs" / "ganttlet" / family
    missing = [
        name for name in ROOM if not ((room / f"{name}.py").is_file() or (room / name / "__init__.py").is_file())
    ]
    assert missing == []
    assert (ROOT / "docs" / "environments" / f"{family}.md").is_file()
    assert list((ROOT / "agents" / "ganttlet_agents" / "rules").glob(f"{family}*"))


def test_entry_points_name_things_that_exist() -> None:
    groups = PYPROJECT["project"]["entry-points"]
    assert groups["ganttlet.families"] == BUILT_IN
    targets = [*PYPROJECT["project"]["scripts"].values()]
    targets += [target for group in groups.values() for target in group.values()]
    for target in targets:
        assert load_object(target) is not None


def test_every_module_of_the_environments_imports_nothing_heavy() -> None:
    """All of ganttlet at once, in a process of its own: what counts is what is loaded, by whatever road."""
    code = (
        "import importlib, pkgutil, sys, ganttlet\n"
        "for module in pkgutil.walk_packages(ganttlet.__path__, 'ganttlet.'):\n"
        "    importlib.import_module(module.name)\n"
        f"print(*sorted(set(sys.modules) & {set(HEAVY)!r}))"
    )
    assert run_python(code) == ""


def test_walking_ganttlet_finds_its_modules() -> None:
    names = {module.name for module in pkgutil.walk_packages(ganttlet.__path__, "ganttlet.")}
    assert {module_of(path) for path in sources("envs")} - {"ganttlet"} == names


def test_one_version_everywhere() -> None:
    stated = PYPROJECT["project"]["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(\d[^]]*)\]", changelog, flags=re.MULTILINE)
    assert newest is not None
    assert {version("ganttlet"), ganttlet.__version__, str(citation["version"]), newest[1]} == {stated}


def test_constraints_hold_what_is_installed_here() -> None:
    """Continuous integration installs from constraints.txt, so the floors of pyproject must agree with it."""
    from packaging.requirements import Requirement

    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    pins = {re.sub(r"[-_.]+", "-", name).lower(): pin for name, pin in pins.items()}
    project = PYPROJECT["project"]
    wanted = [*project["dependencies"]]
    for extra, requirements in project["optional-dependencies"].items():
        wanted += requirements if extra not in ("rllib", "hlo") else []
    for text in wanted:
        requirement = Requirement(text)
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name != "ganttlet":
            assert name in pins, f"{name} has no exact version in constraints.txt"
            assert requirement.specifier.contains(pins[name]), f"{text} excludes {pins[name]}"
