"""Files with secrets that others may read, and a plant that others may write."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from andon.doctor.answer import Answer, unknown, well, wrong
from inspection.layout import Layout
from inspection.params import Params

NAMED = ("ANDON_DASK_KEY", "AWS_SHARED_CREDENTIALS_FILE")  # by the environment
PLACES = ("/etc/andon/*.env", "/etc/andon/*key*.pem", "~/.aws/credentials", "~/.pgpass")
SECRET = re.compile(
    r"^\s*(secret_access_key|password|access_key_id|session_token|client_secret)\s*=\s*\S", re.MULTILINE
)


def ask(layout: Layout, settings: Params) -> Iterator[Answer]:
    """Whether anybody else than their owner reads them; that of the plant's own files others write none."""
    found = [*_unlocked(layout), *_in_git(layout), *_open_folders(layout)]
    yield from found
    if not found:
        yield well("No file with secrets that Andon knows of can be read by others, and others cannot write the plant.")


def _unlocked(layout: Layout) -> Iterator[Answer]:
    for path in sorted(_files(layout)):
        try:
            mode = path.stat().st_mode
        except OSError as error:
            yield unknown(f"Whether others read {path}: {error.strerror}.")
            continue
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield wrong(f"{path} holds secrets, and other accounts may read it.", f"Run `chmod 600 {path}`.")


def _files(layout: Layout) -> set[Path]:
    """Those that are there: named by the environment, in usual places, in the plant."""
    found = {Path(os.environ[name]) for name in NAMED if os.environ.get(name)}
    for place in PLACES:
        whole = Path(place).expanduser()
        found |= set(whole.parent.glob(whole.name)) if os.access(whole.parent, os.R_OK) else set()
    found |= {path for path in (layout.home / ".env", layout.home / ".dvc" / "config.local") if _holds(path)}
    home = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect") / "profiles.toml"
    return found | ({home} if home.is_file() and "AUTH_STRING" in home.read_text(errors="replace") else set())


def _holds(path: Path) -> bool:
    return path.is_file() and (path.name == ".env" or bool(SECRET.search(path.read_text(errors="replace"))))


def _in_git(layout: Layout) -> Iterator[Answer]:
    """Secrets in a file that git keeps, and whoever has a clone."""
    path = layout.home / ".dvc" / "config"
    if path.is_file() and (found := SECRET.search(path.read_text(errors="replace"))):
        yield wrong(
            f".dvc/config holds {found[1]}, and git keeps it for whoever has a clone.",
            f"Run `dvc remote modify --local NAME {found[1]} VALUE`, take the line out, and have the secret changed.",
        )


def _open_folders(layout: Layout) -> Iterator[Answer]:
    for path in (layout.home, layout.home / ".git", layout.ledger, layout.releases, layout.approvals, layout.state):
        if path.is_dir() and path.stat().st_mode & stat.S_IWOTH:
            yield wrong(f"Every account of this computer may write {path}.", f"Run `chmod o-w {path}`.")
