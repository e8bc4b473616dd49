"""Which pictures of different parts are the same picture again: small grey copies, compared by what is their own."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from inspection.params import Validate

Floats = NDArray[np.float32]

SIDE = 32  # pixels
LEAST_IMAGES = 10  # of one camera and part: with fewer the mean holds too much of each picture
LEAST_PAIRS = 10_000  # different parts, for a bar of the camera's own: a hundred lie beyond its 1 %
LEAST_GROUP = 20  # images: a smaller group of near-duplicates never counts as too large
SAMPLE = 1_000  # images that the common modes and the bar are learned from
MODES = 5
COMMON = 0.05  # share of the images that a mode has to stand in, and at least ...
LEAST_COMMON = 25  # ... so many of them, so that duplicates (see LEAST_GROUP) never are a mode
SAME = 0.97  # correlation with only the mean taken off: the same picture, whatever the camera
BLOCK = 512  # images compared with all later ones at once
MOST_PAIRS = 2_000_000  # of one camera and part; bounds the memory
NONE = pd.DataFrame({"a": pd.Series(dtype=str), "b": pd.Series(dtype=str), "correlation": pd.Series(dtype=float)})


@dataclass(frozen=True)
class Alike:
    """Near-duplicates of different parts.

    pairs: `a`, `b` (image_id, a < b) and `correlation`, the strongest first.
    bars: one row per camera and part: `images`, `bar` (correlation from which two pictures are near-duplicates; NaN:
        not compared), `own` (whether estimated from its own pairs) and `pairs` found.
    warnings: sentences about what was not compared or not linked.
    """

    pairs: pd.DataFrame
    bars: pd.DataFrame
    warnings: tuple[str, ...] = ()


def thumbnail(levels: Floats) -> bytes:
    """A picture, (H, W, C) float32 0..255, as 32×32 grey means: 2,048 bytes, uint16 little-endian, level × 257.

    With one byte a level, correlations of a low-contrast camera (a tenth of steel's) are off by up to 0.5; with two by
    0.001.
    """
    grey = cv2.cvtColor(levels, cv2.COLOR_RGB2GRAY) if levels.shape[2] == 3 else levels[:, :, 0]
    while min(grey.shape) >= 8 * SIDE:  # halving is ten times as fast as one large step
        height, width = (size // 2 for size in grey.shape)
        grey = cv2.resize(grey[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return bytes(np.rint(np.clip(small, 0, 255) * 257).astype("<u2").tobytes())


def grid(content: bytes) -> Floats:
    """A thumbnail as (32, 32) float32, 0..255.

    Raises:
        ValueError: it has another length.
    """
    levels: Floats = np.frombuffer(content, "<u2").astype(np.float32).reshape(SIDE, SIDE)
    levels /= np.float32(257)
    return levels


def alike(table: pd.DataFrame, thumbnails: Mapping[str, bytes], settings: Validate) -> Alike:
    """The pairs of pictures of one camera and part, but of different serials, that agree in what is their own.

    Args:
        table: `image_id`, `serial`, `camera`, `part`, one row per image.
        thumbnails: by image_id; a picture without one is not compared.
    """
    most = max(LEAST_GROUP, settings.max_group_share * len(table))
    known = table[table["image_id"].isin(thumbnails.keys())].sort_values("image_id")
    bars, found, warnings = [], [], []
    for (camera, part), rows in known.groupby(["camera", "part"], sort=True):
        bar, own, pairs, words = _compare(rows, thumbnails, settings, most)
        bars.append((camera, part, len(rows), bar, own, len(pairs)))
        found.append(pairs)
        warnings += [f"{camera}, part {part}: {one}" for one in words]
    return Alike(
        _joined(found),
        pd.DataFrame(bars, columns=["camera", "part", "images", "bar", "own", "pairs"]),
        tuple(warnings),
    )


def components(first: NDArray[np.integer], second: NDArray[np.integer], nodes: int) -> NDArray[np.int32]:
    """For each of `nodes`, the number of the connected component that links (first[i], second[i]) put it in."""
    links = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(nodes, nodes))
    return np.asarray(connected_components(links, directed=False)[1], np.int32)


def _compare(
    rows: pd.DataFrame, thumbnails: Mapping[str, bytes], settings: Validate, most: float
) -> tuple[float, bool, pd.DataFrame, list[str]]:
    """One camera's pictures of one part -> the bar, whether it is their own, the pairs, and what to warn of."""
    if len(rows) < LEAST_IMAGES:
        few = f"{len(rows)} image(s) are too few to look for near-duplicates among them."
        return float("nan"), False, NONE, [few]
    serials = pd.factorize(rows["serial"])[0].astype(np.int32)
    units = _unit(np.stack([grid(thumbnails[one]).ravel() for one in rows["image_id"]]), 0.0)[0]
    units -= units.mean(0)
    sample = np.sort(np.random.default_rng(0).permutation(len(units))[:SAMPLE])
    residuals, plain = _residuals(units, sample)
    words = [f"{plain} image(s) show nothing of their own and were not compared."] if plain else []
    bar, own = _bar(residuals[sample], serials[sample], settings)
    same = _pairs(_unit(units[sample], 1e-3)[0], serials[sample], SAME)
    pairs = _pairs(residuals, serials, bar)
    largest = max(_largest(same, serials[sample]) * len(units) // len(sample), _largest(pairs, serials))
    if largest > most or len(pairs) > MOST_PAIRS:
        words.append(
            f"{largest} of its {len(rows)} images would be one group of near-duplicates, so nothing was linked. If the "
            "camera repeats its pictures, mend it; if its parts look that much alike, raise validate.alike_floor."
        )
        pairs = pairs[:0]
    return bar, own, _named(pairs, rows["image_id"].to_numpy()), words


def _residuals(units: Floats, sample: NDArray[np.int64]) -> tuple[Floats, int]:
    """(N, 1024), each of zero mean and unit length: what a picture has beyond the group's mean and common modes.

    A mode (principal component) is common when the pictures that it stands in, counted by the participation ratio of
    its scores, are many: so lamps and part families go, and groups of duplicates stay. Of 899,197 pairs of different
    magnetic tiles 13,620 correlate above 0.8 when only the mean is taken off, 149 without five modes; and most of
    these are in truth one tile.

    Also how many pictures have nothing of their own; their rows are zero.

    Args:
        units: (N, 1024), of unit length before the mean was taken off.
        sample: the rows that the modes are learned from.
    """
    some = units[sample]
    size = len(some)
    weights, scores = eigh(some @ some.T, subset_by_index=(max(0, size - MODES), size - 1))
    present = 1 / np.maximum((scores**4).sum(0), 1e-9)
    scores = scores[:, (present >= max(LEAST_COMMON, COMMON * size)) & (weights > 1e-6)]
    if scores.shape[1]:
        modes = np.linalg.qr(some.T @ scores)[0]
        units = units - (units @ modes) @ modes.T
    return _unit(units, 1e-3)


def _unit(rows: Floats, least: float) -> tuple[Floats, int]:
    """Each row less its mean, divided by its length; rows no longer than `least` become zero and are counted."""
    rows = rows - rows.mean(1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    small = length <= max(least, 1e-12)
    return np.where(small, 0, rows / np.where(small, 1, length)), int(small.sum())


def _bar(residuals: Floats, serials: NDArray[np.int32], settings: Validate) -> tuple[float, bool]:
    """The correlation that `alike_rate` of the pairs of different parts exceed, never below `alike_floor`.

    Beyond 10 % Fisher's z thins out about as exp(-z). From its quantiles at 10 % and 1 %, which a few duplicates in a
    thousand pairs do not move, that line is drawn on to `alike_rate`: 0.75 for drawn panels, where 0.64 would do and a
    normal tail from median and MAD says 0.50. Half-way from the floor to 1 where pairs are few; the second value says
    whether they were enough.
    """
    first, second = np.triu_indices(len(residuals), 1)
    different = (residuals @ residuals.T)[first, second][serials[first] != serials[second]]
    if len(different) < LEAST_PAIRS:
        return (1 + settings.alike_floor) / 2, False
    z = np.arctanh(np.clip(different, -0.9999, 0.9999))
    tenth, hundredth = np.quantile(z, [0.9, 0.99])
    reached = hundredth + (hundredth - tenth) * np.log10(0.01 / settings.alike_rate)
    return float(max(settings.alike_floor, np.tanh(reached))), True


def _pairs(residuals: Floats, serials: NDArray[np.int32], bar: float) -> pd.DataFrame:
    """Rows `first` < `second` of different serials and their `correlation` above `bar`; not all, if more than
    MOST_PAIRS."""
    blocks: list[pd.DataFrame] = []
    for block in _above(residuals, serials, bar):
        blocks.append(block)
        if sum(map(len, blocks)) > MOST_PAIRS:
            break
    return pd.concat(blocks, ignore_index=True)


def _largest(pairs: pd.DataFrame, serials: NDArray[np.int32]) -> int:
    """The images of the largest group of parts that the pairs link; 0 without a pair."""
    group = components(serials[pairs["first"]], serials[pairs["second"]], int(serials.max()) + 1)
    return int(np.bincount(group[serials]).max()) if len(pairs) else 0


def _above(residuals: Floats, serials: NDArray[np.int32], bar: float) -> Iterator[pd.DataFrame]:
    for start in range(0, len(residuals), BLOCK):
        correlation = residuals[start : start + BLOCK] @ residuals[start:].T
        first, second = np.nonzero(correlation > bar)
        kept = (first < second) & (serials[start + first] != serials[start + second])
        first, second = first[kept], second[kept]
        yield pd.DataFrame(
            {"first": start + first, "second": start + second, "correlation": correlation[first, second]}
        )


def _named(pairs: pd.DataFrame, image_ids: NDArray[np.object_]) -> pd.DataFrame:
    first, second = (image_ids[pairs[name]] for name in ("first", "second"))
    correlation = pairs["correlation"].astype(float).clip(upper=1).round(4)
    return pd.DataFrame({"a": first, "b": second, "correlation": correlation})


def _joined(found: list[pd.DataFrame]) -> pd.DataFrame:
    pairs = pd.concat([one for one in found if len(one)] or [NONE], ignore_index=True)
    return pairs.sort_values(["correlation", "a", "b"], ascending=[False, True, True], ignore_index=True)
