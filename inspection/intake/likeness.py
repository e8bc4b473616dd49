"""Which pictures of different parts are the same picture again, also turned or mirrored: small grey copies, compared by
what is their own."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import eigh, orth
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from inspection.cameras import Camera, Turn
from inspection.params import Validate
from inspection.pictures import piece

Floats = NDArray[np.float32]
Pixels = NDArray[np.int64]

_FORMS: Mapping[str, Callable[[Pixels], Pixels]] = {  # as network/views.py shows them
    "flip_x": lambda copy: copy[:, ::-1],
    "flip_y": lambda copy: copy[::-1],
    "turn_180": lambda copy: copy[::-1, ::-1],
    "turn_90": lambda copy: np.rot90(copy, 1),
    "turn_270": lambda copy: np.rot90(copy, 3),
}
_DIAGONAL: Mapping[str, Callable[[Pixels], Pixels]] = {  # what quarters of a turn and mirrorings come to together
    "diagonal": lambda copy: copy.T,
    "other_diagonal": lambda copy: copy[::-1, ::-1].T,
}

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
PAIR = {"a": "str", "b": "str", "correlation": "float", "turn": "str"}
MOST_PAIRS = 2_000_000  # of one camera and part; bounds the memory
SLACK = 0.15  # by which what turns leave alone may correlate less than the pictures do
NEARLY = 0.1  # of a mode: what it changes by less when it is turned is no mode of its own
PLAIN = "identity"
NONE = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in PAIR.items()})


@dataclass(frozen=True)
class Alike:
    """Near-duplicates of different parts.

    pairs: `a`, `b` (image_id, a < b), `correlation` and `turn` ("identity", or what makes b look like a), the strongest
        first.
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


def alike(
    table: pd.DataFrame,
    thumbnails: Mapping[str, bytes],
    settings: Validate,
    cameras: Mapping[str, Camera] | None = None,
) -> Alike:
    """The pairs of pictures of one camera and kind of part, but of different pieces, that agree in what is their own,
    as they are or under the turns and mirrorings that the camera declares.

    Args:
        table: `image_id`, `serial`, `camera`, `part`, one row per image.
        thumbnails: by image_id; a picture without one is not compared.
        cameras: without them no picture is turned.
    """
    most = max(LEAST_GROUP, settings.max_group_share * len(table))
    known = table[table["image_id"].isin(thumbnails.keys())].sort_values("image_id")
    bars, found, warnings = [], [], []
    for (camera, part), rows in known.groupby(["camera", "part"], sort=True):
        told = (cameras or {}).get(str(camera))
        turns = symmetries(told.turns_of(str(part)) if told else ())
        bar, own, pairs, words = _compare(rows, thumbnails, settings, most, turns)
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
    rows: pd.DataFrame,
    thumbnails: Mapping[str, bytes],
    settings: Validate,
    most: float,
    turns: Mapping[str, Pixels],
) -> tuple[float, bool, pd.DataFrame, list[str]]:
    """One camera's pictures of one part -> the bar, whether it is their own, the pairs, and what to warn of."""
    if len(rows) < LEAST_IMAGES:
        few = f"{len(rows)} image(s) are too few to look for near-duplicates among them."
        return float("nan"), False, NONE, [few]
    pieces = pd.factorize(piece.of(rows))[0].astype(np.int32)
    units = _unit(np.stack([grid(thumbnails[one]).ravel() for one in rows["image_id"]]), 0.0)[0]
    mean = units.mean(0)
    units -= mean
    sample = np.sort(np.random.default_rng(0).permutation(len(units))[:SAMPLE])
    common = _common(_modes(units[sample]), mean, turns)
    residuals, plain = _unit(_without(units, common), 1e-3)
    words = [f"{plain} image(s) show nothing of their own and were not compared."] if plain else []
    bar, own = _bar(residuals[sample], residuals[sample], pieces[sample], settings)
    same = _pairs(_unit(units[sample], 1e-3)[0], pieces[sample], SAME)
    pairs = _pairs(residuals, pieces, bar).assign(turn=PLAIN)
    largest = max(_largest(same, pieces[sample]) * len(units) // len(sample), _largest(pairs, pieces))
    if largest > most or len(pairs) > MOST_PAIRS:
        words.append(
            f"{largest} of its {len(rows)} images would be one group of near-duplicates, so nothing was linked. If the "
            "camera repeats its pictures, mend it; if its parts look that much alike, raise validate.alike_floor."
        )
        pairs = pairs[:0]
    if turns:
        turned = _turned(residuals, pieces, sample, turns, bar, settings)
        both = pd.concat([pairs, turned], ignore_index=True).drop_duplicates(["first", "second"])
        if (largest := _largest(both, pieces)) > most or len(both) > MOST_PAIRS:
            words.append(
                f"{largest} of its {len(rows)} images would be one group of near-duplicates if they were turned and "
                "mirrored as the camera's `turns` in cameras.yaml allow, so turned ones were not linked."
            )
        else:
            pairs = both
    return bar, own, _named(pairs, rows["image_id"].to_numpy()), words


def symmetries(turns: Iterable[Turn]) -> dict[str, Pixels]:
    """What turns and mirrorings come to, one after the other, but for "identity": name -> for each pixel (1024,) of a
    turned copy the one of the copy that it shows."""
    plain = np.arange(SIDE * SIDE)
    named: dict[str, Pixels] = {}
    for name, form in {**_FORMS, **_DIAGONAL}.items():
        named[name] = form(plain.reshape(SIDE, SIDE)).ravel()
    known, reached = {PLAIN: plain}, [plain]
    while reached:
        one = reached.pop()
        for turn in turns:
            found = one[named[turn]]
            name = next((name for name, pixels in named.items() if np.array_equal(pixels, found)), PLAIN)
            if name not in known:
                known[name] = found
                reached.append(found)
    return {name: pixels for name, pixels in known.items() if name != PLAIN}


def _turned(
    residuals: Floats,
    pieces: NDArray[np.int32],
    sample: NDArray[np.int64],
    turns: Mapping[str, Pixels],
    bar: float,
    settings: Validate,
) -> pd.DataFrame:
    """As `_pairs`, of pictures one of which looks like the other when it is turned, with the `turn` that fits best.

    First by what no turn changes, the mean of a picture over all its turns: of four turns a quarter of the numbers, so
    it costs less than comparing pictures as they are. Then turn by turn, of the few pairs that are left.
    """
    close = _pairs(_unchanged(residuals, turns), pieces, max(bar - SLACK, 0.5))[:MOST_PAIRS]
    first, second = (close[name].to_numpy(np.int64) for name in ("first", "second"))
    found = [close[:0].assign(turn="")]
    for name, pixels in turns.items() if len(close) else ():
        some = residuals[sample]
        least = max(bar, _bar(some, some[:, pixels], pieces[sample], settings)[0])
        correlation = np.concatenate(
            [
                np.einsum("ij,ij->i", residuals[first[start:end]], residuals[second[start:end]][:, pixels])
                for start in range(0, len(first), BLOCK)
                for end in (start + BLOCK,)
            ]
        )
        kept = correlation > least
        found.append(close[kept].assign(correlation=correlation[kept], turn=name))
    every = pd.concat(found, ignore_index=True).sort_values("correlation", ascending=False, kind="stable")
    return every.drop_duplicates(["first", "second"])


def _unchanged(residuals: Floats, turns: Mapping[str, Pixels]) -> Floats:
    """(N, K) of unit length: what the pictures have that no turn changes; K numbers say it, one for each set of pixels
    that turns put in each other's place."""
    every = np.stack([np.arange(SIDE * SIDE), *turns.values()])
    still = np.zeros_like(residuals)
    for pixels in every:
        still += residuals[:, pixels]
    _, one, size = np.unique(every.min(0), return_index=True, return_counts=True)
    return np.asarray(_unit(still / np.float32(len(every)), 1e-3)[0][:, one] * np.sqrt(size), np.float32)


def _common(modes: Floats, mean: Floats, turns: Mapping[str, Pixels]) -> Floats:
    """(1024, M), orthonormal: the modes and, where pictures may lie otherwise, those of turned pictures and what turned
    pictures have in common for showing turned what stands still. No turn leads out of it, so that a residual turned is
    that of the turned picture."""
    if not turns:
        return modes
    ways = [modes, *(modes[pixels] for pixels in turns.values()), *(mean - mean[pixels] for pixels in turns.values())]
    return np.asarray(orth(np.column_stack(ways), rcond=NEARLY), np.float32)


def _modes(some: Floats) -> Floats:
    """(1024, M), orthonormal: what many pictures have in common beyond their mean.

    A mode (principal component) is common when the pictures that it stands in, counted by the participation ratio of
    its scores, are many: so lamps and part families go, and groups of duplicates stay. Of 899,197 pairs of different
    magnetic tiles 13,620 correlate above 0.8 when only the mean is taken off, 149 without five modes; and most of
    these are in truth one tile.

    Args:
        some: (N, 1024), of unit length before the mean was taken off.
    """
    size = len(some)
    weights, scores = eigh(some @ some.T, subset_by_index=(max(0, size - MODES), size - 1))
    present = 1 / np.maximum((scores**4).sum(0), 1e-9)
    scores = scores[:, (present >= max(LEAST_COMMON, COMMON * size)) & (weights > 1e-6)]
    return np.asarray(np.linalg.qr(some.T @ scores)[0], np.float32)


def _without(rows: Floats, modes: Floats) -> Floats:
    """(N, 1024) less what they have of the `modes`."""
    return np.asarray(rows - (rows @ modes) @ modes.T, np.float32) if modes.shape[1] else rows


def _unit(rows: Floats, least: float) -> tuple[Floats, int]:
    """Each row less its mean, divided by its length; rows no longer than `least`, which have nothing of their own,
    become zero and are counted."""
    rows = rows - rows.mean(1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    small = length <= max(least, 1e-12)
    return np.where(small, 0, rows / np.where(small, 1, length)), int(small.sum())


def _bar(here: Floats, there: Floats, pieces: NDArray[np.int32], settings: Validate) -> tuple[float, bool]:
    """The correlation that `alike_rate` of the pairs of different parts exceed, never below `alike_floor`.

    Beyond 10 % Fisher's z thins out about as exp(-z). From its quantiles at 10 % and 1 %, which a few duplicates in a
    thousand pairs do not move, that line is drawn on to `alike_rate`: 0.75 for drawn panels, where 0.64 would do and a
    normal tail from median and MAD says 0.50. Half-way from the floor to 1 where pairs are few; the second value says
    whether they were enough.
    """
    first, second = np.triu_indices(len(here), 1)
    different = (here @ there.T)[first, second][pieces[first] != pieces[second]]
    if len(different) < LEAST_PAIRS:
        return (1 + settings.alike_floor) / 2, False
    z = np.arctanh(np.clip(different, -0.9999, 0.9999))
    tenth, hundredth = np.quantile(z, [0.9, 0.99])
    reached = hundredth + (hundredth - tenth) * np.log10(0.01 / settings.alike_rate)
    return float(max(settings.alike_floor, np.tanh(reached))), True


def _pairs(residuals: Floats, pieces: NDArray[np.int32], bar: float) -> pd.DataFrame:
    """Rows `first` < `second` of different pieces and their `correlation` above `bar`; not all, if more than
    MOST_PAIRS."""
    blocks: list[pd.DataFrame] = []
    for block in _above(residuals, pieces, bar):
        blocks.append(block)
        if sum(map(len, blocks)) > MOST_PAIRS:
            break
    return pd.concat(blocks, ignore_index=True)


def _largest(pairs: pd.DataFrame, pieces: NDArray[np.int32]) -> int:
    """The images of the largest group of parts that the pairs link; 0 without a pair."""
    group = components(pieces[pairs["first"]], pieces[pairs["second"]], int(pieces.max()) + 1)
    return int(np.bincount(group[pieces]).max()) if len(pairs) else 0


def _above(residuals: Floats, pieces: NDArray[np.int32], bar: float) -> Iterator[pd.DataFrame]:
    for start in range(0, len(residuals), BLOCK):
        correlation = residuals[start : start + BLOCK] @ residuals[start:].T
        first, second = np.nonzero(correlation > bar)
        kept = (first < second) & (pieces[start + first] != pieces[start + second])
        first, second = first[kept], second[kept]
        yield pd.DataFrame(
            {"first": start + first, "second": start + second, "correlation": correlation[first, second]}
        )


def _named(pairs: pd.DataFrame, image_ids: NDArray[np.object_]) -> pd.DataFrame:
    first, second = (image_ids[pairs[name]] for name in ("first", "second"))
    correlation = pairs["correlation"].astype(float).clip(upper=1).round(4)
    return pd.DataFrame({"a": first, "b": second, "correlation": correlation, "turn": pairs["turn"]})


def _joined(found: list[pd.DataFrame]) -> pd.DataFrame:
    pairs = pd.concat([one for one in found if len(one)] or [NONE], ignore_index=True)
    return pairs.sort_values(["correlation", "a", "b"], ascending=[False, True, True], ignore_index=True)
