"""Accepted images: immutable folders of files with a manifest, gathered in partitions of bounded size."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from inspection.errors import FetchData
from inspection.layout import Layout

MANIFEST = "manifest.parquet"

_TEXT, _INT, _FLOAT = pa.string(), pa.int64(), pa.float64()
_TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        ("capture_id", _TEXT),  # SHA-256 of key and image_id
        ("image_id", _TEXT),  # SHA-256 of the bytes
        ("batch", _TEXT),
        ("line", _TEXT),
        ("camera", _TEXT),
        ("part", _TEXT),
        ("serial", _TEXT),
        ("captured_at", _TIME),
        ("width", _INT),  # pixels
        ("height", _INT),  # pixels
        ("channels", _INT),
        ("bit_depth", _INT),
        ("bytes", _INT),
        ("path", _TEXT),  # from the plant's folder
        ("ingested_at", _TIME),
        ("key", _TEXT),  # path below the inbox
        ("format", _TEXT),
        ("brightness", _FLOAT),
        ("contrast", _FLOAT),
        ("sharpness", _FLOAT),
        ("noise", _FLOAT),
        ("clipped", _FLOAT),
        ("red", _FLOAT),
        ("blue", _FLOAT),
    ]
)


def capture_id(key: str, image_id: str) -> str:
    """The identity of a capture: the same key with the same bytes is the same capture."""
    return hashlib.sha256(f"{key}\n{image_id}".encode()).hexdigest()


def write_manifest(rows: pd.DataFrame, folder: Path) -> str:
    """Write the manifest of a batch into `folder`; its SHA-256."""
    path = folder / MANIFEST
    pq.write_table(pa.Table.from_pandas(rows, schema=SCHEMA, preserve_index=False), path)
    return digest(path)


def read_manifest(folder: Path) -> pd.DataFrame:
    """The captures of one batch, one row each.

    Raises:
        FetchData: the batch is not on this disk.
    """
    path = folder / MANIFEST
    if not path.exists():
        raise FetchData(f"Batch {folder.name} is not on this disk: run `dvc pull {folder.parent}.dvc`.")
    frame: pd.DataFrame = pq.read_table(path).to_pandas()
    return frame


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def on_disk(layout: Layout) -> list[Path]:
    """The folders of all finished batches, oldest first."""
    return sorted((path.parent for path in layout.batches.glob(f"*/*/{MANIFEST}")), key=lambda p: p.name)


def next_partition(month: str, images: dict[str, int], adding: int, limit: int) -> str:
    """The partition (`2026-11-01`) that takes `adding` more images: the month's newest, or a new one when
    that would pass `limit`.

    Args:
        month: `2026-11`.
        images: partition -> images in it.
    """
    numbers = [int(name.rsplit("-", 1)[1]) for name in images if name.startswith(month + "-")]
    newest = f"{month}-{max(numbers, default=0):02d}"
    if numbers and (images[newest] + adding <= limit or images[newest] == 0):
        return newest
    return f"{month}-{max(numbers, default=0) + 1:02d}"


def join(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Manifests under each other; an empty one with the same columns if there is none."""
    present = [frame for frame in frames if len(frame)]
    return pd.concat(present, ignore_index=True) if present else SCHEMA.empty_table().to_pandas()
