"""Where a command runs: the plant around the current folder, and Prefect at home in it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from inspection.errors import FixInput

if TYPE_CHECKING:
    from inspection.cameras import Camera
    from inspection.layout import Layout


def plant() -> "Layout":
    """The plant around the current folder, its settings checked: a wrong key stops every command."""
    from inspection.cameras import read_cameras
    from inspection.layout import Layout
    from inspection.params import read_params
    from inspection.taxonomy import read_taxonomy

    layout = Layout.find()
    read_params(layout.params)
    read_cameras(layout.cameras)
    read_taxonomy(layout.taxonomy)
    return layout


def declared_camera(layout: "Layout", name: str) -> "Camera":
    """The camera that an option names; raises FixInput when cameras.yaml does not declare it."""
    from inspection.cameras import read_cameras

    cameras = read_cameras(layout.cameras)
    if name not in cameras:
        raise FixInput(f"--camera {name!r} is not in cameras.yaml; it declares {', '.join(cameras)}.")
    return cameras[name]


def prefect_at_home(layout: "Layout") -> None:
    """Start Prefect's server with its data in the plant; before its import and all else that a flow needs."""
    start_prefect(layout.state / "prefect")


def start_prefect(folder: Path) -> None:
    """Start Prefect's server with its data in `folder`."""
    from flows.servers import own as server
    from inspection import garbage

    settle_prefect(folder)
    server.spawn()
    garbage.rest()


def settle_prefect(folder: Path) -> None:
    """Keep Prefect's data in a folder and its log quiet, unless the environment says otherwise; before its import."""
    defaults = {
        "PREFECT_HOME": str(folder),
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)  # Prefect makes no folder above its own
