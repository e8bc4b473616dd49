"""Real schedulers and workers in processes of their own, which are killed, started anew, and hold certificates."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from flows.ingest import ingest
from flows.looks import look
from flows.tasks import run_here
from inspection import clock, git
from inspection.cameras import read_cameras
from inspection.errors import FixSettings, WaitForOther
from inspection.layout import Layout
from inspection.model.package import sight_on_line
from inspection.network.features import Features, shown
from inspection.network.views import PLAIN
from inspection.params import read_params
from inspection.records import batches, verdicts
from inspection.records.catalog import open_catalog
from inspection.scale import cluster
from inspection.scale.cluster import Cluster
from plant.line import Plant
from plant.shot import Shot
from tests.conftest import DAY, EVENING, ROOT, set_params
from tests.flows.test_watch import ONE_DAY, SMALL, accept, evening, lamp, pictures, take_in
from tests.inspection.scale.toys import Naming, blank, names
from tests.ports import free_port

pytestmark = pytest.mark.services
Certificates = Callable[[str], dict[str, str]]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


@contextmanager
def process(log: Path, *words: str, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process, ended with all that it started."""
    with log.open("ab") as out:
        started = subprocess.Popen(words, env=environment(**more), stdout=out, stderr=out)
    try:
        yield started
    finally:
        with_children(started.pid, signal.SIGKILL)
        started.wait()


def with_children(pid: int, number: signal.Signals) -> None:
    try:
        one = psutil.Process(pid)
        family = [*one.children(recursive=True), one]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def scheduler(folder: Path, port: int, **pem: str) -> Any:
    words = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", str(port), "--host"]
    words += ["127.0.0.1", *(["--protocol", "tls"] if pem else []), "--dashboard-address", "127.0.0.1:0", "--no-show"]
    if pem:
        words += ["--tls-ca-file", pem["ANDON_DASK_CA"], "--tls-cert", pem["ANDON_DASK_CERT"]]
        words += ["--tls-key", pem["ANDON_DASK_KEY"]]
    return process(folder / "scheduler.log", *words)


def worker(folder: Path, address: str, processes: int = 1, **more: str) -> Any:
    words = [sys.executable, "-m", "andon", "scale", "worker", address, "--processes", str(processes)]
    return process(folder / "worker.log", *words, **more)


def computing(pid: int) -> list[psutil.Process]:
    """The processes under the nannies: those that compute."""
    found = psutil.Process(pid).children(recursive=True)
    return [one for one in found if "spawn_main" in " ".join(one.cmdline())]


def said(folder: Path, words: str, seconds: float = 60) -> None:
    """Wait until a worker's log holds these words."""
    until = time.monotonic() + seconds
    while words not in (folder / "worker.log").read_text():
        assert time.monotonic() < until, (folder / "worker.log").read_text()[-2000:]
        time.sleep(0.2)


def test_workers_killed_again_and_again_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    log.mkdir()
    address = f"tcp://127.0.0.1:{port}"
    over = threading.Event()
    with scheduler(tmp_path, port), worker(tmp_path, address, 2) as started:
        joined = Cluster(address, *blank(tmp_path))
        kills = []

        def kill() -> None:
            while not over.wait(2):
                if len(joined._client.scheduler_info()["workers"]) == 2:
                    one = computing(started.pid)[len(kills) % 2]
                    one.kill()
                    kills.append(one.pid)

        killer = threading.Thread(target=kill)
        killer.start()
        items = names(320)
        try:
            rows = list(joined.rows(Naming(log, 0.06), items))
        finally:
            over.set()
            killer.join()
        joined.close()
    assert rows == [one.upper() for one in items]
    assert len(kills) >= 2, kills
    assert len(list(log.iterdir())) >= len(items)  # done twice is no harm: told once is what counts


def test_an_item_that_kills_its_workers_is_lost_alone(tmp_path: Path) -> None:
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    with scheduler(tmp_path, port), worker(tmp_path, address):
        joined = Cluster(address, *blank(tmp_path))
        items = names(40)
        items[20] = "deadly"
        rows = list(joined.rows(Naming(), items))
        joined.close()
    assert rows[20] == "lost deadly" and [rows[n] for n in (0, 19, 21, 39)] == ["N000", "N019", "N021", "N039"]


def test_a_scheduler_that_is_started_anew_costs_time_only(tmp_path: Path) -> None:
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    with worker(tmp_path, address):
        with scheduler(tmp_path, port):
            joined = Cluster(address, *blank(tmp_path))
            rows = joined.rows(Naming(pause=0.05), names(200))
            first = [next(rows) for _ in range(40)]
        with scheduler(tmp_path, port):
            rest = list(rows)
            joined.close()
    assert first + rest == [one.upper() for one in names(200)]


def test_a_cluster_that_stays_away_is_told_with_both_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    with worker(tmp_path, address):
        with scheduler(tmp_path, port):
            joined = Cluster(address, *blank(tmp_path))
            rows = joined.rows(Naming(pause=0.05), names(200))
            next(rows)
        monkeypatch.setattr(cluster, "PATIENCE", 3.0)
        monkeypatch.setattr(cluster, "CONNECT", 1.0)
        with pytest.raises(WaitForOther, match=r"Nothing is lost: start its scheduler .* or set scale.dask to \"\""):
            list(rows)
        joined.close()


def test_workers_of_a_plain_cluster_listen_on_this_computer_only(tmp_path: Path) -> None:
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    with scheduler(tmp_path, port), worker(tmp_path, address) as started:
        joined = Cluster(address, *blank(tmp_path))
        family = psutil.Process(started.pid).children(recursive=True)
        heard = [one.laddr.ip for member in family for one in member.net_connections() if one.status == "LISTEN"]
        joined.close()
    assert heard and set(heard) <= {"127.0.0.1", "::1"}, heard


def test_a_worker_that_was_started_otherwise_gets_no_work_and_the_others_do_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    other = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--name", "odd"]
    with (
        scheduler(tmp_path, port),
        process(tmp_path / "other.log", *other, "--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"),
        worker(tmp_path, address),
    ):
        joined = Cluster(address, *blank(tmp_path))
        until = time.monotonic() + 60
        while "odd" not in str(joined._workers()[1]) and time.monotonic() < until:
            time.sleep(0.2)
        joined._await_workers()
        assert list(joined.rows(Naming(), names(40))) == [one.upper() for one in names(40)]
        joined.close()
    assert "Worker odd gets no work: it was not started by `andon scale worker`" in capsys.readouterr().err


@pytest.mark.usefixtures("prefect_harness")
def test_an_ingest_by_workers_takes_in_what_one_without_them_does(
    tiny: Layout, fill: Callable[..., list[Shot]], tmp_path: Path
) -> None:
    shots = fill(20)
    (tiny.home / "inbox" / "odd.png").write_bytes(b"no image")
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    set_params(tiny, scale__dask=address)
    with scheduler(tmp_path, port), worker(tmp_path, address), clock.at(EVENING):
        result = run_here(ingest, root=tiny.root)
    assert (result["accepted"], result["refused"]) == (len(shots), 1)
    assert not [path for path in (tiny.home / "inbox").rglob("*") if path.is_file()]
    (folder,) = batches.on_disk(tiny)
    rows = pd.read_parquet(folder / batches.MANIFEST)
    for row in rows.itertuples():
        assert hashlib.sha256((tiny.home / row.path).read_bytes()).hexdigest() == row.image_id
    settings = read_params(tiny.params)
    features = Features(tiny, settings, sight_on_line(tiny, settings).frozen_blocks)
    assert all(features.has(shown(row.image_id, row.black, row.white), PLAIN) for row in rows.itertuples())
    features.close()
    assert git.run(tiny.home, "status", "--porcelain") == ""


@pytest.mark.usefixtures("prefect_harness")
def test_windows_by_workers_are_those_of_this_computer(tiny: Layout, tmp_path: Path) -> None:
    set_params(tiny, **SMALL)
    take_in(tiny, 0, pictures(tiny, 0, count=32))
    accept(tiny, 0)
    other = Plant(1, (read_cameras(tiny.cameras)["cam-2"],)).shots(DAY + ONE_DAY, 16)
    take_in(tiny, 1, [*pictures(tiny, 1, (lamp(since=0),)), *other])
    port, here = free_port(), read_params(tiny.params)
    away = here.model_copy(update={"scale": here.scale.model_copy(update={"dask": f"tcp://127.0.0.1:{port}"})})
    catalog, fresh = open_catalog(tiny), verdicts.empty(verdicts.SCORES)
    with scheduler(tmp_path, port), worker(tmp_path, away.scale.dask, 2), clock.at(evening(1)):
        mine, theirs = (look.fn(tiny, settings, catalog, fresh) for settings in (here, away))
    catalog.close()
    assert [one.as_json() for one in theirs] == [one.as_json() for one in mine]
    assert [one.verdict for one in theirs] == [one.verdict for one in mine]
    states = [(one.as_json()["camera"], one.verdict.state) for one in mine]
    healthy, dark, new = [("cam-1", "healthy")] * 4, [("cam-1", "changed")] * 3, [("cam-2", "learning")] * 2
    assert states == [*healthy, *dark, *new]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Name of an authority -> PEM files of it, and of a certificate that it signed."""
    folder = tmp_path_factory.mktemp("pem")

    def made(name: str) -> dict[str, str]:
        ca, key, cert = (folder / f"{name}-{part}.pem" for part in ("ca", "key", "cert"))
        if not ca.exists():
            own, asked = folder / f"{name}-ca-key.pem", folder / f"{name}.csr"
            new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes"]
            run([*new, "-subj", f"/CN={name} CA", "-x509", "-days", "2", "-keyout", str(own), "-out", str(ca)])
            run([*new, "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(asked)])
            sign = ["openssl", "x509", "-req", "-days", "2", "-in", str(asked), "-CA", str(ca), "-CAkey", str(own)]
            run([*sign, "-CAcreateserial", "-out", str(cert)])
        return {"ANDON_DASK_CA": str(ca), "ANDON_DASK_CERT": str(cert), "ANDON_DASK_KEY": str(key)}

    return made


def run(words: list[str]) -> None:
    subprocess.run(words, check=True, capture_output=True)


def test_over_tls_only_who_has_a_certificate_of_the_cluster_is_let_in(
    tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, ours, theirs = free_port(), certificates("ours"), certificates("theirs")
    address = f"tls://127.0.0.1:{port}"
    with scheduler(tmp_path, port, **ours), worker(tmp_path, address, **ours):
        for name, path in ours.items():
            monkeypatch.setenv(name, path)
        joined = Cluster(address, *blank(tmp_path))
        assert list(joined.rows(Naming(), names(40))) == [one.upper() for one in names(40)]
        joined.close()
        monkeypatch.setattr(cluster, "PATIENCE", 2.0)
        monkeypatch.setattr(cluster, "CONNECT", 2.0)
        for name, path in theirs.items():
            monkeypatch.setenv(name, path)
        with pytest.raises(WaitForOther, match="does not answer"):
            Cluster(address, *blank(tmp_path))
        with pytest.raises(WaitForOther, match="does not answer"):
            Cluster(f"tcp://127.0.0.1:{port}", *blank(tmp_path))
        monkeypatch.delenv("ANDON_DASK_CA")
        with pytest.raises(FixSettings, match="set ANDON_DASK_CA"):
            Cluster(address, *blank(tmp_path))
