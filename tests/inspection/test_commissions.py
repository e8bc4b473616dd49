"""Commissions: which reference holds for a camera."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from inspection import clock, commissions
from inspection.chain import Event
from inspection.layout import Layout

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
