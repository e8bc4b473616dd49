"""What pretraining gave and tuning changed, in figures and one picture: why the model is as deep as it is.

Three questions, after Neyshabur, Sedghi and Zhang, "What is being transferred in transfer learning?" (NeurIPS 2020):
how far each block's weights moved, how sparse its activations are, and how well the classes lie apart behind it; and
how the model would do on a kind of part, or a camera, that it has never seen.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from inspection.model import metrics
from inspection.model.probe import baseline
from inspection.model.tail import Tail
from inspection.network.activations import Activations
from inspection.network.backbone import Network
from inspection.params import Train
from inspection.pictures import piece

SIZE = 32  # images of a batch
MOST = 6 * SIZE  # validation images that are looked at
ROUGH = 1e-3  # where the fit of a probe stops that is only scored
MOST_LEARNED = 2000  # images that a probe learns from which is only scored
FUNCTIONS = (torch.nn.ReLU, torch.nn.ReLU6, torch.nn.Hardswish, torch.nn.SiLU, torch.nn.GELU)
FEWEST = 20  # pieces below which a score is "insufficient"


@dataclass(frozen=True)
class Block:
    """A block of the network; None where it was frozen, for nothing was computed there, but for what stands at the cut.

    Attributes:
        moved: length of the change of its weights, relative to the pretrained ones'.
        zeros: share of zeros behind its activation functions; of a block without one, of what it gives.
        apart: how often the nearest picture of another piece bears the same label, mean over the classes.
    """

    block: int
    moved: float
    zeros_before: float | None = None
    zeros_after: float | None = None
    apart_before: float | None = None
    apart_after: float | None = None


def moved(before: torch.nn.Module, after: torch.nn.Module) -> float:
    """How far weights went: |after - before| / |before|, over all of them."""
    pairs = list(zip(before.parameters(), after.parameters(), strict=True))
    if not pairs:
        return 0.0
    change = torch.sqrt(torch.stack([(b - a).detach().square().sum() for a, b in pairs]).sum())
    return float(change / torch.sqrt(torch.stack([a.detach().square().sum() for a, _ in pairs]).sum()).clamp_min(1e-12))


def apart(vectors: NDArray[np.float32], labels: NDArray[Any], pieces: NDArray[Any]) -> float | None:
    """How often a picture's nearest picture (by cosine) among those of other pieces bears its label, mean over the
    classes: 0..1; guessing gives about one by the number of classes. None: there is one piece only."""
    if len(np.unique(pieces)) < 2:
        return None
    flat = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    near = flat @ flat.T
    near[pieces[:, None] == pieces[None, :]] = -np.inf
    right = labels[near.argmax(axis=1)] == labels
    return float(pd.Series(right).groupby(labels).mean().mean())


def blocks(net: Network, tail: Tail, frozen_blocks: int, shown: Activations) -> list[Block]:
    """Every block of the network against `net`, it was before tuning, as the first MOST of the `shown` images run
    through both."""
    before, rows = net.tail(frozen_blocks).eval(), shown.table.iloc[:MOST]
    labels, pieces = rows["label"].to_numpy(), piece.of(rows).to_numpy()
    cut, old = _behind_each(list(before), shown, tail.tiles)
    _, new = _behind_each(tail.eval().blocks, shown, tail.tiles)
    found = [Block(number + 1, 0.0) for number in range(frozen_blocks)]
    if found:
        here = apart(cut, labels, pieces)
        found[-1] = replace(found[-1], apart_before=here, apart_after=here)
    pairs = zip(before, tail.blocks, strict=True)
    for number, ((was, now), (x, some), (y, more)) in enumerate(zip(pairs, old, new, strict=True), frozen_blocks + 1):
        told = (some, more, apart(x, labels, pieces), apart(y, labels, pieces))
        found.append(Block(number, moved(was, now), *told))
    return found


def _behind_each(
    network: Sequence[torch.nn.Module], shown: Activations, tiles: int
) -> tuple[NDArray[np.float32], list[tuple[NDArray[np.float32], float]]]:
    """The images' activations as vectors (N, C) at the cut; and behind each block of a network, with the share of zeros
    in the block. Batch by batch, so that no more than one is in memory at full size."""
    cut, said = [], []
    with torch.inference_mode():
        for activations, _ in islice(shown.plain(SIZE), MOST // SIZE):
            here, row = activations.flatten(0, 1) if tiles > 1 else activations, []
            cut.append(_pooled(here, tiles))
            for block in network:
                here, zeros = _counted(block, here)
                row.append((_pooled(here, tiles), zeros))
            said.append(row)
    return np.concatenate(cut), [
        (np.concatenate([x for x, _ in one]), float(np.average([z for _, z in one], weights=[len(x) for x, _ in one])))
        for one in zip(*said, strict=True)
    ]


def _counted(block: torch.nn.Module, activations: torch.Tensor) -> tuple[torch.Tensor, float]:
    """What a block gives, and the share of zeros behind its activation functions."""
    seen: list[tuple[int, int]] = []

    def count(_: torch.nn.Module, __: object, given: torch.Tensor) -> None:
        seen.append((int((given == 0).sum()), given.numel()))

    functions = [one for one in block.modules() if isinstance(one, FUNCTIONS)]
    hooks = [one.register_forward_hook(count) for one in functions]
    given = block(activations)
    for hook in hooks:
        hook.remove()
    if not functions:
        count(block, (), given)
    return given, sum(zeros for zeros, _ in seen) / sum(values for _, values in seen)


def unseen(sets: Sequence[Activations], settings: Train) -> list[dict[str, Any]]:
    """`left_out` for every kind of part and every camera of the sets, where there are several."""
    embeddings, table = np.concatenate([one.embeddings for one in sets]), pd.concat([one.table for one in sets])
    columns = [column for column in ("part", "camera") if table[column].nunique() > 1]
    return [
        score
        for column in columns
        for score in left_out(embeddings, table.reset_index(drop=True), column, settings.baseline_c, settings.seed)
    ]


def left_out(
    embeddings: NDArray[np.float32], table: pd.DataFrame, column: str, c: float, seed: int
) -> list[dict[str, Any]]:
    """For each value of `column` ("part" or "camera"): a probe on frozen features learned from all other pieces (of
    many, MOST_LEARNED images), tried on this one; balanced accuracy with its 95 % interval over the pieces, or
    "insufficient"."""
    found, own = [], piece.of(table)
    for value in sorted(table[column].unique()):
        inside = (table[column] == value).to_numpy()
        others = np.flatnonzero(~own.isin(own[inside]))
        others = np.sort(np.random.default_rng(seed).permutation(others)[:MOST_LEARNED])
        known = set(table.loc[others, "label"])
        tried = inside & table["label"].isin(known).to_numpy()
        row: dict[str, Any] = {"left_out": column, "value": str(value), "images": int(tried.sum())}
        if len(known) < 2 or own[tried].nunique() < FEWEST:
            found.append({**row, "score": "insufficient"})
            continue
        classes = sorted(known)
        numbers = table["label"].map({name: i for i, name in enumerate(classes)})
        probe = baseline(embeddings[others], numbers[others].to_numpy(np.int64), c, seed, ROUGH)
        called = np.array(classes)[probe.predict(embeddings[tried])]
        found.append({**row, **_score(table[tried].assign(predicted=called))})
    return found


def _score(rows: pd.DataFrame) -> dict[str, float]:
    """Balanced accuracy of rows with `label` and `predicted`, and its interval."""
    classes = sorted(rows["label"].unique())
    low, high = metrics.interval(rows, classes)
    return {
        "score": metrics.balanced(rows.assign(right=rows["label"] == rows["predicted"]), "right"),
        "low": low,
        "high": high,
    }


def _pooled(activations: torch.Tensor, tiles: int) -> NDArray[np.float32]:
    """Means over places and tiles, (N, C), of (N, C), (N, tokens, C), (N, C, H, H) or (N, H, H, C) as a Swin has it."""
    shape = activations.shape
    if len(shape) == 3:
        activations = activations.mean(1)
    elif len(shape) == 4:
        last = shape[1] == shape[2] != shape[3]
        activations = activations.mean((1, 2) if last else (2, 3))
    mean: NDArray[np.float32] = activations.reshape(-1, tiles, activations.shape[1]).mean(1).numpy()
    return mean


def drawn(rows: Sequence[Block], scores: Sequence[Mapping[str, Any]], title: str, target: Path) -> None:
    """The picture: how far each block moved, how well the classes lie apart behind it, what is known of new parts."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 10.4), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    top, apart_axis, zeros_axis, bottom = figure.subplots(4, 1)
    numbers = [row.block for row in rows]
    top.bar(numbers, [100 * row.moved for row in rows], color="#0072b2")
    top.set_title("How far tuning moved the weights of each block", loc="left", fontsize=11)
    top.set(ylabel="%", xticks=numbers[:: 1 + len(numbers) // 30])
    for row in rows:
        if row.zeros_after is None:
            top.text(row.block, 0, "frozen", rotation=90, ha="center", va="bottom", fontsize=8, color="#566270")
    for axis, figure_of, words in (
        (apart_axis, "apart", "How often a picture is most like one of another piece with the same label, behind it"),
        (zeros_axis, "zeros", "How many of its activations are 0: of what it can say, so much does not speak"),
    ):
        for when, colour, marker in (("before", "#566270", "o"), ("after", "#d55e00", "s")):
            shares = [getattr(row, f"{figure_of}_{when}") for row in rows]
            heights = [math.nan if share is None else 100 * share for share in shares]
            axis.plot(numbers, heights, color=colour, marker=marker, label=f"{when} tuning")
        axis.set_title(words, loc="left", fontsize=11)
        axis.set(ylabel="%", ylim=(0, 105), xlim=top.get_xlim(), xticks=top.get_xticks())
    apart_axis.legend(loc="lower left")
    zeros_axis.set_xlabel("block, from the pixels (left) to the verdict (right)")
    for place, score in enumerate(scores):
        value = score["score"]
        if isinstance(value, str):
            bottom.text(1, place, "insufficient", va="center", color="#566270")
        else:
            bottom.errorbar(
                100 * value, place, xerr=[[100 * (value - score["low"])], [100 * (score["high"] - value)]], fmt="o",
                color="#0072b2", capsize=4,
            )  # fmt: skip
    names = [f"{score['left_out']} {score['value']}" for score in scores]
    bottom.set_yticks(range(len(names)), names)
    bottom.set_title(
        "What a head on the frozen network would find on a part or camera that it has never seen",
        loc="left",
        fontsize=11,
    )
    bottom.set(
        xlim=(0, 100),
        ylim=(-0.7, len(names) - 0.3),
        xlabel="recall, mean over the classes, % (line: 95 % interval)",
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=100, metadata={"Software": None})


def reason(rows: Sequence[Block], why: Sequence[str]) -> Iterator[str]:
    """The depth, explained by what was measured."""
    yield from why
    measured = [row for row in rows if row.apart_before is not None]
    tuned = [row for row in rows if row.moved]
    if measured:
        first, last = measured[0], measured[-1]
        words = (
            "how often the nearest picture of another piece bears the same label, as ImageNet left the network: "
            f"{_percent(first.apart_before)} behind block {first.block}"
        )
        if last is not first:
            words += f", {_percent(last.apart_before)} at its end"
        yield words + (f"; tuned: {_percent(last.apart_after)}" if tuned else "; no block was tuned")
    if tuned:
        most = max(tuned, key=lambda row: row.moved)
        yield f"block {most.block} moved most, by {100 * most.moved:.1f} % of its weights"


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.0f} %"
