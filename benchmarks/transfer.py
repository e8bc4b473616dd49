"""What pretraining and freezing save, on a drawn set in the manner of DAGM 2007: `python -m benchmarks.transfer`.

Six surfaces, each good or with its own kind of defect, 1,000 and 150 pictures of them, 128 pixels wide, looked at as
they are; a half is test, and a fifth of the rest validation. Five trainings of the same network: from random weights
without and with varied pictures, of the whole pretrained network at the learning rate of three that validates best, of
a head on the frozen one, and ours. What was measured is kept in `.andon/training`.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from inspect import getsource
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import pandas as pd
import torch
from sklearn.model_selection import train_test_split

from benchmarks.report import Figure, once, report
from benchmarks.training import peer
from benchmarks.training.bench import Bench, Json
from benchmarks.training.folder import Fold
from benchmarks.training.opening import opened
from benchmarks.training.ours import ours, said, store, store_at
from benchmarks.training.theirs import pictures
from inspection import files
from inspection.model.metrics import interval
from inspection.model.tuning import class_recall
from inspection.network import backbone
from inspection.progress import progress
from plant import defects, surfaces
from plant.chance import generator
from plant.optics import quantised
from plant.shot import png

SURFACES = {
    "brushed": "scratch",
    "cast": "crack",
    "painted": "stain",
    "woven": "inclusion",
    "turned": "pit",
    "sintered": "dent",
}
GOOD, SIDE = 1000, 128  # good pictures of a surface; pixels, drawn and looked at
SCRATCH = 1e-3  # peak learning rate from random weights
COLOURS = {
    "scratch": "#566270",
    "scratch, varied pictures": "#b0b8c0",
    "full fine-tuning": "#d55e00",
    "frozen, a head": "#009e73",
    "ours": "#0072b2",
}


def draw(folder: Path, good: int) -> None:
    """The set as PNGs and `metadata.csv`; what is there already is not drawn again."""
    if (folder / "metadata.csv").exists():
        return
    jobs = [(folder, kind, number, number >= good) for kind in SURFACES for number in range(good + good * 3 // 20)]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool, progress("pictures", len(jobs)) as advance:
        rows = []
        for row in pool.map(_picture, jobs, chunksize=50):
            rows.append(row)
            advance(1)
    files.write(folder / "metadata.csv", pd.DataFrame(rows, columns=["file", "label"]).to_csv(index=False))


def _picture(job: tuple[Path, str, int, bool]) -> tuple[str, str]:
    """One picture's file and label."""
    folder, kind, number, defective = job
    rng = generator("transfer", kind, number)
    surface = surfaces.draw(kind, rng, SIDE, SIDE)
    if defective:
        surface = defects.add(SURFACES[kind], rng, surface)
    name = f"{kind}/{number:04d}.png"
    (folder / kind).mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(png(quantised(surface, 8)))
    return name, f"{kind} {'defective' if defective else 'good'}"


def split(table: pd.DataFrame) -> Fold:
    """A half as test, a fifth of the rest as validation; every picture is a part."""
    rest, test = train_test_split(table, test_size=0.5, stratify=table["label"], random_state=0)
    train, val = train_test_split(rest, test_size=0.2, stratify=rest["label"], random_state=0)
    return Fold(0, train, val, test)


class Course:
    """How validation recall grew: at each point, batches that ran through the whole network and seconds."""

    def __init__(self, steps_before: float, steps_an_epoch: float) -> None:
        self.rows: list[dict[str, float]] = []
        self._next, self._more = steps_before + steps_an_epoch, steps_an_epoch

    def add(self, seconds: float, recall: float) -> None:
        self.rows.append({"steps": self._next, "seconds": seconds, "recall": recall})
        self._next += self._more


def full(bench: Bench, fold: Fold) -> Json:
    """Full fine-tuning at the learning rate that validates best."""
    tried = [
        once(bench.peers / f"full at {rate:g}.json", partial(peers, bench, fold, peer.Recipe(rate)))
        for rate in peer.RATES
    ]
    return min(tried, key=lambda one: float(one["val_loss"]))


def peers(bench: Bench, fold: Fold, recipe: peer.Recipe, pretrained: bool = True) -> Json:
    """A training of the whole network, by a recipe of `benchmarks.peer`."""
    blank = partial(backbone.blank, bench.settings.backbone, 0)
    train, val, test = (pictures(bench, side) for side in (fold.train, fold.val, fold.test))
    course = Course(0, -(-len(fold.train) // peer.SIZE))
    net = bench.network if pretrained else blank()

    def told(seconds: float, logits: torch.Tensor) -> None:
        course.add(seconds, class_recall(logits, val.labels))

    tuned = peer.fine_tune(net, train, val, test, recipe, len(bench.classes), told)
    called = tuned.logits.argmax(1).tolist()
    return {"course": course.rows, "called": called, "kept": tuned.kept, "val_loss": tuned.val_loss}


def mine(bench: Bench, fold: Fold, depth: str) -> Json:
    """Ours; the whole network is run to cache what its frozen blocks say, and not again."""
    settings = bench.settings.train.model_copy(update={"depth": depth})
    asked = replace(bench, settings=bench.settings.model_copy(update={"train": settings}))
    views = 1 if depth == "head" else bench.settings.embed.views
    course = Course((len(fold.train) * views + len(fold.val)) / peer.SIZE, 0)
    start = perf_counter()

    def told(epoch: Any) -> None:
        course.add(perf_counter() - start, epoch["val_recall"])

    with TemporaryDirectory() as folder:
        found = ours(asked, fold.train, fold.val, store(bench, folder), bench.settings.train.tail_lr, told=told)
        if not course.rows:  # a head is fitted at once
            labels = torch.tensor([found.classes.index(name) for name in fold.val["label"]])
            course.add(perf_counter() - start, class_recall(found.learned.logits, labels))
        called = said(bench, found, fold.test, store_at(folder))
    return {"course": course.rows, "called": called.tolist()}


def measured(bench: Bench, fold: Fold) -> dict[str, Json]:
    """Every training by its name."""
    work: dict[str, Callable[[], Json]] = {
        "ours": partial(mine, bench, fold, "auto"),
        "frozen, a head": partial(mine, bench, fold, "head"),
        "full fine-tuning": partial(full, bench, fold),
        "scratch, varied pictures": partial(peers, bench, fold, peer.Recipe(SCRATCH), pretrained=False),
        "scratch": partial(peers, bench, fold, peer.Recipe(SCRATCH, varied=False), pretrained=False),
    }
    found = {}
    with progress("trainings", len(work)) as advance:
        for name, job in work.items():
            kept = bench.kept if name in ("ours", "frozen, a head") else bench.peers
            found[name] = once(kept / f"{name}.json", job)
            advance(1)
    return found


def figures(found: dict[str, Json], fold: Fold, classes: Sequence[str]) -> Iterator[Figure]:
    """Test recall of each, and what each takes to the validation recall of the epoch that full fine-tuning keeps, as a
    share of what that took."""
    for name, one in found.items():
        rows = fold.test.assign(predicted=[classes[number] for number in one["called"]])
        recall = (rows["label"] == rows["predicted"]).groupby(rows["label"]).mean().mean()
        low, high = interval(rows, classes)
        yield Figure(f"{name}: balanced accuracy on test", recall, "")
        yield Figure("... 95 % interval from", low, "")
        yield Figure("... to", high, "")
        yield Figure("... seconds in all", one["course"][-1]["seconds"], "s")
    goal = found["full fine-tuning"]["course"][found["full fine-tuning"]["kept"] - 1]
    for name, one in found.items():
        reached = [row for row in one["course"] if row["recall"] >= goal["recall"]]
        if not reached:
            most = max(row["recall"] for row in one["course"])
            yield Figure(
                f"{name}: does not reach full fine-tuning's recall {goal['recall']:.4g}; its highest", most, ""
            )
            continue
        for unit in ("steps", "seconds"):
            share = reached[0][unit] / goal[unit]
            yield Figure(f"{name}: {unit} to full fine-tuning's recall {goal['recall']:.4g}", share, "times its own")


def plotted(found: dict[str, Json], target: Path) -> None:
    """Validation recall against batches through the whole network, and against seconds."""
    from matplotlib.figure import Figure as Drawing
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    drawing = Drawing(figsize=(10, 4.6), layout="constrained")
    left, right = drawing.subplots(1, 2, sharey=True)
    for axis, unit in ((left, "steps"), (right, "seconds")):
        for name, one in found.items():
            course = one["course"]
            x, y = [row[unit] for row in course], [100 * row["recall"] for row in course]
            axis.plot(x, y, marker="o", ms=4, color=COLOURS[name], label=name)
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.grid(color="#e3e7eb", lw=0.6)
        axis.spines[["top", "right"]].set_visible(False)
    left.set(xlabel=f"batches of {peer.SIZE} pictures through the whole network", ylabel="recall on validation, %")
    threads = torch.get_num_threads()
    right.set(xlabel=f"seconds, {threads} thread{'s' if threads > 1 else ''}")
    left.legend(loc="lower right")
    target.parent.mkdir(parents=True, exist_ok=True)
    drawing.savefig(target, dpi=100, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plot", type=Path, default=Path(".andon/transfer/transfer.png"))
    parser.add_argument("--good", type=int, default=GOOD, help="good pictures of a surface; fewer for a trial")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    data = Path(f".andon/transfer/surfaces-{options.good}")
    draw(data, options.good)
    code = "".join(getsource(one) for one in (peers, mine, split))
    bench = opened(data, None, None, SIDE, words=f"{SCRATCH}{torch.get_num_threads()}{code}")
    fold = split(bench.table)
    found = measured(bench, fold)
    plotted(found, options.plot)
    report("What transfer saves", list(figures(found, fold, bench.classes)), options.out, courses=found)


if __name__ == "__main__":
    main()
