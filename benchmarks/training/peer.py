"""Full fine-tuning by a usual recipe: what Andon's retraining is measured against.

All layers are trained in eager torch, in bf16 where the processor has it (but for depthwise convolutions, which go
backwards faster in f32), channels last, with AdamW and one cycle of the learning rate on decoded pictures held in
memory, moved by up to a fourteenth of their side, mirrored, in changing light; batch-norm statistics are learned.
Classes are drawn equally often and the epoch that validates best is kept, as for ours. What is not trained on is looked
at whole.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms import v2

from inspection.memory import keep_freed
from inspection.model.tuning import class_loss
from inspection.network.backbone import Network
from inspection.network.graph import best_precision

RATES = (1e-4, 3e-4, 1e-3)  # learning rates that are tried
EPOCHS, PATIENCE, SIZE = 8, 3, 32  # as many as ours has
_BF16 = best_precision("auto") == "bf16"


@dataclass(frozen=True)
class Pictures:
    """Decoded pictures (N, 3, S, S) uint8 and class numbers (N,)."""

    pixels: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True)
class Tuned:
    """What full fine-tuning found: logits of the pictures that were asked for, validation loss, time, epochs, and which
    of them was kept (from 1)."""

    logits: torch.Tensor
    val_loss: float
    seconds: float
    epochs: int
    kept: int


@dataclass(frozen=True)
class Recipe:
    """How it trains: learning rate, epochs at most and of patience, whether pictures are varied."""

    rate: float
    epochs: int = EPOCHS
    patience: int = PATIENCE
    varied: bool = True


def pictures(levels: Sequence[NDArray[np.float32]], labels: NDArray[np.int64], side: int) -> Pictures:
    """Pictures (H, W, C), 0..255, of any sizes as squares of `side` pixels."""
    size = (side, side)
    squares = [np.asarray(Image.fromarray(_colour(one)).resize(size, Image.Resampling.BILINEAR)) for one in levels]
    pixels = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).contiguous()
    return Pictures(pixels, torch.from_numpy(labels))


def _colour(levels: NDArray[np.float32]) -> NDArray[np.uint8]:
    whole = np.rint(levels).astype(np.uint8)
    return whole if whole.shape[2] == 3 else np.repeat(whole, 3, axis=2)


def fine_tune(
    net: Network,
    train: Pictures,
    val: Pictures,
    asked: Pictures,
    recipe: Recipe,
    classes: int,
    told: Callable[[float, torch.Tensor], None] = lambda seconds, logits: None,
) -> Tuned:
    """Train every layer; the caller's `net` is left as it was.

    Args:
        told: called after each epoch with the seconds so far and the logits of the validation pictures; not timed.
    """
    keep_freed()
    torch.manual_seed(0)
    blocks = copy.deepcopy(net.tail(0))
    model = torch.nn.Sequential(blocks, torch.nn.Dropout(0.2), torch.nn.Linear(net.width, classes))
    if _BF16:
        _depthwise_in_f32(model)
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.rate, weight_decay=0.02, fused=True)
    steps = recipe.epochs * -(-len(train.labels) // SIZE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=steps, pct_start=0.15)
    plain = _normalised(net)
    vary = _varied(net, train.pixels.shape[-1]) if recipe.varied else plain
    shares = 1 / torch.bincount(train.labels, minlength=classes).double()[train.labels]
    best, best_loss, best_epoch, seconds = copy.deepcopy(model), math.inf, 0, 0.0
    for epoch in range(1, recipe.epochs + 1):
        start = perf_counter()
        model.train()
        drawn = torch.multinomial(shares, len(shares), replacement=True)
        for some in torch.split(drawn, SIZE):
            pixels = torch.stack([vary(one) for one in train.pixels[some]])
            with torch.autocast("cpu", torch.bfloat16, enabled=_BF16):
                logits = model(pixels.contiguous(memory_format=torch.channels_last))
            loss = torch.nn.functional.cross_entropy(logits.float(), train.labels[some], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        logits = said(model, val, plain)
        val_loss = class_loss(logits, val.labels)
        if val_loss < best_loss and 2 * epoch > recipe.epochs:  # as ours: before, the learning rate is high
            best, best_loss, best_epoch = copy.deepcopy(model), val_loss, epoch
        seconds += perf_counter() - start
        told(seconds, logits)
        if best_epoch and epoch - best_epoch >= recipe.patience:
            break
    return Tuned(said(best, asked, plain), best_loss, seconds, epoch, best_epoch)


class _Depthwise(torch.nn.Module):
    """A depthwise convolution in f32: half as fast again over a whole step as in bf16, with torch 2.14."""

    def __init__(self, convolution: torch.nn.Module) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, activations: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", enabled=False):
            found: torch.Tensor = self.convolution(activations.float())
            return found


def _depthwise_in_f32(module: torch.nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, torch.nn.Conv2d) and child.groups > 1:
            setattr(module, name, _Depthwise(child))
        else:
            _depthwise_in_f32(child)


def _varied(net: Network, side: int) -> v2.Compose:
    moved = v2.RandomCrop(side, padding=side // 14, padding_mode="reflect")
    mirrored = [v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()]
    return v2.Compose([moved, *mirrored, v2.ColorJitter(0.2, 0.2), _normalised(net)])


def _normalised(net: Network) -> v2.Compose:
    return v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(net.mean, net.std)])


def said(model: torch.nn.Module, asked: Pictures, plain: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """Logits of pictures."""
    model.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=_BF16):
        squares = (plain(some) for some in torch.split(asked.pixels, SIZE))
        return torch.cat([model(one.contiguous(memory_format=torch.channels_last)).float() for one in squares])
