"""Fusion and tables on small graphs written by hand; no torch is needed to follow them."""

import csv

import pytest

from ganttlet.core.errors import InputError
from ganttlet.memory_mapping.formats import read_csv
from ganttlet_agents.programs.fusion import fuse
from ganttlet_agents.programs.graph import Graph, Operator, Read, Value, without_dead
from ganttlet_agents.programs.tables import build

KINDS = {"x": "input", "w": "param"}


def graph(lines, outputs, elements=()):
    """Build a graph from lines such as ``y = mm x w``; an operator that begins with + is element-wise."""
    sizes = dict(elements)
    names, values, operators = {}, [], []

    def value(name):
        if name not in names:
            names[name] = len(values)
            values.append(Value(name, KINDS.get(name[0], "temp"), sizes.get(name, 8), 2))
        return names[name]

    for line in lines:
        left, _, right = line.partition(" = ")
        op, *operands = right.split()
        reads = tuple(Read(value(name), (0, (1, sizes.get(name, 8))), sizes.get(name, 8)) for name in operands)
        results = tuple(value(name) for name in left.split())
        name = op.strip("+")
        matrix = 100 if name == "mm" else 0
        elementwise = op.startswith("+")
        operators.append(
            Operator(
                results and left.split()[-1], name, reads, results, matrix, 10, elementwise, elementwise or name == "mm"
            )
        )
    return Graph("g", tuple(values), tuple(operators), frozenset(names[name] for name in outputs))


def ops(made):
    return ["+".join(made.operators[index].op for index in group.members) for group in fuse(made)]


@pytest.mark.parametrize(
    ("lines", "outputs", "elements", "expected"),
    [
        (["y = mm x w", "z = +relu y"], "z", (), ["mm+relu"]),
        (["y = mm x w", "z = +relu y", "u = +tanh z"], "u", (), ["mm+relu+tanh"]),
        # Two readers, or a returned value: y has to be written.
        (["y = mm x w", "z = +relu y", "u = mm y z"], "u", (), ["mm", "relu", "mm"]),
        (["y = mm x w", "z = +relu y"], "yz", (), ["mm", "relu"]),
        # A reduction is no producer, and a broadcast operand has not the result's elements.
        (["y = sum x", "z = +relu y"], "z", (), ["sum", "relu"]),
        (["y = mm x w", "z = +add x y"], "z", (("y", 4),), ["mm", "add"]),
        # The later of two producers is joined.
        (["y = mm x w", "v = mm x w2", "z = +add y v"], "z", (), ["mm", "mm+add"]),
        (["y = mm x w", "v = mm x w2", "z = +add v y"], "z", (), ["mm", "mm+add"]),
        # mm and relu would have to wait for v, which reads what mm makes beside y.
        (["y m = mm x w", "v = mm m w", "z = +add y v"], "z", (), ["mm", "mm+add"]),
        (["y m = mm x w", "v = sum m", "z = +add y v"], "z", (), ["mm", "sum", "add"]),
        (["y m = mm x w", "v = sum x", "z = +add y v", "u = sum m"], "zu", (), ["sum", "mm+add", "sum"]),
        # The update is made at its place; the gradient it waits for moves there.
        (["g = mm x w", "v = sum x", "n = +sub w g"], "vn", (), ["sum", "mm+sub"]),
    ],
)
def test_fusion(lines, outputs, elements, expected):
    assert ops(graph(lines, outputs, elements)) == expected


def test_fusion_reads_a_part():
    made = graph(["y = mm x w", "z = +relu y"], "z")
    half = made.operators[1].reads[0]._replace(elements=4, region=(0, (1, 4)))
    relu = Operator("z", "relu", (half,), made.operators[1].results, 0, 10, True, True)
    assert ops(Graph("g", made.values, (made.operators[0], relu), made.outputs)) == ["mm", "relu"]


def test_without_dead():
    made = graph(["a = mm x w", "b = +relu a", "c = mm x w2", "d e = sum c"], "d")
    kept = without_dead(made)
    assert [operator.op for operator in kept.operators] == ["mm", "sum"]
    assert kept.outputs == made.outputs


def test_build():
    tables = build(graph(["y = mm x w", "z m = +relu y", "v = mm z w", "u = +add v x"], ["u", "m"]))
    assert [row[1:] for row in tables.instructions] == [("mm+relu", 2, 100, 20), ("mm+add", 2, 100, 20)]
    assert [tuple(row) for row in tables.buffers] == [
        ("x", "input", 16, -1, 1, 2),
        ("w", "param", 16, -1, 1, 2),
        ("z", "temp", 16, 0, 1, 1),
        ("m", "output", 16, 0, 2, 0),
        ("u", "output", 16, 1, 2, 0),
    ]
    assert [tuple(row) for row in tables.uses] == [
        (0, 0, "in", 0, 16),
        (0, 1, "in", 1, 16),
        (0, 2, "out", 2, 16),
        (0, 3, "out", 3, 16),
        (1, 0, "in", 2, 16),
        (1, 1, "in", 1, 16),
        (1, 2, "in", 0, 16),
        (1, 3, "out", 4, 16),
    ]
    assert (tables.matrix_flops, tables.vector_flops, tables.resident, tables.traffic) == (200, 40, 32, 128)


def test_build_merges_parts_of_a_buffer():
    made = graph(["y = mm x w"], "y")
    parts = [Read(0, (0, (1, 3)), 3), Read(0, (4, (1, 3)), 3), Read(0, (0, (1, 3)), 3)]
    whole = Read(0, (0, (1, 8)), 8)

    def moved(*reads):
        operator = Operator("y", "mm", reads, made.operators[0].results, 1, 0)
        return [use.bytes for use in build(Graph("g", made.values, (operator,), made.outputs)).uses if use.role == "in"]

    assert moved(*parts) == [12]  # the same part twice is moved once
    assert moved(whole, *parts) == [16]  # never more than the buffer


def test_build_leaves_out_what_has_no_elements():
    tables = build(graph(["y = sum x x0", "e = sum y", "z = +relu y"], "ze", (("x0", 0), ("e", 0))))
    assert [row.op for row in tables.instructions] == ["sum", "relu"]
    assert [row.name for row in tables.buffers] == ["x", "y", "z"]
    tables.program()


def test_build_refuses_an_empty_program():
    with pytest.raises(InputError, match="g: the program has no instruction"):
        build(graph(["y = mm x w"], "x"))


def test_build_refuses_a_value_read_before_it_is_made():
    made = graph(["z = sum y", "y = sum x"], "z")
    with pytest.raises(InputError, match="g: node 'z' reads 'y' before it is made"):
        build(made)


def test_write_and_read_back(tmp_path):
    tables = build(graph(["y = mm x w", "z = +relu y", "v = sum z"], "zv"))
    paths = tables.write(tmp_path / "new")
    assert [path.name for path in paths] == ["g.instructions.csv", "g.buffers.csv", "g.uses.csv"]
    assert sorted((tmp_path / "new").iterdir()) == sorted(paths)
    assert list(csv.reader(paths[2].open()))[:2] == [
        ["t", "slot", "role", "buffer", "bytes"],
        ["0", "0", "in", "0", "16"],
    ]
    program = read_csv(tmp_path / "new" / "g", "tight")
    assert program == tables.program("tight")
    assert program.instruction_op.tolist() == ["mm+relu", "sum"]
    assert program.capacity == 32 * 2**20


def test_all_files_are_written_or_none(tmp_path):
    first, second = build(graph(["y = mm x w"], "y")), build(graph(["y = sum x"], "y"))
    (tmp_path / "g.uses.csv").mkdir()
    with pytest.raises(OSError, match=r"g\.uses\.csv"):
        first.write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["g.uses.csv"]

    (tmp_path / "g.uses.csv").rmdir()
    paths = first.write(tmp_path)
    texts = [path.read_text() for path in paths[:2]]
    paths[2].unlink()
    paths[2].mkdir()
    with pytest.raises(OSError, match=r"g\.uses\.csv"):
        second.write(tmp_path)
    assert [path.read_text() for path in paths[:2]] == texts
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in paths)
