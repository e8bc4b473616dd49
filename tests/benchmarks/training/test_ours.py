"""What a retrain goes on from."""

from benchmarks.training.ours import earlier
from tests.benchmarks.training.test_folder import table


def test_what_came_earlier_is_whole_parts_by_time() -> None:
    frame = table(4, parts=20)
    old = earlier(frame, 0.9)
    assert set(old["serial"]) == {f"s{part}" for part in range(18)} and len(old) == 72
