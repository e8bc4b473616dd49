"""A class that the model did not know, from a few labelled images: its recall, and what the old classes lose."""

from collections.abc import Iterator, Sequence
from functools import partial
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.report import Figure
from benchmarks.training.bench import DRAWS, Bench, Json
from benchmarks.training.folder import Fold, folds
from benchmarks.training.ours import ours, said, store
from inspection.layout import Layout
from inspection.model.metrics import part_draws
from inspection.pictures import piece
from inspection.progress import progress

MIN_PARTS = 12  # of a class that is added
ADDED, ADDED_PARTS, TRIES = 10, 3, 20  # labelled images of an added class, of so many parts at least; how often


def added(bench: Bench) -> Iterator[Figure]:
    """A class that the model did not know, from a few labelled images: its recall, and what the old classes lose."""
    fold, rate = next(folds(bench.table)), float(bench.once("rate", dict)["best"])
    parts = piece.of(bench.table).groupby(bench.table["label"]).nunique()
    kinds = [name for name in bench.classes if parts[name] >= MIN_PARTS]
    tries = -(-TRIES // len(kinds))
    with progress("classes added", len(kinds)) as advance, TemporaryDirectory() as folder:
        found, kept = [], store(bench, folder)
        for name in kinds:
            found += bench.once(f"added-{name}", partial(added_class, bench, kept, fold, name, rate, tries))["tries"]
            advance(1)
    recalls = [float(one["recall"]) for one in found]
    test = fold.test.reset_index(drop=True)
    losses = _old_classes(test, found)
    target, most = bench.targets.recall, bench.targets.lost
    share = float(np.mean(recalls))
    yield Figure(
        f"a class added with {ADDED} images, {len(found)} draws: its recall", share, "", f"≥ {target}", share >= target
    )
    least = min(float(np.mean([one["recall"] for one in found if one["name"] == name])) for name in kinds)
    yield Figure("... of the class that does worst", least, "")
    yield Figure("... of the same classes learned from all their images, out of fold", _learned_whole(bench, kinds), "")
    yield Figure("... recall that the old classes lose", losses[0], "")
    yield Figure("... upper bound (95 %)", losses[1], "", f"≤ {most}", losses[1] <= most)


def _learned_whole(bench: Bench, kinds: Sequence[str]) -> float:
    """Mean recall of classes in the folds of `compared`."""
    every = list(folds(bench.table))
    labels = np.concatenate([fold.test["label"] for fold in every])
    called = np.concatenate([bench.once(f"ours-{fold.number}", dict)["called"] for fold in every])
    right = np.array(bench.classes)[called] == labels
    return float(np.mean([right[labels == name].mean() for name in kinds]))


def added_class(bench: Bench, kept: Layout, fold: Fold, name: str, rate: float, tries: int) -> Json:
    """A model without a class, then `tries` retrainings with some images of it; features are kept in `kept`."""
    rng = np.random.default_rng(bench.classes.index(name))
    before, val = (side[side["label"] != name] for side in (fold.train, fold.val))
    mine = bench.table[bench.table["label"] == name]
    first = ours(bench, before, val, kept, rate)
    old = said(bench, first, fold.test, kept)
    results = []
    for _ in range(tries):
        drawn = some_images(mine, rng)
        model = ours(bench, pd.concat([before, drawn]), val, kept, rate, first, len(before))
        others = mine[~piece.of(mine).isin(piece.of(drawn))]
        right = said(bench, model, others, kept) == bench.classes.index(name)
        now = said(bench, model, fold.test, kept)
        results.append({"name": name, "recall": float(right.mean()), "old": old.tolist(), "now": now.tolist()})
    return {"tries": results}


def some_images(mine: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """ADDED images of a class, from as many parts as hold them, ADDED_PARTS at least."""
    own = piece.of(mine)
    images = own.value_counts().reindex(rng.permutation(own.unique()))
    least = max(ADDED_PARTS, ADDED // 2, int((images.cumsum() < ADDED).sum()) + 1)
    some = mine[own.isin(images.index[:least])]
    while True:
        drawn = some.sample(ADDED, random_state=int(rng.integers(1 << 31)))
        if piece.of(drawn).nunique() >= ADDED_PARTS:
            return drawn


def _old_classes(test: pd.DataFrame, found: Sequence[Json]) -> tuple[float, float]:
    """Mean over the old classes of the recall that they lost, and its upper bound, by drawing test parts."""
    classes = sorted(test["label"].unique())
    truth = np.array([classes.index(name) for name in test["label"]])
    lost = np.stack([(np.array(one["old"]) == truth).astype(float) - (np.array(one["now"]) == truth) for one in found])
    kept = np.stack([truth != classes.index(one["name"]) if one["name"] in classes else truth >= 0 for one in found])

    def loss(weight: NDArray[np.int64]) -> float:
        by_class = [
            (lost * kept * weight)[:, truth == one].sum() / max((kept * weight)[:, truth == one].sum(), 1)
            for one in range(len(classes))
            if kept[:, truth == one].any()
        ]
        return float(np.mean(by_class))

    draws = part_draws(piece.of(test), np.random.default_rng(0))
    return loss(np.ones(len(test), np.int64)), float(np.percentile([loss(next(draws)) for _ in range(DRAWS)], 95))
