"""Retraining against full fine-tuning, on a real folder: `python -m benchmarks.training --data DIR`.

Five folds that share no part; pooled out-of-fold predictions; differences with a bootstrap over parts, paired. Both
sides choose among the same three learning rates on the first fold's validation set. What was measured is kept in
`.andon/training`, so that a run that was stopped goes on.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from inspect import getsource
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmarks import peer
from benchmarks.folder import Fold, folds, macro_f1, read
from benchmarks.report import Figure, once, report
from inspection.cameras import read_cameras
from inspection.intake.images import levels_of
from inspection.layout import Layout
from inspection.model.champion import Champion
from inspection.model.metrics import part_draws
from inspection.model.plan import Work, plan
from inspection.model.tuning import class_loss, predict, temperature
from inspection.network import backbone
from inspection.network.activations import Activations
from inspection.network.features import Features, shown
from inspection.network.views import PLAIN, views_of
from inspection.params import Params, read_params
from inspection.progress import progress
from stages.train import Learned, Start, Told, learn

ROOT = Path(__file__).parents[1]
MEGAPIXELS, DRAWS, FEW_PARTS, MIN_PARTS = 40, 2000, 10, 12
ADDED, ADDED_PARTS, TRIES = 10, 3, 20  # labelled images of an added class, of so many parts at least; how often
Json = dict[str, Any]


@dataclass(frozen=True)
class Targets:
    """What is asked for on a set: of the difference in macro-F1 (point, lower bound), of ours, of an added class."""

    point: float | None
    lower: float
    least: float
    recall: float
    lost: float


TARGETS = {"xsdd": Targets(None, -0.005, 0.985, 0.85, 0.02)}
USUAL = Targets(0.0, -0.03, 0.0, 0.6, 0.03)


@dataclass(frozen=True)
class Bench:
    """What a run stands on; `state` keeps the network's graph, `kept` what was measured of ours, `peers` of theirs:
    that stays true when ours changes."""

    data: Path
    table: pd.DataFrame
    classes: tuple[str, ...]
    settings: Params
    state: Layout
    kept: Path
    peers: Path

    @property
    def targets(self) -> Targets:
        return TARGETS.get(self.data.name, USUAL)

    @property
    def network(self) -> backbone.Network:
        """Loaded anew for each training, as a retraining does."""
        return backbone.network(self.settings.backbone, backbone.weights(self.settings.backbone, self.state)[0])

    def once(self, name: str, work: Callable[[], Json]) -> Json:
        """What `work` gives, measured once."""
        return once(self.kept / f"{name}.json", work)

    def theirs(self, fold: Fold, rate: float) -> Json:
        """`peer_on`, measured once."""
        return once(self.peers / f"{fold.number}-{rate:g}.json", partial(peer_on, self, fold, rate))


def opened(
    data: Path, serial_column: str | None, order_column: str | None, side: int | None = None, words: str = ""
) -> Bench:
    """The bench on a folder; the network looks at squares of `side` pixels, default: what params.yaml says. What was
    kept counts as long as `words`, the pictures and the code that measures stay the same."""
    table, settings = read(data, serial_column, order_column), read_params(ROOT / "params.yaml")
    if side:
        settings = settings.model_copy(update={"backbone": settings.backbone.model_copy(update={"image_size": side})})
    state = Layout(ROOT, ROOT)
    graph = backbone.frozen(settings.backbone, state)
    stands_on = f"{words}{torch.__version__}{graph.digest}{table[['image_id', 'label', 'serial']].to_csv()}"
    mine = [
        Path(__file__),
        ROOT / "cameras.yaml",
        *(ROOT / "stages").rglob("*.py"),
        *(ROOT / "inspection").rglob("*.py"),
    ]
    theirs = [ROOT / "benchmarks" / name for name in ("peer.py", "folder.py")]
    judging = "".join(getsource(one) for one in (class_loss, temperature, pictures, peer_on))
    kept, peers = (
        state.state / "training" / f"{data.name}-{side}-{_key(sources, asked + stands_on)}"
        for side, sources, asked in (
            ("ours", mine, f"{settings.train}{settings.embed}{peer.RATES}"),
            ("peer", theirs, judging),
        )
    )
    return Bench(data, table, tuple(sorted(table["label"].unique())), settings, state, kept, peers)


def _key(sources: Sequence[Path], words: str) -> str:
    key = sha256(b"".join(path.read_bytes() for path in sorted(sources)))
    key.update(words.encode())
    return key.hexdigest()[:12]


# ------------------------------------------------------------------------------------------------ our side


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
    graph = backbone.frozen(bench.settings.backbone, bench.state)
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
    order = train.groupby("serial")["captured_at"].min().sort_values().index
    images = train["serial"].value_counts().reindex(order).cumsum()
    return train[train["serial"].isin(images.index[images <= share * len(train)])]


# ------------------------------------------------------------------------------------------------ the peer


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


def peer_rate(bench: Bench, fold: Fold) -> float:
    """The learning rate that validates best on the first fold; each run is kept, the best one is the fold's result."""
    tried = {rate: bench.theirs(fold, rate) for rate in peer.RATES}
    return min(tried, key=lambda rate: float(tried[rate]["val_loss"]))


# ------------------------------------------------------------------------------------------------ the figures


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
            theirs.append(bench.theirs(fold, theirs_rate))
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
        point, low, high = difference(labels[rows], called["ours"][rows], called["peer"][rows], test[rows]["serial"])
        asked, holds = (f"> {wanted.point:g}", point > wanted.point) if wanted.point is not None else ("", None)
        yield Figure(f"macro-F1, ours - full fine-tuning, {words}", point, "", asked, holds)
        yield Figure("... 95 % interval from", low, "", f"≥ {wanted.lower}", low >= wanted.lower)
        yield Figure("... to", high, "")


def _subsets(bench: Bench, test: pd.DataFrame) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """All classes; without those of few parts; without those that have a file format for themselves, which may give
    them away."""
    yield "all classes", np.ones(len(test), bool)
    parts = bench.table.groupby("label")["serial"].nunique()
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
    labels: NDArray[np.int64], ours: NDArray[np.int64], theirs: NDArray[np.int64], serials: pd.Series
) -> tuple[float, float, float]:
    """Macro-F1 of ours less theirs, and its 95 % interval by drawing parts with replacement."""
    classes = int(labels.max()) + 1
    draws = part_draws(serials, np.random.default_rng(0))
    some = []
    for _ in range(DRAWS):
        rows = np.repeat(np.arange(len(labels)), next(draws))
        some.append(macro_f1(labels[rows], ours[rows], classes) - macro_f1(labels[rows], theirs[rows], classes))
    low, high = np.percentile(some, [2.5, 97.5])
    return macro_f1(labels, ours, classes) - macro_f1(labels, theirs, classes), float(low), float(high)


def added(bench: Bench) -> Iterator[Figure]:
    """A class that the model did not know, from a few labelled images: its recall, and what the old classes lose."""
    fold, rate = next(folds(bench.table)), float(bench.once("rate", dict)["best"])
    parts = bench.table.groupby("label")["serial"].nunique()
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
        others = mine[~mine["serial"].isin(drawn["serial"])]
        right = said(bench, model, others, kept) == bench.classes.index(name)
        now = said(bench, model, fold.test, kept)
        results.append({"name": name, "recall": float(right.mean()), "old": old.tolist(), "now": now.tolist()})
    return {"tries": results}


def some_images(mine: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """ADDED images of a class, from as many parts as hold them, ADDED_PARTS at least."""
    images = mine["serial"].value_counts().reindex(rng.permutation(mine["serial"].unique()))
    least = max(ADDED_PARTS, ADDED // 2, int((images.cumsum() < ADDED).sum()) + 1)
    some = mine[mine["serial"].isin(images.index[:least])]
    while True:
        drawn = some.sample(ADDED, random_state=int(rng.integers(1 << 31)))
        if drawn["serial"].nunique() >= ADDED_PARTS:
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

    draws = part_draws(test["serial"], np.random.default_rng(0))
    return loss(np.ones(len(test), np.int64)), float(np.percentile([loss(next(draws)) for _ in range(DRAWS)], 95))


def memory(bench: Bench, arguments: Sequence[str]) -> Iterator[Figure]:
    """The most memory that a training held, from pictures to the tuned network, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.training", *arguments, "--alone"]
    most = bench.once("memory", lambda: {"gigabytes": float(subprocess.check_output(command, text=True).split()[-1])})
    value = float(most["gigabytes"])
    yield Figure("peak memory of a training, caching included", value, "GiB", "≤ 2", value <= 2)


def _alone(bench: Bench) -> None:
    fold = next(folds(bench.table))
    with TemporaryDirectory() as folder:
        ours(bench, fold.train, fold.val, store(bench, folder), bench.settings.train.tail_lr)
    print(_most_memory())


def _most_memory() -> float:
    """GiB that this process has held at most; `ru_maxrss` would count the process that started it as well."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder with metadata.csv beside its pictures")
    parser.add_argument("--serial-column", help="the pictures of a part share it; default: every picture is a part")
    parser.add_argument("--order-column", help="in which pictures came; default: the order of metadata.csv")
    parser.add_argument("--alone", action="store_true", help="one training, and only its peak memory in GiB")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    bench = opened(options.data, options.serial_column, options.order_column)
    if options.alone:
        return _alone(bench)
    given = ["--data", str(options.data)]
    for word, value in (("--serial-column", options.serial_column), ("--order-column", options.order_column)):
        given += [word, value] if value else []
    figures = [*compared(bench), *added(bench), *memory(bench, given)]
    report(f"Retraining on {options.data.name}", figures, options.out, data=options.data.name)
    return None


if __name__ == "__main__":
    main()
