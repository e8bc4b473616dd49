import subprocess
import sys
from datetime import timedelta

import pytest

from inspection import chain, clock
from inspection.errors import CheckHistory
from inspection.layout import Layout
from inspection.records import ledger
from inspection.records.ledger import Head
from tests.conftest import ROOT
from tests.inspection.world import NOON


@pytest.fixture
def layout(tmp_path) -> Layout:
    return Layout(tmp_path, tmp_path)


def add(layout: Layout, *values: int) -> None:
    ledger.append(layout, "label", "Tess", [{"x": value} for value in values])


def values(layout: Layout, upto: Head | None = None) -> list[int]:
    return [event.body["x"] for event in ledger.read(layout, upto)]


def test_an_empty_ledger_has_a_head_and_no_events(layout: Layout) -> None:
    assert ledger.head(layout) == Head(0, chain.START)
    assert ledger.read(layout) == [] and ledger.read(layout, Head(0, chain.START)) == []


def test_nothing_to_append_writes_nothing(layout: Layout) -> None:
    assert ledger.append(layout, "label", "Tess", []) == []
    assert ledger.files(layout) == []


def test_events_lie_in_the_file_of_their_month_and_are_read_in_order(layout: Layout) -> None:
    with clock.at(NOON):
        add(layout, 1, 2)
    with clock.at(NOON + timedelta(days=40)):
        add(layout, 3)
    assert [path.parent.name for path in ledger.files(layout)] == ["2026-11", "2026-12"]
    assert values(layout) == [1, 2, 3]


def test_a_clock_that_was_set_back_does_not_write_into_an_earlier_month(layout: Layout) -> None:
    with clock.at(NOON):
        add(layout, 1)
    with clock.at(NOON - timedelta(days=60)):
        add(layout, 2)
    assert [path.parent.name for path in ledger.files(layout)] == ["2026-11"]
    assert values(layout) == [1, 2]


def test_reading_up_to_a_head_gives_what_there_was_then(layout: Layout) -> None:
    add(layout, 1, 2)
    then = ledger.head(layout)
    add(layout, 3)
    assert values(layout, then) == [1, 2] and values(layout) == [1, 2, 3]


def test_a_head_notices_that_its_last_event_is_gone(layout: Layout) -> None:
    add(layout, 1, 2)
    then = ledger.head(layout)
    (file,) = ledger.files(layout)
    file.write_bytes(file.read_bytes().splitlines(keepends=True)[0])
    assert values(layout) == [1]
    with pytest.raises(CheckHistory, match=r"event 2 is missing or different.*git"):
        ledger.read(layout, then)


def test_a_head_notices_that_its_last_event_says_something_else(layout: Layout) -> None:
    add(layout, 1, 2)
    then = ledger.head(layout)
    (file,) = ledger.files(layout)
    file.write_bytes(file.read_bytes().replace(b'"x":2', b'"x":3'))
    with pytest.raises(CheckHistory, match="event 2"):
        ledger.read(layout, then)


def test_two_processes_that_write_at_once_lose_nothing(layout: Layout) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from inspection.layout import Layout; from inspection.records import ledger\n"
        "here = Path(sys.argv[1]); layout = Layout(here, here)\n"
        "for n in range(15): ledger.append(layout, 'label', sys.argv[2], [{'x': n}])\n"
    )
    command = [sys.executable, "-c", program, str(layout.home)]
    writers = [subprocess.Popen([*command, name], cwd=ROOT) for name in ("Tess", "Theo")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    events = ledger.read(layout)
    for name in ("Tess", "Theo"):
        assert [event.body["x"] for event in events if event.by == name] == list(range(15))


def test_what_was_read_is_not_read_again_and_what_is_added_is(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    add(layout, 1, 2)
    assert values(layout) == [1, 2]
    seen: list[int] = []
    really = chain._event

    def count(line: bytes, path: object, n: int) -> chain.Event:
        seen.append(n)
        return really(line, path, n)

    monkeypatch.setattr(chain, "_event", count)
    add(layout, 3)
    assert values(layout) == values(layout) == [1, 2, 3]
    assert seen == [3]


def test_a_month_goes_on_in_another_file_when_the_first_is_long(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "FILE_BYTES", 300)
    with clock.at(NOON):
        for value in range(12):
            add(layout, value)
    files = ledger.files(layout)
    assert len(files) > 2 and files[0].name == "events.jsonl"
    assert all(file.stat().st_size < 600 for file in files)
    assert values(layout) == list(range(12))
    ledger._known.cache_clear()
    assert values(layout) == list(range(12))


def test_another_history_in_the_ledgers_place_is_read_from_its_start(layout: Layout) -> None:
    add(layout, 1)
    assert values(layout) == [1]
    (file,) = ledger.files(layout)
    other = Layout(layout.home / "other", layout.home / "other")
    add(other, 7, 8, 9)
    file.write_bytes(ledger.files(other)[0].read_bytes())
    assert values(layout) == [7, 8, 9]


def test_a_torn_last_line_is_not_believed_and_the_next_event_takes_its_place(layout: Layout) -> None:
    add(layout, 1)
    (file,) = ledger.files(layout)
    file.write_bytes(file.read_bytes() + b'{"n":2,"at"')
    assert values(layout) == values(layout) == [1]
    add(layout, 2)
    assert values(layout) == [1, 2]
