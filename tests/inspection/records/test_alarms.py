"""Windows in, events out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection import clock
from inspection.chain import Event
from inspection.params import Watch
from inspection.records.alarms import JUDGED, Glance, follow, glances
from inspection.records.incidents import (
    ALIKE,
    ORDER,
    RECOVERED,
    Incident,
    ended,
    explains,
    fold_one,
    kept_out,
    rank,
)

START = datetime(2026, 11, 2, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)
LINES = {"cam-1": "A", "cam-2": "A", "cam-3": "B"}
WATCH = Watch(
    window_images=40,
    window_hours=7,
    min_images=10,
    confirm_windows=2,
    recover_windows=2,
    together_hours=12,
    remind_growth=1.5,
    unjudged_hours=24,
    silent_hours=2,
)


def finding(cause: str, strength: float = 2.0, **more: Any) -> dict[str, Any]:
    said = {"cause": cause, "statistic": "gain", "size": 0.1, "unit": "px", "words": "It is so.", "strength": strength}
    return {**said, **more}


def spot(row: int, column: int) -> dict[str, Any]:
    return {"row": row, "column": column, "size": 1.0, "depth": 0.5}


def shows(hour: float, camera: str = "cam-1", cause: str = "dust", strength: float = 2.0, **more: Any) -> Glance:
    """A window whose one finding says `more`: size, error, sure, spots."""
    state = "changed" if more.get("sure") else "suspect"
    return replace(glance(camera, hour, [cause], state), causes={cause: finding(cause, strength, **more)})


def glance(
    camera: str, hour: float, causes: Mapping[str, float] | Sequence[str] = (), state: str = "", reference: str = "v1"
) -> Glance:
    """The window of `camera` from `hour` to 59 minutes later."""
    strengths = dict(causes) if isinstance(causes, Mapping) else dict.fromkeys(causes, 2.0)
    first = START + hour * HOUR
    return Glance(
        window=f"{camera}-{hour:05.1f}",
        camera=camera,
        line=LINES[camera],
        first=first,
        last=first + timedelta(minutes=59),
        images=40,
        state=state or ("changed" if strengths else "healthy"),
        causes={cause: finding(cause, strength) for cause, strength in strengths.items()},
        reference=reference,
    )


def run_by_run(runs: Sequence[Sequence[Glance]], watch: Watch = WATCH) -> tuple[list[dict[str, Any]], list[Incident]]:
    """What the watch does: each run's windows are followed, given all that were there before."""
    known: list[Incident] = []
    before: list[Glance] = []
    events: list[dict[str, Any]] = []
    for run in runs:
        for event in follow(known, before, run, watch):
            events.append(event)
            known = fold_one(known, event, START)
        before += run
    return events, known


def told(*windows: Glance) -> tuple[list[str], list[Incident]]:
    """(what happened, the incidents) when these windows are followed at once."""
    events, known = run_by_run([windows])
    return [event["what"] for event in events], known


def test_one_window_alone_opens_nothing_and_two_in_a_row_do() -> None:
    assert told(glance("cam-1", 0), glance("cam-1", 1, ["dust"])) == ([], [])
    assert told(glance("cam-1", 1, ["dust"]), glance("cam-1", 2), glance("cam-1", 3, ["dust"])) == ([], [])
    what, (one,) = told(glance("cam-1", 0), glance("cam-1", 1, ["dust"]), glance("cam-1", 2, ["dust"]))
    assert what == ["opened"]
    assert (one.name, one.cause, one.cameras, one.line) == ("I-0001", "dust", ("cam-1",), "A")


@pytest.mark.parametrize("confirm", [1, 2, 3, 5])
def test_it_takes_confirm_windows_in_a_row(confirm: int) -> None:
    watch = WATCH.model_copy(update={"confirm_windows": confirm})
    rows = [glance("cam-1", n, ["dust"]) for n in range(confirm)]
    assert run_by_run([rows[:-1]], watch)[0] == []
    assert [event["what"] for event in run_by_run([rows], watch)[0]] == ["opened"]


def test_a_window_that_is_sure_opens_at_once_and_reaches_back_to_the_one_that_only_suspected() -> None:
    calm = [glance("cam-1", n) for n in range(2)]
    what, (one,) = told(*calm, shows(2, sure=True))
    assert (what, one.onset) == (["opened"], (calm[1].last, shows(2).last))
    what, (one,) = told(*calm, shows(2), shows(3, sure=True))
    assert (what, one.onset, one.window) == (["opened"], (calm[1].last, shows(2).last), shows(2).window)


@pytest.mark.parametrize("cause", ["changed_surface", "new_product"])
def test_beside_other_parts_one_window_of_the_camera_opens_nothing(cause: str) -> None:
    parts, lamp = {"cause": cause, "sure": True}, {"cause": "lighting", "sure": True}
    assert told(shows(0, **parts), shows(1, **lamp), shows(2, **parts))[0] == ["opened"]
    what, known = told(shows(0, **parts), shows(1, **lamp), shows(2, **lamp))
    assert what[0] == what[-1] == "opened" and [one.cause for one in known] == [cause, "lighting"]
    assert told(shows(0, cause="changed_mix", sure=True), shows(1, **lamp))[0][-1] in ("opened", "recast")


def test_suspicion_alone_opens_nothing_until_it_is_confirmed() -> None:
    assert told(glance("cam-1", 0), shows(1), glance("cam-1", 2), shows(3)) == ([], [])
    assert told(glance("cam-1", 0), shows(1), shows(2))[0] == ["opened"]


@pytest.mark.parametrize(
    ("first", "second", "opens"),
    [
        ([spot(10, 10)], [spot(14, 6)], True),
        ([spot(10, 10)], [spot(15, 10)], False),
        ([spot(10, 10)], [spot(10, 15)], False),
        ([spot(90, 90), spot(10, 10)], [spot(50, 50), spot(11, 11)], True),
        ([spot(10, 10)], [], False),
        ([], [spot(10, 10)], False),
        ([], [], True),
    ],
)
def test_spots_confirm_each_other_only_at_a_shared_place(
    first: list[dict[str, Any]], second: list[dict[str, Any]], opens: bool
) -> None:
    what, _ = told(shows(0, spots=first), shows(1, spots=second))
    assert what == (["opened"] if opens else [])


def test_three_windows_need_one_place_that_all_of_them_share() -> None:
    watch = WATCH.model_copy(update={"confirm_windows": 3})

    def opened(*places: list[dict[str, Any]]) -> bool:
        return bool(run_by_run([[shows(n, spots=spots) for n, spots in enumerate(places)]], watch)[0])

    here, there = spot(10, 10), spot(60, 60)
    assert opened([here], [here, there], [here])
    assert not opened([here], [here, there], [there])


def test_a_spot_elsewhere_that_is_sure_still_opens() -> None:
    assert told(shows(0, spots=[spot(10, 10)]), shows(1, spots=[spot(60, 60)], sure=True))[0] == ["opened"]


def test_what_a_person_closed_opens_again_only_on_a_later_window() -> None:
    events, known = run_by_run([[shows(0, sure=True)]])
    assert [event["what"] for event in events] == ["opened"]
    end = shows(2).last
    known = fold_one(known, {"incident": "I-0001", "what": "closed", "why": "x", "over": clock.stamp(end)}, START)
    before = [shows(0, sure=True)]
    assert follow(known, before, [shows(1, sure=True), shows(2, sure=True)], WATCH) == []
    assert [event["what"] for event in follow(known, before, [shows(3, sure=True)], WATCH)] == ["opened"]


def test_the_onset_lies_between_the_last_window_without_it_and_the_first_with_it() -> None:
    rows = [glance("cam-1", n) for n in range(3)] + [glance("cam-1", n, ["dust"]) for n in (3, 4, 5)]
    (one,) = told(*rows)[1]
    assert one.onset == (rows[2].last, rows[3].last)
    assert one.window == rows[3].window


@pytest.mark.parametrize(("slow", "clean"), [(3, 2), (1, 4), (True, 4), (99, None)])
def test_what_came_slowly_began_with_the_windows_that_add_up_to_it(slow: int, clean: int | None) -> None:
    rows = [*(glance("cam-1", n) for n in range(5)), shows(5, cause="lighting", sure=True, slow=slow)]
    (one,) = told(*rows)[1]
    before = rows[0].first - timedelta(microseconds=1) if clean is None else rows[clean].last
    assert one.onset == (before, rows[5].last)


def test_without_any_window_before_it_the_onset_begins_with_the_first_capture() -> None:
    rows = [glance("cam-1", n, ["dust"]) for n in range(2)]
    (one,) = told(*rows)[1]
    assert rows[0].first - HOUR < one.onset[0] <= rows[0].first
    assert one.onset[1] == rows[0].last
    assert kept_out([replace(one, action="repair")], "cam-1", rows[0].first) == "I-0001"


def test_what_grows_says_how_much_a_day() -> None:
    rows = [shows(6 * n, cause="dead_pixels", sure=True, size=2.0 + n, strength=2.0 + n) for n in range(8)]
    events, (one,) = run_by_run([rows])
    assert [event["finding"].get("growth") for event in events][:3] == [None] * 3
    last = [event for event in events if event["what"] in ("grew", "updated")][-1]["finding"]["growth"]
    assert (last["per_day"], last["windows"]) == (pytest.approx(4.0), 8)
    assert one.current["growth"] == last


def test_it_grows_only_by_the_factor_that_people_asked_for() -> None:
    base = [glance("cam-1", n, {"dust": 2.0}) for n in range(2)]
    what, (one,) = told(*base, glance("cam-1", 2, {"dust": 2.9}))
    assert (what, one.told, one.grew) == (["opened"], 2.0, 0)
    what, (one,) = told(*base, glance("cam-1", 2, {"dust": 3.0}), glance("cam-1", 3, {"dust": 4.4}))
    assert (what, one.told, one.grew) == (["opened", "grew"], 3.0, 1)
    what, (one,) = told(*base, glance("cam-1", 2, {"dust": 3.0}), glance("cam-1", 3, {"dust": 4.5}))
    assert (what, one.told, one.grew) == (["opened", "grew", "grew"], 4.5, 2)


@pytest.mark.parametrize(
    ("size", "error", "what"),
    [
        (0.108, 0.0, []),
        (0.112, 0.0, ["updated"]),
        (0.088, None, ["updated"]),
        (0.112, 0.01, []),
        (0.121, 0.01, ["updated"]),
    ],
)
def test_a_size_is_noted_only_when_it_changed_by_more_than_its_error(
    size: float, error: float | None, what: list[str]
) -> None:
    base = [shows(n, size=0.1, error=error) for n in range(2)]
    done, (one,) = told(*base, shows(2, size=size, error=error))
    assert done == ["opened", *what]
    assert (one.size, one.current["size"]) == (0.1, size if what else 0.1)


def test_a_size_that_stays_is_noted_once() -> None:
    rows = [shows(0, size=0.1), shows(1, size=0.1), *(shows(n, size=0.15) for n in range(2, 20))]
    assert told(*rows)[0] == ["opened", "updated"]


def test_two_cameras_with_two_sizes_do_not_take_turns_in_the_ledger() -> None:
    pairs = [
        shows(n, camera, "lighting", size=size) for n in range(9) for camera, size in (("cam-1", 0.1), ("cam-2", 0.2))
    ]
    assert told(*pairs)[0] == ["opened", "joined"]


def test_a_noted_size_is_told_to_nobody_and_growth_counts_from_what_was_told() -> None:
    base = [shows(n, size=0.1) for n in range(2)]
    what, (one,) = told(*base, shows(2, size=0.14, strength=2.9))
    assert (what, one.grew, one.told, one.state_key) == (["opened", "updated"], 0, 2.0, told(*base)[1][0].state_key)
    what, (one,) = told(*base, shows(2, size=0.14, strength=2.9), shows(3, size=0.15, strength=3.0))
    assert (what, one.size, one.current["size"]) == (["opened", "updated", "grew"], 0.15, 0.15)


def test_suspicion_keeps_an_incident_open() -> None:
    """Hysteresis: it opens when it is sure, and is over when nothing is left of it."""
    base = [shows(0, sure=True, size=0.1), *(shows(n, size=0.1) for n in range(1, 6))]
    what, (one,) = told(*base)
    assert (what, one.open) == (["opened"], True)
    assert told(*base, glance("cam-1", 6), shows(7, size=0.1), glance("cam-1", 8))[0] == ["opened"]
    assert told(*base, glance("cam-1", 6), glance("cam-1", 7))[0] == ["opened", "closed"]


def test_it_is_over_after_enough_windows_without_it() -> None:
    base = [glance("cam-1", n, ["dust"]) for n in range(3)]
    assert told(*base, glance("cam-1", 3), glance("cam-1", 4, ["dust"]), glance("cam-1", 5))[0] == ["opened"]
    what, (one,) = told(*base, glance("cam-1", 3), glance("cam-1", 4))
    assert what == ["opened", "closed"]
    assert one.why_closed == RECOVERED
    assert one.closed is not None
    assert base[2].last <= one.closed <= glance("cam-1", 3).last


def test_windows_that_cannot_show_it_do_not_end_it() -> None:
    """Dust hides how surfaces look; what came meanwhile is suspect, too."""
    statistic = shows(0, cause="changed_surface").causes["changed_surface"]["statistic"]
    base = [glance("cam-1", 0), *(shows(n, cause="changed_surface", sure=True) for n in (1, 2))]
    hidden = [replace(glance("cam-1", n, ["dust"]), measured=frozenset({"dust"})) for n in (3, 4, 5)]
    well = [replace(glance("cam-1", n), measured=frozenset({"dust", statistic})) for n in (6, 7)]
    assert told(*base, *hidden)[0].count("closed") == 0
    what, (surface, dust) = told(*base, *hidden, *well)
    assert what.count("closed") == 2 and surface.closed == well[0].first - timedelta(microseconds=1) == dust.closed
    unjudged = replace(glance("cam-1", 3), state="too few")
    _, (one,) = told(*base, unjudged, glance("cam-1", 4), glance("cam-1", 5))
    assert one.covers("cam-1", unjudged.last) and not one.covers("cam-1", glance("cam-1", 4).first)


def test_what_grew_is_shown_where_it_grew() -> None:
    both = [shows(n, camera, strength=2.0) for n in range(2) for camera in ("cam-1", "cam-2")]
    what, (one,) = told(*both, shows(2, "cam-2", strength=2.5))
    assert what == ["opened", "joined"] and one.cameras == ("cam-1", "cam-2")
    more = shows(3, "cam-2", strength=6.0)
    what, (one,) = told(*both, more)
    assert what == ["opened", "joined", "grew"]
    assert (one.cameras, one.window, one.finding["strength"]) == (("cam-2", "cam-1"), more.window, 6.0)


def test_a_camera_that_joins_with_more_has_not_grown() -> None:
    first = [shows(n, "cam-1", strength=2.0) for n in range(2)]
    second = [shows(n, "cam-2", strength=6.0) for n in (1, 2, 3)]
    assert told(*first, *second)[0] == ["opened", "joined"]


def test_with_two_cameras_it_is_over_when_both_are_well() -> None:
    both = [glance(camera, n, ["lighting"]) for n in range(2) for camera in ("cam-1", "cam-2")]
    well = [glance("cam-1", n) for n in (2, 3, 4)]
    what, (one,) = told(*both, *well)
    assert (what, one.cameras) == (["opened", "joined"], ("cam-1", "cam-2"))
    assert told(*both, *well, glance("cam-2", 2), glance("cam-2", 3))[0] == ["opened", "joined", "closed"]


def test_cameras_that_agree_are_an_incident_of_the_line_which_says_where_to_look() -> None:
    both = [shows(n, camera, "lighting") for n in range(2) for camera in ("cam-1", "cam-2")]
    (one,) = told(*both)[1]
    assert one.line_level
    assert "2 cameras of line A" in one.line_words and "supply of the lamps" in one.line_words
    (alone,) = told(*both[::2])[1]
    assert not alone.line_level and alone.line_words == ""


@pytest.mark.parametrize(
    ("camera", "hour", "cause", "joins"),
    [
        ("cam-2", 12, "lighting", True),
        ("cam-2", 12.5, "lighting", False),
        ("cam-3", 1, "lighting", False),
        ("cam-2", 1, "dust", False),
    ],
)
def test_the_same_cause_on_the_line_at_about_the_same_time_is_one_incident(
    camera: str, hour: float, cause: str, joins: bool
) -> None:
    first = [glance("cam-1", n, ["lighting"]) for n in range(16)]
    second = [glance(camera, hour + n, [cause]) for n in range(2)]
    what, known = told(*first, *second)
    assert what == ["opened", "joined" if joins else "opened"]
    assert len(known) == (1 if joins else 2)


# one physical change, one incident


def causes(known: Sequence[Incident]) -> list[tuple[str, list[str]]]:
    """The cause of each incident, and what it explains."""
    return [(one.cause, list(one.also)) for one in known]


def test_six_statistics_of_one_change_are_one_incident_of_what_explains_most() -> None:
    six = ["dust", "unknown", "changed_surface", "blur", "lighting", "noise"]
    what, (one,) = told(*(glance("cam-1", n, six if n > 1 else ()) for n in range(6)))
    assert what == ["opened", *["explained"] * 5]
    assert (one.cause, list(one.also)) == ("lighting", ["blur", "dust", "noise", "unknown", "changed_surface"])
    assert one.also["dust"] == finding("dust") and one.causes == ("lighting", *one.also)
    assert {each["onset"][0] for each in one.also_on["cam-1"].values()} == {clock.stamp(one.onset[0])}


def test_dust_changes_how_parts_look_and_hides_no_product() -> None:
    _, (one,) = told(*(glance("cam-1", n, ["dust", "changed_surface"] if n > 1 else ()) for n in range(6)))
    assert (one.cause, list(one.also)) == ("dust", ["changed_surface"])
    _, two = told(*(glance("cam-1", n, ["dust", "new_product"] if n > 1 else ()) for n in range(6)))
    assert sorted(one.cause for one in two) == ["dust", "new_product"]


def test_every_pair_of_known_causes_has_an_order_and_only_what_shares_a_place_is_even() -> None:
    known = [cause for group, _ in ORDER for cause in group]
    assert len(known) == len(set(known)) and all(why for _, why in ORDER)
    assert all(set(kin) <= set(known) for kin in ALIKE)
    for one in known:
        for other in known:
            assert explains(one, other) or explains(other, one) or {"new_product", "changed_mix"} & {one, other}
    assert rank("a cause of tomorrow") == rank("unknown")


@pytest.mark.parametrize(("camera", "parts"), [("dust", "new_product"), ("unknown", "changed_mix")])
def test_blemishes_do_not_make_other_parts_nor_other_parts_blemishes(camera: str, parts: str) -> None:
    for pair in ([camera, parts], [parts, camera]):
        what, known = told(*(glance("cam-1", n, pair) for n in range(3)))
        assert (what, sorted(one.cause for one in known)) == (["opened"] * 2, sorted([camera, parts]))


def test_what_is_sure_is_told_before_what_is_not_and_then_what_explains_more() -> None:
    def both(hour: float, **sure: bool) -> Glance:
        found = {cause: finding(cause, sure=sure.get(cause, False)) for cause in ("dust", "lighting")}
        return replace(glance("cam-1", hour, found, "changed"), causes=found)

    assert causes(told(both(0), both(1, dust=True))[1]) == [("dust", ["lighting"])]
    assert causes(told(both(0), both(1, dust=True, lighting=True))[1]) == [("lighting", ["dust"])]


def test_what_begins_in_the_next_window_belongs_to_it_and_what_begins_later_does_not() -> None:
    first = [glance("cam-1", 0), shows(1, cause="lighting", sure=True)]
    soon = [glance("cam-1", n, ["lighting", "dust"]) for n in (2, 3)]
    assert causes(told(*first, *soon)[1]) == [("lighting", ["dust"])]
    late = [glance("cam-1", 2, ["lighting"]), *(glance("cam-1", n, ["lighting", "dust"]) for n in (3, 4))]
    assert causes(told(*first, *late)[1]) == [("lighting", []), ("dust", [])]


def test_what_flickers_began_with_its_first_window() -> None:
    rows = [shows(0, cause="lighting", sure=True), *(glance("cam-1", n, ["lighting"]) for n in range(1, 6))]
    for n in (1, 3, 4):
        rows[n] = glance("cam-1", n, ["lighting", "dust"])
    assert causes(told(*rows)[1]) == [("lighting", ["dust"])]


def test_what_was_there_long_before_is_no_consequence() -> None:
    rows = [*(glance("cam-1", n, ["dust"]) for n in range(4)), glance("cam-1", 4, ["dust", "lighting"])]
    rows.append(glance("cam-1", 5, ["dust", "lighting"]))
    assert causes(told(*rows)[1]) == [("dust", []), ("lighting", [])]


def test_one_that_turns_out_to_be_a_consequence_is_told_again_by_what_explains_it() -> None:
    rows = [glance("cam-1", 0), shows(1, sure=True), *(shows(n, cause="lighting", sure=True) for n in (2, 3))]
    what, (one,) = told(*rows)
    assert what == ["opened", "recast"]
    assert (one.cause, list(one.also), one.told_as, one.grew) == ("lighting", ["dust"], ("dust",), 1)
    assert one.onset == (rows[0].last, rows[1].last) and one.window == rows[2].window
    suspected = [glance("cam-1", n, ["lighting", "dust"]) for n in (2, 3)]
    assert causes(told(*rows[:2], *suspected)[1]) == [("dust", ["lighting"])], "what is only suspected explains nothing"
    parts = [shows(1, cause="new_product", sure=True), shows(2, sure=True), shows(3, sure=True)]
    assert causes(told(*parts)[1]) == [("new_product", []), ("dust", [])]


def test_a_consequence_that_grows_is_told_again_but_not_while_it_comes() -> None:
    def both(hour: float, strength: float) -> Glance:
        return glance("cam-1", hour, {"lighting": 2.0, "dust": strength})

    rows = [both(0, 2.0), both(1, 2.0)]
    assert told(*rows, both(2, 2.9), both(3, 2.9))[0] == ["opened", "explained"]
    what, (one,) = told(*rows, both(2, 3.0), both(3, 4.4))
    assert (what, one.grew, one.also["dust"]["strength"]) == (["opened", "explained", "explained"], 1, 3.0)
    sudden = [replace(shows(0, cause="lighting", sure=True)), both(1, 2.0)]
    sudden[0] = replace(sudden[0], causes={c: finding(c, sure=True) for c in ("lighting", "dust")})
    what, (one,) = told(sudden[0], both(1, 9.0))
    assert (what, one.grew, one.also["dust"]["strength"]) == (["opened", "explained", "explained"], 0, 9.0)


def test_what_outlives_it_is_an_incident_with_the_onset_that_it_had() -> None:
    rows = [glance("cam-1", 0), *(glance("cam-1", n, ["lighting", "dust"]) for n in range(1, 6))]
    rest = [glance("cam-1", n, ["dust"]) for n in (6, 7, 8)]
    assert told(*rows, rest[0])[0] == ["opened", "explained"]
    what, (lamp, dust) = told(*rows, *rest)
    assert what == ["opened", "explained", "closed", "opened"]
    assert (dust.cause, dust.after, dust.onset) == ("dust", lamp.name, lamp.onset)
    assert lamp.closed is not None and not lamp.open and dust.open
    gone = [glance("cam-1", n) for n in (6, 7)]
    assert causes(told(*rows, *gone)[1]) == [("lighting", ["dust"])]
    again = [*gone, *(glance("cam-1", n, ["dust"]) for n in (8, 9))]
    *_, late = told(*rows, *again)[1]
    assert (late.cause, late.after, late.onset[1]) == ("dust", "", again[2].last), "it was over in between"


def test_sums_that_the_change_has_left_behind_outlive_nothing() -> None:
    both = {cause: finding(cause, slow=6) for cause in ("lighting", "blur")}
    rows = [replace(glance("cam-1", n, ["lighting", "blur"]), causes=both) for n in (0, 1)]
    sums = [shows(n, cause="blur", slow=8) for n in (2, 3)]
    assert causes(told(*rows, *sums)[1]) == [("lighting", ["blur"])]
    more = [shows(n, cause="blur", slow=8) for n in (4, 5)]
    assert causes(told(*rows, *sums, *more)[1]) == [("lighting", ["blur"]), ("blur", [])]


def test_a_consequence_of_a_closed_incident_is_over_with_it_for_the_sums() -> None:
    rows = [*(glance("cam-1", n, ["lighting", "dust"]) for n in range(2)), glance("cam-1", 2), glance("cam-1", 3)]
    (one,) = told(*rows)[1]
    assert ended([one], "cam-1") == dict.fromkeys(("lighting", "dust"), one.closed)


def test_the_whole_line_is_one_incident_with_what_each_camera_shows_of_it() -> None:
    rows = [
        glance(camera, n, causes)
        for n in range(3)
        for camera, causes in (("cam-1", ["lighting", "dust"]), ("cam-2", ["lighting", "blur"]))
    ]
    what, (one,) = told(*rows)
    assert what == ["opened", "explained", "joined", "explained"]
    assert (one.cameras, list(one.also)) == (("cam-1", "cam-2"), ["blur", "dust"])


def test_on_a_camera_that_is_over_it_explains_nothing_more_while_others_show_it() -> None:
    rows = [glance(camera, n, ["lighting", "dust"]) for n in range(3) for camera in ("cam-1", "cam-2")]
    one_well = [glance("cam-1", 3, ["lighting"]), glance("cam-2", 3, ["dust"])]
    assert told(*rows, *one_well)[0] == ["opened", "explained", "joined", "explained"]
    what, (lamp, dust) = told(*rows, *one_well, glance("cam-1", 4, ["lighting"]), glance("cam-2", 4, ["dust"]))
    assert (what[-1], lamp.open, dust.cause, dust.cameras) == ("opened", True, "dust", ("cam-2",))
    assert dust.onset[1] == rows[1].last, "the onset that it had"


def test_what_a_new_reference_shows_is_no_longer_what_was_seen_before_it() -> None:
    rows = [*(glance("cam-1", n, ["lighting", "dust"]) for n in range(2)), glance("cam-1", 2, ["dust"])]
    _, known = run_by_run([rows])
    closed = {"incident": "I-0001", "what": "closed", "why": "new references", "over": clock.stamp(rows[-1].last)}
    known = fold_one(known, closed, START)
    after = [glance("cam-1", n, ["dust"], reference="v2") for n in (3, 4)]
    (event,) = follow(known, rows, after, WATCH)
    assert (event["what"], "after" in event) == ("opened", False)
    assert clock.parse(event["onset"][1]) == after[0].last


def test_a_suspicion_that_another_camera_of_the_line_has_confirmed_explains_what_is_sure() -> None:
    first = [shows(0, "cam-1", "lighting", sure=True)]
    mixed = {"dust": finding("dust", sure=True), "lighting": finding("lighting")}
    second = [replace(glance("cam-2", 0.5, mixed, "changed"), causes=mixed)]
    what, (one,) = told(*first, *second)
    assert (what, one.cameras, list(one.also)) == (["opened", "joined", "explained"], ("cam-1", "cam-2"), ["dust"])
    assert told(*first, shows(0.5, "cam-2", "lighting"))[0] == ["opened"], "alone it stays a suspicion"


def test_cameras_that_show_one_thing_as_two_causes_share_an_incident_until_both_are_well() -> None:
    rows = [shows(0, "cam-1", "frozen", sure=True), shows(0.5, "cam-2", "transfer", sure=True)]
    what, (one,) = told(*rows)
    assert (what, one.cause, one.cameras) == (["opened", "joined"], "frozen", ("cam-1", "cam-2"))
    assert (one.cause_on("cam-2"), list(one.also)) == ("transfer", ["transfer"])
    well = [glance("cam-1", n) for n in (1, 2)]
    assert told(*rows, *well)[0] == ["opened", "joined"]
    assert told(*rows, *well, *(glance("cam-2", n) for n in (3, 4)))[0] == ["opened", "joined", "closed"]
    grown = [*rows, *(shows(n, "cam-2", "transfer", strength=n) for n in (1.5, 2.5, 3.0))]
    assert (told(*grown)[0], told(*grown)[1][0].grew) == (["opened", "joined", "explained"], 1)


@pytest.mark.parametrize("state", ["learning", "too few", "not comparable"])
def test_windows_that_say_nothing_neither_open_nor_close(state: str) -> None:
    mute = [glance("cam-1", n, ["dust"], state) for n in range(5)]
    assert told(*mute) == ([], [])
    base = [glance("cam-1", n, ["dust"]) for n in range(2)]
    assert told(*base, *(glance("cam-1", n, (), state) for n in range(2, 6)))[0] == ["opened"]
    broken = [base[0], glance("cam-1", 1, (), state), glance("cam-1", 2, ["dust"])]
    assert told(*broken)[0] == ["opened"]  # it says nothing, so it does not interrupt the row either


def test_it_opens_again_after_it_was_over() -> None:
    rows = [glance("cam-1", n, ["dust"] if n in (0, 1, 4, 5) else ()) for n in range(6)]
    what, known = told(*rows)
    assert what == ["opened", "closed", "opened"]
    assert known[1].onset == (rows[3].last, rows[4].last)


def test_windows_against_an_earlier_reference_do_not_confirm_one_against_a_new_one() -> None:
    """A person said: this is healthy now. One odd window after that is one odd window."""
    old = [glance("cam-1", n, ["lighting"]) for n in range(3)]
    events, known = run_by_run([old])
    closed = {"incident": "I-0001", "what": "closed", "why": "new references", "over": clock.stamp(old[-1].last)}
    known = fold_one(known, closed, START)
    assert [event["what"] for event in events] == ["opened"]
    assert follow(known, old, [glance("cam-1", 3, ["lighting"], reference="v2")], WATCH) == []


windows = st.lists(
    st.tuples(
        st.sampled_from(sorted(LINES)),
        st.dictionaries(st.sampled_from(["dust", "lighting"]), st.floats(1, 9), max_size=2),
        st.sampled_from(["", "", "", "too few", "learning"]),
    ),
    max_size=24,
)


def in_time(drawn: Sequence[tuple[str, dict[str, float], str]]) -> list[Glance]:
    """One after the other, each camera's hours its own."""
    return [glance(camera, number / 2, causes, state) for number, (camera, causes, state) in enumerate(drawn)]


@given(windows, st.lists(st.integers(0, 24), max_size=6))
def test_all_windows_at_once_are_followed_as_run_by_run(
    drawn: list[tuple[str, dict[str, float], str]], cuts: list[int]
) -> None:
    rows = in_time(drawn)
    edges = [0, *sorted(cuts), len(rows)]
    runs = [rows[a:b] for a, b in pairwise(edges)]
    assert run_by_run(runs) == run_by_run([rows])


@given(windows, st.integers(1, 24), st.sampled_from(["dust", "lighting", ""]))
def test_a_late_window_changes_nothing_now_or_later(
    drawn: list[tuple[str, dict[str, float], str]], cut: int, cause: str
) -> None:
    rows = in_time(drawn)
    judged = [one for one in rows[:cut] if one.state in JUDGED]
    late = [replace(glance(one.camera, -1, [cause] if cause else ()), window="late") for one in judged[-1:]]
    assert run_by_run([rows[:cut], late, rows[cut:]]) == run_by_run([rows[:cut], rows[cut:]])


@given(windows)
def test_an_incident_is_never_opened_twice_for_one_camera_and_names_count_up(
    drawn: list[tuple[str, dict[str, float], str]],
) -> None:
    events, known = run_by_run([in_time(drawn)])
    standing = [(one.cause, camera) for one in known if one.open for camera in one.cameras]
    assert len(standing) == len(set(standing))
    assert [one.name for one in known] == [f"I-{n:04d}" for n in range(1, len(known) + 1)]
    assert all(one.onset[0] <= one.onset[1] for one in known)
    assert all(LINES[camera] == one.line for one in known for camera in one.cameras)
    for one in known:
        whats = [event["what"] for event in events if event["incident"] == one.name]
        assert whats[0] == "opened"
        assert whats.count("closed") == (0 if one.open else 1)


many = st.lists(
    st.tuples(
        st.sampled_from(["cam-1", "cam-2"]),
        st.dictionaries(st.sampled_from(["dust", "lighting", "new_product", "blur"]), st.floats(1, 9), max_size=3),
        st.just(""),
    ),
    max_size=20,
)


@given(many)
def test_whatever_two_windows_in_a_row_show_belongs_to_an_open_incident(
    drawn: list[tuple[str, dict[str, float], str]],
) -> None:
    rows = in_time(drawn)
    _, known = run_by_run([rows])
    for camera in ("cam-1", "cam-2"):
        last = [one for one in rows if one.camera == camera][-2:]
        mine = [one for one in known if one.open and camera in one.cameras]
        told_of = {cause for one in mine for cause in (one.cause_on(camera), *one.also_on.get(camera, ()))}
        shown = set.intersection(*(set(one.causes) for one in last)) if len(last) == 2 else set()
        assert shown <= told_of


@given(many, st.lists(st.integers(0, 20), max_size=4))
def test_consequences_are_followed_run_by_run_as_all_at_once(
    drawn: list[tuple[str, dict[str, float], str]], cuts: list[int]
) -> None:
    rows = in_time(drawn)
    edges = [0, *sorted(cuts), len(rows)]
    assert run_by_run([rows[a:b] for a, b in pairwise(edges)]) == run_by_run([rows])


def test_windows_are_read_from_the_ledger() -> None:
    body = {
        "window": "w",
        "camera": "cam-1",
        "line": "A",
        "first": clock.stamp(START),
        "last": clock.stamp(START + HOUR),
        "images": 12,
        "state": "changed",
        "findings": [finding("dust")],
        "reference": "v1",
    }
    (one,) = glances([Event(1, "", "watch", "watch", {"run": "r", "windows": [body]}, "")])
    assert (one.last, one.causes["dust"]["strength"], one.reference) == (START + HOUR, 2.0, "v1")


def test_what_added_up_is_not_over_before_as_much_has_come_against_a_new_reference() -> None:
    slow = [shows(0, sure=True, slow=5)]
    new = [glance("cam-1", hour, reference="v2") for hour in range(1, 7)]
    events, known = run_by_run([slow, new[:4]])
    assert [event["what"] for event in events] == ["opened"] and known[0].open
    events, known = run_by_run([slow, new])
    assert [event["what"] for event in events] == ["opened", "closed"] and known[0].closed == new[0].first - timedelta(
        microseconds=1
    )
    events, _ = run_by_run([slow, [replace(one, reference="v1") for one in new[:2]]])
    assert [event["what"] for event in events] == ["opened", "closed"]
