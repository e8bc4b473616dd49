"""A Prefect server for the time of one command. It starts in a process of its own while the command still imports what
it needs: Prefect's temporary one is started later, and waited for with folded hands.

It listens on loopback, which every account of this computer and every page in a browser reaches. So it asks for a
login that only this process and it know, and gives no page of another address anything. The port is opened here and
handed on: nobody else can be quicker at it and be told the login.
"""

import atexit
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from inspection.errors import FixSettings, WaitForOther
from inspection.process import tether

PATIENCE = 180  # seconds; a busy machine needs more than Prefect's 20
BACKLOG = 128  # connections that wait until it answers
_ENVIRONMENT = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
_PAGES = ("PREFECT_SERVER_CORS_ALLOWED_ORIGINS", "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS")  # two names, one setting
_PROGRAM = """
import socket, sys
from inspection.process import tether
tether.tie()
import gc
gc.disable()  # as inspection/garbage.py has it
import uvicorn
import prefect.server.api.server
gc.freeze()
gc.enable()
create = "prefect.server.api.server:create_app"
config = uvicorn.Config(create, factory=True, log_level="critical", lifespan="on")
uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
"""


class Server:
    """One process; `url` is its API's address, `login` what a call has to bring."""

    def __init__(self) -> None:
        self.login = f"andon:{secrets.token_urlsafe(32)}"
        with socket.socket() as door:
            door.bind(("127.0.0.1", 0))
            door.listen(BACKLOG)
            here = f"http://127.0.0.1:{door.getsockname()[1]}"
            closed = {"PREFECT_SERVER_API_AUTH_STRING": self.login, **dict.fromkeys(_PAGES, here)}
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(door.fileno())],
                env={**os.environ, **_ENVIRONMENT, **closed, **tether.environment()},  # arguments are seen by everybody
                pass_fds=[door.fileno()],
                process_group=0,  # Ctrl-C is for the command: without its server it would wait for that
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        self.url = f"{here}/api"

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


def own() -> Server | None:
    """Our own server, once it answers; None when there is none.

    Raises:
        FixSettings: it does not start. WaitForOther: it does not answer.
    """
    if _own and not _own[-1].wait():
        raise FixSettings("Prefect's server does not start: `prefect server start` says why.")
    return _own[-1] if _own else None


def _stop() -> None:
    while _own:
        _own.pop().stop()
