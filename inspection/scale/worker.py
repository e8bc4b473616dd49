"""A worker of the cluster, started with the right settings: a safe address, one thread, and what it computes by."""

import os
import signal
import subprocess
import time

from inspection.errors import FixSettings
from inspection.process import stopping, tether
from inspection.scale import badge
from inspection.scale.address import Address, safe

PAUSE = 5.0  # seconds before workers that lost their scheduler are started anew
ENOUGH = 30.0  # seconds that they must have run, or else ...
TRIES = 5  # ... they are started so often in a row, and then it is told


def command(address: Address, processes: int, memory: str, host: str = "") -> list[str]:
    """Dask's own command for workers of one thread each, under a nanny that starts one anew when it ends.

    Args:
        memory: of one process, as Dask writes it (4GB); at 95 % of it the nanny ends it.
        host: by which the scheduler reaches this computer; "": as Dask finds it.
    """
    words = tether.command("distributed.cli.dask_worker", address.uri)  # nannies; their workers end with them
    words += ["--nworkers", str(processes), "--nthreads", "1", "--memory-limit", memory]
    words += ["--resources", " ".join(f"{name}=1" for name in badge.worn())]
    words += ["--dashboard-address", "127.0.0.1:0", "--no-dashboard"]  # nothing but TLS leaves this computer
    if address.is_tls:
        words += ["--tls-ca-file", address.ca, "--tls-cert", address.cert, "--tls-key", address.key]
        return [*words, "--protocol", "tls", *(["--host", host] if host else [])]
    return [*words, "--host", "127.0.0.1"]  # Dask listens everywhere if it is not told


def serve(given: str, processes: int, memory: str, host: str = "") -> None:
    """Run workers until they are ended by a signal; where the scheduler is lost, wait for it and start them anew.

    Raises:
        FixSettings: as `address.safe`, or they end as soon as they start.
    """
    if not given:
        raise FixSettings("There is no cluster to work for: name its scheduler, tls://HOST:PORT, or set scale.dask.")
    words = command(safe(given), processes, memory, host)
    environment = {
        **os.environ,
        **tether.environment(),
        "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": str("--tls-ca-file" in words),
        "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",  # it would look at every worker a hundred times a second
    }
    stopping.leave()
    quick = 0
    while quick < TRIES:
        began = time.monotonic()
        if _ended(words, environment):
            return
        quick = quick + 1 if time.monotonic() - began < ENOUGH else 0
        time.sleep(PAUSE)
    raise FixSettings(f"The worker ended {TRIES} times as soon as it had started: see what it said above.")


def _ended(words: list[str], environment: dict[str, str]) -> bool:
    """Run it until it ends; whether that was asked for, of this process or of it."""
    process = subprocess.Popen(words, env=environment)
    asked: list[int] = []

    def end(number: int, _: object) -> None:
        asked.append(number)
        process.terminate()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return process.wait() in (-signal.SIGTERM, -signal.SIGINT) or bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
