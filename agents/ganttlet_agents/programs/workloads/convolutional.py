"""Image networks: AlexNet, ResNet-50, ResNeXt-50, U-Net, MLP-Mixer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganttlet.core.errors import InputError

Made = tuple[nn.Module, tuple[Any, ...]]
CLASSES = 1000
# Width of a block's result, number of blocks and stride of each stage of ResNet-50 and ResNeXt-50.
STAGES = ((256, 3, 1), (512, 4, 2), (1024, 6, 2), (2048, 3, 2))


def alexnet(batch: int) -> Made:
    """Return AlexNet in the one-tower form of 2014, without dropout, and a batch of images."""
    convolutions = [
        nn.Conv2d(3, 64, 11, 4, 2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.Conv2d(256, 256, 3, padding=1),
    ]
    layers: list[nn.Module] = []
    for index, convolution in enumerate(convolutions):
        layers += [convolution, nn.ReLU()]
        if index in (0, 1, 4):
            layers.append(nn.MaxPool2d(3, 2))
    layers += [nn.Flatten(), nn.Linear(256 * 6 * 6, 4096), nn.ReLU()]
    layers += [nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, CLASSES)]
    return nn.Sequential(*layers), (torch.empty(batch, 3, 224, 224),)


class Bottleneck(nn.Module):
    """Three convolutions beside a shortcut; biases are what is left of batch normalisation."""

    def __init__(self, width_in: int, width: int, width_out: int, stride: int, groups: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width_in, width, 1)
        self.second = nn.Conv2d(width, width, 3, stride, 1, groups=groups)
        self.third = nn.Conv2d(width, width_out, 1)
        fits = stride == 1 and width_in == width_out
        self.shortcut = None if fits else nn.Conv2d(width_in, width_out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's result."""
        y = self.third(functional.relu(self.second(functional.relu(self.first(x)))))
        result: Tensor = functional.relu(y + (x if self.shortcut is None else self.shortcut(x)))
        return result


class ResNet(nn.Module):
    """A stem, stages of bottleneck blocks, and a dense layer on the mean.

    Args:
        narrower: how many times a block's result is as wide as its 3x3 convolution.
        groups: of that convolution.
    """

    def __init__(self, narrower: int, groups: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 7, 2, 3)
        blocks, width_in = [], 64
        for width, count, stride in STAGES:
            for index in range(count):
                blocks.append(Bottleneck(width_in, width // narrower, width, stride if index == 0 else 1, groups))
                width_in = width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(width_in, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        y = functional.max_pool2d(functional.relu(self.stem(x)), 3, 2, 1)
        logits: Tensor = self.head(self.blocks(y).mean((2, 3)))
        return logits


def resnet50(batch: int) -> Made:
    """Return ResNet-50 (stride in the 3x3 convolution) with folded normalisation, and a batch of images."""
    return ResNet(4, 1), (torch.empty(batch, 3, 224, 224),)


def resnext50(batch: int) -> Made:
    """Return ResNeXt-50 (32x4d: 32 groups of 4 channels) with folded normalisation, and a batch of images."""
    return ResNet(2, 32), (torch.empty(batch, 3, 224, 224),)


class UNet(nn.Module):
    """Four levels down and up, with the maps of the way down joined in on the way up."""

    def __init__(self, width: int = 64, depth: int = 4, classes: int = 2) -> None:
        super().__init__()
        widths = [width << level for level in range(depth + 1)]
        self.down = nn.ModuleList(
            _two_convolutions(below, above) for below, above in zip([3, *widths], widths, strict=False)
        )
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * wide, wide, 2, 2) for wide in reversed(widths[:-1]))
        self.join = nn.ModuleList(_two_convolutions(2 * wide, wide) for wide in reversed(widths[:-1]))
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits for every pixel."""
        maps = []
        for level, part in enumerate(self.down):
            x = part(functional.max_pool2d(x, 2) if level else x)
            maps.append(x)
        maps.pop()
        for up, join in zip(self.up, self.join, strict=True):
            x = join(torch.cat([maps.pop(), up(x)], 1))
        logits: Tensor = self.head(x)
        return logits


def _two_convolutions(width_in: int, width: int) -> nn.Module:
    first, second = nn.Conv2d(width_in, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())


def unet(batch: int, size: int) -> Made:
    """Return U-Net and a batch of square images of ``size`` pixels a side, a multiple of 16."""
    if size % 16:
        raise InputError(f"workload 'unet': size is {size}; expected a multiple of 16")
    return UNet(), (torch.empty(batch, 3, size, size),)


class MixerLayer(nn.Module):
    """An MLP across patches, then one across channels."""

    def __init__(self, tokens: int, width: int, token_width: int, channel_width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.tokens = nn.Sequential(nn.Linear(tokens, token_width), nn.GELU(), nn.Linear(token_width, tokens))
        self.channels = nn.Sequential(nn.Linear(width, channel_width), nn.GELU(), nn.Linear(channel_width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Return patches x channels."""
        x = x + self.tokens(self.norms[0](x).transpose(1, 2)).transpose(1, 2)
        result: Tensor = x + self.channels(self.norms[1](x))
        return result


class Mixer(nn.Module):
    """Patches of 16x16 pixels through mixer layers."""

    def __init__(self, layers: int, width: int = 512, token_width: int = 256, channel_width: int = 2048) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 16, 16)
        self.layers = nn.Sequential(*(MixerLayer(196, width, token_width, channel_width) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.head(self.norm(self.layers(self.patches(x).flatten(2).transpose(1, 2))).mean(1))
        return logits


def mixer_s16(batch: int, layers: int) -> Made:
    """Return Mixer-S/16 and a batch of images."""
    return Mixer(layers), (torch.empty(batch, 3, 224, 224),)
