"""Named workloads: known networks and kernels, defined here from their papers' shapes, without weights."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from ganttlet.core.errors import InputError, check_choice, check_keys
from ganttlet.core.options import as_count
from ganttlet_agents.programs.extractor import extract
from ganttlet_agents.programs.tables import Tables
from ganttlet_agents.programs.workloads import attention, bilinear, convolutional, dense, recommender, recurrent

Make = Callable[..., tuple[nn.Module, tuple[Any, ...]]]


@dataclass(frozen=True)
class Workload:
    """A module of a known shape, with the numbers that can be chosen."""

    make: Make
    """From the options to the module and its inputs."""
    pattern: str
    """Name of the program, from the options."""
    options: Mapping[str, int]
    """Their defaults."""
    about: str


WORKLOADS: Mapping[str, Workload] = {
    "alexnet": Workload(
        convolutional.alexnet,
        "alexnet_b{batch}",
        {"batch": 32},
        "5 convolutions and 3 dense layers on 224x224 images; Krizhevsky 2014, arXiv 1404.5997",
    ),
    "resnet50": Workload(
        convolutional.resnet50,
        "resnet50_b{batch}",
        {"batch": 16},
        "ResNet-50 with batch normalisation folded into the convolutions; He et al. 2015, arXiv 1512.03385",
    ),
    "resnext50": Workload(
        convolutional.resnext50,
        "resnext50_b{batch}",
        {"batch": 1},
        "ResNeXt-50 (32x4d), batch normalisation folded into the convolutions; Xie et al. 2016, arXiv 1611.05431",
    ),
    "densenet121": Workload(
        dense.densenet121,
        "densenet121_b{batch}",
        {"batch": 1},
        "DenseNet-121, batch normalisation as a scale where no convolution precedes it; Huang et al. 2016, "
        "arXiv 1608.06993",
    ),
    "unet": Workload(
        convolutional.unet,
        "unet_b{batch}_{size}",
        {"batch": 1, "size": 256},
        "U-Net of width 64 and depth 4, padded convolutions; Ronneberger et al. 2015, arXiv 1505.04597",
    ),
    "mixer_s16": Workload(
        convolutional.mixer_s16,
        "mixer_s16_b{batch}",
        {"batch": 16, "layers": 8},
        "MLP-Mixer S/16; Tolstikhin et al. 2021, arXiv 2105.01601",
    ),
    "bert_base": Workload(
        attention.bert_base,
        "bert_base_b{batch}_t{length}",
        {"batch": 4, "length": 128, "layers": 12},
        "encoder of BERT base on embedded tokens; Devlin et al. 2018, arXiv 1810.04805",
    ),
    "encoder24": Workload(
        attention.encoder24,
        "encoder24_b{batch}_t{length}",
        {"batch": 4, "length": 128, "layers": 24},
        "encoder of 24 layers with BERT large's widths, on embedded tokens; Devlin et al. 2018, arXiv 1810.04805",
    ),
    "decoder6": Workload(
        attention.decoder6,
        "decoder6_b{batch}_t{length}",
        {"batch": 8, "length": 64, "layers": 6},
        "decoder with cross attention and logits over 32,000 words, base widths; Vaswani et al. 2017, arXiv 1706.03762",
    ),
    "lstm2": Workload(
        recurrent.lstm2,
        "lstm2_t{length}_b{batch}",
        {"batch": 32, "length": 24, "layers": 2},
        "LSTM of width 1,024 with unrolled steps and 10,000 logits for each; Hochreiter & Schmidhuber 1997",
    ),
    "wavernn": Workload(
        recurrent.wavernn,
        "wavernn_t{length}_b{batch}",
        {"batch": 32, "length": 32},
        "WaveRNN of width 896 scoring given samples; Kalchbrenner et al. 2018, arXiv 1802.08435",
    ),
    "dlrm": Workload(
        recommender.dlrm,
        "dlrm_b{batch}",
        {"batch": 512, "tables": 26},
        "26 embedding tables of 100,000 rows, dot interaction, two MLPs; Naumov et al. 2019, arXiv 1906.00091",
    ),
    "fastmm7": Workload(
        bilinear.fastmm7,
        "fastmm7_l{levels}_{size}",
        {"levels": 2, "size": 4096},
        "matrix product by a rank-7 bilinear 2x2 algorithm, applied recursively; Strassen 1969",
    ),
}


def program_name(workload: str, options: Mapping[str, int | None], train: bool = False) -> str:
    """Return the name of a workload's program: its pattern, options that differ from their defaults, and ``train``."""
    chosen = _chosen(workload, options)
    entry = WORKLOADS[workload]
    shown = [field for _, field, _, _ in string.Formatter().parse(entry.pattern) if field]
    others = [f"_{key}{value}" for key, value in chosen.items() if key not in shown and value != entry.options[key]]
    return entry.pattern.format(**chosen) + "".join(others) + ("_train" if train else "")


def extract_workload(workload: str, *, train: bool = False, **options: int | None) -> Tables:
    """Return a named workload's program.

    Args:
        workload: one of WORKLOADS.
        train: a step of training instead of inference.
        options: the workload's own, such as ``batch``; None means the default.

    Raises:
        InputError: naming the workload or the option.
    """
    name = program_name(workload, options, train)
    with FakeTensorMode():
        module, inputs = WORKLOADS[workload].make(**_chosen(workload, options))
    return extract(module, inputs, name=name, train=train)


def _chosen(workload: str, options: Mapping[str, int | None]) -> dict[str, int]:
    check_choice("workload", workload, WORKLOADS)
    known = WORKLOADS[workload].options
    given = {key: value for key, value in options.items() if value is not None}
    check_keys(f"workload {workload!r}", given, known)
    chosen = {key: as_count(f"workload {workload!r}: {key}", given.get(key, default)) for key, default in known.items()}
    for key, value in chosen.items():
        if value > 2**20:
            raise InputError(f"workload {workload!r}: {key} is {value}; expected at most 2**20")
    return chosen
