"""Train + val -> candidate package.

The head starts as the logistic regression that serves as baseline; then it and the last blocks are fine-tuned
together from cached activations (linear probing first, after Kumar et al., "Fine-Tuning can Distort Pretrained
Features", ICLR 2022). Batch-norm statistics stay those of ImageNet, so training and the package cannot differ.
"""

import copy
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from inspection import backbone, batches, package
from inspection.assignments import SPLITS
from inspection.errors import FetchData, FixInput, in_words
from inspection.features import Features, shown
from inspection.images import levels_of
from inspection.layout import Layout
from inspection.metrics import figures
from inspection.params import Params, Train, Verdict, View, read_params
from inspection.progress import progress
from inspection.tables import read_table

HELD_BYTES = 150_000_000  # of activations kept in memory between epochs
MAX_THRESHOLDS = 400  # tried; a validation set with more different scores is tried at as many of them

Batch = tuple[torch.Tensor, torch.Tensor]  # activations (N, C, H, W) float32, class numbers (N,)


@dataclass(frozen=True)
class Learned:
    """What training found: the tail with its head, the epoch it is from, and the course of the losses."""

    tail: torch.nn.Module
    epoch: int
    history: tuple[Mapping[str, float], ...]


def baseline(embeddings: NDArray[np.float32], labels: NDArray[np.int64], c: float, seed: int) -> Any:
    """Logistic regression on frozen features (N, D): what fine-tuning is measured against."""
    model = LogisticRegression(C=c, class_weight="balanced", max_iter=2000, random_state=seed)
    return make_pipeline(StandardScaler(), model).fit(embeddings, labels)


def head_from(probe: Any, width: int, classes: int) -> torch.nn.Linear:
    """The probe as a linear layer (classes, width) on raw embeddings; its scaling is folded in."""
    scaler, model = probe.named_steps["standardscaler"], probe.named_steps["logisticregression"]
    coefficients, intercepts = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # scikit-learn keeps one row for two classes
        coefficients, intercepts = np.vstack([-coefficients, coefficients]) / 2, np.r_[-intercepts, intercepts] / 2
    weight, bias = np.zeros((classes, width)), np.full(classes, -10.0)
    weight[model.classes_] = coefficients / scaler.scale_
    bias[model.classes_] = intercepts - (coefficients / scaler.scale_) @ scaler.mean_
    head = torch.nn.Linear(width, classes)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight))
        head.bias.copy_(torch.from_numpy(bias))
    return head


def fit(
    tail: torch.nn.Sequential,
    train_set: "Activations",
    val_set: "Activations",
    settings: Train,
    bf16: bool,
    told: Callable[[Mapping[str, float]], None],
) -> Learned:
    """Fine-tune `tail` (its last module is the head) and keep the epoch with the lowest validation loss.

    Only epochs of the cycle's second half are looked at: before, the learning rate is high and the loss passes
    through a hump in which the lowest value is chance (docs/LOG.md).

    Args:
        told: called with each epoch's figures.

    Raises:
        FixInput: the loss is no longer a number.
    """
    size, generator = settings.batch_size, torch.Generator().manual_seed(settings.seed)
    steps = -(-len(train_set.labels) // size)
    groups = [
        {"params": tail[:-1].parameters(), "lr": settings.tail_lr},
        {"params": tail[-1].parameters(), "lr": settings.head_lr},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=settings.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [settings.tail_lr, settings.head_lr], total_steps=settings.epochs * steps, pct_start=0.15
    )
    best, best_epoch, best_loss, history = tail, 0, math.inf, []
    for epoch in range(1, settings.epochs + 1):
        train_loss = _epoch(tail, train_set.balanced(size, generator), optimizer, schedule, settings, bf16)
        if not math.isfinite(train_loss):
            raise FixInput(f"Training diverged in epoch {epoch}: lower train.tail_lr and train.head_lr in params.yaml.")
        val_loss = validation_loss(tail, val_set.plain(size))
        history.append({"epoch": epoch, "train_loss": train_loss, "val_loss": val_loss})
        told(history[-1])
        if val_loss < best_loss and 2 * epoch > settings.epochs:
            best, best_epoch, best_loss = copy.deepcopy(tail), epoch, val_loss
        if best_epoch and epoch - best_epoch >= settings.patience:
            break
    return Learned(best.eval(), best_epoch, tuple(history))


def validation_loss(tail: torch.nn.Module, loaded: Iterator[Batch]) -> float:
    """Mean over the classes of their mean negative log-likelihood, at the temperature that suits the logits best:
    overconfidence is mended after training and must not decide which epoch is kept."""
    logits, labels = predict(tail, loaded)
    losses = torch.nn.functional.cross_entropy(logits / temperature(logits, labels), labels, reduction="none")
    return float(torch.stack([losses[labels == name].mean() for name in torch.unique(labels)]).mean())


def predict(tail: torch.nn.Module, loaded: Iterator[Batch]) -> Batch:
    """Logits (N, classes) and labels (N,) of the batches, in full precision."""
    tail.eval()
    with torch.inference_mode():
        pairs = [(tail(activations), labels) for activations, labels in loaded]
    return torch.cat([logits for logits, _ in pairs]), torch.cat([labels for _, labels in pairs])


def temperature(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """By what to divide logits so that probabilities are calibrated (Guo et al., "On Calibration of Modern Neural
    Networks", ICML 2017), between 0.05 and 100."""
    from scipy.optimize import minimize_scalar

    def loss(log_t: float) -> float:
        return float(torch.nn.functional.cross_entropy(logits / np.exp(log_t), labels))

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.05), np.log(100)), method="bounded").x))


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


def _epoch(
    tail: torch.nn.Sequential,
    drawn: Iterator[Batch],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    settings: Train,
    bf16: bool,
) -> float:
    tail.train()
    for module in tail.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()
    total, count = 0.0, 0
    for activations, labels in drawn:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            embedding = torch.nn.functional.dropout(tail[:-1](activations), settings.dropout)
            logits = tail[-1](embedding)
        loss = torch.nn.functional.cross_entropy(logits.float(), labels, label_smoothing=settings.label_smoothing)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        total, count = total + loss.item() * len(labels), count + len(labels)
    return total / count


class Activations:
    """The cached activations of a table's images, read batch by batch so that memory does not grow with the set."""

    def __init__(
        self, table: pd.DataFrame, classes: Sequence[str], features: Features, settings: Params, root: Path
    ) -> None:
        self.table, self._features, self._settings, self._root = table.reset_index(drop=True), features, settings, root
        self.labels = self.table["label"].map({name: i for i, name in enumerate(classes)}).to_numpy(np.int64)
        self._held: dict[tuple[int, View], NDArray[np.float16]] = {}

    def embeddings(self) -> NDArray[np.float32]:
        """(N, D) of the plain views."""
        return np.stack([self._feature(i, "identity").embedding for i in range(len(self.table))])

    def plain(self, size: int) -> Iterator[Batch]:
        """Every image once, in order."""
        for start in range(0, len(self.table), size):
            yield self._batch(range(start, min(start + size, len(self.table))), ["identity"] * size)

    def balanced(self, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """As many images as there are, balanced by `train.balance`, each in a view drawn at random."""
        weights = torch.from_numpy(chances(self.table, self._settings.train.balance))
        drawn = torch.multinomial(weights, len(weights), replacement=True, generator=generator).tolist()
        views = self._settings.embed.views
        chosen = torch.randint(len(views), (len(drawn),), generator=generator).tolist()
        for start in range(0, len(drawn), size):
            yield self._batch(drawn[start : start + size], [views[i] for i in chosen[start : start + size]])

    def _batch(self, rows: Sequence[int], views: Sequence[View]) -> Batch:
        activations = np.stack([self._activation(i, v) for i, v in zip(rows, views, strict=False)])
        return torch.from_numpy(activations.astype(np.float32)), torch.from_numpy(self.labels[list(rows)])

    def _activation(self, row: int, view: View) -> NDArray[np.float16]:
        """From memory as far as HELD_BYTES go, else from the store."""
        found = self._held.get((row, view))
        if found is None:
            found = self._feature(row, view).activation
            if found.nbytes * (len(self._held) + 1) <= HELD_BYTES:
                self._held[row, view] = found
        return found

    def _feature(self, row: int, view: View) -> Any:
        picture = self.table.loc[row]
        name = shown(picture["image_id"], picture["black"], picture["white"])
        found = self._features.get(name, view)
        if found is None:  # the store lost it: make it again
            load = partial(levels_of, self._root, self._settings.ingest.max_megapixels, picture)
            self._features.add([(name, [view], load)])
            found = self._features.get(name, view)
        if found is None:
            raise FetchData("The feature store loses entries as fast as they are made: raise features.max_gigabytes.")
        return found


BALANCED = {"class": "label", "part": "serial", "camera": "camera", "day": "day"}  # word -> column


def chances(table: pd.DataFrame, balance: Sequence[str]) -> NDArray[np.float64]:
    """How likely each row (N,) is drawn: the first of `balance` has equal shares, within each of its values the
    second, and so on; the images of the innermost group share alike."""
    groups = pd.DataFrame(index=table.index)
    weights = pd.Series(1.0, index=table.index)
    frame = table.assign(day=table["captured_at"].dt.date)
    for name in balance:
        outer = list(groups.columns)
        groups[name] = frame[BALANCED[name]]
        kinds = groups.groupby(outer)[name].transform("nunique") if outer else groups[name].nunique()
        weights /= kinds
    if balance:
        weights /= groups.groupby(list(groups.columns))[balance[0]].transform("size")
    return np.array(weights / weights.sum(), np.float64)  # of its own: torch wants to write


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
    settings = read_params(layout.params)
    table = read_table(layout.split)
    table = table[table["split"].isin(SPLITS)]
    table = table[table["label"].isin(learnable(table, settings.train))]
    train_rows = table[table["split"] == "train"]
    classes, ok = _classes(train_rows)
    table = table[table["label"].isin(classes)]
    features = Features(layout, settings)
    train_set, val_set = (
        Activations(table[table["split"] == place], classes, features, settings, layout.home)
        for place in ("train", "val")
    )
    _require_rows(train_set, val_set)
    if torch.cuda.is_available():  # on a CPU everything here is deterministic, and asking costs 2.7 s of imports
        torch.use_deterministic_algorithms(True)
    torch.manual_seed(settings.train.seed)
    probe = baseline(train_set.embeddings(), train_set.labels, settings.train.baseline_c, settings.train.seed)
    net = backbone.network(settings.backbone, backbone.weights(settings.backbone, layout)[0])
    tail = torch.nn.Sequential(net.tail, head_from(probe, net.width, len(classes)))
    size = settings.train.batch_size
    bf16 = features.precision == "bf16"
    with (
        Live(str(layout.reports / "training"), save_dvc_exp=False, dvcyaml=None, monitor_system=False) as live,
        progress("training", settings.train.epochs) as advance,
    ):

        def told(epoch: Mapping[str, float]) -> None:
            for name in ("train_loss", "val_loss"):
                live.log_metric(name, epoch[name])
            live.next_step()
            advance(1)

        learned = fit(tail, train_set, val_set, settings.train, bf16, told)
    logits, labels = predict(learned.tail, val_set.plain(size))
    heat = temperature(logits, labels)
    rows = judged(val_set.table, torch.softmax(logits.double() / heat, 1).numpy(), classes, ok)
    cut_at = threshold(rows, settings.verdict)
    probed = judged(val_set.table, probe.predict_proba(val_set.embeddings()), classes, ok)
    card = package.Card(
        classes=classes,
        acceptable=tuple(bool(one) for one in ok),
        threshold=cut_at,
        temperature=heat,
        part_verdict=settings.verdict.part,
        backbone=settings.backbone.name,
        frozen=features.digest,
        image_size=settings.backbone.image_size,
        tuned_blocks=settings.backbone.tuned_blocks,
        precision=features.precision,
        trained_on={name: int((train_rows["label"] == name).sum()) for name in classes},
        data=batches.digest(layout.split),
        seed=settings.train.seed,
    )
    example = next(val_set.plain(2))[0]
    package.build(layout.candidate, backbone.frozen(settings.backbone, layout).path, learned.tail, example, card)
    features.close()
    tuned = report(rows, cut_at, classes, settings.verdict)
    untuned = report(probed, threshold(probed, settings.verdict), classes, settings.verdict)
    result = {
        "epoch": learned.epoch,
        "epochs": len(learned.history),
        "temperature": heat,
        "threshold": cut_at,
        "val": tuned,
        "baseline_val": untuned,
    }
    (layout.reports / "train.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(
        f"best epoch {learned.epoch} of {len(learned.history)}, {'bf16' if bf16 else 'f32'}; validation macro-F1 "
        f"{tuned['macro_f1']:.3f}, logistic regression on frozen features {untuned['macro_f1']:.3f}"
    )


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
    in_words(main)
