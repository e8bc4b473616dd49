"""Temperature and threshold, by what a package says of the validation images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from inspection.model import package
from inspection.model.metrics import figures
from inspection.model.sets import Sets
from inspection.model.tail import Tail
from inspection.model.tuning import temperature
from inspection.params import Params, Verdict
from inspection.pictures import piece

_LEAST = 1e-30  # probability of which a logarithm is taken
MAX_THRESHOLDS = 400  # tried; a validation set with more different scores is tried at as many of them


@dataclass(frozen=True)
class Calibrated:
    """The temperature and threshold of a network, and what it says of each validation image."""

    temperature: float
    threshold: float
    rows: pd.DataFrame

    def on(self, card: package.Card) -> package.Card:
        """The card with them."""
        return card.model_copy(update={"threshold": self.threshold, "temperature": self.temperature})


def calibrated(card: package.Card, graph: Path, tail: Tail, taught: Sets, settings: Params) -> Calibrated:
    """By what a package of temperature 1 says, for it runs in another precision than training validates in.

    Args:
        card: of that package. graph: the frozen network.
    """
    with TemporaryDirectory() as folder:
        package.build(Path(folder), graph, tail, taught.example, card)
        candidate = package.Package(Path(folder))
        shown = (activations.numpy() for activations, _ in taught.val.plain(settings.train.batch_size))
        said = np.stack([one.probability for some in shown for one in candidate.judge(some)])
    logits = torch.from_numpy(said).clamp_min(_LEAST).log()  # but for a constant, which softmax does not see
    heat = temperature(logits, torch.from_numpy(taught.val.labels))
    probability = torch.softmax(logits.double() / heat, 1).numpy()
    rows = judged(taught.val.table, probability, taught.val.classes, taught.acceptable)
    return Calibrated(heat, threshold(rows, settings.verdict), rows)


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
    part = pd.factorize(piece.of(rows))[0]
    images = np.bincount(part)
    defective = np.bincount(part, weights=~rows["acceptable"].to_numpy(bool)) > 0
    rejects = rows["reject_probability"].to_numpy(float)[:, None] >= cuts  # (N, C)
    hits = np.zeros((len(images), len(cuts)))
    np.add.at(hits, part, rejects)
    rejected = hits > 0 if settings.part == "any" else hits > images[:, None] / 2
    escapes, false_rejects = (~rejected[defective]).sum(axis=0), rejected[~defective].sum(axis=0)
    return np.asarray(escapes * settings.cost_escape + false_rejects * settings.cost_false_reject, np.float64)


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
