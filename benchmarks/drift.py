"""How well changes of a camera are found and named, and how rarely healthy ones are: `python -m benchmarks.drift`.

Drawn cameras, each calibrated on its own first five days at a budget of 1 % false alarms per camera-day; windows of 50
images, 24 a day. Power is counted at exactly the limits of the false-alarm row. An alarm is an incident that opens.
Parameters were tuned on seeds 0-3; the figures are of seeds 100-119.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from io import BytesIO
from itertools import combinations
from pathlib import Path
from time import process_time

from PIL import Image
from scipy.stats import beta

from benchmarks import peers, replayed
from benchmarks.alarms import open_at, opened
from benchmarks.replayed import Injected
from benchmarks.report import Figure, report
from benchmarks.streams import (
    A_DAY,
    DEFECT_RATE,
    FIRST,
    IMAGES,
    LEARNED,
    Measured,
    Stream,
    camera,
    fault,
    measured,
    reference,
    settings,
)
from inspection.intake import images
from monitoring.camera.health import measure
from monitoring.camera.window import MAPS, Window
from monitoring.judgement.calibration import Limit, limits
from monitoring.judgement.diagnosis import EXPOSURE, LAMP, findings
from monitoring.judgement.reference import Learning, Reference
from plant.faults import KINDS, Fault
from plant.line import Plant
from plant.shot import Shot

FAULTS = {
    "dead": Injected(1, "dead_pixels"),
    "hot": Injected(3, "hot_pixels"),
    "stuck": Injected(1, "stuck_pixels"),
    "lamp": Injected(0.05, "lighting", both=True),
    "colour": Injected(0.03, "lighting", both=True),
    "gradient": Injected(-0.10, "lighting"),
    "defocus": Injected(0.5, "blur"),
    "motion": Injected(3, "blur"),
    "shift": Injected(1, "framing"),
    "rotation": Injected(0.5, "framing", both=True),
    "dust": Injected(1, "dust", depth=0.10),  # 6 px wide
    "exposure": Injected(0.10, "lighting", both=True),
}
NEAR = {  # faults without a model: what they may be called
    "oil_film": {"unknown", "blur", "lighting", "dust"},
    "fibre": {"unknown", "dust"},
    "scratched_glass": {"unknown", "dust", "lighting", "blur"},
    "flicker": {"unknown", "lighting", "noise"},
    "condensation": {"unknown", "blur", "lighting"},
}
_BEFORE_LOSS = 5  # healthy days before a lamp begins to fade
WHOLE = {"dead", "hot", "stuck", "dust"}  # sizes that are counts


@dataclass(frozen=True)
class Scale:
    """How much is drawn."""

    seeds: range
    clean_days: int
    streams: int  # per fault
    pair_streams: int
    content_days: int


REPORTED = Scale(range(100, 120), 50, 500, 20, 4)


@lru_cache(maxsize=64)
def bounds(seed: int) -> dict[str, Limit]:
    """A camera's limits, made of its clean windows by today's calibration."""
    return limits(reference(seed).clean, settings().health)


# --------------------------------------------------------------------------------------------- the figures


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


def alarmed_days(seed: int, days: Sequence[Sequence[Measured]]) -> list[set[str]]:
    """For each day the causes of which an incident was open on it."""
    open_ = open_at([window.measurement for day in days for window in day], bounds(seed))
    return [set().union(*open_[A_DAY * number : A_DAY * (number + 1)]) for number in range(len(days))]


def named(seed: int, windows: Sequence[Measured]) -> dict[str, int]:
    """Cause -> the number of the window at which its incident opened."""
    return opened([window.measurement for window in windows], bounds(seed))


def streams_of(kind: str, scale: Scale, times: float = 1.0) -> list[Stream]:
    """Two windows each of `kind`, on every camera that can have it, at different days, hours and places."""
    seeds = [seed for seed in scale.seeds if kind != "colour" or camera(seed).mode == "RGB"]
    return [_stream(seeds[n % len(seeds)], n // len(seeds), [kind], times) for n in range(scale.streams)]


def _stream(seed: int, number: int, kinds: Sequence[str], times: float) -> Stream:
    faults = tuple(_fault(seed, kind, number, times) for kind in kinds)
    return Stream(seed, 100 + number, (7 * number + 3 * seed) % (A_DAY - 1), 2, faults)


def _fault(seed: int, kind: str, number: int, times: float) -> Fault:
    if kind not in FAULTS:
        return fault(seed, kind, KINDS[kind].usual, number + 1)
    given = FAULTS[kind]
    size = given.size * times * (-1 if given.both and number % 2 else 1)
    return fault(seed, kind, round(size) if kind in WHOLE else size, number + 1, given.depth)


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


def lamp(scale: Scale) -> Iterator[Figure]:
    """Lamp against exposure: what the words of the brightness say of the dark places."""
    sizes = (-0.4, -0.25, 0.25, 0.4)
    for kind, right, wrong in (("lamp", LAMP, EXPOSURE), ("exposure", EXPOSURE, LAMP)):
        streams = [
            Stream(seed, 300, 2 * number, 2, (fault(seed, kind, size),))
            for seed in scale.seeds
            for number, size in enumerate(sizes)
        ]
        found = measured(streams, f"{kind}, told apart")
        words = [_said_of_light(stream.seed, one) for stream in streams for one in found[stream]]
        for meaning, part in (("told as that", right), ("told as the other", wrong)):
            hits = sum(part in said for said in words)
            yield Figure(f"{kind} ±25 % or ±40 %: {meaning} ({hits} of {len(words)})", 100 * hits / len(words), "%")


def _said_of_light(seed: int, window: Measured) -> str:
    told = findings(window.measurement, bounds(seed), settings().health.least, {})
    return " ".join(one.words for one in told if one.statistic == "gain")


def slow(scale: Scale) -> Iterator[Figure]:
    """A lamp that loses 0.3 % a day: how much is lost when the alarm comes."""
    windows: dict[int, list[Measured]] = {seed: [] for seed in scale.seeds}
    found: dict[int, float] = {}
    for day in range(_BEFORE_LOSS + 10):  # of 0.3 % each
        streams = {seed: _losing(seed, day) for seed in scale.seeds if seed not in found}
        seen = measured(list(streams.values()), f"slow loss, day {day + 1}")
        for seed, stream in streams.items():
            windows[seed] += seen[stream]
            at = named(seed, windows[seed]).get("lighting")
            if at is not None:
                found[seed] = -_loss(seed).size_at(_end(windows[seed][at]))
    lost = [found.get(seed, 0.03) for seed in scale.seeds]
    yield Figure("slow loss of light, 0.3 % a day: lost at the alarm, median", 100 * sorted(lost)[len(lost) // 2], "%")
    yield Figure("... at most", 100 * max(lost), "%", "< 3", max(lost) < 0.03)


def _losing(seed: int, day: int) -> Stream:
    return Stream(seed, LEARNED + day, faults=(_loss(seed),) if day >= _BEFORE_LOSS else ())


def _loss(seed: int) -> Fault:
    since = datetime.combine(FIRST + timedelta(days=LEARNED + _BEFORE_LOSS), time(), UTC)
    return Fault("lamp", -0.3, camera(seed).name, since, ramp_days=100)


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
    return [_stream(seeds[n % len(seeds)], n // len(seeds), pair, 2.0) for n in range(scale.pair_streams)]


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


def peers_(scale: Scale) -> Iterator[Figure]:
    """General drift tests on some of the same windows."""
    few = replace(scale, streams=max(2, scale.streams // 10))
    days = [Stream(seed, LEARNED + day) for seed in scale.seeds[:5] for day in range(max(1, scale.clean_days // 11))]
    streams = {kind: streams_of(kind, few) for kind in FAULTS}
    found = measured([*days, *(stream for some in streams.values() for stream in some)], "peers")
    told = {kind: [(stream, found[stream]) for stream in some] for kind, some in streams.items()}
    yield from peers.compared([(stream, found[stream]) for stream in days], told)


def cost(_: Scale) -> Iterator[Figure]:
    """What an image costs beside its decoding: a window of 50 with all statistics and the window's own work."""
    png = 0.0
    for words, side, form in (("128 px PNG", 128, "png"), ("1 Mpx PNG", 1024, "png"), ("1 Mpx JPEG q90", 1024, "jpeg")):
        like = camera(0).model_copy(update={"width": side, "height": side})
        files = [_encoded(shot, form) for shot in Plant(1, (like,), defect_rate=DEFECT_RATE).shots(FIRST, 2 * IMAGES)]
        learning = Learning(like.name, settings().health, settings().watch)
        for number, (shot, content) in enumerate(files):
            learning.add(images.decode(content, 40).levels(), shot.part, shot.captured_at, str(number))
        held, ratios = learning.finish("v1"), []
        for _turn in range(5):
            decoding, looking = _costs(files[:IMAGES], held)
            ratios.append((looking / decoding, 1000 * decoding / IMAGES, 1000 * looking / IMAGES))
        ratio, decoding, looking = sorted(ratios)[len(ratios) // 2]
        png = decoding if form == "png" else png
        yield Figure(f"{words}: decoding", decoding, "ms an image")
        yield Figure(f"{words}: all statistics and the window's work", looking, "ms an image")
        yield Figure(f"{words}: against decoding its PNG", looking / png, "times", "≤ 3", looking / png <= 3)
        if form != "png":
            yield Figure(f"{words}: against decoding it", ratio, "times")
    yield Figure("maps of the image's size that a window holds", MAPS, "float maps", "≤ 12", MAPS <= 12)


def _costs(files: Sequence[tuple[Shot, bytes]], held: Reference) -> tuple[float, float]:
    """Seconds of processor time: decoding, and everything after it."""
    window, decoding, looking = Window(held.camera), 0.0, 0.0
    for number, (shot, content) in enumerate(files):
        start = process_time()
        levels = images.decode(content, 40).levels()
        middle = process_time()
        window.add(levels, shot.part, shot.captured_at, str(number))
        decoding, looking = decoding + middle - start, looking + process_time() - middle
    start = process_time()
    measure(window, held, settings().health.least)
    return decoding, looking + process_time() - start


def _encoded(shot: Shot, form: str) -> tuple[Shot, bytes]:
    if form == "png":
        return shot, shot.content
    buffer = BytesIO()
    Image.fromarray(shot.pixels).save(buffer, "jpeg", quality=90)
    return shot, buffer.getvalue()


def _end(window: Measured) -> datetime:
    assert window.measurement.last is not None
    return window.measurement.last


def _share(name: str, hits: int, total: int, target: float | None = None) -> Figure:
    lower = float(beta.ppf(0.05, hits, total - hits + 1)) if hits else 0.0
    words = f"{name} ({hits} of {total}, lower bound {100 * lower:.1f} %)"
    if target is None:
        return Figure(words, 100 * hits / total, "%")
    return Figure(words, 100 * hits / total, "%", f"≥ {100 * target:.3g}", hits / total >= target)


WORK = {
    "clean": clean,
    "power": power,
    "unmodelled": unmodelled,
    "lamp": lamp,
    "slow": slow,
    "pairs": pairs,
    "content": content,
    "peers": peers_,
    "cost": cost,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=WORK, action="append", help="default: all parts")
    parser.add_argument("--seeds", type=int, nargs=2, metavar=("FIRST", "COUNT"), help="default: 100 20")
    parser.add_argument("--scale", type=float, default=1.0, help="of days and streams; for a quick look")
    parser.add_argument("--data", type=Path, metavar="DIR", help="a folder of real pictures with metadata.csv, instead")
    parser.add_argument("--serial-column", metavar="C", help="of metadata.csv; the pictures of a part have one serial")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    first, count = options.seeds or (100, 20)
    scale = _scaled(range(first, first + count), options.scale)
    figures: list[Figure] = []
    if options.data:
        figures += replayed.figures(options.data, options.serial_column, FAULTS)
        report(f"Changes of a camera, on {options.data.name}", figures, options.out, data=options.data.name)
        return
    for part in options.only or WORK:
        figures += WORK[part](scale)
    report("Changes of a camera, found and named", figures, options.out, scale=options.scale)


def _scaled(seeds: range, times: float) -> Scale:
    def some(count: int) -> int:
        return max(1, round(count * times))

    full = REPORTED
    return Scale(seeds, some(full.clean_days), some(full.streams), some(full.pair_streams), some(full.content_days))


if __name__ == "__main__":
    main()
