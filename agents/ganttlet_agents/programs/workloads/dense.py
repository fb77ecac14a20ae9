"""DenseNet: every layer sees the results of all layers before it in its block."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Made = tuple[nn.Module, tuple[Any, ...]]
CLASSES = 1000
# Layers of each block of DenseNet-121.
BLOCKS = (6, 12, 24, 16)
GROWTH, BOTTLENECK, STEM = 32, 128, 64


class Scale(nn.Module):
    """A factor and a shift for each channel, which is what batch normalisation is once its statistics are fixed."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.factor, self.shift = (nn.Parameter(torch.empty(width, 1, 1)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, channels, height, width)."""
        return x * self.factor + self.shift


class DenseLayer(nn.Module):
    """A 1x1 and a 3x3 convolution; the normalisation between them is part of the first, the one before it stays."""

    def __init__(self, width_in: int) -> None:
        super().__init__()
        self.scale = Scale(width_in)
        self.first = nn.Conv2d(width_in, BOTTLENECK, 1)
        self.second = nn.Conv2d(BOTTLENECK, GROWTH, 3, padding=1, bias=False)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Return what the layer adds to the maps before it."""
        x = functional.relu(self.scale(torch.cat(maps, 1)))
        result: Tensor = self.second(functional.relu(self.first(x)))
        return result


class DenseNet(nn.Module):
    """A stem, dense blocks with halvings of width and sides between them, and a dense layer on the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, STEM, 7, 2, 3)
        self.blocks, self.scales, self.halvings = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        width = STEM
        for count in BLOCKS:
            self.blocks.append(nn.ModuleList(DenseLayer(width + index * GROWTH) for index in range(count)))
            width += count * GROWTH
            self.scales.append(Scale(width))
            if len(self.blocks) < len(BLOCKS):
                self.halvings.append(nn.Conv2d(width, width // 2, 1, bias=False))
                width //= 2
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        x = functional.max_pool2d(functional.relu(self.stem(x)), 3, 2, 1)
        for index, (block, scale) in enumerate(zip(self.blocks, self.scales, strict=True)):
            maps = [x]
            for layer in block:  # type: ignore[attr-defined]
                maps.append(layer(maps))
            x = functional.relu(scale(torch.cat(maps, 1)))
            if index < len(self.halvings):
                x = functional.avg_pool2d(self.halvings[index](x), 2)
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


def densenet121(batch: int) -> Made:
    """Return DenseNet-121 with normalisation folded where it follows a convolution, and a batch of images."""
    return DenseNet(), (torch.empty(batch, 3, 224, 224),)
