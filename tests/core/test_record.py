"""Records and their files, beyond what the families' instances already show; the pages of a family."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest

from ganttlet.core import record as module
from ganttlet.core.errors import InputError, MissingExtraError
from ganttlet.core.family import family_names, get_family, load_object
from ganttlet.core.record import Instance, Solution, int_array, write_atomic


@dataclasses.dataclass(frozen=True, eq=False)
class Box(Instance):
    family: ClassVar[str] = "boxes"
    name: str
    sides: object
    lid: float | None = None

    def __post_init__(self):
        object.__setattr__(self, "sides", int_array("sides", self.sides, 1))


@dataclasses.dataclass(frozen=True, eq=False)
class Packed(Solution):
    family: ClassVar[str] = "boxes"
    sides: object


def test_equality_and_digest():
    box = Box("a", [1, 2])
    assert box == Box("a", [1, 2])
    assert box != Box("b", [1, 2])
    assert box != Box("a", [1, 3])
    assert box != Packed([1, 2])
    assert box != "a"
    assert box.digest == Box("b", [1, 2]).digest
    assert len({box, Box("a", [1, 2]), Box("a", [2, 1])}) == 2
    assert Box("a", [1, 2], 0.5).digest != box.digest
    assert Packed([1, 2]).digest != box.digest


def test_plain_form_names_what_it_is():
    data = Box("a", [1, 2]).to_dict()
    assert data == {"schema": 1, "family": "boxes", "kind": "instance", "name": "a", "sides": [1, 2], "lid": None}
    assert Box.from_dict(data) == Box("a", [1, 2])
    for key, value in (("schema", 2), ("family", "job_shop"), ("kind", "solution")):
        with pytest.raises(InputError, match=f"here: field '{key}' is"):
            Box.from_dict({**data, key: value}, "here")
    with pytest.raises(InputError, match="here: unknown key 'depth'"):
        Box.from_dict({**data, "depth": 1}, "here")
    with pytest.raises(InputError, match="here: field 'sides' is missing"):
        Box.from_dict({"name": "a"}, "here")
    with pytest.raises(InputError, match="here: expected a mapping"):
        Box.from_dict([1], "here")
    with pytest.raises(InputError, match="here: field 'sides': expected integers"):
        Box.from_dict({**data, "sides": [0.5]}, "here")


@pytest.mark.parametrize("ending", [".json", ".npz"])
def test_files(tmp_path, ending):
    path = tmp_path / "new" / f"box{ending}"
    for box in (Box("a", [1, 2]), Box("b", [], 0.25)):
        box.save(path)
        assert Box.load(path) == box
        assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file.txt"
    write_atomic(path, "old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(module.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomic(path, b"new")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["file.txt"]


def test_unknown_endings(tmp_path):
    for call in (Box("a", [1]).save, Box.load):
        with pytest.raises(InputError, match=r"unknown ending '.pkl'; expected .json or .npz"):
            call(tmp_path / "box.pkl")
    assert not list(tmp_path.iterdir())


def test_int_array():
    array = int_array("x", [1.0, 2.0], 1)
    assert (array.dtype, array.tolist(), array.flags.writeable) == (np.int32, [1, 2], False)
    source = np.array([1, 2], np.int64)
    assert not np.shares_memory(int_array("x", source, 1, np.int64), source)
    for wrong in ([[1]], [1, [2]], [np.inf], [np.nan], [2**31], ["a"], [True]):
        with pytest.raises(InputError, match="field 'x'"):
            int_array("x", wrong, 1)


def test_families():
    assert "job_shop" in family_names()
    assert get_family("job_shop") is load_object("ganttlet.job_shop:FAMILY")
    with pytest.raises(InputError, match=r"family: unknown name 'knitting'; expected one of .*job_shop"):
        get_family("knitting")


def test_a_target_that_is_no_family_is_refused(monkeypatch):
    from ganttlet.core import family

    monkeypatch.setitem(family.BUILT_IN, "impostor", "json:dumps")
    with pytest.raises(InputError, match="family 'impostor': json:dumps is not a"):
        get_family("impostor")


def test_a_missing_extra_names_the_command():
    assert str(MissingExtraError("ortools", "eval")) == (
        "ortools is not installed; get it with: pip install 'ganttlet[eval]'"
    )
