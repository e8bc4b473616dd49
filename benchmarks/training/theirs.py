"""The peer on the bench: full fine-tuning of each fold, at the learning rate that validates best on the first."""

from functools import partial
from time import perf_counter

import numpy as np
import pandas as pd

from benchmarks.report import once
from benchmarks.training import peer
from benchmarks.training.bench import MEGAPIXELS, Bench, Json
from benchmarks.training.folder import Fold
from inspection.pictures.images import levels_of


def pictures(bench: Bench, rows: pd.DataFrame) -> peer.Pictures:
    labels = np.array([bench.classes.index(name) for name in rows["label"]], np.int64)
    levels = [levels_of(bench.data, MEGAPIXELS, row) for row in rows.itertuples()]
    return peer.pictures(levels, labels, bench.settings.backbone.image_size)


def peer_on(bench: Bench, fold: Fold, rate: float) -> Json:
    """A full fine-tuning and what it calls the fold's test images."""
    start = perf_counter()
    net, train, val = bench.network, pictures(bench, fold.train), pictures(bench, fold.val)
    decoding = perf_counter() - start
    asked, recipe = pictures(bench, fold.test), peer.Recipe(rate)
    tuned = peer.fine_tune(net, train, val, asked, recipe, len(bench.classes))
    return {
        "called": tuned.logits.argmax(1).tolist(),
        "val_loss": tuned.val_loss,
        "seconds": decoding + tuned.seconds,
        "epochs": tuned.epochs,
    }


def measured(bench: Bench, fold: Fold, rate: float) -> Json:
    """`peer_on`, measured once."""
    return once(bench.peers / f"{fold.number}-{rate:g}.json", partial(peer_on, bench, fold, rate))


def peer_rate(bench: Bench, fold: Fold) -> float:
    """The learning rate that validates best on the first fold; each run is kept, the best one is the fold's result."""
    tried = {rate: measured(bench, fold, rate) for rate in peer.RATES}
    return min(tried, key=lambda rate: float(tried[rate]["val_loss"]))
