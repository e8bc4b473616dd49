"""Both sides over the folds: pooled out-of-fold predictions, their differences with a bootstrap over parts, times."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.report import Figure
from benchmarks.training import peer
from benchmarks.training.bench import DRAWS, Bench
from benchmarks.training.folder import folds, macro_f1
from benchmarks.training.ours import ours_on, rates
from benchmarks.training.theirs import measured, peer_rate
from inspection.model.metrics import part_draws
from inspection.pictures import piece
from inspection.progress import progress

FEW_PARTS = 10  # of a class, below which it is left out once


def compared(bench: Bench) -> Iterator[Figure]:
    """Macro-F1 and times of both sides over the folds."""
    every = list(folds(bench.table))
    with progress("trainings", 2 * len(every) + len(peer.RATES) + 1) as advance:
        rate = float(bench.once("rate", partial(rates, bench, every[0]))["best"])
        advance(1)
        mine = []
        for fold in every:
            mine.append(bench.once(f"ours-{fold.number}", partial(ours_on, bench, fold, rate)))
            advance(1)
        theirs_rate = peer_rate(bench, every[0])
        advance(len(peer.RATES))
        theirs = []
        for fold in every:
            theirs.append(measured(bench, fold, theirs_rate))
            advance(1)
    test = pd.concat([fold.test for fold in every], ignore_index=True)
    called = {
        side: np.concatenate([one[key] for one in runs])
        for side, runs, key in (("ours", mine, "called"), ("again", mine, "again_called"), ("peer", theirs, "called"))
    }
    yield from _scores(bench, test, called)
    seconds, peers = (sum(float(one["seconds"]) for one in runs) for runs in (mine, theirs))
    yield Figure("whole training, caching included: ours, mean of the folds", seconds / len(every), "s")
    yield Figure("... full fine-tuning, mean of the folds", peers / len(every), "s")
    yield Figure("... ours against full fine-tuning", seconds / peers, "times", "≤ 0.25", seconds / peers <= 0.25)
    first, again = (sum(float(one[key]) for one in mine) for key in ("first_seconds", "again_seconds"))
    yield Figure(
        "retraining after 5 % new images against the first", again / first, "times", "≤ 0.25", again <= first / 4
    )


def _scores(bench: Bench, test: pd.DataFrame, called: dict[str, NDArray[np.int64]]) -> Iterator[Figure]:
    labels, wanted = np.array([bench.classes.index(name) for name in test["label"]]), bench.targets
    score = macro_f1(labels, called["ours"], len(bench.classes))
    least = f"≥ {wanted.least}" if wanted.least else ""
    yield Figure("macro-F1, ours", score, "", least, score >= wanted.least if wanted.least else None)
    for side, words in (("peer", "full fine-tuning"), ("again", "ours, retrained after 5 % new images")):
        yield Figure(f"macro-F1, {words}", macro_f1(labels, called[side], len(bench.classes)), "")
    for words, rows in _subsets(bench, test):
        point, low, high = difference(labels[rows], called["ours"][rows], called["peer"][rows], piece.of(test[rows]))
        asked, holds = (f"> {wanted.point:g}", point > wanted.point) if wanted.point is not None else ("", None)
        yield Figure(f"macro-F1, ours - full fine-tuning, {words}", point, "", asked, holds)
        yield Figure("... 95 % interval from", low, "", f"≥ {wanted.lower}", low >= wanted.lower)
        yield Figure("... to", high, "")


def _subsets(bench: Bench, test: pd.DataFrame) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """All classes; without those of few parts; without those that have a file format for themselves, which may give
    them away."""
    yield "all classes", np.ones(len(test), bool)
    parts = piece.of(bench.table).groupby(bench.table["label"]).nunique()
    suffix = bench.table["path"].str.rsplit(".").str[-1].str.lower()
    formats = suffix.groupby(bench.table["label"]).agg(set)
    owners = bench.table.groupby(suffix)["label"].nunique()
    given_away = [name for name, some in formats.items() if len(owners) > 1 and any(owners[one] == 1 for one in some)]
    for words, left in (
        (f"of ≥ {FEW_PARTS} parts", parts.index[parts < FEW_PARTS]),
        ("not told by format", given_away),
    ):
        if len(left):
            yield f"classes {words}", (~test["label"].isin(left)).to_numpy()


def difference(
    labels: NDArray[np.int64], ours: NDArray[np.int64], theirs: NDArray[np.int64], pieces: pd.Series
) -> tuple[float, float, float]:
    """Macro-F1 of ours less theirs, and its 95 % interval by drawing parts with replacement."""
    classes = int(labels.max()) + 1
    draws = part_draws(pieces, np.random.default_rng(0))
    some = []
    for _ in range(DRAWS):
        rows = np.repeat(np.arange(len(labels)), next(draws))
        some.append(macro_f1(labels[rows], ours[rows], classes) - macro_f1(labels[rows], theirs[rows], classes))
    low, high = np.percentile(some, [2.5, 97.5])
    return macro_f1(labels, ours, classes) - macro_f1(labels, theirs, classes), float(low), float(high)
