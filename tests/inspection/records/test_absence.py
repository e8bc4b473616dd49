"""Cameras that nobody can judge, and cameras that deliver nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection import clock
from inspection.cameras import Camera, Stop
from inspection.intake.pace import Silence
from inspection.records.absence import silent, unjudged
from inspection.records.alarms import Glance
from inspection.records.incidents import RECOVERED, Incident, fold_one, kept_out
from inspection.release import suspicion
from tests.inspection.records.test_alarms import HOUR, START, WATCH, glance

WHY = "Every picture is black."


def mute(hour: float, camera: str = "cam-1", state: str = "not comparable", *notes: str) -> Glance:
    return replace(glance(camera, hour, (), state), notes=notes or (WHY,))


def seen(*runs: Sequence[Glance]) -> tuple[list[str], list[Incident]]:
    """What the windows of some runs do, run by run."""
    known: list[Incident] = []
    before: list[Glance] = []
    events: list[dict[str, Any]] = []
    for run in runs:
        for event in unjudged(known, before, run, WATCH):
            events.append(event)
            known = fold_one(known, event, run[-1].last)
        before += run
    return [event["what"] for event in events], known


def test_a_day_without_a_window_that_can_be_judged_is_an_incident_with_its_reason() -> None:
    rows = [glance("cam-1", 0), *(mute(n) for n in range(1, 26))]
    assert seen(rows[:-1]) == ([], [])
    what, (one,) = seen(rows)
    assert (what, one.cause, one.cameras, one.onset) == (
        ["opened"],
        "unjudged",
        ("cam-1",),
        (rows[0].last, rows[1].last),
    )
    assert one.finding["words"] == (
        f"None of the last 25 windows of cam-1 could be judged, for 25 hours. The reason given: {WHY}"
    )
    assert (one.size, one.finding["unit"], one.window) == (25.0, "hours", rows[-1].window)
    assert seen([*rows, mute(26), mute(27)])[0] == ["opened"], "once"


def test_it_ends_with_the_first_window_that_is_judged_and_its_pictures_stay_in_doubt() -> None:
    rows = [glance("cam-1", 0), *(mute(n) for n in range(1, 26)), glance("cam-1", 26)]
    what, (one,) = seen(rows)
    assert (what, one.why_closed) == (["opened", "closed"], RECOVERED)
    inside = kept_out([replace(one, action="repair")], "cam-1", mute(25).last)
    assert inside == one.name and not one.covers("cam-1", rows[-1].first)


@pytest.mark.parametrize("state", ["healthy", "learning", "changed"])
def test_one_window_that_says_something_or_ought_not_to_begins_the_day_anew(state: str) -> None:
    rows = [*(mute(n) for n in range(20)), glance("cam-1", 20, (), state), *(mute(n) for n in range(21, 44))]
    assert seen(rows) == ([], [])


def test_one_window_alone_is_no_day() -> None:
    long = replace(mute(0), last=START + 30 * HOUR)
    assert seen([long])[0] == []
    assert seen([long, mute(31)])[0] == ["opened"]


def test_too_few_pictures_day_after_day_are_one_but_a_weekend_with_some_is_not() -> None:
    few = [mute(12 * n, "cam-1", "too few", "3 images are too few.") for n in range(8)]
    assert seen(few[:6]) == ([], [])
    what, (one,) = seen(few)
    assert what == ["opened"] and "3 images are too few." in one.finding["words"]


def test_two_cameras_of_a_line_are_one_incident_until_both_are_judged() -> None:
    rows = [mute(n, camera) for n in range(26) for camera in ("cam-1", "cam-2", "cam-3")]
    what, known = seen(rows)
    assert (what, [one.cameras for one in known]) == (["opened", "joined", "opened"], [("cam-1", "cam-2"), ("cam-3",)])
    assert seen(rows, [glance("cam-1", 27)])[0] == what
    assert seen(rows, [glance("cam-1", 27)], [glance("cam-2", 28)])[0] == [*what, "closed"]


def test_what_a_person_closed_takes_another_day() -> None:
    rows = [mute(n) for n in range(26)]
    _, known = seen(rows)
    over = {"incident": "I-0001", "what": "closed", "why": "known", "over": clock.stamp(mute(26).last)}
    known = fold_one(known, over, START)
    assert unjudged(known, rows, [mute(n) for n in range(26, 50)], WATCH) == []
    assert len(unjudged(known, rows, [mute(n) for n in range(26, 60)], WATCH)) == 1


@given(
    st.lists(st.tuples(st.sampled_from(["cam-1", "cam-2"]), st.sampled_from(["healthy", "not comparable", "too few"]))),
    st.lists(st.integers(0, 30), max_size=4),
)
def test_all_at_once_is_as_run_by_run(drawn: list[tuple[str, str]], cuts: list[int]) -> None:
    rows = [mute(10 * n, camera, state) for n, (camera, state) in enumerate(drawn)]
    edges = [0, *sorted(cuts), len(rows)]
    parts = [rows[a:b] for a, b in pairwise(edges)]
    assert seen(*(part for part in parts if part)) == (seen(rows) if rows else ([], []))


# silence

STOP = Stop.model_validate({"from": START, "to": START + 99 * HOUR, "reason": "Christmas"})


def cameras(**stops: Stop) -> dict[str, Camera]:
    lines = {"cam-1": "A", "cam-2": "A", "cam-3": "B"}
    made = {
        name: Camera(name=name, line=line, width=8, height=8, mode="L", parts=("x",), time_zone="Europe/Berlin")
        for name, line in lines.items()
    }
    return made | {name: made[name].model_copy(update={"stops": (stop,)}) for name, stop in stops.items()}


def quiet(camera: str = "cam-1", hours: int = 2, pictures: float = 80, since: float = 0) -> dict[str, Silence]:
    last = START + since * HOUR
    return {camera: Silence(camera, last, last + HOUR, hours, pictures)}


def told(
    known: Sequence[Incident],
    silences: Mapping[str, Silence],
    hour: float,
    last: Mapping[str, datetime] | None = None,
    declared: Mapping[str, Camera] | None = None,
) -> tuple[list[str], list[Incident]]:
    now, known = START + hour * HOUR, list(known)
    events = silent(known, declared or cameras(), silences, last or {}, now, WATCH)
    for event in events:
        known = fold_one(known, event, now)
    return [event["what"] for event in events], known


def test_a_camera_that_should_have_delivered_is_an_incident() -> None:
    what, (one,) = told([], quiet(), 3)
    assert (what, one.cause, one.cameras, one.line) == (["opened"], "silent", ("cam-1",), "A")
    assert one.onset == (START, START + 2 * HOUR)
    assert one.finding["words"] == (
        "No picture has come from cam-1 since Mon 02 Nov 2026, 07:00 (Europe/Berlin). "
        "About 80 were expected in the 2 working hours since then."
    )
    assert not one.covers("cam-1", START + HOUR) and not suspicion.doubted(replace(one, action="repair"))
    assert told([one], quiet(hours=5), 6) == ([], [one])


@pytest.mark.parametrize(("hours", "pictures"), [(1, 40), (2, 9)])
def test_a_pause_is_none(hours: int, pictures: float) -> None:
    assert told([], quiet(hours=hours, pictures=pictures), 3) == ([], [])


def test_a_plant_that_stops_is_one_incident_also_with_cameras_whose_own_silence_is_short() -> None:
    every = quiet("cam-2", 1, 3) | quiet("cam-1", pictures=60) | quiet("cam-3", pictures=90)
    what, (one,) = told([], every, 3)
    assert (what, one.cameras, one.line) == (["opened", "joined", "joined"], ("cam-3", "cam-1", "cam-2"), "B and A")
    assert "any camera of the plant (cam-1, cam-2, cam-3)" in one.finding["words"]
    assert "About 153 were expected" in one.finding["words"]


def test_one_that_fell_silent_long_before_is_another() -> None:
    _, known = told([], quiet(), 3)
    what, known = told(known, quiet() | quiet("cam-2", since=20), 23)
    assert (what, len(known)) == (["opened"], 2)


def test_it_is_over_when_pictures_come_from_each_of_its_cameras() -> None:
    _, known = told([], quiet() | quiet("cam-2"), 3)
    back = {"cam-1": START + 4 * HOUR}
    assert told(known, quiet("cam-2"), 5, back)[0] == []
    assert told(known, {}, 5, back)[0] == [], "that nothing is expected at night ends nothing"
    what, (one,) = told(known, {}, 6, back | {"cam-2": START + 5 * HOUR})
    assert (what, one.why_closed, one.closed) == (["closed"], RECOVERED, START + 5 * HOUR)


def test_an_announced_stop_ends_it_and_a_camera_that_is_no_more() -> None:
    _, known = told([], quiet() | quiet("cam-2"), 3)
    less = {name: one for name, one in cameras(**{"cam-1": STOP}).items() if name != "cam-2"}
    what, (one,) = told(known, {}, 4, declared=less)
    assert what == ["closed"]
    assert (one.closed_by, one.recovered) == ("", False)
    assert one.why_closed == ("announced stop of cam-1: Christmas; cam-2 is not declared in cameras.yaml any more")


def test_what_a_person_closed_is_told_again_only_after_pictures_came() -> None:
    _, known = told([], quiet(), 3)
    closed = {"incident": "I-0001", "what": "closed", "why": "known"}
    (one,) = fold_one(known, closed, START + 4 * HOUR)
    one = replace(one, closed_by="Ines")
    assert told([one], quiet(hours=9), 10) == ([], [one])
    assert told([one], quiet(since=timedelta(hours=6) / HOUR), 10)[0] == ["opened"]
