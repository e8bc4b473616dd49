"""A bench on a folder. What was measured is kept in `.andon/training`, named by all that it stands on."""

from collections.abc import Sequence
from hashlib import sha256
from inspect import getsource
from pathlib import Path

import torch

from benchmarks.training import peer
from benchmarks.training.bench import Bench
from benchmarks.training.folder import read
from benchmarks.training.theirs import peer_on, pictures
from inspection.layout import Layout
from inspection.model.tuning import class_loss, temperature
from inspection.network.frozen import frozen_graph
from inspection.params import read_params

ROOT, ROOM = Path(__file__).parents[2], Path(__file__).parent


def opened(
    data: Path, serial_column: str | None, order_column: str | None, side: int | None = None, words: str = ""
) -> Bench:
    """The bench on a folder; the network looks at squares of `side` pixels, default: what params.yaml says. What was
    kept counts as long as `words`, the pictures and the code that measures stay the same."""
    table, settings = read(data, serial_column, order_column), read_params(ROOT / "params.yaml")
    if side:
        settings = settings.model_copy(update={"backbone": settings.backbone.model_copy(update={"image_size": side})})
    state = Layout(ROOT, ROOT)
    graph = frozen_graph(settings.backbone, state)
    stands_on = f"{words}{torch.__version__}{graph.digest}{table[['image_id', 'label', 'part', 'serial']].to_csv()}"
    mine = [
        *ROOM.glob("*.py"),
        ROOT / "cameras.yaml",
        *(ROOT / "stages").rglob("*.py"),
        *(ROOT / "inspection").rglob("*.py"),
    ]
    theirs = [ROOM / name for name in ("peer.py", "folder.py")]
    judging = "".join(getsource(one) for one in (class_loss, temperature, pictures, peer_on))
    kept, peers = (
        state.state / "training" / f"{data.name}-{side}-{_key(sources, asked + stands_on)}"
        for side, sources, asked in (
            ("ours", mine, f"{settings.train}{settings.embed}{peer.RATES}"),
            ("peer", theirs, judging),
        )
    )
    return Bench(data, table, tuple(sorted(table["label"].unique())), settings, state, kept, peers)


def _key(sources: Sequence[Path], words: str) -> str:
    key = sha256(b"".join(path.read_bytes() for path in sorted(sources)))
    key.update(words.encode())
    return key.hexdigest()[:12]
