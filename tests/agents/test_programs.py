"""Extraction of small modules, against figures worked out by hand."""

import sys

import pytest
import torch
from torch import nn
from torch.nn import functional

from ganttlet.core.errors import InputError
from ganttlet_agents.programs import extract, flops, folding


def module(forward, **parts):
    """Return a module with ``parts`` whose forward is ``forward(parts, …)``."""

    class Given(nn.Module):
        def __init__(self):
            super().__init__()
            for name, part in parts.items():
                setattr(self, name, part)

        def forward(self, *args, **kwargs):
            return forward(self, *args, **kwargs)

    return Given()


def ops(tables):
    return [row.op for row in tables.instructions]


def reads(tables, t=-1):
    """Return the bytes of each operand of an instruction, by name, in order."""
    t %= len(tables.instructions)
    return {tables.buffers[use.buffer].name: use.bytes for use in tables.uses if use.t == t and use.role == "in"}


def kinds(tables, kind):
    return {row.name: row.size for row in tables.buffers if row.kind == kind}


def test_mlp():
    made = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4), nn.Softmax(-1))
    tables = extract(made, torch.zeros(5, 8), name="mlp")
    assert ops(tables) == ["addmm+relu", "addmm", "_softmax"]
    assert [row.flops_mxu for row in tables.instructions] == [2 * 5 * 8 * 16, 2 * 5 * 16 * 4, 0]
    assert [row.flops_vec for row in tables.instructions] == [5 * 16, 0, 5 * 5 * 4]
    assert kinds(tables, "param") == {"p_0_weight": 256, "p_0_bias": 32, "p_2_weight": 128, "p_2_bias": 8}
    assert kinds(tables, "input") == {"input": 80}
    assert kinds(tables, "output") == {"_softmax": 40}
    assert reads(tables, 0) == {"p_0_bias": 32, "input": 80, "p_0_weight": 256}
    assert tables.program().size_label == "3x8x10"


def test_views_are_folded_and_parts_counted():
    def forward(self, x):
        y = x.exp()
        first, second = y.t().chunk(2, 1)  # columns 0–5 of x's rows 0–1, and of its rows 2–3
        return (first + second).reshape(2, 6).sum(0), y[1:3].sum(), y.view(2, 12)[0].expand(3, 12).tanh()

    tables = extract(module(forward), torch.zeros(4, 6), name="views")
    assert ops(tables) == ["exp", "add", "clone", "sum", "sum", "tanh"]
    assert reads(tables, 1) == {"exp": 48}
    assert reads(tables, 4) == {"exp": 24}
    assert reads(tables, 5) == {"exp": 24}  # what repeats is read once


def test_copies_that_move_nothing_are_folded():
    def forward(self, x):
        return functional.dropout(x, 0.5, self.training).clone().to(torch.float64).relu() @ x.t().contiguous().double()

    tables = extract(module(forward), torch.zeros(4, 6), name="copies")
    assert ops(tables) == ["relu", "clone", "mm"]


def test_multiple_results_have_a_buffer_each_if_used():
    def forward(self, x):
        values, places = x.max(1)
        pooled, _ = functional.max_pool1d(x, 2, return_indices=True)
        return values, places, pooled

    tables = extract(module(forward), torch.zeros(4, 6), name="several")
    assert ops(tables) == ["max", "max_pool2d_with_indices"]
    assert [row.flops_vec for row in tables.instructions] == [24, 2 * 12]
    # Indices keep their 8 bytes, and those of the pool are not made.
    assert list(kinds(tables, "output").values()) == [8, 32, 24]


def test_gathers_read_no_more_than_they_return():
    def forward(self, rows, bags):
        return self.table(rows), self.bag(bags), self.table.weight.index_select(0, rows)

    made = module(forward, table=nn.Embedding(1000, 8), bag=nn.EmbeddingBag(1000, 8))
    tables = extract(made, (torch.zeros(3, dtype=torch.int64), torch.zeros(2, 5, dtype=torch.int64)), name="gathers")
    by_op = {op: reads(tables, t) for t, op in enumerate(ops(tables))}
    assert by_op["embedding"] == {"p_table_weight": 48, "args_0": 24}
    assert by_op["_embedding_bag"] == {"p_bag_weight": 2 * 5 * 8 * 2, "args_1": 80, "arange": 16}
    assert by_op["index_select"] == {"p_table_weight": 48, "args_0": 24}
    few = extract(module(lambda self, x, i: x[i]), (torch.zeros(2, 3), torch.zeros(9, dtype=torch.int64)), name="few")
    assert reads(few) == {"args_0": 12, "args_1": 72}


def test_buffers_constants_and_what_is_updated():
    def forward(self, x):
        self.seen += 1
        return x * torch.tensor(2.5) + self.kept + self.made + self.seen

    made = module(forward)
    made.register_buffer("kept", torch.zeros(6))
    made.register_buffer("seen", torch.zeros((), dtype=torch.int32))
    made.register_buffer("made", torch.zeros(6), persistent=False)
    tables = extract(made, torch.zeros(4, 6), name="state")
    assert kinds(tables, "param") == {"b_kept": 12, "b_seen": 4}
    assert sorted(kinds(tables, "const").values()) == [2, 12]
    assert sorted(kinds(tables, "output").values()) == [4, 48]
    assert made.seen == 0


def test_tied_parameters_are_one_buffer():
    table, head = nn.Embedding(10, 4), nn.Linear(4, 10, bias=False)
    head.weight = table.weight
    made = module(lambda self, rows: self.head(self.table(rows)), table=table, head=head)
    rows = torch.zeros(3, dtype=torch.int64)
    assert list(kinds(extract(made, rows, name="tied"), "param").values()) == [80]
    assert list(kinds(extract(made, rows, name="tied", train=True), "param").values()) == [80]


def test_training_step():
    made = module(
        lambda self, x: self.b(self.a(x).relu()), a=nn.Linear(8, 16), b=nn.Linear(16, 4), unused=nn.Linear(2, 2)
    )
    tables = extract(made, torch.zeros(5, 8), name="step", train=True)
    # The loss, and each used parameter's new value.
    assert sorted(kinds(tables, "output").values()) == [2, 8, 32, 128, 256]
    assert kinds(tables, "param") == {"p_a_weight": 256, "p_a_bias": 32, "p_b_weight": 128, "p_b_bias": 8}
    assert kinds(tables, "input") == {"x_0": 80}
    # Forward, and backward twice as much but for the gradient of the input.
    assert tables.matrix_flops == 3 * (2 * 5 * 8 * 16 + 2 * 5 * 16 * 4) - 2 * 5 * 8 * 16
    assert ops(tables)[:2] == ["addmm+relu", "addmm"]
    assert ops(tables).count("mm+mul+sub") == 2
    assert "mm+threshold_backward" in ops(tables)
    tables.program()


def test_parameters_of_like_names_are_not_one():
    made = nn.Module()
    inner = nn.Module()
    inner.register_parameter("b", nn.Parameter(torch.zeros(4)))
    made.register_parameter("a_b", nn.Parameter(torch.zeros(4)))
    made.add_module("a", inner)
    made.forward = lambda x: x * made.a_b + made.a.b
    for train in (False, True):
        tables = extract(made, torch.zeros(4), name="like", train=train)
        assert [row.size for row in tables.buffers if row.kind == "param"] == [8, 8]


def test_training_step_with_another_loss_and_frozen_parameters():
    made = nn.Sequential(nn.Linear(8, 16), nn.Linear(16, 4))
    made[0].requires_grad_(False)
    labels = torch.zeros(5, dtype=torch.int64)
    tables = extract(
        made, torch.zeros(5, 8), name="own", train=True, loss=lambda result: functional.cross_entropy(result, labels)
    )
    assert "nll_loss_backward" in ops(tables)
    assert sorted(kinds(tables, "output").values()) == [2, 8, 128]
    assert kinds(tables, "const") == {"_tensor_constant0": 40}
    assert set(kinds(tables, "param")) == {"p_0_weight", "p_0_bias", "p_1_weight", "p_1_bias"}


def test_convolution_gradients_read_what_they_need():
    made = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3))
    tables = extract(made, torch.zeros(2, 3, 8, 8), name="conv", train=True)
    second, first = (t for t, op in enumerate(ops(tables)) if op == "convolution_backward")
    assert {"p_1_weight", "convolution"} < set(reads(tables, second))
    assert "x_0" in reads(tables, first)
    assert "p_0_weight" not in reads(tables, first)  # the gradient of the input is not wanted


def test_common_layers_in_training():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.drop = nn.BatchNorm1d(6), nn.Dropout(0.2)
            self.attention = nn.TransformerEncoderLayer(6, 2, 12, batch_first=True)
            self.recurrent = nn.LSTM(6, 6)

        def forward(self, x):
            y = torch.relu_(self.norm(self.attention(x).transpose(1, 2)).transpose(1, 2))
            return self.recurrent(self.drop(y))[0]

    made, x = Net().eval(), torch.zeros(2, 3, 6)
    weights = [value.clone() for value in made.state_dict().values()]
    random = torch.get_rng_state()
    tables = extract(made, x, name="net", train=True)
    found = {op for row in ops(tables) for op in row.split("+")}
    assert {"bmm", "native_batch_norm_backward", "native_layer_norm_backward", "bernoulli", "tanh"} < found
    tables.program()
    # Nothing of the module, nor the random state, has changed.
    assert all(torch.equal(old, new) for old, new in zip(weights, made.state_dict().values(), strict=True))
    assert not any(part.training for part in made.modules())
    assert torch.equal(random, torch.get_rng_state())
    assert all(value.grad is None for value in made.parameters())


def images(x):
    y = functional.pixel_unshuffle(functional.pixel_shuffle(x, 2), 2)
    y = functional.fold(functional.unfold(y, 2, stride=2), 8, 2, stride=2)
    y = functional.pad(functional.pad(y, (1, 1, 1, 1), "reflect"), (1, 1, 1, 1), "replicate")
    y = functional.local_response_norm(y, 2) + functional.max_pool3d(functional.avg_pool3d(y, 2), 2).mean()
    return functional.adaptive_max_pool2d(y, 3)


def losses(x):
    y = functional.glu(functional.elu(functional.softplus(functional.hardswish(x))))
    y = functional.logsigmoid(functional.leaky_relu(functional.hardtanh(functional.softshrink(y))))
    y = functional.pad(functional.pad(y, (1, 1), "reflect"), (1, 1), "replicate")
    y = functional.prelu(y, y[0, :1])
    loss = functional.smooth_l1_loss(y, 2 * y) + functional.huber_loss(y, 2 * y) + functional.mse_loss(y, 2 * y)
    loss = loss + functional.binary_cross_entropy(y.sigmoid(), y.detach().sigmoid())
    loss = loss + functional.binary_cross_entropy_with_logits(y, y)
    return loss + torch.mv(y, y[0]).sum() + torch.dot(y[0], y[1]) + torch.diag(y[0]).sum()


@pytest.mark.parametrize(("layers", "sides"), [(images, (2, 4, 8, 8)), (losses, (4, 8))])
def test_layers_that_train(layers, sides):
    """Each operator, and the one of its gradient, has a rule."""
    made = module(lambda self, x: layers(x * self.scale))
    made.scale = nn.Parameter(torch.ones(()))
    for train in (False, True):
        extract(made, torch.zeros(sides), name="layers", train=train).program()


def test_a_loss_costs_what_it_reads_and_a_fill_reads_nothing():
    def forward(self, x):
        y = x * self.scale
        y[:, 0] = 0
        return functional.mse_loss(y, x)

    made = module(forward)
    made.scale = nn.Parameter(torch.ones(()))
    tables = extract(made, torch.zeros(4, 8), name="loss", train=True, loss=lambda result: result)
    loss = ops(tables).index("mse_loss")
    assert tables.instructions[loss].flops_vec == 3 * 32
    assert sum(reads(tables, ops(tables).index("fill")).values()) <= 2


def test_arguments():
    def forward(self, x, *, scale, twice=False):
        return x * scale + (x if twice else 0)

    made = module(forward)
    tables = extract(made, {"x": torch.zeros(4), "scale": torch.zeros(1), "twice": True}, name="named")
    assert ops(tables) == ["mul+add"]
    assert list(kinds(tables, "input").values()) == [8, 2]


def test_costs_of_ones_own():
    made, x = module(lambda self, x: torch.fft.rfft(x).abs()), torch.zeros(2, 8)
    with pytest.raises(
        InputError, match=r"fft: node '_fft_r2c\w*' calls aten\._fft_r2c\.default, whose cost has no rule"
    ):
        extract(made, x, name="fft")
    tables = extract(made, x, name="fft", costs={"_fft_r2c": 7.5})
    assert [row.flops_vec for row in tables.instructions] == [75, 10]
    assert [row.size for row in tables.buffers] == [32, 40, 20]


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda self, x: x.nonzero(), r"bad: node 'nonzero' has a shape that depends on data"),
        (
            lambda self, x: x.sin() if x.sum() > 0 else x.cos(),
            r"bad: torch.export cannot trace the module \(test_programs.py, line \d+: .*\): control flow or a size",
        ),
        (
            lambda self, x: self.absent(x),
            r"bad: torch.export cannot trace the module \(test_programs.py, line \d+: .*ab",
        ),
        (
            lambda self, x: x @ x,
            r"bad: .* \(test_programs.py, line \d+: lambda self, x: x @ x,\): .*same reduction dim, but got",
        ),
        (
            lambda self: self.absent,
            r"bad: torch.export cannot trace the module .*takes 1 positional argument but 2",
        ),
        (lambda self, x: None, "bad: the program has no instruction"),
        (lambda self, x: x[: int(x.sum())], r"bad: (torch.export cannot trace the module|node '\w+' has a shape)"),
        (lambda self, x: torch.cond(x.sum() > 0, torch.sin, torch.cos, (x,)), r"bad: node 'cond' calls cond, which"),
        (lambda self, x: x.view(-1), r"bad: the program has no instruction"),
    ],
)
def test_what_cannot_be_extracted(forward, message, capsys):
    with pytest.raises(InputError, match=message) as caught:
        extract(module(forward), torch.zeros(4, 6), name="bad")
    assert "\n" not in str(caught.value)
    assert capsys.readouterr() == ("", "")  # nor does torch tell more of it


def test_a_module_may_print_and_need_no_input(capsys):
    def forward(self):
        print("out")
        print("err", file=sys.stderr)
        return self.layer.weight * 2

    made = module(forward, layer=nn.Linear(3, 2))
    assert kinds(extract(made, (), name="still"), "output") == {"mul": 12}
    assert capsys.readouterr() == ("out\n", "err\n")


def test_bad_arguments():
    made, x = nn.Linear(2, 2), torch.zeros(1, 2)
    with pytest.raises(InputError, match=r"name: '\.\./up' cannot name a file"):
        extract(made, x, name="../up")
    with pytest.raises(InputError, match=r"name: '\.\.' cannot name a file"):
        extract(made, x, name="..")
    for name in (None, "x" * 201):
        with pytest.raises(InputError, match=r"name: .* cannot name a file"):
            extract(made, x, name=name)
    for costs, message in (
        (["relu"], "costs: expected a mapping of operator names to numbers, got list"),
        ({"relu": -1}, "costs: 'relu': expected flops per element of at least 0, got -1"),
        ({"relu": float("nan")}, "costs: 'relu': expected .*, got nan"),
    ):
        with pytest.raises(InputError, match=f"m: {message}"):
            extract(made, x, name="m", costs=costs)
    with pytest.raises(InputError, match="m: module is of type int"):
        extract(3, x, name="m")
    with pytest.raises(InputError, match="m: example_inputs is of type int"):
        extract(made, 3, name="m")
    with pytest.raises(InputError, match="m: loss is given without train"):
        extract(made, x, name="m", loss=lambda result: result.sum())
    with pytest.raises(InputError, match="m: train: the module has no parameter"):
        extract(nn.ReLU(), x, name="m", train=True)
    with pytest.raises(InputError, match="m: train: the module returns no floating-point tensor"):
        extract(module(lambda self, x: self.a(x).argmax(1), a=made), x, name="m", train=True)
    with pytest.raises(InputError, match="m: make_fx cannot trace the module"):
        extract(made, torch.zeros(1, 3), name="m", train=True)


def test_rules_name_operators_that_exist():
    names = [*flops.PER_RESULT, *flops.PER_OPERAND, *flops.POOLS, *flops.SORTS, *flops.COPIES]
    names += [*folding.GATHERS, *folding.BAGS, *folding.UNMARKED_VIEWS]
    assert [name for name in names if not hasattr(torch.ops.aten, name)] == []
    assert not set(flops.PER_RESULT) & set(flops.PER_OPERAND)
