"""Faults alone, in pairs, and without a model: how many are found, and named exactly."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from scipy.stats import beta

from benchmarks.drift.alarms import named
from benchmarks.drift.injected import FAULTS, NEAR, WHOLE, stream_of, streams_of
from benchmarks.drift.scale import Scale
from benchmarks.drift.streams import Stream, camera, measured
from benchmarks.report import Figure


def power(scale: Scale) -> Iterator[Figure]:
    """Each fault alone: found, and named exactly, in its first or second window."""
    every = {kind: streams_of(kind, scale) for kind in FAULTS}
    found = measured([stream for some in every.values() for stream in some], "single faults")
    exact_of_all = 0
    for kind, streams in every.items():
        causes = [set(named(stream.seed, found[stream])) for stream in streams]
        hits = sum(FAULTS[kind].cause in some for some in causes)
        exact = sum(some == {FAULTS[kind].cause} for some in causes)
        exact_of_all += exact
        yield _share(f"{kind} {FAULTS[kind].size:g}: found in two windows", hits, len(streams), 0.992)
        yield Figure("... and nothing else named", 100 * exact / len(streams), "%")
        if hits < 0.992 * len(streams):
            yield from _curve(kind, scale)
    yield _share("one fault: exact set of causes", exact_of_all, sum(map(len, every.values())), 0.97)


def unmodelled(scale: Scale) -> Iterator[Figure]:
    """Faults that Andon has no model of."""
    for kind, near in NEAR.items():
        streams = streams_of(kind, scale)[: scale.streams // 5]
        found = measured(streams, kind)
        causes = [set(named(stream.seed, found[stream])) for stream in streams]
        hits = sum(bool(some & near) for some in causes)
        yield _share(f"{kind}: alarmed as unknown or a near cause", hits, len(causes), 0.95)


def pairs(scale: Scale) -> Iterator[Figure]:
    """Two faults at once, each at twice its size."""
    every = {pair: _pair_streams(pair, scale) for pair in combinations(FAULTS, 2)}
    found = measured([stream for some in every.values() for stream in some], "pairs")
    right, total, worst = 0, 0, []
    for pair, streams in every.items():
        expected = {FAULTS[kind].cause for kind in pair}
        exact = sum(set(named(stream.seed, found[stream])) == expected for stream in streams)
        right, total = right + exact, total + len(streams)
        worst.append((exact / len(streams), " + ".join(pair)))
    yield _share("two faults: exact set of causes", right, total, 0.90)
    for share, words in sorted(worst)[:5]:
        yield Figure(f"... least: {words}", 100 * share, "%")


def _pair_streams(pair: tuple[str, str], scale: Scale) -> list[Stream]:
    seeds = [seed for seed in scale.seeds if "colour" not in pair or camera(seed).mode == "RGB"]
    return [stream_of(seeds[n % len(seeds)], n // len(seeds), pair, 2.0) for n in range(scale.pair_streams)]


def _curve(kind: str, scale: Scale) -> Iterator[Figure]:
    """Power against size, of a fault that was missed too often at the target's: a speck's depth, any other's size."""
    given, few = FAULTS[kind], replace(scale, streams=max(10, scale.streams // 5))
    for times in (0.5, 0.75, 1.25, 1.5, 2.0):
        if given.depth is None and kind in WHOLE:
            return  # a pixel is a pixel
        depth = given.depth and times * given.depth
        streams = [
            replace(one, faults=(replace(one.faults[0], depth=depth),))
            for one in streams_of(kind, few, 1.0 if depth else times)
        ]
        found = measured(streams, f"{kind}, {times:g} times the size")
        hits = sum(given.cause in named(stream.seed, found[stream]) for stream in streams)
        yield _share(f"... {kind} at {times:g} times the size", hits, len(streams))


def _share(name: str, hits: int, total: int, target: float | None = None) -> Figure:
    lower = float(beta.ppf(0.05, hits, total - hits + 1)) if hits else 0.0
    words = f"{name} ({hits} of {total}, lower bound {100 * lower:.1f} %)"
    if target is None:
        return Figure(words, 100 * hits / total, "%")
    return Figure(words, 100 * hits / total, "%", f"≥ {100 * target:.3g}", hits / total >= target)
