"""A Prefect server for the time of one command. It starts in a process of its own while the command still imports what
it needs: Prefect's temporary one is started later, and waited for with folded hands."""

import atexit
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from inspection.errors import FixSettings, WaitForOther

PATIENCE = 180  # seconds; a busy machine needs more than Prefect's 20
TRIES = 3
_ENVIRONMENT = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
_PROGRAM = """
import ctypes, sys
try:
    ctypes.CDLL(None).prctl(1, 15)  # on Linux: end with the command, should it be killed
except (OSError, AttributeError):
    pass
import gc
gc.disable()  # as inspection/garbage.py has it
import uvicorn
import prefect.server.api.server
gc.freeze()
gc.enable()
create = "prefect.server.api.server:create_app"
uvicorn.run(create, factory=True, port=int(sys.argv[1]), log_level="critical", lifespan="on")
"""


class Server:
    """One process; `url` is its API's address."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}/api"
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(self._port)],
            env={**os.environ, **_ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait(self) -> bool:
        """Until it answers; False if the process has ended.

        Raises:
            WaitForOther: no answer for `PATIENCE` seconds.
        """
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if self._process.poll() is not None:
                return False
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=5):  # noqa: S310  our own address
                    return True
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise WaitForOther("Prefect's server does not answer: this computer is too busy. Run it again later.")

    def stop(self) -> None:
        """At once: what it was told is in its database, and its way of ending politely takes seconds."""
        self._process.kill()
        self._process.wait()


_own: list[Server] = []


def spawn() -> None:
    """Start a server of our own, unless the environment names one (PREFECT_API_URL); returns at once."""
    if not _own and not os.environ.get("PREFECT_API_URL"):
        _own.append(Server())
        atexit.register(_stop)


def address() -> str | None:
    """The address of our own server, once it answers; None when there is none.

    Raises:
        FixSettings: it does not start. WaitForOther: it does not answer.
    """
    for _ in range(TRIES if _own else 0):
        if _own[-1].wait():
            return _own[-1].url
        _own[-1] = Server()  # another program was quicker at its port
    if _own:
        raise FixSettings("Prefect's server does not start: `prefect server start` says why.")
    return None


def _stop() -> None:
    while _own:
        _own.pop().stop()
