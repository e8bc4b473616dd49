"""Changed mix: other kinds pass than before."""

from collections.abc import Mapping

import numpy as np

from monitoring.content.drift import Drift
from monitoring.content.healthy import Content
from monitoring.content.parts import Names


def measure(kinds: Names, content: Content, drift: Drift) -> None:
    """Sets mix: total variation between the window's kinds and the clean ones, less what chance makes of so many."""
    clean = np.array([kind.parts for kind in content.kinds.values()], float)
    now = np.array([(kinds == name).sum() for name in content.kinds], float)
    share = clean / clean.sum()
    scatter = np.sqrt(share * (1 - share) * (1 / now.sum() + 1 / clean.sum()))
    chance = float(scatter.sum()) * np.sqrt(2 / np.pi) / 2  # mean of |normal|, for each kind
    apart = float(np.abs(now / now.sum() - share).sum()) / 2
    drift.put("mix", apart - chance, float(np.linalg.norm(scatter)) / 2)


def sentence(size: float, details: Mapping[str, float]) -> str:
    """The change in words, for whoever answers for quality."""
    return f"Other parts pass than before: their shares moved by {abs(size):.0%} more than chance does."
