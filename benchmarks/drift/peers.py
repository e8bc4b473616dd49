"""General drift tests on the same windows as `benchmarks.drift`: Evidently, Kolmogorov and Smirnov, MMD; each at its
defaults and calibrated on the same clean windows to the same budget. They see one row of image statistics per image."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, pdist
from scipy.stats import ks_2samp

from benchmarks.drift.injected import FAULTS, streams_of
from benchmarks.drift.scale import Scale
from benchmarks.drift.streams import IMAGES, LEARNED, Measured, Stream, healthy_stats, measured, settings
from benchmarks.report import Figure
from monitoring.camera.image_stats import NAMES
from monitoring.judgement.calibration import limit
from monitoring.telling.report import distance

Stats = NDArray[np.float32]  # (N, 7) rows of one window, as `image_stats.NAMES`
Score = Callable[[int, Stats], float]  # camera's seed, window -> larger is further from health

_ANCHORS = 400  # healthy images that the two-sample tests compare with
_DRAWS = 100  # of MMD's permutation test


@lru_cache(maxsize=32)
def _healthy(seed: int) -> Stats:
    every = healthy_stats(seed)
    return every[:: max(1, len(every) // _ANCHORS)][:_ANCHORS]


@lru_cache(maxsize=32)
def _scale(seed: int) -> tuple[Stats, Stats]:
    return _healthy(seed).mean(axis=0), np.maximum(_healthy(seed).std(axis=0), 1e-6)


def kolmogorov(seed: int, window: Stats) -> float:
    """Minus the log of the smallest p over the columns, times their number (Bonferroni)."""
    smallest = min(float(ks_2samp(_healthy(seed)[:, n], window[:, n]).pvalue) for n in range(window.shape[1]))
    return float(-np.log(min(1.0, smallest * window.shape[1]) + 1e-300))


def wasserstein(seed: int, window: Stats) -> float:
    """Evidently's distance of the column that is furthest away, in its standard deviations."""
    columns = zip(_healthy(seed).T.tolist(), window.T.tolist(), strict=True)
    return max(distance(healthy, now) for healthy, now in columns)


def mmd(seed: int, window: Stats) -> float:
    """Unbiased squared maximum mean discrepancy, Gaussian kernel of median width (Gretton et al., 2012)."""
    healthy, now, width = _normed(seed, window)
    return _mmd(_kernel(np.vstack([healthy, now]), width), len(healthy))


def _normed(seed: int, window: Stats) -> tuple[Stats, Stats, float]:
    mean, spread = _scale(seed)
    healthy = (_healthy(seed) - mean) / spread
    return healthy, (window - mean) / spread, float(np.median(pdist(healthy[:200]))) or 1.0


def _kernel(rows: Stats, width: float) -> NDArray[np.float64]:
    return np.asarray(np.exp(-cdist(rows, rows, "sqeuclidean") / (2 * width**2)))


def _mmd(kernel: NDArray[np.float64], first: int) -> float:
    one, other, both = kernel[:first, :first], kernel[first:, first:], kernel[:first, first:]
    n, m = len(one), len(other)
    within = (one.sum() - np.trace(one)) / (n * (n - 1)) + (other.sum() - np.trace(other)) / (m * (m - 1))
    return float(within - 2 * both.mean())


def _mmd_default(seed: int, window: Stats) -> bool:
    """Permutation test at p < 0.05."""
    healthy, now, width = _normed(seed, window)
    kernel, rng = _kernel(np.vstack([healthy, now]), width), np.random.default_rng(0)
    seen = _mmd(kernel, len(healthy))
    orders = (rng.permutation(len(kernel)) for _ in range(_DRAWS))
    return sum(_mmd(kernel[np.ix_(o, o)], len(healthy)) >= seen for o in orders) < 0.05 * _DRAWS


def _evidently_default(seed: int, window: Stats) -> bool:
    """DataDriftPreset as it comes: a data set drifted when half of its columns did."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    numbers = DataDefinition(numerical_columns=list(NAMES))
    before, now = (
        Dataset.from_pandas(pd.DataFrame(rows.astype(np.float64), columns=list(NAMES)), data_definition=numbers)
        for rows in (_healthy(seed), window)
    )
    told = Report([DataDriftPreset()]).run(now, before).dict()
    return float(told["metrics"][0]["value"]["share"]) >= 0.5


DEFAULTS: dict[str, Callable[[int, Stats], bool]] = {
    "Evidently": _evidently_default,
    "KS, Bonferroni": lambda seed, window: kolmogorov(seed, window) > -np.log(0.05),
    "MMD": _mmd_default,
}
SCORES: dict[str, Score] = {"Evidently": wasserstein, "KS, Bonferroni": kolmogorov, "MMD": mmd}


@lru_cache(maxsize=128)
def _bound(name: str, seed: int) -> float:
    """What a clean window passes as rarely as the budget asks: the same calibration as Andon's, one window alone."""
    every = healthy_stats(seed)
    clean = [SCORES[name](seed, every[start : start + IMAGES]) for start in range(0, len(every) - IMAGES + 1, IMAGES)]
    return limit(clean, 0.0, settings().health).high


def alarmed(name: str, calibrated: bool, seed: int, windows: Sequence[Measured]) -> bool:
    """Whether a peer raises an alarm in any of these windows; calibrated: in two in a row, as Andon does."""
    if not calibrated:
        return any(DEFAULTS[name](seed, window.stats) for window in windows)
    beyond = [SCORES[name](seed, window.stats) >= _bound(name, seed) for window in windows]
    return any(one and other for one, other in pairwise(beyond))


def compared(
    days: Sequence[tuple[Stream, Sequence[Measured]]],
    faults: Mapping[str, Sequence[tuple[Stream, Sequence[Measured]]]],
) -> Iterator[Figure]:
    """For each peer the clean camera-days with an alarm, and the streams of each fault with one."""
    for name in SCORES:
        for calibrated in (False, True):
            words = f"{name}, {'calibrated' if calibrated else 'its defaults'}"
            hits = sum(alarmed(name, calibrated, stream.seed, windows) for stream, windows in days)
            yield Figure(f"{words}: clean camera-days with an alarm (of {len(days)})", 100 * hits / len(days), "%")
            for kind, streams in faults.items():
                found = sum(alarmed(name, calibrated, stream.seed, windows) for stream, windows in streams)
                yield Figure(f"... {kind} found (of {len(streams)})", 100 * found / len(streams), "%")


def peers(scale: Scale) -> Iterator[Figure]:
    """General drift tests on some of the same windows."""
    few = replace(scale, streams=max(2, scale.streams // 10))
    days = [Stream(seed, LEARNED + day) for seed in scale.seeds[:5] for day in range(max(1, scale.clean_days // 11))]
    streams = {kind: streams_of(kind, few) for kind in FAULTS}
    found = measured([*days, *(stream for some in streams.values() for stream in some)], "peers")
    told = {kind: [(stream, found[stream]) for stream in some] for kind, some in streams.items()}
    yield from compared([(stream, found[stream]) for stream in days], told)
