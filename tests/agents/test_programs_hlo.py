"""Programs from the text of HLO modules: fixtures that JAX made of small functions, and lines written by hand."""

import re
from itertools import product
from pathlib import Path

import pytest

from ganttlet.core.errors import InputError, MissingExtraError
from ganttlet.memory_mapping.formats import read_csv
from ganttlet_agents.programs.__main__ import main
from ganttlet_agents.programs.hlo import from_hlo, hlo_text, lowering, read_hlo

FIXTURES = Path(__file__).parents[1] / "fixtures" / "hlo"
MLP = (FIXTURES / "mlp.txt").read_text(encoding="utf-8")
HEAD = "HloModule m, is_scheduled=true\n\n"


def entry(*lines, before=""):
    """Return a module whose entry computation has such lines, the last of them its result."""
    return f"{HEAD}{before}ENTRY %main () -> f32[] {{\n  " + "\n  ".join(lines) + "\n}\n"


def sizes(tables, kind):
    return {row.name: row.size for row in tables.buffers if row.kind == kind}


def reads(tables, t=-1):
    t %= len(tables.instructions)
    return {tables.buffers[use.buffer].name: use.bytes for use in tables.uses if use.t == t and use.role == "in"}


def test_mlp():
    tables = read_hlo(FIXTURES / "mlp.txt", name="mlp", weights=(1, 2, 3, 4))
    assert tables.name == "mlp"
    assert [row.op for row in tables.instructions] == [
        "dot", "add+maximum", "dot", "add+reduce", "add+subtract+exponential", "reduce+divide", "multiply"
    ]  # fmt: skip
    assert [row.n_fused for row in tables.instructions] == [1, 2, 1, 2, 3, 2, 1]
    assert [row.flops_mxu for row in tables.instructions] == [2 * 64 * 256 * 512, 0, 2 * 64 * 512 * 32, 0, 0, 0, 0]
    assert tables.instructions[4].flops_vec == (1 + 1 + 4) * 64 * 32
    assert sizes(tables, "param") == {"w1.1": 2 * 256 * 512, "b1.1": 1024, "w2.1": 2 * 512 * 32, "b2.1": 64}
    assert sizes(tables, "input") == {"x.1": 2 * 64 * 256}
    assert sizes(tables, "output") == {"broadcast_multiply_fusion": 2 * 64 * 32}
    assert reads(tables, 4) == {"add_reduce_fusion": 128, "ynn_fusion": 4096, "b2.1": 64}
    tables.program()


def test_attention():
    tables = read_hlo(FIXTURES / "attention.txt")
    assert tables.name == "jit_attention"
    assert tables.matrix_flops == 4 * 2 * 128 * 64 * 64 + 2 * 2 * 128 * 128 * 64
    # Scores, their row maxima and exponentials are one instruction.
    scores = next(t for t, row in enumerate(tables.instructions) if row.op.count("+") == 4)
    assert reads(tables, scores) == {"transpose_copy_fusion.2": 2 * 128 * 64, "transpose_copy_fusion.1": 2 * 128 * 64}
    assert reads(tables) == {"ynn_fusion": 2 * 128 * 64, "x.1": 2 * 128 * 64}


def test_training_step():
    """Its six results stand behind comments between the operands of a tuple."""
    tables = read_hlo(FIXTURES / "step.txt", weights=range(4))
    assert sorted(sizes(tables, "output").values()) == sorted([2, 80, 20, 320, 2 * 3 * 3 * 8 * 16, 32])
    # 3x3 at stride 2 over 32 places and one of padding: 47 products along a side. The gradient has as many.
    assert [row.flops_mxu for row in tables.instructions if row.op == "convolution"] == [2 * 4 * 8 * 16 * 47**2] * 2
    assert tables.matrix_flops == 4 * 4 * 8 * 16 * 47**2 + 3 * 2 * 4 * 16 * 10
    assert len(tables.instructions) == 20
    tables.program()


def test_a_gather_reads_its_rows():
    tables = read_hlo(FIXTURES / "rows.txt", weights=(0,))
    assert sizes(tables, "param") == {"table.1": 2 * 1000 * 16}
    assert reads(tables) == {"table.1": 2 * 7 * 16, "index.1": 4 * 7}


def test_types_can_be_kept():
    narrow, wide = (read_hlo(FIXTURES / "rows.txt", keep_types=keep) for keep in (False, True))
    assert [(a.size, b.size) for a, b in zip(narrow.buffers, wide.buffers, strict=True)] == [
        (32000, 64000), (28, 28), (32, 64)
    ]  # fmt: skip


def test_views_tuples_and_other_notation():
    text = entry(
        "%x = (bf16[4,6]{1,0:T(8,128)(2,1)}, /*index=1*/(s8[3]{0}, token[])) parameter(0), sharding={replicated}",
        "c = f64[2,2]{1,0} constant({",
        "  { 1, 2 },",
        '  { 3, 4 } }), metadata={op_name="a } b /*no comment*/" stack_frame_id=3}',
        "first = bf16[4,6]{1,0} get-tuple-element((bf16[4,6]{1,0}, (s8[3]{0}, token[])) %x), index=0",
        "second = (s8[3]{0}, token[]) get-tuple-element(%x), index=1",
        "bytes = s8[3]{0} get-tuple-element(second), index=0",
        "flat = bf16[24]{0:T(256)S(1)} bitcast(bf16[4,6]{1,0} %first)",
        "same = (bf16[24], s8[3]) tuple(flat, /*index=1*/ bytes)",
        "again = bf16[24]{0} get-tuple-element(same), index=0",
        "y = bf16[24]{0} tanh(again)",
        "z = f64[2,2]{1,0} add(c, c)",
        "u = s8[3]{0} negate(bytes)",
        "ROOT %out = (bf16[24]{0}, (f64[2,2]{1,0}, s8[3]{0}), bf16[4,6]{1,0}) tuple(y, pair, first)",
    ).replace("  ROOT", "  pair = (f64[2,2]{1,0}, s8[3]{0}) tuple(z, u)\n  ROOT")
    tables = from_hlo(text)
    assert [row.op for row in tables.instructions] == ["tanh", "add", "negate"]
    assert sizes(tables, "input") == {"x.0": 48, "x.1.0": 3}
    assert sizes(tables, "const") == {"c": 8}
    assert sizes(tables, "output") == {"y": 48, "z": 8, "u": 3}
    assert [reads(tables, t) for t in range(3)] == [{"x.0": 48}, {"c": 8}, {"x.1.0": 3}]


def test_slices_inside_fusions_and_several_results():
    inner = """%inner (a: f32[8,4], b: f32[9], i: s32[]) -> (f32[2,4], f32[4]) {
  a = f32[8,4] parameter(0)
  b = f32[9] parameter(1)
  i = s32[] parameter(2)
  flat = f32[32] bitcast(a)
  low = f32[4] slice(flat), slice={[0:4]}
  high = f32[2,4] dynamic-slice(a, i, i), dynamic_slice_sizes={2,4}
  ROOT both = (f32[2,4], f32[4]) tuple(high, low)
}
"""
    tables = from_hlo(
        entry(
            "x = f32[8,4] parameter(0)",
            "w = f32[9] parameter(1)",
            "i = s32[] parameter(2)",
            "f = (f32[2,4], f32[4]) fusion(x, w, i), kind=kLoop, calls=%inner",
            "ROOT r = f32[4] get-tuple-element(f), index=1",
            before=inner,
        )
    )
    assert reads(tables) == {"x": 2 * (4 + 8), "i": 4}  # w is not looked at
    assert sizes(tables, "output") == {"f.1": 8}  # and the other result is not made
    assert tables.instructions[0].op == "slice+dynamic-slice"


@pytest.mark.parametrize(
    ("data", "kernel", "result", "labels", "window", "groups"),
    [
        ((2, 9, 3), (4, 3, 5), (2, 9, 5), "b0f_0io->b0f", {"size": 4, "pad": (2, 1)}, 1),
        ((2, 9, 6), (3, 2, 6), (2, 4, 6), "b0f_0io->b0f", {"size": 3, "stride": 2}, 3),
        ((1, 5, 2), (3, 4, 2), (1, 12, 4), "b0f_0oi->b0f", {"size": 3, "pad": (2, 3), "lhs_dilate": 2}, 1),
        ((1, 7, 2), (3, 2, 4), (1, 3, 4), "b0f_0io->b0f", {"size": 3, "rhs_dilate": 2, "stride": 1}, 1),
        ((1, 5, 2), (3, 2, 4), (1, 3, 4), "b0f_0io->b0f", {"size": 3, "lhs_dilate": 3, "stride": 4, "pad": (-1, 0)}, 1),
    ],
)
def test_flops_of_convolutions(data, kernel, result, labels, window, groups):
    """Against products counted one by one."""
    low, high = window.get("pad", (0, 0))
    shown = [f"{key}={f'{low}_{high}' if key == 'pad' else value}" for key, value in window.items()]
    text = entry(
        f"x = f32[{','.join(map(str, data))}] parameter(0)",
        f"w = f32[{','.join(map(str, kernel))}] parameter(1)",
        f"ROOT y = f32[{','.join(map(str, result))}] convolution(x, w), window={{{' '.join(shown)}}}, "
        f"dim_labels={labels}, feature_group_count={groups}",
    )
    places = dict(zip(labels.split("_")[1].split("-")[0], kernel, strict=True))
    spread = [index * window.get("lhs_dilate", 1) for index in range(data[1])]
    count = 0
    for at, tap in product(range(result[1]), range(window["size"])):
        count += at * window.get("stride", 1) - low + tap * window.get("rhs_dilate", 1) in spread
    assert from_hlo(text).matrix_flops == 2 * count * result[0] * result[2] * places["i"]


def test_costs_of_ones_own():
    lines = ("x = f32[8] parameter(0)", 'ROOT y = f32[4] custom-call(x), custom_call_target="topk$3", api_version=1')
    with pytest.raises(InputError, match=r"line 5: instruction 'y' \(custom-call\) calls 'topk\$3', whose cost has no"):
        from_hlo(entry(*lines))
    assert from_hlo(entry(*lines), costs={"topk$3": 2.5}).vector_flops == 10


def test_loops_are_refused():
    with pytest.raises(InputError, match=r"loop\.txt: line \d+: instruction 'while[.\d]*' \(while\) is a loop, which"):
        read_hlo(FIXTURES / "loop.txt")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("HloModule jit_mlp", "digraph", "line 1: expected HloModule and a name, found 'digraph, is_scheduled"),
        ("is_scheduled=true, ", "", "line 1: the module is not scheduled; expected is_scheduled=true"),
        ("ENTRY %main", "%main", "line {}: the text ends without an ENTRY computation"),
        ("%x.1 = f32[64,256]{1,0} p", "%x.1 = f32[64,256{1,0} p", "line {}: expected a shape such as"),
        ("%x.1 = f32[64,256]{1,0} p", "%x.1 = f32[64,?]{1,0} p", "line {}: expected a shape such as"),
        ("%x.1 = f32[64,256]{1,0} p", "%x.1 = f32[<=64,256]{1,0} p", "line {}: expected fixed sides of an array"),
        ("%x.1 = f32[64,256]{1,0} p", "%x.1 = q7[64,256]{1,0} p", "line {}: unknown type 'q7' of elements"),
        ("%x.1 = f32[64,256]{1,0} p", "x.1: f32[64,256]{1,0} p", "line {}: expected '%name = shape opcode(operands)'"),
        ("(%x.1, %w1.1)", "(%x.1, %w9)", "line {}: instruction 'ynn_fusion.1' (fusion) reads 'w9', which no line of"),
        ("(%x.1, %w1.1)", "(%x.1, %ynn_fusion)", "line {}: instruction 'ynn_fusion.1' (fusion) reads 'ynn_fusion', "),
        ("(%x.1, %w1.1)", "(%x.1)", "line {}: instruction 'ynn_fusion.1' (fusion) gives 1 operands to"),
        ("calls=%fused_computation.1,", "calls=%gone,", "line {}: instruction 'ynn_fusion.1' (fusion) calls 'gone'"),
        ("%b2.1 = f32[32]{0} parameter(4)", "%b2.1 = f32[32]{0} parameter(3)", "line {}: instruction 'b2.1'"),
        ("%b2.1 = f32[32]{0} parameter(4)", "%b2.1 = f32[32]{0} parameter(5)", "has no parameter(4), but later ones"),
        ("%b1.1 = f32", "%x.1 = f32", "line {}: instruction 'x.1' is there twice in 'main"),
        ("dot(%param_0.1, ", "dot(%param_1.1, ", "(dot) contracts sides [512] with [256]; expected equal ones"),
        ("fusion(%x.1, %w1.1), kind", "fusion(%x.1, %w1.1, kind", "line {}: "),
        (" fusion(%x.1, %w1.1), kind", " dance(%x.1, %w1.1), kind", "(dance) has an opcode whose cost has no rule"),
        (" fusion(%x.1, %w1.1), kind", " all-reduce(%x.1, %w1.1), kind", "(all-reduce) moves data between devices"),
    ],
)
def test_broken_text(old, new, message):
    """Each is told with the line, which is that of the change but for the end of the text."""
    assert MLP.count(old) >= 1
    broken = MLP.replace(old, new, 1)
    number = MLP[: MLP.index(old)].count("\n") + 1 if "ends without" not in message else MLP.count("\n") + 1
    with pytest.raises(InputError, match=re.escape(message.format(number))):
        from_hlo(broken)
    with pytest.raises(InputError, match="line "):
        from_hlo(broken)


def test_no_prefix_of_a_text_is_read():
    """A text that was cut off is told as such, wherever it was cut."""
    for end in range(0, len(MLP.rstrip()) - 1, 97):
        with pytest.raises(InputError, match=r"line \d+: "):
            from_hlo(MLP[:end])


def test_computations_that_call_themselves():
    inner = "%a (p: f32[2]) -> f32[2] {\n  p = f32[2] parameter(0)\n  ROOT q = f32[2] call(p), to_apply=%a\n}\n"
    with pytest.raises(InputError, match=r"line 5: instruction 'q' .* calls 'a', which calls itself"):
        from_hlo(entry("x = f32[2] parameter(0)", "ROOT y = f32[2] call(x), to_apply=%a", before=inner))


def test_bad_arguments(tmp_path):
    with pytest.raises(InputError, match="weights: 5 is no parameter of the program; expected 0 … 4"):
        from_hlo(MLP, weights=(5,))
    with pytest.raises(InputError, match=r"name: '\.\./up' cannot name a file"):
        from_hlo(MLP, name="../up")
    with pytest.raises(InputError, match=r"gone\.txt: cannot be read: No such file"):
        read_hlo(tmp_path / "gone.txt")
    (tmp_path / "binary.txt").write_bytes(b"HloModule \xff")
    with pytest.raises(InputError, match=r"binary\.txt: not a text file"):
        read_hlo(tmp_path / "binary.txt")


def test_command_line(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["hlo", str(FIXTURES / "mlp.txt"), "--out", str(out), "--name", "mine", "--weights", "1", "2"]) == 0
    assert capsys.readouterr().out.startswith("mine: 7 instructions, 12 buffers, 21 uses, ")
    assert read_csv(out / "mine") == read_hlo(FIXTURES / "mlp.txt", name="mine", weights=(1, 2)).program()
    assert main(["hlo", str(FIXTURES / "loop.txt"), "--out", str(tmp_path / "new")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert "(while) is a loop" in error
    assert not (tmp_path / "new").exists()


def test_sizes_that_no_program_can_have_are_not_written(tmp_path):
    text = entry("x = f32[999999999999999999] parameter(0)", "ROOT y = f32[999999999999999999] negate(x)")
    with pytest.raises(InputError, match="field 'size': buffer 0 has"):
        from_hlo(text).write(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_jax_is_named_where_it_is_absent(monkeypatch):
    monkeypatch.setattr(lowering, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"jax is not installed; get it with: pip install 'ganttlet\[hlo\]'"):
        hlo_text(len)


def test_jax_functions():
    """XLA's own count of a convolution, its gradient and a product is ours."""
    jax = pytest.importorskip("jax")

    def convolve(x, w):
        return jax.lax.conv_general_dilated(x, w, (3, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def gradient(x, w):
        return jax.grad(lambda x: convolve(x, w).sum())(x)

    x, w = jax.ShapeDtypeStruct((2, 17, 9, 4), "float32"), jax.ShapeDtypeStruct((3, 5, 4, 6), "float32")
    for function in (convolve, gradient, jax.jit(lambda x, w: x.reshape(-1, 36) @ w.reshape(36, -1))):
        text = hlo_text(function, x, w)
        assert "FileNames" not in text
        counted = (function if hasattr(function, "lower") else jax.jit(function)).lower(x, w).compile().cost_analysis()
        tables = from_hlo(text, name="one")
        tables.program()
        assert tables.matrix_flops == pytest.approx(counted["flops"], rel=0.02)
    with pytest.raises(InputError, match="hlo_text: JAX cannot compile the function"):
        hlo_text(lambda x: x @ x, x)


def test_jax_code_on_the_page():
    pytest.importorskip("jax")
    page = (FIXTURES.parents[2] / "docs" / "programs.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"(?ms)^```py\n(.*?)^```", page)
    names: dict = {}
    exec(compile(code, "docs/programs.md", "exec"), names)
    assert names["tables"].matrix_flops == 2 * 64 * 512 * 256
    assert {row.size for row in names["tables"].buffers if row.kind == "param"} == {2 * 512 * 256, 2 * 256}
