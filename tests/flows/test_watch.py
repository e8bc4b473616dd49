"""The watch on a tiny plant: one camera, windows of 8 images, three or so a day."""

import json
import shutil
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from email import policy
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sqlalchemy import select

from andon import trace
from flows import decisions, followup, looks
from flows import mails as mails_module
from flows import watch as module
from flows.commission import commission
from flows.ingest import ingest
from flows.tasks import run_here
from flows.versions import dvc
from flows.watch import summary, watch
from inspection import clock, git
from inspection.cameras import read_cameras
from inspection.errors import CheckHistory
from inspection.layout import Layout
from inspection.model.package import MODEL
from inspection.params import read_params
from inspection.records import catalog, incidents, ledger
from inspection.records.incidents import Incident
from inspection.release import registry
from monitoring.camera.window import Window
from monitoring.cost.escapes import Estimate, Rate, check
from monitoring.judgement import looking
from monitoring.judgement.climb import climbs
from monitoring.judgement.limit import Limit
from monitoring.judgement.reference import Reference
from monitoring.telling.courses import CAUSES
from plant.faults import Fault
from plant.line import Plant
from plant.shot import Shot, drop, key_of
from tests.conftest import DAY, EVENING, make_plant, set_params
from tests.inspection.world import fake_package

NOT_KNOWN = Estimate(None, None, "unknown", 0, "")
pytestmark = pytest.mark.usefixtures("prefect_harness")
CAMERA = "cam-1"
ONE_DAY = timedelta(days=1)
SMALL = {"watch__window_images": 8, "watch__min_images": 8, "validate__min_images": 20}


def evening(day: float) -> datetime:
    """When everything of that day (0 is DAY) has come in."""
    return EVENING + day * ONE_DAY


def pictures(layout: Layout, day: int, faults: Sequence[Fault] = (), count: int = 24) -> list[Shot]:
    """What CAMERA delivers on a day."""
    camera = read_cameras(layout.cameras)[CAMERA]
    return list(Plant(1, (camera,), faults).shots(DAY + day * ONE_DAY, count))


def take_in(layout: Layout, day: float, shots: Sequence[Shot]) -> None:
    drop(shots, layout.home / "inbox")
    with clock.at(evening(day)):
        assert run_here(ingest, root=layout.root)["accepted"] == len(shots)


def look(layout: Layout, day: float) -> dict[str, Any]:
    with clock.at(evening(day)):
        result: dict[str, Any] = run_here(watch, root=layout.root)
    return result


def accept(layout: Layout, day: int, by: str = "Ines") -> list[dict[str, Any]]:
    """Declare that day healthy, on its evening."""
    with clock.at(evening(day)):
        made: list[dict[str, Any]] = run_here(
            commission, [CAMERA], evening(day - 1), evening(day), by, root=layout.root
        )
    return made


def copied(layout: Layout, to: Path) -> Layout:
    shutil.copytree(layout.home, to, symlinks=True)
    return Layout(to.resolve(), to.resolve())


def lamp(size: float = -0.2, since: float = 1, until: float | None = None) -> Fault:
    """The lamp of CAMERA from the evening of the day `since`."""
    return Fault("lamp", size, CAMERA, evening(since), None if until is None else evening(until))


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Layout:
    """A plant that several files of tests begin with: made by the first of them."""
    home = factory.getbasetemp() / f"plant-{name}"
    if not home.exists():
        make(home)
    return Layout(home.resolve(), home.resolve())


def commissioned(factory: pytest.TempPathFactory) -> Layout:
    """Day 0 was watched, then declared healthy."""

    def make(home: Path) -> None:
        layout = make_plant(home)
        set_params(layout, **SMALL)
        take_in(layout, 0, pictures(layout, 0, count=32))
        result = look(layout, 0)
        assert [one["state"] for one in result["windows"]] == ["learning"] * 4
        assert (result["incidents"], result["mails"], result["requests"]) == ([], [], [])
        accept(layout, 0)

    return made_once(factory, "commissioned", make)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, prefect_harness: None) -> Layout:
    return commissioned(tmp_path_factory)


@pytest.fixture(scope="module")
def dark(base: Layout, tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A dark day has come in and was not watched yet."""
    layout = copied(base, tmp_path_factory.mktemp("dark") / "plant")
    take_in(layout, 2, pictures(layout, 2, (lamp(),)))
    return layout


@pytest.fixture(scope="module")
def seen(dark: Layout, tmp_path_factory: pytest.TempPathFactory) -> tuple[Layout, dict[str, Any]]:
    """The dark day after one undisturbed watch, and what that returned."""
    layout = copied(dark, tmp_path_factory.mktemp("seen") / "plant")
    return layout, look(layout, 2)


@pytest.fixture
def well(base: Layout, tmp_path: Path) -> Layout:
    return copied(base, tmp_path / "plant")


@pytest.fixture
def plant(dark: Layout, tmp_path: Path) -> Layout:
    return copied(dark, tmp_path / "plant")


def story(layout: Layout) -> list[dict[str, Any]]:
    """What the ledger says of incidents, requests and mails, without what depends on the moment."""
    told = []
    for event in ledger.read(layout):
        if event.kind in ("incident", "request", "mail"):
            body = {k: v for k, v in event.body.items() if k not in ("prev", "path", "run", "words")}
            told.append({"kind": event.kind, **body})
    return told


def mails(layout: Layout) -> list[Path]:
    return sorted((layout.home / "outbox").glob("*.eml"))


def found(layout: Layout) -> list[Incident]:
    return incidents.fold(ledger.read(layout))


def settled(layout: Layout) -> None:
    """Git, DVC and catalog have everything, and nothing else."""
    assert git.run(layout.home, "status", "--porcelain") == ""
    assert all(catalog.rebuild(layout).values())
    believed = {event.body["run"] for event in ledger.read(layout) if event.kind == "watch"}
    assert {path.name for path in layout.ledger.glob("*/watch/*")} == believed


# what it says


def test_a_healthy_day_is_healthy_and_nobody_is_written_to(well: Layout) -> None:
    take_in(well, 1, pictures(well, 1))
    result = look(well, 1)
    assert [one["state"] for one in result["windows"]] == ["healthy"] * 3
    assert (result["incidents"], result["mails"], mails(well)) == ([], [], [])
    assert result["notes"] == ["No model is on the line yet, so there are no verdicts."]
    assert any("healthy" in line for line in summary(result))
    assert (well.watched / "days" / f"{DAY + ONE_DAY}" / f"{CAMERA}.html").exists()
    settled(well)


def test_a_window_that_cannot_be_judged_stops_nothing_and_is_told(
    well: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seen = looking.judge, []

    def first_fails(window: Window, *rest: Any) -> Any:
        seen.append(window.first)
        if window.first == seen[0]:
            raise ValueError("cannot convert float NaN to integer")
        return real(window, *rest)

    take_in(well, 1, pictures(well, 1))
    monkeypatch.setattr(looking, "judge", first_fails)
    result = look(well, 1)
    assert [one["state"] for one in result["windows"]] == ["not comparable", "healthy", "healthy"]
    said = "\n".join(summary(result))
    assert "UTC: not comparable This window could not be judged (ValueError in test_watch.py" in said, said
    assert look(well, 1)["windows"] == [], "it is recorded, and not tried for ever"
    settled(well)


def test_a_dark_day_is_one_incident_with_its_evidence_and_one_mail(seen: tuple[Layout, dict[str, Any]]) -> None:
    layout, result = seen
    (one,) = found(layout)
    assert (one.name, one.cause, one.cameras, one.action) == ("I-0001", "lighting", (CAMERA,), "watch")
    assert one.size == pytest.approx(-0.2, abs=0.03)
    windows = result["windows"]
    assert [w["state"] for w in windows] == ["changed"] * 3
    assert clock.stamp(one.onset[1]) == windows[0]["last"]
    assert one.onset[0] <= clock.parse(windows[0]["first"])  # nothing was judged before
    for window in windows:
        told = json.loads((layout.watched / "windows" / CAMERA / f"{window['window']}.json").read_text())
        assert told == window
    folder = layout.watched / "incidents" / "I-0001"
    assert {path.name for path in folder.iterdir()} >= {
        "compared.png",
        "over-time.png",
        "suspects.csv",
        "incident.json",
        "report.html",
        "report.json",
    }
    suspects = (folder / "suspects.csv").read_text().splitlines()
    assert len(suspects) == 1 + 24
    (mail,) = mails(layout)
    message = BytesParser(policy=policy.default).parsebytes(mail.read_bytes())
    assert message["Subject"] == result["mails"][0] == f"[Andon] Line A, {CAMERA}: light has changed"
    names = [part.get_filename() for part in message.walk() if part.get_filename()]
    assert {"compared.png", "over-time.png", "I-0001-suspect-parts.csv"} <= set(names)
    assert "I-0001 opened" in summary(result)
    settled(layout)


def test_a_suspect_image_says_so_in_its_trace(seen: tuple[Layout, dict[str, Any]]) -> None:
    layout, _ = seen
    there = catalog.open_catalog(layout)
    newest = there.frame(select(catalog.capture_table).order_by(catalog.capture_table.c.captured_at))["image_id"]
    there.close()
    told = [trace.story(layout, str(image)) for image in (newest.iloc[0], newest.iloc[-1])]
    assert [[one["incident"] for one in each["incidents"]] for each in told] == [[], ["I-0001"]]
    assert "suspect   because of I-0001, lighting on cam-1; its parts: nobody has said" in "\n".join(
        trace.lines(told[1])
    )


def test_watching_again_changes_nothing(seen: tuple[Layout, dict[str, Any]]) -> None:
    layout, _ = seen
    before, revision, letters = ledger.head(layout), git.run(layout.home, "rev-parse", "HEAD"), mails(layout)
    again = look(layout, 2)
    assert (again["windows"], again["incidents"], again["mails"], again["scored"]) == ([], [], [], 0)
    assert ledger.head(layout) == before
    assert git.run(layout.home, "rev-parse", "HEAD") == revision
    assert mails(layout) == letters


@pytest.mark.slow
def test_the_next_days_tell_of_growth_and_of_the_end(seen: tuple[Layout, dict[str, Any]], tmp_path: Path) -> None:
    layout = copied(seen[0], tmp_path / "plant")
    take_in(layout, 3, pictures(layout, 3, (lamp(-0.4),)))
    result = look(layout, 3)
    assert [one["what"] for one in result["incidents"]] == ["grew"]
    assert len(result["mails"]) == 1
    take_in(layout, 4, pictures(layout, 4))
    result = look(layout, 4)
    assert [one["what"] for one in result["incidents"]] == ["closed"]
    assert result["mails"] == [f"[Andon] Line A, {CAMERA}: over – light has changed"]
    (one,) = found(layout)
    assert not one.open and (one.action, one.grew) == ("watch", 1)
    keys = [event["key"] for event in story(layout) if event["kind"] == "mail"]
    assert len(keys) == len(set(keys)) == len(mails(layout)) == 3
    settled(layout)


def test_a_fault_that_came_and_went_between_two_watches_is_told_and_kept_out(well: Layout) -> None:
    """Watched once a day: it was dusty in the morning only."""
    morning = Fault("hot", 6, CAMERA, evening(0), evening(0) + timedelta(hours=12.5))
    take_in(well, 1, pictures(well, 1, (morning,), count=40))
    result = look(well, 1)
    states = [[finding["cause"] for finding in one["findings"]] for one in result["windows"]]
    assert ["hot_pixels" in one for one in states] == [True, True, False, False, False]
    (one,) = [one for one in found(well) if one.cause == "hot_pixels"]
    assert not one.open
    assert one.action == "repair"
    inside = clock.parse(result["windows"][0]["last"])
    assert incidents.kept_out([one], CAMERA, inside) == "I-0001"
    assert result["mails"]


def test_slow_changes_are_added_up_from_window_to_window_of_one_reference(
    well: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, given, used = looks.looking.look, [], []

    def sensitive(*arguments: Any) -> dict[str, Reference]:
        held = {name: replace(one, limits=_climbing(one.limits)) for name, one in references(*arguments).items()}
        used.append(held[CAMERA])
        return held

    def spy(*arguments: Any) -> looking.Look:
        given.append(arguments[4])
        return real(*arguments)

    references = looks.references
    with monkeypatch.context() as patch:
        patch.setattr(looks, "references", sensitive)
        patch.setattr(looks.looking, "look", spy)
        take_in(well, 1, pictures(well, 1, count=16))
        windows = look(well, 1)["windows"]
        take_in(well, 2, pictures(well, 2, count=8))
        windows += look(well, 2)["windows"]
    assert given == [climbs((one["values"] for one in windows[:n]), used[0].limits) for n in range(3)]
    assert given[0] != given[2]

    finding = {"statistic": "gain", "size": -0.1, "unit": "px", "words": "Darker.", "strength": 2.0}
    opened = {"line": "A", "cause": "lighting", "camera": CAMERA, "finding": finding, "window": windows[0]["window"]}
    onset = [windows[0]["first"], windows[0]["last"]]
    over = {"incident": "I-0001", "what": "closed", "why": "a new lamp", "over": windows[1]["last"]}
    ledger.append(well, "incident", "watch", [{"incident": "I-0001", "what": "opened", "onset": onset, **opened}])
    ledger.append(well, "incident", "Ines", [over])
    after = looks.slow_changes(well, CAMERA, used[0])
    mended = {name for name, cause in CAUSES.items() if cause == "lighting"} & after.keys()
    alone = climbs([windows[2]["values"]], used[0].limits)
    every = climbs((one["values"] for one in windows), used[0].limits)
    assert {"gain", "gradient"} <= mended
    assert all(after[name] == (alone if name in mended else every)[name] for name in after)


def _climbing(limits: Mapping[str, Limit]) -> dict[str, Limit]:
    return {name: replace(one, climb=50.0, spread=1e-4) for name, one in limits.items()}


@pytest.mark.parametrize(
    ("cause", "action", "asked"),
    [
        ("noise", "repair", []),
        ("new_product", "label", ["label"]),
        ("changed_mix", "watch", []),
        ("changed_surface", "label", ["label"]),
        ("defect_rate", "watch", []),
    ],
)
def test_each_cause_is_decided_on_once_and_asks_for_what_it_needs(
    tiny: Layout, monkeypatch: pytest.MonkeyPatch, cause: str, action: str, asked: list[str]
) -> None:
    """With a model on the line and no labels yet."""
    settings = read_params(tiny.params)
    found = {"cause": cause, "statistic": "noise", "size": 1.0, "unit": "", "words": "So.", "strength": 2.0}
    onset = [clock.stamp(evening(0)), clock.stamp(evening(0.5))]
    body = {"incident": "I-0001", "what": "opened", "line": "A", "cause": cause, "camera": CAMERA, "window": "w"}
    ledger.append(tiny, "incident", "watch", [{**body, "finding": {**found, "details": {}}, "onset": onset}])
    monkeypatch.setattr(decisions, "on_the_line", lambda _: object())
    monkeypatch.setattr(decisions.weighing, "weigh", lambda *_: (None, NOT_KNOWN))
    there = catalog.open_catalog(tiny)
    for _ in range(2):
        decisions.decide.fn(tiny, settings, there)
    there.close()
    (one,) = found_incidents = incidents.fold(ledger.read(tiny))
    assert (one.action, len(found_incidents)) == (action, 1)
    assert [event.body["what"] for event in ledger.read(tiny) if event.kind == "incident"] == ["opened", "routed"]
    assert [event.body["asks"] for event in ledger.read(tiny) if event.kind == "request"] == asked
    kept = incidents.kept_out([one], CAMERA, evening(0.7))
    assert kept == ("I-0001" if action == "repair" else None)


def test_an_estimate_is_checked_once_labels_suffice_and_again_when_they_are_twice_as_many(
    tiny: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"escapes": asdict(Rate(0.1, 0.06, 0.15, 100)), "false_rejects": None, "how": "rehearsed"}
    opened = {"incident": "I-0001", "what": "opened", "line": "A", "cause": "lighting", "camera": CAMERA, "window": "w"}
    found = {
        "cause": "lighting",
        "statistic": "gain",
        "size": -0.2,
        "unit": "relative",
        "words": "So.",
        "strength": 2.0,
    }
    onset = [clock.stamp(evening(0)), clock.stamp(evening(0.5))]
    routed = {"incident": "I-0001", "what": "routed", "action": "watch", "reasons": []}
    estimate = {"estimate": {**said, "labels_needed": 0, "words": ""}, "package": "p"}
    ledger.append(tiny, "incident", "watch", [{**opened, "finding": found, "onset": onset}, {**routed, **estimate}])
    defective, asked = 0, []

    def checked(*_: Any) -> Any:
        asked.append(defective)
        return check(Estimate.of({**said, "labels_needed": 0, "words": ""}), defective, defective // 2)

    monkeypatch.setattr(followup.weighing, "checked", checked)
    settings, there, known = read_params(tiny.params), catalog.open_catalog(tiny), []
    for defective in (30, 30, 50, 50, 64):
        label = {"image_id": "i", "label": "pit", "labelled_at": clock.stamp(evening(1)), "spec": "1"}
        ledger.append(tiny, "label", "Ines", [label] if defective not in asked else [])
        followup.check.fn(tiny, settings, there)
        (one,) = incidents.fold(ledger.read(tiny))
        known.append(one.check["seen"]["parts"])
    keys = [key for key, _ in mails_module._states(tiny, settings, there, set(), False)]
    there.close()
    assert known == [30, 30, 30, 30, 64]
    assert asked == [30, 50, 50, 64], "without a label nothing is looked up"
    assert "check/I-0001/0" in keys


# killed, disturbed


class Killed(BaseException):
    """Stands in for kill -9: nothing between here and the top may catch it."""


@pytest.mark.parametrize(
    ("step", "moment"),
    [
        ("record", "after"),
        ("tell", "after"),
        *(
            pytest.param(*one, marks=pytest.mark.slow)
            for one in (("record", "before"), ("follow", "after"), ("decide", "after"))
        ),
    ],
)
def test_killed_at_any_step_the_next_run_says_the_same(
    plant: Layout, seen: tuple[Layout, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, step: str, moment: str
) -> None:
    real = getattr(module, step)

    def die(*arguments: Any, **named: Any) -> None:
        if moment == "after":
            real(*arguments, **named)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module, step, die)
        with pytest.raises(BaseException):  # noqa: B017  Prefect wraps what is no Exception
            look(plant, 2)
    look(plant, 2)
    assert story(plant) == story(seen[0])
    assert len(mails(plant)) == len(mails(seen[0])) == 1
    settled(plant)


def killed_before(kind: str, act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a flow be killed before the ledger has its event of that kind."""
    real = ledger.append

    def die(layout: Layout, what: str, *rest: Any) -> Any:
        if what == kind:
            raise Killed
        return real(layout, what, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "append", die)
        with pytest.raises(BaseException):  # noqa: B017  Prefect wraps what is no Exception
            act()


@pytest.mark.parametrize(
    "kind", ["watch", *(pytest.param(one, marks=pytest.mark.slow) for one in ("incident", "mail"))]
)
def test_killed_before_the_ledger_has_it_the_next_run_says_the_same(
    plant: Layout, seen: tuple[Layout, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """In the middle of a step: its files are there, its event is not."""
    killed_before(kind, lambda: look(plant, 2), monkeypatch)
    look(plant, 2.01)
    assert story(plant) == story(seen[0])
    ids = {BytesParser().parsebytes(path.read_bytes())["Message-ID"] for path in mails(plant)}
    assert len(ids) == 1  # a mail that was written twice is known by its Message-ID
    settled(plant)
    assert "up to date" in dvc(plant.root, "status", *(str(path) for path in plant.ledger.glob("*/watch.dvc")))


@pytest.mark.parametrize("words", ["Watch: ", "Incidents: "])
def test_killed_before_git_has_it_the_next_run_commits_it(
    plant: Layout, seen: tuple[Layout, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    """The ledger has the event; the next run finds nothing new."""
    real = git.commit

    def die(root: Path, paths: Sequence[Path], message: str) -> str | None:
        if message.startswith(words) and "left over" not in message:
            raise Killed
        return real(root, paths, message)

    with monkeypatch.context() as patch:
        patch.setattr(git, "commit", die)
        with pytest.raises(BaseException):  # noqa: B017  Prefect wraps what is no Exception
            look(plant, 2)
    assert git.run(plant.home, "status", "--porcelain")
    look(plant, 2.01)
    assert story(plant) == story(seen[0])
    settled(plant)


def test_a_mail_server_that_is_away_stops_nothing(plant: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, not listening: nobody else takes the port
        for name, value in (("HOST", "127.0.0.1"), ("PORT", str(held.getsockname()[1])), ("STARTTLS", "0")):
            monkeypatch.setenv(f"ANDON_SMTP_{name}", value)
        result = look(plant, 2)
    assert len(result["mails"]) == len(mails(plant)) == 1
    (event,) = [event for event in ledger.read(plant) if event.kind == "mail"]
    assert not event.body["sent"]
    assert "cannot be reached" in event.body["words"]


def test_a_changed_byte_of_the_reference_stops_the_watch_by_name(plant: Layout) -> None:
    file = plant.references / CAMERA / "v1" / "reference.json"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.chmod(0o644)
    file.write_bytes(content)
    before = ledger.head(plant)
    with pytest.raises(CheckHistory, match=f"references/{CAMERA}/v1"):
        look(plant, 2)
    assert ledger.head(plant) == before


# what cameras deliver when something is wrong


def shot(day: int, minute: int, pixels: np.ndarray, part: str = "bracket") -> Shot:
    at = evening(day - 1) + timedelta(hours=6, minutes=minute)
    serial = f"x-{minute // 2:03d}"
    return Shot(key_of(CAMERA, part, serial, at), CAMERA, "A", part, serial, at, "good", pixels)


def black(number: int, noisy: bool) -> np.ndarray:
    image = np.zeros((128, 128), np.uint8)
    if noisy:
        image[np.random.default_rng(number).random((128, 128)) < 0.1] = 1
    return image


def test_one_image_waits_and_is_then_too_few(well: Layout) -> None:
    take_in(well, 1, pictures(well, 1, count=1))
    assert look(well, 0.5)["windows"] == []
    (one,) = look(well, 1)["windows"]
    assert (one["state"], one["images"]) == ("too few", 1)
    assert one["notes"] == ["1 images are too few for a verdict: it takes 8."]
    assert look(well, 1)["windows"] == []
    settled(well)


@pytest.mark.slow
@pytest.mark.parametrize(("noisy", "cause", "action"), [(True, "lighting", "watch"), (False, "frozen", "repair")])
def test_all_black_images_are_one_incident(well: Layout, noisy: bool, cause: str, action: str) -> None:
    take_in(well, 1, [shot(1, minute, black(minute, noisy)) for minute in range(16)])
    result = look(well, 1)
    (one,) = found(well)
    assert (one.cause, one.action) == (cause, action)
    assert len(result["mails"]) == 1
    settled(well)


def test_a_camera_that_hangs_is_one_incident_for_repair(well: Layout) -> None:
    picture = pictures(well, 0, count=1)[0].image
    take_in(well, 1, [shot(1, minute, picture) for minute in range(16)])
    result = look(well, 1)
    (one,) = found(well)
    assert (one.cause, one.action) == ("frozen", "repair")
    assert one.finding["size"] == 8
    assert result["mails"] == [f"[Andon] Line A, {CAMERA}: camera stands still"]


def test_a_camera_that_is_declared_no_more_is_still_looked_at(plant: Layout) -> None:
    cameras = yaml.safe_load(plant.cameras.read_text())
    del cameras[CAMERA]
    plant.cameras.write_text(yaml.safe_dump(cameras))
    git.commit(plant.home, [plant.cameras], "A camera goes")
    result = look(plant, 2)
    assert [one["what"] for one in result["incidents"]] == ["opened"]
    (mail,) = mails(plant)
    body = BytesParser(policy=policy.default).parsebytes(mail.read_bytes()).get_body(("plain",))
    assert body is not None and "(Europe/Berlin)" in " ".join(body.get_content().split())  # as the other camera's


@pytest.mark.slow
def test_captures_older_than_those_already_judged_open_nothing(well: Layout) -> None:
    take_in(well, 2, pictures(well, 2))
    look(well, 2)
    take_in(well, 3, pictures(well, 1, (lamp(since=0),)))
    result = look(well, 3)
    assert [one["state"] for one in result["windows"]] == ["changed"] * 3
    assert (result["incidents"], result["mails"]) == ([], [])
    take_in(well, 3, pictures(well, 3, count=16))
    assert look(well, 3)["incidents"] == []


def test_an_empty_plant_is_watched_in_peace(tiny: Layout) -> None:
    result = look(tiny, 0)
    assert (result["scored"], result["windows"], result["mails"]) == (0, [], [])
    assert ledger.read(tiny) == []


# a line that is not what was released


def released(layout: Layout, folder: Path) -> str:
    """A package on the line that is only words; its hash."""
    package = fake_package(folder, "x")
    registry.install(layout, folder, package)
    body = {"version": "v1.0.0", "package": package, "action": "release", "reason": "test"}
    with clock.at(evening(0.5)):
        registry.release(layout, body, "Ute", 5)
    return package


def accepted(rows: pd.DataFrame, package: Any, live: registry.Release, *_: Any) -> pd.DataFrame:
    """As `looking.scores`, of a model that takes everything."""
    said = rows[["capture_id", "image_id"]].assign(version=live.version, package=live.package, label="good")
    return said.assign(reject_probability=0.1, threshold=0.5, reject=False, probabilities="{}")


def test_without_the_history_of_releases_nothing_is_watched_until_it_is_back(
    well: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released(well, tmp_path / "package")
    history = well.history.read_bytes()
    take_in(well, 1, pictures(well, 1))
    monkeypatch.setattr(looks.looking, "scores", accepted)
    well.history.unlink()
    with pytest.raises(CheckHistory, match="the file is missing, with its"):
        look(well, 1)
    well.history.write_bytes(history)
    assert look(well, 1.1)["scored"] == 24


@pytest.mark.parametrize("way", ["another link", "changed bytes", "changed meanwhile"])
def test_what_came_while_the_line_was_wrong_stays_open_until_a_later_watch_judges_it(
    well: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    folder = well.releases / released(well, tmp_path / "package")
    kept = (folder / MODEL).read_bytes()
    take_in(well, 1, pictures(well, 1))

    def mend() -> None:
        folder.mkdir(exist_ok=True)
        (folder / MODEL).write_bytes(kept)
        well.live.unlink()
        well.live.symlink_to(folder)

    def meanwhile(*given: Any) -> pd.DataFrame:
        (folder / MODEL).write_bytes(b"another")
        return accepted(*given)

    monkeypatch.setattr(looks.looking, "scores", meanwhile if way == "changed meanwhile" else accepted)
    if way == "another link":
        well.live.unlink()
        well.live.symlink_to(shutil.copytree(folder, tmp_path / "elsewhere" / folder.name))
    elif way == "changed bytes":
        (folder / MODEL).write_bytes(b"another")
    result = look(well, 1)
    assert result["scored"] == 0 and len(result["windows"]) == 3
    (note,) = result["notes"]
    assert note.startswith("No verdicts: ") and note.endswith("The new batch waits for the next watch.")
    assert [event.body["batches"] for event in ledger.read(well) if event.kind == "watch"][-1] == []
    mend()
    monkeypatch.setattr(looks.looking, "scores", accepted)
    assert look(well, 1.1)["scored"] == 24
    assert look(well, 1.2)["scored"] == 0
    settled(well)
