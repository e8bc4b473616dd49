"""Commissions: which reference holds for a camera."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from inspection import clock
from inspection.chain import Event
from inspection.layout import Layout
from inspection.records import commissions

START = datetime(2026, 11, 2, 6, tzinfo=UTC)


def event(n: int, camera: str, version: str, by: str = "Ines") -> Event:
    body = {
        "camera": camera,
        "version": version,
        "digest": f"{n:064d}",
        "first": clock.stamp(START),
        "last": clock.stamp(START + timedelta(hours=n)),
        "images": 40 * n,
        "windows": n,
    }
    return Event(n, clock.stamp(START + timedelta(days=n)), "reference", by, body, "")


def test_the_last_one_holds_and_the_earlier_ones_are_kept(tmp_path: Path) -> None:
    events = [event(1, "cam-1", "v1"), event(2, "cam-2", "v1"), event(3, "cam-1", "v2", "Lena")]
    assert [one.version for one in commissions.fold(events)["cam-1"]] == ["v1", "v2"]
    now = commissions.current(events)
    assert set(now) == {"cam-1", "cam-2"}
    one = now["cam-1"]
    assert (one.version, one.by, one.images, one.windows) == ("v2", "Lena", 120, 3)
    assert (one.first, one.last, one.at) == (START, START + timedelta(hours=3), START + timedelta(days=3))
    layout = Layout(tmp_path, tmp_path)
    assert one.folder(layout) == tmp_path / "references" / "cam-1" / "v2"


def test_other_events_say_nothing_of_references() -> None:
    other = Event(1, clock.stamp(START), "watch", "watch", {"run": "r", "windows": []}, "")
    assert commissions.fold([other]) == {} == commissions.current([])


def said(n: int, what: str, camera: str = "cam-1", **more: object) -> Event:
    """An announcement, or a refusal of the pictures so far, on day `n`."""
    body = {"camera": camera, "what": what, "since": clock.stamp(START + timedelta(days=n)), **more}
    return Event(n, clock.stamp(START + timedelta(days=n)), "renewal", "Ines", body, "")


def announced(n: int, camera: str = "cam-1", reason: str = "a new lens") -> Event:
    return said(n, "announced", camera, reason=reason, images=800)


def test_from_an_announced_change_on_the_old_reference_no_longer_judges() -> None:
    events = [event(1, "cam-1", "v1"), event(2, "cam-2", "v1"), announced(3)]
    assert set(commissions.current(events)) == {"cam-2"}
    one = commissions.under_way(events)["cam-1"]
    assert (one.reason, one.by, one.images, one.since, one.learning) == (
        "a new lens",
        "Ines",
        800,
        START + timedelta(days=3),
        True,
    )
    assert [kept.version for kept in commissions.fold(events)["cam-1"]] == ["v1"]


def test_the_next_reference_ends_it_however_it_came() -> None:
    events = [event(1, "cam-1", "v1"), announced(2), event(3, "cam-1", "v2")]
    assert commissions.current(events)["cam-1"].version == "v2"
    assert commissions.under_way(events) == {}
    assert [one.ended for one in commissions.renewals(events)["cam-1"]] == ["v2"]


def test_refused_pictures_leave_it_learning_from_then_on() -> None:
    events = [event(1, "cam-1", "v1"), announced(2), said(3, "refused", why="too different")]
    one = commissions.under_way(events)["cam-1"]
    assert (one.since, one.refused, one.images) == (START + timedelta(days=3), ("too different",), 800)
    assert "cam-1" not in commissions.current(events)


def test_another_announcement_takes_the_place_of_the_first() -> None:
    events = [announced(1), announced(2, reason="a new lamp")]
    assert [one.ended for one in commissions.renewals(events)["cam-1"]] == [commissions.AGAIN, ""]
    assert commissions.under_way(events)["cam-1"].reason == "a new lamp"


def test_each_state_of_a_change_has_a_key_of_its_own() -> None:
    story = [announced(1), said(2, "refused", why="x"), said(3, "refused", why="y"), event(4, "cam-1", "v1")]
    story += [announced(5), announced(6)]
    keys = [commissions.renewals(story[:upto])["cam-1"][-1].state_key for upto in range(1, len(story) + 1)]
    assert len(set(keys)) == len(story)
    assert all(key.startswith("renewal/cam-1/") for key in keys)


def test_a_ledger_from_before_there_were_any_folds_as_ever() -> None:
    events = [event(1, "cam-1", "v1")]
    assert commissions.renewals(events) == {}
    assert commissions.current(events)["cam-1"].reason == ""


@given(st.lists(st.sampled_from(["cam-1", "cam-2", "cam-3"]), max_size=12))
def test_each_camera_has_its_own_row_of_versions(cameras: list[str]) -> None:
    seen: dict[str, int] = {}
    events = []
    for n, camera in enumerate(cameras, 1):
        seen[camera] = seen.get(camera, 0) + 1
        events.append(event(n, camera, f"v{seen[camera]}"))
    folded = commissions.fold(events)
    assert {camera: len(every) for camera, every in folded.items()} == seen
    for camera, every in folded.items():
        assert [one.version for one in every] == [f"v{n}" for n in range(1, seen[camera] + 1)]
        assert commissions.current(events)[camera] == every[-1]
