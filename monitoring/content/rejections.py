"""The rate of rejections: how often the live model rejects parts, against clean windows."""

from collections.abc import Mapping

import numpy as np

from monitoring.content.drift import Drift, share_error
from monitoring.content.healthy import Content
from monitoring.content.parts import MIN_PARTS, Names, Parts


def measure(parts: Parts, kinds: Names, content: Content, drift: Drift) -> None:
    """Sets defects: the rate of rejections, kind by kind, against that of the clean windows in the same mix."""
    judged = np.isfinite(parts.rejected)
    rows = [
        (int(mine.sum()), parts.rejected[mine].mean(), kind.judged, kind.rejected / kind.judged)
        for name, kind in content.kinds.items()
        for mine in [judged & (kinds == name)]
        if mine.any() and kind.judged >= MIN_PARTS
    ]
    if not rows:
        drift.notes.append("The rate of rejections was not compared: it takes verdicts here and on the clean pictures.")
        return
    number, now, _, clean = np.array(rows, float).T
    weight = number / number.sum()
    drift.details |= {"rejected_now": float(weight @ now), "rejected_clean": float(weight @ clean)}
    errors = [np.hypot(share_error(rate, n), share_error(before, m)) for n, rate, m, before in rows]
    drift.put("defects", float(weight @ (now - clean)), float(np.linalg.norm(weight * errors)))


def sentence(size: float, details: Mapping[str, float]) -> str:
    """The change in words, for whoever answers for quality."""
    now, clean = (details.get(f"rejected_{when}", 0.0) for when in ("now", "clean"))
    more = "more" if size > 0 else "fewer"
    return f"The model rejects {more} parts: {now:.0%}, against {clean:.0%} of the same parts in clean windows."
