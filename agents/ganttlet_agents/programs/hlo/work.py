"""How many flops an HLO instruction costs, and on which unit."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from ganttlet_agents.programs.hlo.text import Computation, Instruction, Module


def _by_name(costs: Mapping[int, str]) -> dict[str, int]:
    return {name: cost for cost, names in costs.items() for name in names.split()}


# Flops per element of the result, as for torch's operators where they have a counterpart.
PER_RESULT = _by_name(
    {
        0: """
            parameter constant tuple get-tuple-element bitcast reshape broadcast iota after-all add-dependency
            optimization-barrier partition-id replica-id get-dimension-size
        """,
        1: """
            abs add and ceil clamp compare complex convert bitcast-convert count-leading-zeros divide floor imag
            is-finite maximum minimum multiply negate not or popcnt real reduce-precision remainder round-nearest-afz
            round-nearest-even select shift-left shift-right-arithmetic shift-right-logical sign stochastic-convert
            subtract xor map copy transpose slice dynamic-slice dynamic-update-slice concatenate pad reverse gather
        """,
        4: """
            acos acosh asin asinh atan2 atanh cbrt cosh cosine erf exponential exponential-minus-one log log-plus-one
            logistic power rng rng-bit-generator rng-get-and-update-state rsqrt sine sinh sqrt tan tanh
        """,
    }
)
CALLS = {"fusion": "calls", "call": "to_apply"}
"""Instructions that stand for a computation, and the attribute that names it."""
ELSEWHERE = """
    async-start async-update async-done copy-start copy-done send send-done recv recv-done infeed outfeed
    all-gather all-gather-start all-gather-done all-reduce all-reduce-start all-reduce-done all-to-all
    collective-broadcast collective-permute collective-permute-start collective-permute-done ragged-all-to-all
    reduce-scatter
"""
REFUSED = {
    "while": "is a loop, which is not flattened; unroll it in the source (jax.lax.scan: unroll=True)",
    "conditional": "depends on data; expected a fixed order of instructions",
    **dict.fromkeys(
        ELSEWHERE.split(),
        "moves data between devices or beside the program; expected a program of one device with no copies of its own",
    ),
}


class Work:
    """Flops of a module's instructions, those of called computations counted once."""

    def __init__(self, module: Module, costs: Mapping[str, float]) -> None:
        self.module, self.costs = module, costs
        self.known: dict[str, tuple[int, int]] = {}
        self.open: set[str] = set()

    def of(self, instruction: Instruction, within: str) -> tuple[int, int]:
        """Return flops of the matrix unit and of the vector unit.

        Args:
            instruction: one of the computation ``within``.
            within: the computation's name.

        Raises:
            InputError: naming the line: an instruction that is refused, or without a rule.
        """
        opcode, result = instruction.opcode, elements(instruction)
        if opcode in REFUSED:
            instruction.fail(REFUSED[opcode])
        key = instruction.attributes.get("custom_call_target", "").strip('"') if opcode == "custom-call" else opcode
        if key in self.costs:
            return 0, round(self.costs[key] * result)
        if opcode in CALLS:
            return self._called(instruction)
        if opcode == "transpose" and within != self.module.entry.name:
            return 0, 0  # inside a loop this is another order of reading
        if opcode in PER_RESULT:
            return 0, PER_RESULT[opcode] * result
        operands = [self.module.computations[within].instructions[name] for name in instruction.operands]
        first = elements(operands[0]) if operands else result
        match opcode:
            case "dot":
                return _dot(instruction, operands), 0
            case "convolution":
                return _convolution(instruction, operands), 0
            case "reduce":
                return 0, first
            case "reduce-window":
                return 0, math.prod(_window(instruction)["size"]) * result
            case "select-and-scatter":
                return 0, math.prod(_window(instruction)["size"]) * (elements(operands[1]) if operands[1:] else result)
            case "scatter":
                return 0, elements(operands[-1]) if operands else result
            case "sort":
                return 0, first * max(1, math.ceil(math.log2(max(2, first))))
        what = f"calls {key!r}, whose cost" if opcode == "custom-call" else "has an opcode whose cost"
        instruction.fail(f"{what} has no rule; give flops per result element: costs={{{key!r}: …}}")

    def _called(self, instruction: Instruction) -> tuple[int, int]:
        """Return the flops of all instructions of a called computation."""
        name = called_computation(instruction, self.module).name
        if name not in self.known:
            if name in self.open:
                instruction.fail(f"calls {name!r}, which calls itself")
            self.open.add(name)
            inner = [self.of(one, name) for one in self.module.computations[name].instructions.values()]
            self.known[name] = sum(matrix for matrix, _ in inner), sum(vector for _, vector in inner)
        return self.known[name]


def called_computation(instruction: Instruction, module: Module) -> Computation:
    """Return the computation that a fusion or call stands for; it takes as many operands as it is given."""
    text = instruction.attributes.get(CALLS[instruction.opcode], "")
    name = text.removeprefix("%")
    if name not in module.computations:
        instruction.fail(f"calls {name!r}, which the text does not define")
    found = module.computations[name]
    if len(found.parameters) != len(instruction.operands):
        instruction.fail(
            f"gives {len(instruction.operands)} operands to {name!r}, which has {len(found.parameters)} parameters"
        )
    return found


def elements(instruction: Instruction) -> int:
    """Return the elements of a result, or of the first part of a tuple."""
    shape = instruction.shape
    while shape.type == "tuple" and shape.parts:
        shape = shape.parts[0]
    return shape.elements


def _dot(instruction: Instruction, operands: list[Instruction]) -> int:
    """Two flops for each element of the result and of the contracted dimensions."""
    if len(operands) != 2:
        instruction.fail(f"has {len(operands)} operands; expected 2")
    contracted = []
    for operand, key in zip(operands, ("lhs_contracting_dims", "rhs_contracting_dims"), strict=True):
        sides, dims = operand.shape.sides, instruction.integers(key)
        if any(dim >= len(sides) for dim in dims):
            instruction.fail(
                f"has {key}={{{','.join(map(str, dims))}}} for {operand.name!r} of {len(sides)} dimensions"
            )
        contracted.append([sides[dim] for dim in dims])
    if contracted[0] != contracted[1]:
        instruction.fail(f"contracts sides {contracted[0]} with {contracted[1]}; expected equal ones")
    return 2 * elements(instruction) * math.prod(contracted[0])


def _convolution(instruction: Instruction, operands: list[Instruction]) -> int:
    """Two flops for each product of a weight and an element; padding and the holes of dilated data cost nothing."""
    labels = re.fullmatch(r"(\w+)_(\w+)->(\w+)", instruction.attributes.get("dim_labels", ""))
    if labels is None or len(operands) != 2:
        instruction.fail("expected 2 operands and dim_labels such as b01f_01io->b01f")
    sides = (operands[0].shape.sides, operands[1].shape.sides, instruction.shape.sides)
    named = [dict(zip(letters, lengths, strict=False)) for letters, lengths in zip(labels.groups(), sides, strict=True)]
    data, kernel, result = named
    spatial = sorted(letter for letter in labels[3] if letter.isdigit())
    wanted = ({"b", "f", *spatial}, {"i", "o", *spatial}, {"b", "f", *spatial})
    for letters, lengths, found, expected in zip(labels.groups(), sides, named, wanted, strict=True):
        if len(letters) != len(lengths) or set(found) != expected:
            instruction.fail(f"has dim_labels={labels[0]}, which do not name the sides of its operands and result")
    window = _window(instruction, len(spatial))
    pairs = 1
    for at, letter in enumerate(spatial):
        taps = {key: values[at] for key, values in window.items()}
        if taps["size"] != kernel[letter]:
            instruction.fail(f"has a window of size {taps['size']}, but a kernel of {kernel[letter]}")
        pairs *= _pairs(data[letter], result[letter], taps)
    flops: int = 2 * result["b"] * result["f"] * kernel["i"] * pairs
    return flops


def _pairs(data: int, result: int, taps: Mapping[str, int]) -> int:
    """Return along one dimension how many (place of the result, place in the kernel) meet an element of the data."""
    extent, hole = (data - 1) * taps["lhs_dilate"] + 1, taps["lhs_dilate"]
    count = 0
    for tap in range(taps["size"]):
        shift = tap * taps["rhs_dilate"] - taps["low"]
        # Places p with 0 ≤ p * stride + shift < extent.
        first = max(0, -(shift // taps["stride"]))
        end = min(result, (extent - 1 - shift) // taps["stride"] + 1)
        if hole == 1:
            count += max(0, end - first)
        else:
            count += sum((place * taps["stride"] + shift) % hole == 0 for place in range(first, end))
    return count


def _window(instruction: Instruction, dims: int | None = None) -> dict[str, list[int]]:
    """Return size, stride, low padding and dilations of a window along each dimension."""
    text = instruction.attributes.get("window", "{}").strip("{}")
    given = dict(part.split("=", 1) for part in text.split() if "=" in part)
    if "pad" in given:
        given["low"] = re.sub(r"_-?[0-9]+", "", given.pop("pad"))
    if "size" not in given and dims:
        instruction.fail("has no window with a size")
    window: dict[str, list[int]] = {}
    count = len(given["size"].split("x")) if "size" in given else 0
    for key, default in {"size": 1, "stride": 1, "low": 0, "lhs_dilate": 1, "rhs_dilate": 1}.items():
        values = given.get(key, "x".join([str(default)] * count)).split("x") if count else []
        good = all(re.fullmatch(r"-?[0-9]{1,9}" if key == "low" else "[1-9][0-9]{0,8}", v, re.ASCII) for v in values)
        if not good or len(values) != count or (dims is not None and count != dims):
            instruction.fail(f"has window={{{text}}}; expected positive {key}s of {dims or count} dimensions")
        window[key] = [int(value) for value in values]
    return window
