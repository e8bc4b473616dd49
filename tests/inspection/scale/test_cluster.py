"""The cluster's part of the seam, with scheduler and worker in this process; real ones are in tests/services."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import LocalCluster

from inspection.errors import FixInput, FixSettings, WaitForOther
from inspection.scale import badge, cluster
from inspection.scale.cluster import SHARD, Cluster
from inspection.scale.engine import Here
from inspection.scale.work import Tools
from tests.inspection.scale.toys import Naming, blank, names


def local(resources: dict[str, int]) -> Any:
    return LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        protocol="tcp://",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        resources=resources,
    )


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    with local(dict.fromkeys(badge.worn(), 1)) as running:
        yield running.scheduler_address


@pytest.fixture
def joined(scheduler: str, tmp_path: Path) -> Iterator[Cluster]:
    one = Cluster(scheduler, *blank(tmp_path))
    yield one
    one.close()


def test_rows_come_once_and_in_order_as_they_do_here(joined: Cluster, tmp_path: Path) -> None:
    items, here = names(5 * SHARD + 3), Here(Tools(blank(tmp_path)[1], tmp_path))
    assert list(joined.rows(Naming(), items)) == list(here.rows(Naming(), items)) == [one.upper() for one in items]
    assert list(joined.rows(Naming(), [])) == []


def test_items_that_are_much_work_go_out_one_by_one(joined: Cluster) -> None:
    real, out = joined._submitted, []

    def counted(parcel: Any, items: Any, priority: int) -> Any:
        out.append(len(items))
        return real(parcel, items, priority)

    joined._submitted = counted  # type: ignore[method-assign]
    assert list(joined.rows(Naming(), names(SHARD), shard=1)) == [one.upper() for one in names(SHARD)]
    assert out == [1] * SHARD


def test_an_item_that_ends_workers_is_lost_alone(joined: Cluster) -> None:
    items = names(3 * SHARD)
    items[SHARD + 2] = "as if deadly"
    rows = list(joined.rows(Naming(), items))
    assert rows[SHARD + 2] == "lost as if deadly"
    assert [row for row in rows if not row.startswith("lost")] == [one.upper() for one in items if one[0] == "n"]


def test_what_is_wrong_with_the_work_is_raised_as_it_was(joined: Cluster) -> None:
    with pytest.raises(FixInput, match="This item is wrong"):
        list(joined.rows(Naming(), ["wrong"]))
    with pytest.raises(WaitForOther, match=r"A worker of the cluster stopped \(.*/mnt/inbox"):
        list(joined.rows(Naming(), ["closed"]))
    assert list(joined.rows(Naming(), ["n1"])) == ["N1"]


def test_a_worker_that_does_not_wear_the_badge_gets_no_work_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 2.0)
    odd, refused = {"andon-0123456789abcdef": 1}, "No worker of the Dask cluster may work"
    with local(odd) as running, pytest.raises(FixSettings, match=refused):
        Cluster(running.scheduler_address, *blank(tmp_path))
    assert "gets no work: it was not started by `andon scale worker`" in capsys.readouterr().err


def test_work_that_demands_another_badge_is_refused_by_the_worker_itself(joined: Cluster) -> None:
    joined._wanted, right = ["andon-0123456789abcdef"], joined._wanted
    real = joined._submitted
    joined._submitted = lambda parcel, items, priority: joined._client.submit(parcel, items, pure=False)  # type: ignore[method-assign]
    with pytest.raises(FixSettings, match="of other code was handed work of andon-0123456789abcdef"):
        list(joined.rows(Naming(), ["n1"]))
    joined._wanted, joined._submitted = right, real  # type: ignore[method-assign]


def test_a_network_that_is_not_what_was_put_on_the_shelf_is_refused(scheduler: str, tmp_path: Path) -> None:
    shelf, features = blank(tmp_path)
    joined = Cluster(scheduler, shelf, features)
    shelf._named(features.digest).write_bytes(b"another network")
    with pytest.raises(FixSettings, match="is not what the plant's computer put there"):
        list(joined.rows(Naming(), ["n1"]))
    joined.close()


def test_nobody_there_is_told_with_both_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 1.0)
    monkeypatch.setattr(cluster, "CONNECT", 0.5)
    with pytest.raises(WaitForOther, match=r"start its scheduler .*or set scale.dask to \"\""):
        Cluster("tcp://127.0.0.1:1", *blank(tmp_path))


def test_a_plain_address_off_this_computer_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(FixSettings, match="without encryption"):
        Cluster("tcp://10.0.0.7:8786", *blank(tmp_path))
