"""Problems by name, file and description; the outside data sets; heights known for published problems."""

import csv
from importlib.resources import files

import pytest

from families_allocation import CUT, EVEN, ODD, problem
from ganttlet.core.data import data_path, data_set_digest
from ganttlet.core.errors import InputError
from ganttlet.memory_allocation import DATA_SETS, FAMILY, AllocationInstance, generate, reference, resolve, write_csv
from ganttlet.memory_allocation.bounds import table

# n and distinct times, counted in the files.
PUBLISHED = {
    "A": (154, 72),
    "B": (170, 83),
    "C": (203, 100),
    "E": (215, 114),
    "F": (296, 175),
    "H": (316, 200),
    "I": (374, 179),
    "K": (454, 243),
}


def need(group):
    folder = data_path("memory_mapping", group)
    if not folder.is_dir():
        pytest.skip(f"memory_mapping/{group} is not under GANTTLET_DATA")
    return folder


def test_forms(tmp_path):
    instance = resolve(ODD)
    assert resolve(instance) is instance
    assert resolve({"generator": CUT, "seed": 4}) == generate(CUT, 4)
    assert resolve({"generator": CUT}) == generate(CUT, 0)
    instance.save(tmp_path / "one.json")
    write_csv(resolve(EVEN), tmp_path / "even.12.csv")
    for form in (str(tmp_path / "one.json"), tmp_path / "one.json", {"name": str(tmp_path / "one.json")}):
        assert resolve(form) == instance
    for form in (str(tmp_path / "even.12.csv"), tmp_path / "even.12.csv", {"name": tmp_path / "even.12.csv"}):
        assert resolve(form).digest == resolve(EVEN).digest


def test_options(tmp_path):
    write_csv(resolve(EVEN), tmp_path / "even.12.csv")
    path = str(tmp_path / "even.12.csv")
    for form in (f"{path}:capacity=2KiB", {"name": path, "capacity": 2048}, {"name": path, "capacity": "2KiB"}):
        assert resolve(form).capacity == 2048
    assert resolve(f"{path}:capacity=2KiB").name == "even:capacity=2KiB"
    assert resolve({"name": f"{path}:capacity=2KiB", "capacity": 13}).capacity == 13
    (tmp_path / "solved.csv").write_text("lower,upper,size,offset\n0,1,2,0\n", encoding="utf-8")
    assert resolve(str(tmp_path / "solved.csv")).fixed.tolist() == [0]
    assert resolve(f"{tmp_path / 'solved.csv'}:offsets=solution").fixed.tolist() == [-1]
    resolve(ODD).save(tmp_path / "one.npz")
    assert resolve(f"{tmp_path / 'one.npz'}:capacity=99").capacity == 99


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (7, "cannot use int 7; expected minimalloc:A"),
        ("nothing", "unknown name; expected minimalloc:A, idealloc:resnet50, a file"),
        ("", "unknown name"),
        ("minimalloc:Z", r"holds no Z\.csv or Z\.<capacity>\.csv; set GANTTLET_DATA"),
        ("minimalloc:../A", "unknown name"),
        ("minimalloc:", "unknown name"),
        ("absent.csv", "absent.csv: cannot be read"),
        ("one.json:offsets=solution", "option 'offsets' belongs to CSV files"),
        ("one.csv:colour=1", "unknown key 'colour'"),
        ("one.csv:capacity=2MB", "option 'capacity': expected bytes, or a number with KiB, MiB or GiB, got '2MB'"),
        ({"name": "nothing"}, "unknown name"),
        ({"name": 3}, "key 'name': expected a text or a path, got 3"),
        ({"name": "one.csv", "colour": 1}, "unknown key 'colour'"),
        ({"generator": CUT, "sead": 1}, "unknown key 'sead'"),
        ({"lower": [0]}, "field 'name' is missing"),
        ({"name": "x", "size": [1]}, "field 'lower' is missing"),
    ],
)
def test_what_cannot_be_resolved(spec, message):
    with pytest.raises(InputError, match=message):
        resolve(spec)


def test_a_capacity_that_is_too_small_names_the_file(tmp_path):
    resolve(EVEN).save(tmp_path / "one.json")
    with pytest.raises(InputError, match=r"one\.json: field 'size': buffer 0 of 4 is larger than the capacity 3"):
        resolve(f"{tmp_path / 'one.json'}:capacity=3")


@pytest.mark.parametrize("entry", DATA_SETS, ids=lambda entry: entry.name)
def test_data_sets_are_those_described(entry):
    folder = need(entry.name)
    assert len(list(folder.glob("*.csv"))) == entry.count
    assert data_set_digest(folder, "*.csv") == entry.sha256


@pytest.mark.parametrize("letter", PUBLISHED)
def test_published_problems(letter):
    need("minimalloc")
    instance = resolve(f"minimalloc:{letter}")
    assert instance.name == f"minimalloc:{letter}"
    assert (instance.n_buffers, len(instance.times)) == PUBLISHED[letter]
    assert instance.capacity == 1_048_576
    assert instance.peak == (1_039_360 if letter == "C" else 1_048_576)
    assert (instance.size % 512 == 0).all()


def test_problems_without_a_capacity():
    need("idealloc")
    instance = resolve("idealloc:resnet50")
    assert (instance.name, instance.n_buffers, instance.capacity) == ("idealloc:resnet50", 1042, 1_515_472_556)
    assert resolve("idealloc:G_1").capacity == 3_030_937_746


def test_references():
    mine = resolve(problem([(0, 3, 4), (1, 5, 4), (4, 6, 8)], 12))
    assert reference(mine) == reference(mine, "height")
    bound = reference(mine, "height")
    assert (bound.value, bound.kind, bound.bound) == (12.0, "bound", 12.0)
    assert [reference(mine, name).value for name in ("ratio", "fits")] == [1.0, 1.0]
    impossible = AllocationInstance("x", [0, 0], [1, 1], [3, 3], 5)
    assert [reference(impossible, name).value for name in ("height", "ratio", "fits")] == [6.0, 1.0, 0.0]
    with pytest.raises(InputError, match="objective: unknown value 'peak'"):
        reference(mine, "peak")
    assert FAMILY.reference(mine, "height") == bound


def test_known_heights_belong_to_the_published_problems():
    text = files("ganttlet.memory_allocation").joinpath("data/known.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert len(table()) == len(rows) >= 10
    assert {row["name"] for row in rows} >= {f"minimalloc:{letter}" for letter in PUBLISHED}
    for row in rows:
        need(row["name"].partition(":")[0])
        instance = resolve(row["name"])
        assert instance.digest == row["digest"]
        assert instance.least_height <= int(row["bound"]) <= int(row["height"])
        known = reference(instance)
        assert (known.value, known.bound, known.source) == (int(row["height"]), int(row["bound"]), row["source"])
        assert known.kind == ("optimal" if row["height"] == row["bound"] else "best_known")


def test_a_known_height_is_not_taken_for_another_problem():
    need("minimalloc")
    instance = resolve("minimalloc:C")
    other = AllocationInstance("minimalloc:C", instance.lower, instance.upper, instance.size + 512, 2_000_000)
    assert reference(other).kind == "bound"
