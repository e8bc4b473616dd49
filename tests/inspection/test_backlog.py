import pytest

from inspection import backlog, clock
from inspection.backlog import Backlog
from inspection.errors import FixSettings
from inspection.layout import Layout
from tests.inspection.world import NOON


@pytest.fixture
def layout(tmp_path) -> Layout:
    return Layout(tmp_path, tmp_path)


def targets(layout: Layout) -> list[tuple[str, str | None]]:
    return [(one.target, one.rev) for one in backlog.read(layout).waiting]


def test_nothing_waits_at_first(layout: Layout) -> None:
    assert backlog.read(layout) == Backlog()
    assert backlog.words(Backlog()) == ""


def test_what_is_noted_waits_once_in_its_order(layout: Layout) -> None:
    backlog.note(layout, ["data/batches/p/b2", "data/batches/p/b1"])
    backlog.note(layout, ["data/batches/p/b1", "data/batches/p/b3"])
    assert [name for name, _ in targets(layout)] == [f"data/batches/p/b{n}" for n in (2, 1, 3)]


def test_a_stage_waits_for_each_revision(layout: Layout) -> None:
    backlog.note(layout, ["train"], "abc")
    backlog.note(layout, ["train"], "def")
    backlog.note(layout, ["train"])
    assert targets(layout) == [("train", "abc"), ("train", "def"), ("train", None)]


def test_what_arrived_is_struck_off_and_what_came_meanwhile_stays(layout: Layout) -> None:
    backlog.note(layout, ["a", "b"])
    sent = backlog.read(layout).waiting
    backlog.note(layout, ["c"])
    backlog.strike(layout, sent)
    assert targets(layout) == [("c", None)]


def test_the_reason_is_kept_until_something_arrives(layout: Layout) -> None:
    with clock.at(NOON):
        backlog.note(layout, ["a", "b"])
    backlog.failed(layout, "connection refused")
    assert backlog.words(backlog.read(layout)) == "2 pushes wait since 2026-11-02 12:00 UTC: connection refused"
    backlog.strike(layout, backlog.read(layout).waiting[:1])
    assert backlog.read(layout).why == ""


@pytest.mark.parametrize("content", ["", "{", '{"waiting": [{"target": "a"}], "why": ""}', "[1]", '{"waiting": 3}'])
def test_a_damaged_note_is_said_with_the_remedy(layout: Layout, content: str) -> None:
    backlog.note(layout, ["a"])
    (layout.state / "backlog.json").write_text(content)
    with pytest.raises(FixSettings, match="andon push --all"):
        backlog.read(layout)
