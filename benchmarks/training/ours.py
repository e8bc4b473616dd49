"""Our side: trainings as a retrain does them, and what they call pictures."""

import shutil
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmarks.training import peer
from benchmarks.training.bench import MEGAPIXELS, Bench, Json
from benchmarks.training.folder import Fold
from inspection.cameras import read_cameras
from inspection.layout import Layout
from inspection.model.champion import Champion
from inspection.model.plan import Work, plan
from inspection.model.training import Learned, Start, Told, learn
from inspection.model.tuning import class_loss, predict
from inspection.network.activations import Activations
from inspection.network.features import Features, shown
from inspection.network.frozen import frozen_graph
from inspection.network.views import PLAIN, views_of
from inspection.pictures import piece
from inspection.pictures.images import levels_of

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ours:
    """A training of ours: what it found, of which classes, and the seconds it took, caching included."""

    learned: Learned
    classes: tuple[str, ...]
    frozen_blocks: int
    seconds: float


def ours(
    bench: Bench,
    train: pd.DataFrame,
    val: pd.DataFrame,
    store: Layout,
    rate: float,
    champion: Ours | None = None,
    known: int = 0,
    told: Told = lambda _: None,
) -> Ours:
    """One whole training from pictures, in a feature store that may already hold some; going on from `champion`, which
    learned `known` of the images, if there is one; `told` is called with each epoch's figures."""
    start = perf_counter()
    trained = bench.settings.train.model_copy(update={"tail_lr": rate})
    classes = tuple(sorted(train["label"].unique()))
    val = val[val["label"].isin(classes)]
    graph = frozen_graph(bench.settings.backbone, bench.state)
    todo = Work(len(train), len(val), graph.blocks)
    if champion is not None:
        named = Champion(version="1.0.0", package="0" * 64)
        share = 1 - known / len(train)
        todo = replace(todo, champion=named, champion_frozen=champion.frozen_blocks, new_share=share)
    made = plan(todo, trained, bench.settings.embed.views, None)
    turns = read_cameras(ROOT / "cameras.yaml")["cam-1"]
    views = views_of(turns, "part", bench.settings.embed)[: made.views]
    features = Features(store, bench.settings, made.frozen_blocks)
    features.add(
        (shown(row.image_id, 0, 255), views if side is train else (PLAIN,), partial(levels_of, bench.data, 40, row))
        for side in (train, val)
        for row in side.itertuples()
    )
    by_image = dict.fromkeys(train["image_id"], views)
    sets = [
        Activations(train, classes, features, bench.data, MEGAPIXELS, by_image),
        Activations(val, classes, features, bench.data, MEGAPIXELS),
    ]
    torch.manual_seed(trained.seed)
    before = Start(champion.learned.tail.state_dict(), champion.classes) if champion and made.champion.package else None
    found = learn(sets[0], sets[1], bench.network, made, trained, features.precision == "bf16", before, told)
    features.close()
    return Ours(found, classes, made.frozen_blocks, perf_counter() - start)


def said(bench: Bench, model: Ours, rows: pd.DataFrame, store: Layout) -> NDArray[np.int64]:
    """The class of the bench that `model` calls each row, (N,)."""
    features = Features(store, bench.settings, model.frozen_blocks)
    features.add(
        (shown(row.image_id, 0, 255), (PLAIN,), partial(levels_of, bench.data, MEGAPIXELS, row))
        for row in rows.itertuples()
    )
    asked = Activations(rows, bench.classes, features, bench.data, MEGAPIXELS)
    logits = predict(model.learned.tail, asked.plain(bench.settings.train.batch_size))[0]
    features.close()
    numbers = np.array([bench.classes.index(name) for name in model.classes])
    called: NDArray[np.int64] = numbers[logits.argmax(1).numpy()]
    return called


def store(bench: Bench, folder: str) -> Layout:
    """An empty feature store that has the network's graph already."""
    layout = store_at(folder)
    shutil.copytree(bench.state.backbones, layout.backbones)
    return layout


def _loss(found: Ours, val: pd.DataFrame) -> float:
    rows = val[val["label"].isin(found.classes)]
    labels = torch.tensor([found.classes.index(name) for name in rows["label"]])
    return class_loss(found.learned.logits, labels)


def rates(bench: Bench, fold: Fold) -> Json:
    """Validation losses of the first fold at each learning rate, ours."""
    with TemporaryDirectory() as folder:
        kept = store(bench, folder)
        losses = [_loss(ours(bench, fold.train, fold.val, kept, rate), fold.val) for rate in peer.RATES]
    return {"losses": losses, "best": peer.RATES[int(np.argmin(losses))]}


def ours_on(bench: Bench, fold: Fold, rate: float) -> Json:
    """A first training, what it calls the fold's test images, and a retraining after 5 % new parts."""
    with TemporaryDirectory() as folder:
        found = ours(bench, fold.train, fold.val, store(bench, folder), rate)
        called = said(bench, found, fold.test, store_at(folder))
    old = earlier(fold.train, 0.95)
    with TemporaryDirectory() as folder:
        first = ours(bench, old, fold.val, store(bench, folder), rate)
        again = ours(bench, fold.train, fold.val, store_at(folder), rate, first, len(old))
        later = said(bench, again, fold.test, store_at(folder))
    return {
        "called": called.tolist(),
        "seconds": found.seconds,
        "depth": found.learned.depth,
        "epoch": found.learned.epoch,
        "first_seconds": first.seconds,
        "again_seconds": again.seconds,
        "again_called": later.tolist(),
    }


def store_at(folder: str) -> Layout:
    return Layout(Path(folder), Path(folder))


def earlier(train: pd.DataFrame, share: float) -> pd.DataFrame:
    """The first parts, by time, with that share of the images."""
    own = piece.of(train)
    order = train["captured_at"].groupby(own).min().sort_values().index
    images = own.value_counts().reindex(order).cumsum()
    return train[own.isin(images.index[images <= share * len(train)])]
