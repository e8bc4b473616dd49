"""The plan, train + val -> candidate package, and what pretraining gave it.

A linear probe on the frozen features is the baseline and the head that tuning starts from. Batch-norm statistics stay
those of ImageNet as long as some blocks are frozen, so training and the package cannot differ.
"""

import copy
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from inspect import getsource
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from inspection import fingerprint
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.model import package, transfer
from inspection.model.champion import champion_package
from inspection.model.head import Said, grown
from inspection.model.metrics import figures
from inspection.model.package import WEIGHTS
from inspection.model.plan import Plan, read_plan
from inspection.model.probe import baseline, head_from
from inspection.model.prototypes import Prototypes, before_prototypes, prototyped
from inspection.model.tail import Tail
from inspection.model.tuning import (
    CPU,
    Checkpoint,
    Tuning,
    best_device,
    class_loss,
    embedded,
    fit,
    predict,
    temperature,
)
from inspection.network import backbone
from inspection.network.activations import Activations
from inspection.network.backbone import Network
from inspection.network.features import Features
from inspection.network.masks import read_masks
from inspection.params import Params, Train, Verdict, read_params
from inspection.progress import curve, progress
from inspection.records import batches
from inspection.records.assignments import SPLITS
from inspection.tables import read_table

_LEAST = 1e-30  # probability of which a logarithm is taken
MAX_THRESHOLDS = 400  # tried; a validation set with more different scores is tried at as many of them

Told = Callable[[Mapping[str, float]], None]


@dataclass(frozen=True)
class Start:
    """What training goes on from: the champion's tuned blocks and head by name, and the classes that it tells apart."""

    weights: Mapping[str, torch.Tensor]
    classes: tuple[str, ...]


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
        Said(embedded(tail, one.plain(settings.batch_size)), one.labels, one.table["serial"].to_numpy(object))
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


def threshold(rows: pd.DataFrame, settings: Verdict) -> float:
    """The reject probability from which rejecting costs least, over the parts of a validation set.

    Args:
        rows: one per image with `reject_probability` and the columns that `metrics.parts` needs.
    """
    scores = np.unique(np.r_[0.0, rows["reject_probability"].to_numpy(float), 1.0])
    gaps, middles = np.diff(scores), (scores[1:] + scores[:-1]) / 2
    tried = np.unique(np.linspace(0, len(middles) - 1, MAX_THRESHOLDS).astype(int))
    costs = part_costs(rows, middles[tried], settings)
    cheapest = tried[np.isclose(costs, costs.min())]
    return float(middles[cheapest[gaps[cheapest].argmax()]])  # where no image is near, verdicts are safest


def part_costs(rows: pd.DataFrame, cuts: NDArray[np.float64], settings: Verdict) -> NDArray[np.float64]:
    """What rejecting from each of `cuts` (C,) on costs, as `metrics.parts` folds images to parts: (C,)."""
    part = pd.factorize(rows["serial"])[0]
    images = np.bincount(part)
    defective = np.bincount(part, weights=~rows["acceptable"].to_numpy(bool)) > 0
    rejects = rows["reject_probability"].to_numpy(float)[:, None] >= cuts  # (N, C)
    hits = np.zeros((len(images), len(cuts)))
    np.add.at(hits, part, rejects)
    rejected = hits > 0 if settings.part == "any" else hits > images[:, None] / 2
    escapes, false_rejects = (~rejected[defective]).sum(axis=0), rejected[~defective].sum(axis=0)
    return np.asarray(escapes * settings.cost_escape + false_rejects * settings.cost_false_reject, np.float64)


def learnable(table: pd.DataFrame, settings: Train) -> list[str]:
    """The classes with enough labelled images of enough parts; the others are left for a later model."""
    by_class = table.groupby("label")
    enough = (by_class.size() >= settings.min_labels) & (by_class["serial"].nunique() >= settings.min_parts)
    for name in enough.index[~enough]:
        print(f"{name} is not learned yet: {settings.min_labels} images of {settings.min_parts} parts are needed")
    return [str(name) for name in enough.index[enough]]


def judged(
    table: pd.DataFrame, probability: NDArray[np.float64], classes: Sequence[str], ok: NDArray[np.bool_]
) -> pd.DataFrame:
    """`table` with what `metrics.figures` needs, but for `reject`."""
    called = probability.argmax(axis=1)
    known = {name: i for i, name in enumerate(classes)}
    return table.reset_index(drop=True).assign(
        predicted=[classes[i] for i in called],
        predicted_acceptable=ok[called],
        p_label=[p[known[label]] for p, label in zip(probability, table["label"], strict=True)],
        reject_probability=probability[:, ~ok].sum(axis=1),
    )


def report(rows: pd.DataFrame, cut_at: float, classes: Sequence[str], verdict: Verdict) -> dict[str, Any]:
    """Validation figures at threshold `cut_at`."""
    rows = rows.assign(reject=rows["reject_probability"] >= cut_at)
    full = figures(rows, classes, verdict.part, verdict.cost_escape, verdict.cost_false_reject)
    return {
        name: full[name] for name in ("macro_f1", "balanced_accuracy", "log_loss", "escapes", "false_rejects", "cost")
    }


def main() -> None:
    from dvclive.live import Live

    layout = Layout.find()
    settings, plan = read_params(layout.params), read_plan(layout.plan)
    features = Features(layout, settings, plan.frozen_blocks)
    train_set, val_set, ok = _sets(layout, settings, features)
    device = best_device()
    bf16 = features.precision == "bf16" if device == CPU else _bf16_on_cuda(settings.features.precision)
    torch.manual_seed(settings.train.seed)
    with (
        Live(str(layout.reports / "training"), save_dvc_exp=False, dvcyaml=None, monitor_system=False) as live,
        progress("training", plan.epochs) as advance,
    ):
        losses: list[float] = []

        def told(epoch: Mapping[str, float]) -> None:
            for name in ("train_loss", "val_loss", "val_recall"):
                live.log_metric(name, epoch[name])
            live.next_step()
            losses.append(epoch["val_loss"])
            advance(1, f"validation loss {losses[-1]:.3f} {curve(losses)} recall {100 * epoch['val_recall']:.0f} %")

        kept = Checkpoint(layout.state / "checkpoints", _key(layout, settings, plan, features, bf16, device))
        net, champion = _network(layout, settings, plan), _champion(layout, plan)
        learned = learn(train_set, val_set, net, plan, settings.train, bf16, champion, told, kept, device)
    masks = read_masks(layout.masks)
    card = package.Card(
        classes=train_set.classes,
        acceptable=tuple(bool(one) for one in ok),
        threshold=0.5,
        temperature=1.0,
        part_verdict=settings.verdict.part,
        backbone=settings.backbone.name,
        frozen=features.digest,
        frozen_blocks=plan.frozen_blocks,
        depth=learned.depth,
        image_size=settings.backbone.image_size,
        grid=features.grid,
        precision=features.precision,
        trained_on=_trained_on(learned, train_set, plan, layout),
        alike=_alike(learned, train_set.classes, champion, layout),
        masks=masks.digests(),
        data=batches.digest(layout.split),
        from_version=plan.champion.version or "",
        from_package=plan.champion.package or "",
        seed=settings.train.seed,
    )
    example = next(val_set.plain(2))[0]
    graph = backbone.frozen(settings.backbone, layout).path
    with TemporaryDirectory() as folder:
        package.build(Path(folder), graph, learned.tail, example, card)
        found = _calibrated(package.Package(Path(folder)), val_set, ok, settings)
    card = card.model_copy(update={"threshold": found.threshold, "temperature": found.temperature})
    package.build(layout.candidate, graph, learned.tail, example, card, masks)
    probed = learned.probe.predict_proba(val_set.embeddings)
    baseline_rows = judged(val_set.table, probed, train_set.classes, ok)
    result: dict[str, Any] = {
        "depth": learned.depth,
        "why": learned.why,
        "epoch": learned.epoch,
        "epochs": len(learned.history),
        "temperature": found.temperature,
        "threshold": found.threshold,
        "val": report(found.rows, found.threshold, train_set.classes, settings.verdict),
        "baseline_val": report(
            baseline_rows, threshold(baseline_rows, settings.verdict), train_set.classes, settings.verdict
        ),
    }
    (layout.reports / "train.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    moved = _transferred(learned, net, plan, (train_set, val_set), settings.train, layout)
    features.close()
    kept.clear()
    epoch = f"best epoch {learned.epoch} of {len(learned.history)}" if learned.epoch else "nothing tuned"
    print(
        f"{learned.depth}: {epoch}, {'bf16' if bf16 else 'f32'} on {device}; validation "
        f"macro-F1 {result['val']['macro_f1']:.3f}, logistic regression on frozen features "
        f"{result['baseline_val']['macro_f1']:.3f}"
    )
    print(*(f"  {words}" for words in moved), sep="\n")


def _transferred(
    learned: Learned, net: Network, plan: Plan, sets: Sequence[Activations], settings: Train, layout: Layout
) -> list[str]:
    """Writes what pretraining gave and what tuning changed; in words, why the model is as deep as it is."""
    blocks, scores = transfer.blocks(net, learned.tail, plan.frozen_blocks, sets[-1]), transfer.unseen(sets, settings)
    why = list(transfer.reason(blocks, learned.why))
    content = {"depth": learned.depth, "why": why, "blocks": [asdict(row) for row in blocks], "left_out": scores}
    (layout.reports / "transfer.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    frozen = "all" if learned.depth == "head" else f"the first {plan.frozen_blocks} of"
    title = f"{learned.depth}: {frozen} {len(blocks)} blocks stayed frozen"
    transfer.drawn(blocks, scores, title, layout.reports / "transfer.png")
    return why


@dataclass(frozen=True)
class _Calibrated:
    """The temperature and threshold of a network, and what it says of each validation image."""

    temperature: float
    threshold: float
    rows: pd.DataFrame


def _calibrated(
    candidate: package.Package, val_set: Activations, ok: NDArray[np.bool_], settings: Params
) -> _Calibrated:
    """By what a package of temperature 1 says, for it runs in another precision than training validates in."""
    shown = (activations.numpy() for activations, _ in val_set.plain(settings.train.batch_size))
    said = np.stack([one.probability for some in shown for one in candidate.judge(some)])
    logits = torch.from_numpy(said).clamp_min(_LEAST).log()  # but for a constant, which softmax does not see
    heat = temperature(logits, torch.from_numpy(val_set.labels))
    probability = torch.softmax(logits.double() / heat, 1).numpy()
    rows = judged(val_set.table, probability, val_set.classes, ok)
    return _Calibrated(heat, threshold(rows, settings.verdict), rows)


def _sets(layout: Layout, settings: Params, features: Features) -> tuple[Activations, Activations, NDArray[np.bool_]]:
    """What is trained on, what is validated on, and which of their classes are acceptable.

    Raises:
        FixInput: fewer than two classes, or nothing to validate on.
    """
    table = read_table(layout.split)
    table = table[table["split"].isin(SPLITS)]
    table = table[table["label"].isin(learnable(table, settings.train))]
    classes, ok = _classes(table[table["split"] == "train"])
    table = table[table["label"].isin(classes)]
    views = read_table(layout.features).groupby("image_id")["view"].agg(tuple).to_dict()
    most, masks = settings.ingest.max_megapixels, read_masks(layout.masks)
    train_set, val_set = (
        Activations(table[table["split"] == side], classes, features, layout.home, most, views, masks)
        for side in ("train", "val")
    )
    _require_rows(train_set, val_set)
    return train_set, val_set, ok


def _network(layout: Layout, settings: Params, plan: Plan) -> Network:
    if plan.depth == "scratch":
        return backbone.blank(settings.backbone, settings.train.seed)
    return backbone.network(settings.backbone, backbone.weights(settings.backbone, layout)[0])


def _bf16_on_cuda(wish: str) -> bool:
    return wish == "bf16" or (wish == "auto" and torch.cuda.is_bf16_supported(including_emulation=False))


def _champion(layout: Layout, plan: Plan) -> Start | None:
    if not plan.champion.package:
        return None
    folder = champion_package(layout, plan.champion)
    return Start(*before_prototypes(load_file(folder / WEIGHTS), package.Package(folder).card.classes))


def _trained_on(learned: Learned, train_set: Activations, plan: Plan, layout: Layout) -> Mapping[str, int]:
    """Images of each class that the weights learned from: of the champion's, where nothing was tuned."""
    if plan.champion.package and not learned.epoch:
        return package.Package(champion_package(layout, plan.champion)).card.trained_on
    return {name: int((train_set.table["label"] == name).sum()) for name in train_set.classes}


def _alike(learned: Learned, classes: Sequence[str], champion: Start | None, layout: Layout) -> Mapping[str, int]:
    """Labelled images, of all splits, of each class that the head knows by its prototype."""
    if champion is None or not isinstance(learned.tail[-1], Prototypes):
        return {}
    table = read_table(layout.split)
    images = table[table["split"].isin(SPLITS)]["label"].value_counts()
    return {name: int(images[name]) for name in classes if name not in champion.classes}


def _key(layout: Layout, settings: Params, plan: Plan, features: Features, bf16: bool, device: torch.device) -> str:
    """Names a training by all that it depends on, torch and the code that it runs included."""
    parts = (settings.train.model_dump_json(), plan.model_dump_json(), batches.digest(layout.split), features.digest)
    used = (Activations, Tail, Tuning, baseline, grown, prototyped, learn)
    code = [getsource(sys.modules[one.__module__]) for one in used]
    more = (batches.digest(layout.features), f"bf16 {bf16}", torch.__version__, str(device), *code)
    return sha256("\n".join((*parts, *more)).encode()).hexdigest()


def _classes(rows: pd.DataFrame) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """The classes that training images show, sorted, and which of them are acceptable."""
    acceptable = rows.groupby("label")["acceptable"].first().sort_index()
    return tuple(str(name) for name in acceptable.index), acceptable.to_numpy(bool)


def _require_rows(train_set: Activations, val_set: Activations) -> None:
    if len(np.unique(train_set.labels)) < 2:
        raise FixInput(
            "The training images show fewer than two classes with enough labels (train.min_labels, train.min_parts); "
            "label more images."
        )
    if not len(val_set.labels):
        raise FixInput("No part fell to validation; label more parts.")


if __name__ == "__main__":
    fingerprint.run("train", main)
