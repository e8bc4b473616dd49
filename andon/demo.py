"""The whole loop in a scratch copy of the plant under .demo/: ingest, label, retrain, approve, release."""

import json
import re
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import yaml

from inspection import approval, catalog, clock, git, registry
from inspection.errors import FixInput
from inspection.labels import import_labels
from inspection.layout import Layout
from inspection.params import read_cameras, read_params
from plant.line import Plant
from plant.replay import Replay
from plant.shot import Shot, drop, write_labels

START = date(2026, 11, 2)  # a Monday
PER_CAMERA = 150  # drawn images a day
ENGINEER, LEAD = "Erik (process engineer)", "Lena (quality lead)"
_GOOD = re.compile(r"(^|[^a-z])(good|free|ok|normal|no[-_ ]?defect)([^a-z]|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """What the cameras see: parts drawn from `seed`, or the images of a folder."""

    data: Path | None
    serial_column: str | None
    order_column: str | None
    good: tuple[str, ...]
    days: int
    seed: int


class Stream(Protocol):
    """Pictures day by day."""

    @property
    def days(self) -> list[date]: ...

    def shots(self, day: date) -> Iterator[Shot]: ...


@dataclass(frozen=True)
class Drawn:
    """A drawn plant over its first days."""

    plant: Plant
    count: int

    @property
    def days(self) -> list[date]:
        return [START + timedelta(days=number) for number in range(self.count)]

    def shots(self, day: date) -> Iterator[Shot]:
        return self.plant.shots(day, PER_CAMERA)


def run(home: Layout, source: Source, quiet: bool = False) -> dict[str, Any]:
    """Play the demo; the content of `.demo/summary.json`."""
    say = _Teller(quiet)
    folder = home.root / ".demo"
    layout = scratch_copy(home, folder)
    stream = open_stream(layout, source, say)
    started = time.perf_counter()
    ingested = [play_day(layout, stream, day, number, say) for number, day in enumerate(stream.days)]
    evening = datetime.combine(stream.days[-1], datetime.min.time(), UTC) + timedelta(days=5)
    with clock.at(evening):
        take_labels(layout, stream, evening, say)
    with clock.at(evening + timedelta(hours=1)):
        candidate = make_candidate(layout, say)
    with clock.at(evening + timedelta(hours=2)):
        release_it(layout, candidate, say)
    summary = summarise(layout, ingested, round(time.perf_counter() - started, 1))
    (folder / "summary.json").write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    closing(layout, folder, summary, say)
    return summary


def scratch_copy(home: Layout, folder: Path) -> Layout:
    """A clone of the checkout with the working tree's changes, committed, in `folder/plant`."""
    target = folder / "plant"
    shutil.rmtree(target, ignore_errors=True)
    folder.mkdir(exist_ok=True)
    git.run(home.root, "clone", "--quiet", "--no-hardlinks", ".", str(target))
    names = git.run(home.root, "ls-files", "-z", "--modified", "--others", "--deleted", "--exclude-standard")
    for name in filter(None, names.split("\0")):
        source, copy = home.root / name, target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_file():
            shutil.copyfile(source, copy)
        else:
            copy.unlink(missing_ok=True)
    git.run(target, "config", "user.name", "Andon demo")
    git.run(target, "config", "user.email", "demo@andon.invalid")
    git.run(target, "add", "--all")
    git.run(target, "commit", "--quiet", "--allow-empty", "--message", "Demo: the working tree as it is")
    return Layout(target.resolve(), target.resolve())


def open_stream(layout: Layout, source: Source, say: "_Teller") -> Stream:
    """The pictures, after cameras.yaml and taxonomy.yaml were written for a replayed folder.

    Raises:
        FixInput: a label given as good is not in the folder.
    """
    if source.data is None:
        cameras = tuple(read_cameras(layout.cameras).values())
        return Drawn(Plant(source.seed, cameras), source.days)
    replay = Replay(
        source.data,
        source.seed,
        START,
        days=None if source.order_column else source.days,
        serial_column=source.serial_column,
        order_column=source.order_column,
    )
    for note in replay.notes:
        say(note)
    labels = sorted({shot.label for day in replay.days for shot in replay.shots(day)})
    unknown = set(source.good) - set(labels)
    if unknown:
        raise FixInput(f"--good {', '.join(unknown)}: no such label in {source.data}; it has {', '.join(labels)}.")
    good = set(source.good) or {label for label in labels if _GOOD.search(label)}
    say(f"Acceptable: {', '.join(sorted(good))}." if good else "No label is acceptable: false rejects do not apply.")
    layout.taxonomy.write_text(yaml.safe_dump(_taxonomy(labels, good), sort_keys=False), encoding="utf-8")
    layout.cameras.write_text(yaml.safe_dump(_cameras(replay), sort_keys=False), encoding="utf-8")
    git.commit(layout.root, [layout.taxonomy, layout.cameras], f"Demo: cameras and classes of {source.data.name}")
    return replay


def play_day(layout: Layout, stream: Stream, day: date, number: int, say: "_Teller") -> dict[str, Any]:
    """A day's pictures, on the second day also two files that are none; the night run takes them in."""
    from flows.ingest import ingest

    folder = layout.root / read_params(layout.params).ingest.inbox
    folder.mkdir(exist_ok=True)
    drop(stream.shots(day), folder)
    if number == 1:
        _drop_rubbish(folder, day)
    with clock.at(datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=23)):
        result = ingest(root=layout.root)
    say(f"{day:%a %d %b}  {result['accepted']} images taken in, {result['refused']} refused")
    for key, reason in result["reasons"].items():
        say(f"            {key}: {reason}")
    return {key: result[key] for key in ("accepted", "refused")}


def take_labels(layout: Layout, stream: Stream, until: datetime, say: "_Teller") -> None:
    """The labels that people gave by now, from their CSV."""
    path = layout.root / "labels.csv"
    write_labels((shot for day in stream.days for shot in stream.shots(day)), path, "Inspection desk", until)
    done = import_labels(layout, path, "Inspection desk")
    path.unlink()
    say(f"Labels     {done.taken} taken in, {len(done.refused)} refused")


def make_candidate(layout: Layout, say: "_Teller") -> str:
    """Retrain; the candidate's version.

    Raises:
        FixInput: the gate refused it.
    """
    from flows.retrain import retrain

    say("Retrain    in a worktree, by `dvc repro`:")
    result = retrain("first model", ENGINEER, root=layout.root)
    if not result["promote"]:
        raise FixInput(f"The gate refused the candidate: {'; '.join(result['objections'])}.")
    return str(result["version"])


def release_it(layout: Layout, version: str, say: "_Teller") -> None:
    """The quality lead approves, and it goes to the line."""
    from flows.promote import promote

    request = approval.find_request(layout, version)
    path = approval.give(layout, request, LEAD, True, read_params(layout.params).approval.valid_days)
    git.commit(layout.root, [path], f"Approval: {version} by {LEAD}")
    release = promote(version, root=layout.root)
    say(f"Released   {release['version']}, approved by {release['by']}, asked for by {request.requested_by}")


def summarise(layout: Layout, ingested: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """What .demo/summary.json says."""
    requests = {request.version: request for request in approval.requests(layout)}
    now = registry.live(layout)
    assert now is not None
    request = requests[now.version]
    figures = request.figures
    return {
        "images": sum(day["accepted"] for day in ingested),
        "quarantined": sum(day["refused"] for day in ingested),
        "seconds": seconds,
        "releases": [
            {"version": one.version, "candidate": one.package, "approved_by": one.by, "reason": one.reason}
            for one in registry.history(layout)
        ],
        "champion": {
            "version": now.version,
            "classes": list(request.classes),
            **{name: figures[name] for name in ("macro_f1", "balanced_accuracy", "escapes", "false_rejects", "parts")},
        },
    }


def closing(layout: Layout, folder: Path, summary: dict[str, Any], say: "_Teller") -> None:
    """What came of it, and where to look."""
    champion = summary["champion"]
    baseline = json.loads((layout.reports / "train.json").read_text(encoding="utf-8"))
    request = approval.find_request(layout, champion["version"])
    figures = request.figures
    good = (
        f"{figures['false_rejects']} of {figures['good_parts']} good ones rejected"
        if figures["good_parts"]
        else "no good parts, so false rejects do not apply"
    )
    say("")
    val, probe = baseline["val"]["macro_f1"], baseline["baseline_val"]["macro_f1"]
    say(
        f"{champion['version']} on {champion['parts']} test parts: {figures['escapes']} of "
        f"{figures['defective_parts']} defective ones passed, {good}."
    )
    say(
        f"Classes: balanced accuracy {champion['balanced_accuracy']:.3f}, macro-F1 {champion['macro_f1']:.3f} on "
        f"test; on validation macro-F1 {val:.3f} against {probe:.3f} of a logistic regression on frozen features."
    )
    equal = all(catalog.rebuild(layout).values())
    say(
        f"The catalog, folded anew, is {'equal' if equal else 'DIFFERENT'} table for table. "
        f"{summary['seconds']} s in all."
    )
    say(f"Look at    {folder / 'summary.json'}")
    say(f"           cd {layout.root} && andon status, andon trace IMAGE, dvc metrics show, dvc plots show")


class _Teller:
    """Prints the story to the error stream's terminal, or nothing."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet

    def __call__(self, line: str) -> None:
        if not self._quiet:
            print(line, file=sys.stdout, flush=True)


def _drop_rubbish(folder: Path, day: date) -> None:
    """A file that was cut off and a text with an image's name."""
    camera = next(path for path in sorted(folder.iterdir()) if path.is_dir())
    whole = next(path for path in sorted(camera.rglob("*")) if path.is_file())
    stamp = f"{day:%Y%m%d}T2200"
    (whole.parent / f"{stamp}01000Z{whole.suffix}").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (whole.parent / f"{stamp}02000Z.png").write_text("this is not an image\n")


def _taxonomy(labels: list[str], good: set[str]) -> dict[str, Any]:
    classes = {
        label: {"severity": "none" if label in good else "major", "acceptable": label in good, "since": "1"}
        for label in labels
    }
    return {"spec": "1", "classes": classes}


def _cameras(replay: Replay) -> dict[str, Any]:
    def one(seen: Any) -> dict[str, Any]:
        entry = {key: value for key, value in asdict(seen).items() if key not in ("name", "modes", "parts")}
        mode = seen.modes[0]
        return {
            **entry,
            "mode": "L" if mode.startswith("I") else mode,
            "bit_depth": 16 if mode.startswith("I") else 8,
            "parts": list(seen.parts),
        }

    return {seen.name: one(seen) for seen in replay.cameras()}
