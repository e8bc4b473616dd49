"""Drawn embeddings: windows of parts, and what is found in them."""

from collections.abc import Sequence

import numpy as np

from monitoring.content.drift import CAUSES, Drift
from monitoring.content.parts import Shown

WIDE = 48  # of the embeddings


LEAST = {"novelty": 0.15, "mix": 0.25, "surface": 1.5, "defects": 0.25}  # beyond all that clean windows show here


_FIXED = np.random.default_rng(99)


CENTRES = {name: 3 * _FIXED.normal(0, 1, WIDE) for name in ("a", "b", "new")}


SCATTER = _FIXED.normal(0, 1, (12, WIDE)) * np.geomspace(0.6, 0.1, 12)[:, None]


DEFECTS = 1.2 * _FIXED.normal(0, 1, (3, WIDE))


SURFACE = 0.5 * _FIXED.normal(0, 1, WIDE)


def window(
    seed: int,
    pieces: int = 25,
    kinds: Sequence[str] = "aab",
    defective: float = 0.1,
    moved: Sequence[str] = (),
    judged: bool = True,
) -> Shown:
    """Two views of each piece; the kinds come in the proportions of `kinds`; the model rejects what is defective."""
    rng = np.random.default_rng(seed)
    embeddings, parts, serials, rejected = [], [], [], []
    for piece in range(pieces):
        kind = str(rng.choice(list(kinds)))
        bad = bool(rng.random() < defective)
        centre = CENTRES[kind] + rng.normal(0, 1, 12) @ SCATTER + bad * DEFECTS[rng.integers(3)]
        for _ in range(2):
            embeddings.append(centre + (kind in moved) * SURFACE + rng.normal(0, 0.1, WIDE))
            parts.append(kind)
            serials.append(f"s{piece}")
            rejected.append(bad)
    said = rejected if judged else None
    return Shown(np.array(embeddings, np.float32), parts, serials, said, "model", "network")


def over(found: Drift) -> set[str]:
    return {CAUSES[name] for name, value in found.values.items() if abs(value) > LEAST[name]}
