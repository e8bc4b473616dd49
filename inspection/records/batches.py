"""Accepted images: immutable folders of files with a manifest, gathered in partitions of bounded size."""

import hashlib
import os
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from inspection.chain import Event
from inspection.layout import Layout

MANIFEST = "manifest.parquet"
VERDICT = "verdict.json"  # of the contract
QUARANTINE = "refusals.jsonl"  # in the folder of what was refused
ACCEPTED, HELD, RELEASED, DISCARDED = "accepted", "held", "released", "discarded"
USABLE = (ACCEPTED, RELEASED)  # the others are neither judged nor trained on

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
        ("time_doubtful", pa.bool_()),  # the hour that a change to or from daylight saving doubles or skips
        ("width", _INT),  # pixels
        ("height", _INT),  # pixels
        ("channels", _INT),
        ("bit_depth", _INT),
        ("black", _INT),  # stored value of no light, as the camera was declared when the image came
        ("white", _INT),  # stored value of full light
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
        ("thumbnail", pa.binary()),  # inspection/intake/likeness.py
    ]
)


def write_manifest(rows: pd.DataFrame, folder: Path) -> str:
    """Write the manifest of a batch into `folder`; its SHA-256."""
    path = folder / MANIFEST
    pq.write_table(pa.Table.from_pandas(rows, schema=SCHEMA, preserve_index=False), path)
    return digest(path)


def read_columns(source: Path | pa.BufferReader, names: Sequence[str]) -> pa.Table:
    """Columns of a manifest; those that manifests of earlier versions lack are filled in."""
    file = pq.ParquetFile(source)
    have = set(file.schema_arrow.names)
    table = file.read(columns=[name for name in (*names, "bit_depth") if name in have], use_threads=False)
    for name in (name for name in names if name not in have):
        table = table.append_column(SCHEMA.field(name), _before(name, table))
    return table.select(list(names))


def _before(name: str, table: pa.Table) -> pa.Array:
    """What a column would have held before there was one."""
    known = {"time_doubtful": False, "black": 0}
    if name == "white":
        return pa.array([2**depth - 1 for depth in table["bit_depth"].to_pylist()], SCHEMA.field(name).type)
    return pa.array([known.get(name)] * len(table), SCHEMA.field(name).type)


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def on_disk(layout: Layout, less: Collection[str] = ()) -> list[Path]:
    """The folders of all finished batches, oldest first, but for those of the names `less`."""
    partitions = [Path(entry.path) for entry in _folders(layout.batches)]
    found = [Path(one.path) for partition in partitions for one in _folders(partition) if one.name not in less]
    return sorted((folder for folder in found if (folder / MANIFEST).exists()), key=lambda folder: folder.name)


def _folders(folder: Path) -> list[os.DirEntry[str]]:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        return [entry for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    return []


def states(events: Iterable[Event]) -> dict[str, str]:
    """Batch -> accepted, held, released or discarded: as it was judged when it came, or as a person said last."""
    found = {}
    for event in events:
        if event.kind == "batch":
            found[event.body["batch"]] = HELD if event.body.get("held") else ACCEPTED
        elif event.kind == "batch-ruling":
            found[event.body["batch"]] = event.body["what"]
    return found


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
