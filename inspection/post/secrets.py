"""Files of the plant that hold a password or a key: an earlier Andon kept addresses as they were given. Where they lie
is said, what they are is not."""

import re
from collections.abc import Iterator
from pathlib import Path

from inspection.layout import Layout
from inspection.outside.credentials import held
from inspection.records import ledger

_KEYS = re.compile(  # what DVC's settings call them; their place is .dvc/config.local, which git does not have
    r"^\s*(?:secret_access_key|access_key_id|session_token|password|passphrase|connection_string|account_key|sas_token|"
    r"oss_key_secret|oss_key_id|token|gdrive_client_secret|client_secret)\s*=\s*\S",
    re.MULTILINE | re.IGNORECASE,
)
CHANGE = "change that password or key where it was issued"


def words(layout: Layout) -> Iterator[str]:
    """Where one lies, each a sentence with what to do."""
    settings = layout.home / ".dvc" / "config"
    said = _read(settings)
    if held(said) or _KEYS.search(said):
        yield (
            ".dvc/config, which git keeps, holds a password or a key: take it out, give it to DVC by `dvc remote "
            f"modify --local`, commit, and {CHANGE}"
        )
    for path in (*ledger.files(layout), layout.history, *sorted(layout.approvals.glob("*.json"))):
        if number := _line(path):
            name = path.relative_to(layout.home).as_posix()
            yield (
                f"{name}, line {number}, holds an address with a password or a key, which all can read who have the "
                f"plant's git: {CHANGE}; the line stays, for the record is only added to"
            )


def _line(path: Path) -> int:
    """The first line that holds one, 0 for none."""
    if b"://" not in (content := path.read_bytes() if path.is_file() else b""):
        return 0
    lines = content.decode("utf-8", "replace").split("\n")
    return next((number for number, line in enumerate(lines, 1) if "://" in line and held(line)), 0)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
