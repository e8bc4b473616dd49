"""The plan obeyed: from activations to a tuned network, and whether tuning was worth it.

A linear probe on the frozen features is the baseline and the head that tuning starts from. Batch-norm statistics stay
those of ImageNet as long as some blocks are frozen, so training and the package cannot differ.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from inspection.model.head import Said, grown
from inspection.model.plan import Plan
from inspection.model.probe import baseline, head_from
from inspection.model.prototypes import Prototypes, prototyped
from inspection.model.tail import Tail
from inspection.model.tuning import CPU, Checkpoint, Tuning, class_loss, embedded, fit, predict
from inspection.network.activations import Activations
from inspection.network.backbone import Network
from inspection.params import Train
from inspection.pictures import piece

Told = Callable[[Mapping[str, float]], None]


@dataclass(frozen=True)
class Start:
    """What training goes on from: the champion's tuned blocks and head by name, the classes that it tells apart, and
    how many images of each class it learned from."""

    weights: Mapping[str, torch.Tensor]
    classes: tuple[str, ...]
    trained_on: Mapping[str, int] = field(default_factory=dict)

    def under(self, names: Mapping[str, str]) -> "Start":
        """The same, its classes under the `names` that they have now, where those are others."""
        classes = tuple(names.get(one, one) for one in self.classes)
        return replace(self, classes=classes, trained_on={names.get(k, k): n for k, n in self.trained_on.items()})


@dataclass(frozen=True)
class Learned:
    """What training found.

    Attributes:
        probe: the linear probe on frozen features.
        epoch: whose weights these are; 0: nothing was tuned.
        logits: of the validation images, (N, classes).
    """

    depth: str
    tail: Tail
    probe: Any
    epoch: int
    history: tuple[Mapping[str, float], ...]
    logits: torch.Tensor
    why: tuple[str, ...]


def learn(
    train_set: Activations,
    val_set: Activations,
    net: Network,
    plan: Plan,
    settings: Train,
    bf16: bool,
    champion: Start | None = None,
    told: Told = lambda _: None,
    kept: Checkpoint | None = None,
    device: torch.device = CPU,
) -> Learned:
    """Obey the plan.

    Args:
        net: the pretrained network; `plan.depth` scratch: one drawn at random.
        bf16: whether steps are computed in it, where that is as good.
        champion: whose tuned blocks, and head, training goes on from.
        told: called with each epoch's figures.
        device: that blocks are tuned on.

    Raises:
        FixInput: training diverged.
    """
    size, classes = settings.batch_size, len(train_set.classes)
    probe = baseline(train_set.embeddings, train_set.labels, settings.baseline_c, settings.seed)
    untuned = Tail(net.tail(plan.frozen_blocks), head_from(probe, net.width, classes), train_set.tiles)
    if plan.depth == "head":
        return Learned("head", untuned, probe, 0, (), predict(untuned, val_set.plain(size))[0], plan.why)
    tail = copy.deepcopy(untuned)
    if champion is not None:
        untuned = _go_on_from(champion, tail, train_set, val_set, settings)
        if settings.depth == "auto" and (unseen := _unseen(champion, val_set)):
            why = (
                f"no validation picture shows {unseen}, so the champion's network got an output more and was not tuned"
                " (label more pieces of it)"
            )
            said = predict(untuned, val_set.plain(size))[0]
            return Learned(plan.depth, untuned, probe, 0, (), said, (*plan.why, why))
    elif plan.depth == "scratch":
        tail.head.reset_parameters()
    steps = -(-len(train_set.labels) // size)
    tuning = Tuning(tail.to(device), settings, plan.epochs, steps, bf16, norms=plan.frozen_blocks == 0)
    found = fit(tuning, train_set, val_set, told, kept)
    tuned = Learned(
        plan.depth, found.tail, probe, found.epoch, found.history, predict(found.tail, val_set.plain(size))[0], plan.why
    )
    if settings.depth != "auto":
        return tuned
    depth = "head" if champion is None else plan.depth
    return _better(tuned, replace(tuned, depth=depth, tail=untuned, epoch=0), val_set, size)


def _better(tuned: Learned, untuned: Learned, val_set: Activations, size: int) -> Learned:
    """The tuned network, if validation gains by it; else what it was before."""
    labels = torch.from_numpy(val_set.labels)
    untuned = replace(untuned, logits=predict(untuned.tail, val_set.plain(size))[0])
    before, after = class_loss(untuned.logits, labels), class_loss(tuned.logits, labels)
    other = "a new head alone" if untuned.depth == "head" else "the champion's network as it was"
    if isinstance(untuned.tail[-1], Prototypes):
        other += ", with the new classes' prototypes beside it,"
    kept, words = (tuned, "was kept") if after < before else (untuned, f"was not kept: {other} does better")
    why = f"tuning brought the validation loss from {before:.3f} to {after:.3f} and {words}"
    return replace(kept, why=(*kept.why, why))


def _go_on_from(champion: Start, tail: Tail, train_set: Activations, val_set: Activations, settings: Train) -> Tail:
    """Put the champion's tuned blocks into `tail`, to be tuned on, and its head behind them, with a row more for each
    class that it did not know.

    Returns:
        The champion's network as it is; it knows the new classes by their likeness to the pictures that show them.
    """
    if champion.classes == train_set.classes:
        tail.load_state_dict(champion.weights)
        return copy.deepcopy(tail)
    known = Tail(tail.blocks, torch.nn.Linear(tail.head.in_features, len(champion.classes)), tail.tiles)
    known.load_state_dict(champion.weights)  # into the blocks of `tail`: they are the same
    learned, left_out = (
        Said(embedded(tail, one.plain(settings.batch_size)), one.labels, piece.of(one.table).to_numpy(object))
        for one in (train_set, val_set)
    )
    tail.head.load_state_dict(
        grown(known.head, champion.classes, learned, train_set.classes, settings.baseline_c).state_dict()
    )
    if not 0 < len(set(champion.classes) & set(train_set.classes)) < len(train_set.classes):
        return copy.deepcopy(tail)
    alike = prototyped(known.head, champion.classes, learned, left_out, train_set.classes)
    return Tail(copy.deepcopy(tail.blocks), alike, tail.tiles)


def _unseen(champion: Start, val_set: Activations) -> str:
    """The classes that the champion did not know and that validation does not show: what tuning does to them could not
    be seen."""
    shown = set(val_set.table["label"])
    return ", ".join(name for name in val_set.classes if name not in champion.classes and name not in shown)
