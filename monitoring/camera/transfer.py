"""Pictures that arrived broken: rows that repeat, or a part of the picture that shows something else."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from monitoring.camera.healthy import Healthy, PartReference
from monitoring.camera.measurement import Result
from monitoring.camera.window import Look
from monitoring.camera.zones import Zones

_OFF = 0.25  # log of light by which a cell of what stands still shows something else
_ROWS, _HALF = 8, 0.5  # an eighth of the rows, half of whose cells are off ...
_ELSEWHERE = 0.05  # ... while elsewhere at most so many are
_ALWAYS = 0.9  # share of the pictures from which it is not the transfer that differs


def intact(looks: Mapping[str, Sequence[Look]], reference: Healthy) -> dict[str, list[Look]]:
    """The pictures of parts that the reference knows, without those whose rows repeat."""
    known = {part: list(some) for part, some in looks.items() if part in reference.parts}
    if reference.torn_is_usual:
        return known
    whole = {part: [look for look in some if look.torn is None] for part, some in known.items()}
    return {part: some for part, some in whole.items() if some}


def tell_torn(
    looks: Mapping[str, Sequence[Look]], reference: Healthy, zones: Zones | None, result: Result
) -> dict[str, list[Look]]:
    """Sets torn, the share of the pictures that are broken; the pictures that are not."""
    whole = intact(looks, reference)
    total = sum(len(some) for part, some in looks.items() if part in reference.parts)
    broken = total - sum(map(len, whole.values()))
    if zones is not None and zones.split:
        off = {part: _shows_else(some, reference.parts[part], zones) for part, some in whole.items()}
        count = sum(int(mask.sum()) for mask in off.values())
        if 0 < count < _ALWAYS * total:
            broken += count
            whole = {
                part: [look for look, wrong in zip(some, off[part], strict=True) if not wrong]
                for part, some in whole.items()
            }
    result.values["torn"] = broken / total
    result.details["torn_pictures"] = float(broken)
    result.details["torn_all"] = float(total)
    return {part: some for part, some in whole.items() if some}


def _shows_else(looks: Sequence[Look], healthy: PartReference, zones: Zones) -> NDArray[np.bool_]:
    """Pictures of which some rows in a row are off while the rest is as usual: (n,)."""
    if healthy.grid is None or not looks:
        return np.zeros(len(looks), np.bool_)
    still = zones.cells
    ratio = np.log(np.array([look.grid for look in looks]).mean(axis=3) + 2) - np.log(healthy.grid.mean(axis=2) + 2)
    middle = np.median(ratio[:, still], axis=1)
    off = (np.abs(ratio - middle[:, None, None]) > _OFF) & still
    rows = np.array([_run(one, still) for one in off])
    return np.asarray(rows, np.bool_)


def _run(off: NDArray[np.bool_], still: NDArray[np.bool_]) -> bool:
    """Whether rows in a row are off, enough of them, and hardly anything elsewhere."""
    cells = still.sum(axis=1)
    wrong = (off.sum(axis=1) >= _HALF * np.maximum(cells, 1)) & (cells >= 2)
    if not wrong.any() or wrong.all():
        return False
    ends = np.flatnonzero(np.diff(np.concatenate([[False], wrong, [False]]).astype(int)))
    first, last = max(zip(ends[::2], ends[1::2], strict=True), key=lambda run: run[1] - run[0])
    outside = np.ones(len(cells), np.bool_)
    outside[first:last] = False
    few = off[outside].sum() <= _ELSEWHERE * max(int(still[outside].sum()), 1)
    return bool(last - first >= max(2, len(cells) // _ROWS) and few)
