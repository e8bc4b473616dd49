"""Days on which the camera is well: how often it raises an alarm, and one because of what comes over the line."""

from collections.abc import Iterator

from scipy.stats import beta

from benchmarks.drift.alarms import alarmed_days
from benchmarks.drift.scale import Scale
from benchmarks.drift.streams import DEFECT_RATE, LEARNED, Stream, camera, measured
from benchmarks.report import Figure


def clean(scale: Scale) -> Iterator[Figure]:
    """Days on which a healthy camera raises an alarm."""
    streams = [Stream(seed, LEARNED + day) for seed in scale.seeds for day in range(scale.clean_days)]
    found = measured(streams, "clean days")
    alarmed, by_cause = 0, dict[str, int]()
    for seed in scale.seeds:
        days = [found[Stream(seed, LEARNED + day)] for day in range(scale.clean_days)]
        for causes in alarmed_days(seed, days):
            alarmed += bool(causes)
            for cause in causes:
                by_cause[cause] = by_cause.get(cause, 0) + 1
    count = len(streams)
    share, upper = alarmed / count, float(beta.ppf(0.95, alarmed + 1, count - alarmed))
    words = ", ".join(f"{cause} {number}" for cause, number in sorted(by_cause.items())) or "none"
    yield Figure("clean camera-days", count, "days", "≥ 1000", count >= 1000)
    yield Figure(f"... of these with an alarm ({words})", 100 * share, "%", "≤ 1", share <= 0.01)
    yield Figure("... exact upper bound (95 %)", 100 * upper, "%", "≤ 1.5", upper <= 0.015)


def content(scale: Scale) -> Iterator[Figure]:
    """What comes over the line changes, the camera does not."""
    for words, rate, one in (("defect rate x 3", 3 * DEFECT_RATE, False), ("one known part only", DEFECT_RATE, True)):
        streams = [
            Stream(seed, 200 + day, defect_rate=rate, only=camera(seed).parts[day % 2] if one else "")
            for seed in scale.seeds
            for day in range(scale.content_days)
        ]
        found = measured(streams, words)
        days = [alarmed_days(stream.seed, [found[stream]])[0] for stream in streams]
        alarmed = sum(map(bool, days))
        names = ", ".join(sorted(set().union(*days))) or "none"
        share = alarmed / len(streams)
        yield Figure(f"{words}: camera-days called a fault ({names})", 100 * share, "%", "≤ 1", share <= 0.01)
