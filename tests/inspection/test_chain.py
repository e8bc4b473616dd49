import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inspection import chain, clock
from inspection.chain import Event
from inspection.errors import CheckHistory
from tests.inspection.world import NOON

leaves = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(max_size=12))
names = st.text(max_size=8).filter(lambda name: name not in ("n", "at", "kind", "by", "prev"))
bodies = st.lists(st.dictionaries(names, leaves, max_size=3), min_size=1, max_size=5)


@contextmanager
def written(contents: list[dict[str, Any]]) -> Iterator[tuple[Path, list[Event]]]:
    """A file with one event per body."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        yield path, chain.append(path, None, "label", "Tess", contents)


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def head(path: Path) -> tuple[int, str]:
    events = list(chain.read([path]))
    return (events[-1].n, events[-1].digest) if events else (0, chain.START)


@given(bodies)
@example([{"text": "line\u2028break\nand\r\x85more"}])
def test_what_was_appended_is_what_is_read(contents: list[dict[str, Any]]) -> None:
    with written(contents) as (path, events):
        assert list(chain.read([path])) == events
        assert [{k: v for k, v in event.body.items() if k != "prev"} for event in events] == contents
        assert [event.n for event in events] == list(range(1, len(contents) + 1))


@given(bodies, st.data())
def test_a_changed_byte_is_noticed_or_gives_another_head(contents: list[dict[str, Any]], data: st.DataObject) -> None:
    with written(contents) as (path, events):
        content = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[at]))
        path.write_bytes(content)
        in_last_line = at >= len(content) - len(lines_of(path)[-1])
        try:
            assert head(path) != (events[-1].n, events[-1].digest)
            assert in_last_line, "a change before the last line breaks the chain itself"
        except CheckHistory:
            pass


@given(st.data())
def test_a_line_taken_out_is_noticed(data: st.DataObject) -> None:
    with written([{"x": n} for n in range(5)]) as (path, events):
        lines = lines_of(path)
        gone = data.draw(st.integers(0, 4))
        path.write_bytes(b"".join(lines[:gone] + lines[gone + 1 :]))
        if gone == 4:
            assert head(path) != (5, events[-1].digest)  # who knows the head knows that one is missing
        else:
            with pytest.raises(CheckHistory, match=r"events\.jsonl"):
                list(chain.read([path]))


@given(st.integers(0, 3), st.one_of(st.binary(max_size=30), st.sampled_from([b"[]", b"[1,2]", b"1", b"null", b'"n"'])))
@example(0, b"[1,2]")
@example(3, b"{}")
def test_a_line_put_in_is_noticed(at: int, line: bytes) -> None:
    with written([{"x": n} for n in range(3)]) as (path, _):
        lines = lines_of(path)
        path.write_bytes(b"".join([*lines[:at], line.replace(b"\n", b"") + b"\n", *lines[at:]]))
        with pytest.raises(CheckHistory):
            list(chain.read([path]))


@given(st.permutations(range(4)).filter(lambda order: order != [0, 1, 2, 3]))
def test_lines_in_another_order_are_noticed(order: list[int]) -> None:
    with written([{"x": n} for n in range(4)]) as (path, _):
        lines = lines_of(path)
        path.write_bytes(b"".join(lines[n] for n in order))
        with pytest.raises(CheckHistory):
            list(chain.read([path]))


def test_a_line_written_twice_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    chain.append(path, None, "label", "Tess", [{"x": 1}])
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(CheckHistory, match="event 2"):
        list(chain.read([path]))


@given(bodies, st.data())
def test_a_torn_last_line_is_ignored_and_repaired_by_the_next_append(
    contents: list[dict[str, Any]], data: st.DataObject
) -> None:
    with written(contents) as (path, events):
        whole, last = path.read_bytes(), len(lines_of(path)[-1])
        path.write_bytes(whole[: len(whole) - data.draw(st.integers(1, last))])
        assert list(chain.read([path])) == events[:-1]
        before = events[-2] if len(events) > 1 else None
        added = chain.append(path, before, "label", "Theo", [{"again": True}])
        assert list(chain.read([path])) == [*events[:-1], *added]


def test_the_chain_goes_on_from_file_to_file_and_names_the_file_that_breaks_it(tmp_path: Path) -> None:
    paths = [tmp_path / f"2026-{month}" / "events.jsonl" for month in (10, 11)]
    first = chain.append(paths[0], None, "label", "Tess", [{"x": 1}, {"x": 2}])
    second = chain.append(paths[1], first[-1], "label", "Tess", [{"x": 3}])
    assert list(chain.read(paths)) == [*first, *second]
    paths[0].write_bytes(b"".join(lines_of(paths[0])[:1]))
    with pytest.raises(CheckHistory, match="2026-11"):
        list(chain.read(paths))


def test_a_file_that_is_not_there_holds_no_events(tmp_path: Path) -> None:
    assert list(chain.read([tmp_path / "events.jsonl"])) == []


def test_the_first_event_that_claims_a_predecessor_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    raw = {"n": 1, "at": "2026", "kind": "label", "by": "Tess", "prev": "1" * 64}
    path.write_text(json.dumps(raw) + "\n")
    with pytest.raises(CheckHistory, match="does not follow"):
        list(chain.read([path]))


def test_an_event_carries_the_time_of_the_clock_and_its_author(tmp_path: Path) -> None:
    with clock.at(NOON):
        chain.append(tmp_path / "events.jsonl", None, "label", "Jürgen", [{"x": 1}])
    (event,) = chain.read([tmp_path / "events.jsonl"])
    assert (event.at, event.by, event.kind) == ("2026-11-02T12:00:00.000000+00:00", "Jürgen", "label")
