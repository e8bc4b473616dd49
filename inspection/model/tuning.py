"""Fine-tuning of a network's last blocks with its head, kept at the epoch that validates best; may be killed and go on.

The head starts as a linear probe, for a head drawn at random would first distort what pretraining knew (Kumar et al.,
"Fine-Tuning can Distort Pretrained Features", ICLR 2022).
"""

import copy
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from inspection.errors import FixInput
from inspection.memory import keep_freed
from inspection.model.tail import Tail
from inspection.network.activations import Activations, Batch
from inspection.params import Train
from inspection.progress import say

CPU = torch.device("cpu")
_LEFT = 3  # checkpoints of other trainings that stay
_NORM = torch.nn.modules.batchnorm._BatchNorm


@dataclass(frozen=True)
class Learned:
    """What training found: the tail with its head, the epoch it is from, and the course of the losses."""

    tail: Tail
    epoch: int
    history: tuple[Mapping[str, float], ...]


class Checkpoint:
    """Where a training that was killed goes on: a file in a folder, of the one training that `key` names.

    Args:
        reached: called with the epoch that is kept by now, or 0.
    """

    def __init__(self, folder: Path, key: str, reached: Callable[[int], None] = lambda _: None) -> None:
        self._path, self._key, self._reached = folder / f"{key[:24]}.pt", key, reached

    def read(self) -> dict[str, Any] | None:
        """What was kept; None: nothing, of another training, or damaged."""
        try:
            kept = torch.load(self._path, weights_only=True)
        except Exception:  # noqa: BLE001  torch raises many kinds; all mean that one starts anew
            return None
        if not isinstance(kept, dict) or kept.get("key") != self._key:
            return None
        self._reached(kept["epoch"])
        return kept

    def write(self, state: Mapping[str, Any]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(f".{os.getpid()}.part")
        torch.save({**state, "key": self._key}, part)
        os.replace(part, self._path)
        self._reached(state["epoch"])

    def clear(self) -> None:
        """Forget it, what killed writes have left, and all but the newest of trainings that never went on."""
        self._path.unlink(missing_ok=True)
        self._reached(0)
        for part in self._path.parent.glob("*.part"):
            if not psutil.pid_exists(int(part.suffixes[-2][1:])):  # else another training may be writing it
                part.unlink(missing_ok=True)
        left = sorted(self._path.parent.glob("*.pt"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in left[_LEFT:]:
            path.unlink(missing_ok=True)


def best_device() -> torch.device:
    """CUDA where it is there, with its deterministic kernels where it has them; else the CPU, where all are."""
    if not torch.cuda.is_available():
        return CPU
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before the first product: cuBLAS reads it then
    torch.use_deterministic_algorithms(True, warn_only=True)
    return torch.device("cuda")


class Tuning:
    """One training: network, optimiser, learning rates and chance, epoch by epoch, where the tail lies."""

    def __init__(self, tail: Tail, settings: Train, epochs: int, steps: int, bf16: bool, norms: bool) -> None:
        """
        Args:
            steps: batches of an epoch.
            norms: whether batch-norm statistics are learned too; else they stay those of ImageNet.
        """
        self.tail, self._settings, self.epochs, self._bf16, self._norms = tail, settings, epochs, bf16, norms
        self._device = _device_of(tail)
        self.mean = copy.deepcopy(tail) if settings.averaging else tail
        groups = [
            {"params": list(tail.block_parameters()), "lr": settings.tail_lr},
            {"params": list(tail.head.parameters()), "lr": settings.head_lr},
        ]
        self._optimizer = torch.optim.AdamW(groups, weight_decay=settings.weight_decay, fused=True)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, [settings.tail_lr, settings.head_lr], total_steps=epochs * steps, pct_start=0.15
        )
        self._patience = max(settings.patience, round(settings.patience * epochs / settings.epochs))
        self._generator = torch.Generator().manual_seed(settings.seed)
        self.epoch, self.best_epoch, self.best_loss = 0, 0, math.inf
        self.best: dict[str, torch.Tensor] = {}
        self.history: list[Mapping[str, float]] = []

    @property
    def finished(self) -> bool:
        waited = self.best_epoch and self.epoch - self.best_epoch >= self._patience
        return self.epoch >= self.epochs or bool(waited)

    def run_epoch(self, train_set: Activations, val_set: Activations) -> Mapping[str, float]:
        """One epoch and its figures. Only the second half is looked at for the best: before, the learning rate is high
        and the loss passes through a hump in which the lowest value is chance (docs/LOG.md).

        Raises:
            FixInput: the loss is no longer a number.
        """
        size = self._settings.batch_size
        self.epoch += 1
        train_loss = self._train(train_set.balanced(size, self._settings.balance, self._generator))
        if not math.isfinite(train_loss):
            raise FixInput(
                f"Training diverged in epoch {self.epoch}: lower train.tail_lr and train.head_lr in params.yaml."
            )
        logits, labels = predict(self.mean, val_set.plain(size))
        val_loss, recall = class_loss(logits, labels), class_recall(logits, labels)
        self.history.append({"epoch": self.epoch, "train_loss": train_loss, "val_loss": val_loss, "val_recall": recall})
        if val_loss < self.best_loss and 2 * self.epoch > self.epochs:
            self.best_epoch, self.best_loss = self.epoch, val_loss
            self.best = {name: value.clone() for name, value in self.mean.state_dict().items()}
        return self.history[-1]

    def learned(self) -> Learned:
        """The epoch that validated best, on the CPU. Raises FixInput when none gave a loss that is a number."""
        if not self.best:
            raise FixInput("Training diverged: lower train.tail_lr and train.head_lr in params.yaml.")
        self.mean.load_state_dict(self.best)
        return Learned(self.mean.eval().cpu(), self.best_epoch, tuple(self.history))

    def state(self) -> dict[str, Any]:
        """All that the rest of the training depends on."""
        return {
            "tail": self.tail.state_dict(),
            "mean": self.mean.state_dict(),
            "best": self.best,
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "generator": self._generator.get_state(),
            "chance": torch.get_rng_state(),
            "chance_cuda": torch.cuda.get_rng_state_all() if self._device.type == "cuda" else [],
            "epoch": self.epoch,
            "best_epoch": self.best_epoch,
            "best_loss": self.best_loss,
            "history": [dict(one) for one in self.history],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`."""
        self.tail.load_state_dict(state["tail"])
        self.mean.load_state_dict(state["mean"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self._generator.set_state(state["generator"])
        torch.set_rng_state(state["chance"])
        if state["chance_cuda"]:
            torch.cuda.set_rng_state_all(state["chance_cuda"])
        self.best, self.best_epoch, self.best_loss = state["best"], state["best_epoch"], state["best_loss"]
        self.epoch, self.history = state["epoch"], list(state["history"])

    def _train(self, drawn: Iterator[Batch]) -> float:
        self.tail.train()
        for module in self.tail.modules():
            if isinstance(module, _NORM) and not self._norms:
                module.eval()
        total, count = 0.0, 0
        for activations, labels in drawn:
            if self._norms and len(labels) == 1:  # a last one alone, of which batch norm has no spread
                continue
            loss = self.loss(activations, labels)
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            self._schedule.step()
            self._average()
            total, count = total + loss.item() * len(labels), count + len(labels)
        return total / count

    def loss(self, activations: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Of a batch, what a step goes down: ()."""
        activations, labels = activations.to(self._device), labels.to(self._device)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            embedding = torch.nn.functional.dropout(self.tail.embedded(activations), self._settings.dropout)
            logits = self.tail.scored(embedding)
        return torch.nn.functional.cross_entropy(logits.float(), labels, label_smoothing=self._settings.label_smoothing)

    def _average(self) -> None:
        """Weights as their running mean (Polyak and Juditsky, SIAM J. Control 30, 1992): calmer than the last step."""
        if self.mean is self.tail:
            return
        with torch.no_grad():
            pairs = zip(self.mean.state_dict().values(), self.tail.state_dict().values(), strict=True)
            for mean, now in pairs:
                if mean.is_floating_point():
                    mean.lerp_(now, 1 - self._settings.averaging)
                else:
                    mean.copy_(now)


def fit(
    tuning: Tuning,
    train_set: Activations,
    val_set: Activations,
    told: Callable[[Mapping[str, float]], None],
    kept: Checkpoint | None = None,
) -> Learned:
    """Train to the end, going on where a killed run of the same training stopped; the same weights either way.

    Args:
        told: called with each epoch's figures, also with those of epochs that an earlier run did.
    """
    keep_freed()
    if kept and (state := kept.read()):
        tuning.restore(state)
        say(f"training goes on behind epoch {tuning.epoch} of {tuning.epochs}")
        for figures in tuning.history:
            told(figures)
    while not tuning.finished:
        told(tuning.run_epoch(train_set, val_set))
        if kept and not tuning.finished:
            kept.write(tuning.state())
    return tuning.learned()


def class_loss(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """Mean over the classes of their mean negative log-likelihood, at the temperature that suits the logits best:
    overconfidence is mended after training and must not decide what is kept."""
    losses = torch.nn.functional.cross_entropy(logits / temperature(logits, labels), labels, reduction="none")
    return float(torch.stack([losses[labels == name].mean() for name in torch.unique(labels)]).mean())


def class_recall(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """Mean over the classes of the share of their images that are called by their name (balanced accuracy)."""
    right = (logits.argmax(1) == labels).float()
    return float(torch.stack([right[labels == name].mean() for name in torch.unique(labels)]).mean())


def predict(tail: torch.nn.Module, loaded: Iterator[Batch]) -> Batch:
    """Logits (N, classes) and labels (N,) of the batches, in full precision, on the CPU."""
    tail.eval()
    device = _device_of(tail)
    with torch.inference_mode():
        pairs = [(tail(activations.to(device)).cpu(), labels) for activations, labels in loaded]
    return torch.cat([logits for logits, _ in pairs]), torch.cat([labels for _, labels in pairs])


def _device_of(module: torch.nn.Module) -> torch.device:
    return next((one.device for one in module.parameters()), CPU)


def embedded(tail: Tail, loaded: Iterator[Batch]) -> NDArray[np.float32]:
    """What the blocks of a tail say of the batches: (N, tiles, D)."""
    tail.eval()
    with torch.inference_mode():
        each = torch.cat([tail.embedded(activations) for activations, _ in loaded])
        said: NDArray[np.float32] = each.reshape(-1, tail.tiles, each.shape[1]).numpy()
        return said


def temperature(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """By what to divide logits (N, K) so that probabilities are calibrated, between 0.05 and 100 (Guo et al., "On
    Calibration of Modern Neural Networks", ICML 2017).

    N images that are all called right do not show that errors never happen: the label's share is taken as (N + 1) of
    N + 2 (Platt, "Probabilistic Outputs for Support Vector Machines", 1999).
    """
    from scipy.optimize import minimize_scalar

    count, classes = logits.shape
    doubt = classes / (classes - 1) / (count + 2)

    def loss(log_t: float) -> float:
        return float(torch.nn.functional.cross_entropy(logits / np.exp(log_t), labels, label_smoothing=doubt))

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.05), np.log(100)), method="bounded").x))
