"""Some of the kills of `python -m benchmarks.kills`: nothing is lost, nothing doubled, no process is left."""

from pathlib import Path

import pytest

from benchmarks.kills.__main__ import kill_some
from benchmarks.kills.tally import Tally, above
from benchmarks.kills.world import COMMANDS, World

KILLS = {"ingest": 2, "watch": 2, "retrain": 1, "approve": 2, "rollback": 2, "verify": 2}  # CI has an hour


def test_the_bound_is_exact() -> None:
    assert above(0, 59) < 0.05 < above(0, 58)
    assert above(0, 500) == pytest.approx(1 - 0.05 ** (1 / 500))
    assert above(1, 1) == 1.0 == above(0, 0)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("kills") / "world")


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_what_was_killed_is_finished_by_the_next_run(world: World, tmp_path: Path, command: str) -> None:
    tally = Tally(tmp_path / "kills.json", seed=1)
    kill_some(world, tally, command, KILLS[command], seed=1)
    kills = Tally(tmp_path / "kills.json", seed=1).of(command)  # as a run that was stopped finds them
    assert len(kills) == KILLS[command]
    assert [one for one in kills if not one["finished"] or one["processes"]] == []
    print("\n".join(tally.lines([command])))
