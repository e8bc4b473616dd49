from pathlib import Path
from typing import Any

import pytest

from inspection.errors import FixSettings
from inspection.scale import badge, worker
from inspection.scale.address import Address

PLAIN, TLS = Address("tcp://127.0.0.1:8786"), Address("tls://10.0.0.5:8786", "ca.pem", "cert.pem", "key.pem")


def options(words: list[str]) -> dict[str, str]:
    return {word: after for word, after in zip(words, [*words[1:], ""], strict=True) if word.startswith("--")}


def test_a_worker_is_one_thread_claims_what_it_computes_by_and_shows_its_dashboard_to_nobody() -> None:
    found = options(worker.command(TLS, 3, "2GB"))
    assert (found["--nworkers"], found["--nthreads"], found["--memory-limit"]) == ("3", "1", "2GB")
    assert found["--resources"].split() == [f"{name}=1" for name in badge.worn()]
    assert found["--dashboard-address"].startswith("127.0.0.1:")


def test_a_plain_worker_listens_on_this_computer_and_one_with_certificates_by_them_only() -> None:
    plain, tls = (
        options(worker.command(PLAIN, 1, "2GB", "10.0.0.7")),
        options(worker.command(TLS, 1, "2GB", "10.0.0.7")),
    )
    assert plain["--host"] == "127.0.0.1" and "--tls-ca-file" not in plain
    assert [tls[f"--tls-{name}"] for name in ("ca-file", "cert", "key")] == ["ca.pem", "cert.pem", "key.pem"]
    assert (tls["--protocol"], tls["--host"]) == ("tls", "10.0.0.7")


def test_a_plain_scheduler_elsewhere_is_refused_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.subprocess, "Popen", None)
    with pytest.raises(FixSettings, match="without encryption"):
        worker.serve("tcp://10.0.0.5:8786", 1, "2GB")
    with pytest.raises(FixSettings, match="name its scheduler"):
        worker.serve("", 1, "2GB")


def test_what_ends_at_once_is_tried_again_and_then_told(monkeypatch: pytest.MonkeyPatch) -> None:
    began: list[Any] = []

    class Ends:
        def __init__(self, words: list[str], env: dict[str, str]) -> None:
            began.append((words, env))

        def wait(self) -> int:
            return 1

    monkeypatch.setattr(worker.subprocess, "Popen", Ends)
    monkeypatch.setattr(worker, "PAUSE", 0)
    with pytest.raises(FixSettings, match="5 times as soon as it had started"):
        worker.serve("tcp://127.0.0.1:8786", 1, "2GB")
    assert len(began) == worker.TRIES
    assert began[0][1]["DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION"] == "False"


def test_a_worker_of_tls_takes_nothing_without_encryption(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []

    class Ended:
        def __init__(self, words: list[str], env: dict[str, str]) -> None:
            asked.append(env["DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION"])

        def wait(self) -> int:
            return -15

    for name in ("CA", "CERT", "KEY"):
        (tmp_path / name).write_text("PEM")
        monkeypatch.setenv(f"ANDON_DASK_{name}", str(tmp_path / name))
    monkeypatch.setattr(worker.subprocess, "Popen", Ended)
    worker.serve("tls://10.0.0.5:8786", 1, "2GB")
    assert asked == ["True"]
