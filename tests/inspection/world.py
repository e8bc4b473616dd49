"""The small world of these tests: two cameras, tiny images, batches and packages made of a few bytes."""

import hashlib
import io
import json
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from inspection.cameras import Camera
from inspection.intake.dropped import capture_id
from inspection.intake.naming import named, pattern
from inspection.layout import Layout
from inspection.model.package import CARD, MODEL, WEIGHTS, package_hash
from inspection.pictures.images import decode
from inspection.records import batches
from monitoring.camera.image_stats import image_stats

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
GREY = Camera(
    name="cam-1", line="A", width=16, height=12, mode="L", time_zone="Europe/Berlin", parts=("bracket", "housing")
)
COLOUR = Camera(name="cam-2", line="B", width=20, height=10, mode="RGB", parts=("panel",))
CAMERAS = {camera.name: camera for camera in (GREY, COLOUR)}
KEYS = pattern("{camera}/{part}/{serial}/{captured_at}")


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def repository(folder: Path) -> None:
    """Make the folder a git repository with one commit, in Tess's name."""
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "config", "user.name", "Tess")
    git(folder, "config", "user.email", "tess@andon.invalid")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "A plant")


def noise(seed: int, height: int = 12, width: int = 16, channels: int = 1, bit_depth: int = 8) -> NDArray[Any]:
    """(H, W) or (H, W, 3) uint8 or uint16 at random."""
    shape = (height, width) if channels == 1 else (height, width, channels)
    return (
        np.random.default_rng(seed).integers(0, 2**bit_depth, shape).astype(np.uint8 if bit_depth == 8 else np.uint16)
    )


def encoded(pixels: NDArray[Any], kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def key(number: int, camera: Camera = GREY) -> str:
    return f"{camera.name}/{camera.parts[0]}/s-{number:03d}/20261102T06{number % 60:02d}12345Z.png"


def picture(number: int, camera: Camera = GREY) -> bytes:
    """The bytes of a picture such as `camera` delivers."""
    return encoded(noise(number, camera.height, camera.width, 1 if camera.mode == "L" else 3, camera.bit_depth))


def capture(name: str, content: bytes, batch: str = "b", partition: str = "2026-11-01") -> dict[str, Any]:
    """A manifest's row, as ingest makes it."""
    says, shot = named(name, KEYS, CAMERAS, None), decode(content, 40)
    image_id = hashlib.sha256(content).hexdigest()
    capture = capture_id(name, image_id)
    return {
        "capture_id": capture,
        "image_id": image_id,
        "batch": batch,
        "line": says.camera.line,
        "camera": says.camera.name,
        "part": says.part,
        "serial": says.serial,
        "captured_at": pd.Timestamp(says.captured_at),
        "time_doubtful": says.time_doubtful,
        "width": shot.width,
        "height": shot.height,
        "channels": shot.pixels.shape[2],
        "bit_depth": shot.bit_depth,
        "black": 0,
        "white": 2**shot.bit_depth - 1,
        "bytes": len(content),
        "path": f"data/batches/{partition}/{batch}/{capture[:24]}.png",
        "ingested_at": pd.Timestamp(NOON),
        "key": name,
        "format": shot.format,
        "thumbnail": b"",
        **image_stats(shot.levels()),
    }


def add_batch(layout: Layout, name: str, pictures: Mapping[str, bytes], partition: str = "2026-11-01") -> pd.DataFrame:
    """A finished batch on the disk; its rows."""
    folder = layout.batches / partition / name
    folder.mkdir(parents=True)
    rows = pd.DataFrame([capture(at, content, name, partition) for at, content in pictures.items()])
    for path, content in zip(rows["path"], pictures.values(), strict=True):
        (layout.home / path).write_bytes(content)
    batches.write_manifest(rows, folder)
    return rows


def add_refusals(layout: Layout, name: str, reasons: Mapping[str, str]) -> Path:
    """A batch in quarantine, written as ingest writes it."""
    file = layout.quarantine / name / "refusals.jsonl"
    file.parent.mkdir(parents=True)
    rows = [
        {
            "capture_id": capture_id(at, name),
            "key": at,
            "path": f"data/quarantine/{name}/{number}.refused",
            "reason": reason,
            "refused_at": "2026-11-02T12:00:00.000000+00:00",
        }
        for number, (at, reason) in enumerate(reasons.items())
    ]
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return file


def card(**changes: Any) -> dict[str, Any]:
    """What a package's card.json holds."""
    return {
        "classes": ["good", "scratch"],
        "acceptable": [True, False],
        "threshold": 0.5,
        "temperature": 1.0,
        "part_verdict": "any",
        "backbone": "efficientnet_lite0",
        "frozen": "0" * 64,
        "image_size": 224,
        "grid": 1,
        "frozen_blocks": 17,
        "depth": "tail",
        "precision": "f32",
        "trained_on": {"good": 10, "scratch": 10},
        "masks": {},
        "data": "1" * 64,
        "seed": 11,
        **changes,
    }


def fake_package(folder: Path, mark: str) -> str:
    """A folder with the files of a package, whose model is only the word `mark`; its hash."""
    folder.mkdir(parents=True)
    (folder / CARD).write_text(json.dumps(card()), encoding="utf-8")
    (folder / MODEL).write_bytes(mark.encode())
    (folder / WEIGHTS).write_bytes(mark.encode() * 2)
    return package_hash(folder)


def label_csv(path: Path, *rows: str, header: str = "key,label") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path
