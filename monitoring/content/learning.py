"""Clean windows -> what a healthy camera shows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from monitoring.content import rejections, scatter
from monitoring.content.comparison import differences
from monitoring.content.drift import Drift
from monitoring.content.healthy import Content, Kind, kinds_of, nearest
from monitoring.content.looks import with_looks
from monitoring.content.parts import MIN_PARTS, Names, Parts, Shown, fold, joined

_KEPT = 256  # healthy parts that are kept of each kind, at most
_FOLDS = 24  # groups of clean windows that are left out in turn, at most
_FURTHEST, _MARGIN = 0.995, 1.1  # a part is unlike all others from so much beyond that quantile of clean ones


def learn(windows: Sequence[Shown]) -> Content | None:
    """What clean windows show, each measured against the others; None: no picture that could be learned from.

    Only windows of the newest one's network count, and only verdicts of its model.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # matrices of some hundred rows; threads would wait for each other
        return _learned(windows)


def _learned(windows: Sequence[Shown]) -> Content | None:
    network, model = (windows[-1].network, windows[-1].model) if windows else ("", "")
    every = [fold(one, model) for one in windows if one.network == network]
    every = [parts for parts in every if len(parts.points)]
    if not every:
        return None
    every = with_looks(every)
    content = _fit(every, network, model)
    folds = min(len(every), _FOLDS)
    if folds < 2:
        return content
    without = [_fit([one for n, one in enumerate(every) if n % folds != out], network, model) for out in range(folds)]
    rests = [without[n % folds] for n in range(len(every))]
    known = [parts.some(np.isin(parts.declared, rest.parts)) for parts, rest in zip(every, rests, strict=True)]
    pairs = [(parts, rest) for parts, rest in zip(known, rests, strict=True) if len(parts.points) >= MIN_PARTS]
    distances = [nearest(parts.points, rest)[0] for parts, rest in pairs if len(rest.basis)]
    if distances:
        content = replace(content, far=_MARGIN * float(np.quantile(np.concatenate(distances), _FURTHEST)))
    clean = tuple(differences(parts, replace(rest, far=content.far))[0].values for parts, rest in pairs)
    return replace(content, clean=clean)


def with_verdicts(content: Content, windows: Sequence[Shown]) -> Content:
    """`content` with the rate at which another model rejects parts, from windows that it judged; each is measured
    against the others. Parts that it was trained on would not do: it knows them by heart."""
    model = windows[-1].model
    every = [parts for one in windows if len((parts := fold(one, model)).points)]
    every = [parts.some(np.isin(parts.declared, content.parts)) for parts in every]
    kinds = [kinds_of(parts, content) for parts in every]
    clean: list[Mapping[str, float]] = [{n: v for n, v in one.items() if n != "defects"} for one in content.clean]
    for out, parts in enumerate(every):
        found = Drift()
        rejections.measure(parts, kinds[out], _counted(content, every, kinds, out), found)
        clean.append({name: value for name, value in found.values.items() if name == "defects"})
    return replace(_counted(content, every, kinds, None), model=model, clean=tuple(clean))


def _counted(content: Content, every: Sequence[Parts], kinds: Sequence[Names], out: int | None) -> Content:
    """`content` with how many parts of each kind were judged and rejected in all windows but number `out`."""
    kept = [number for number in range(len(every)) if number != out]
    made = {}
    for name, kind in content.kinds.items():
        said = [every[number].rejected[kinds[number] == name] for number in kept]
        judged = np.concatenate([one[np.isfinite(one)] for one in said]) if said else np.empty(0)
        made[name] = replace(kind, judged=len(judged), rejected=int(judged.sum()))
    return replace(content, kinds=made)


def _fit(every: Sequence[Parts], network: str, model: str) -> Content:
    """Directions from every other part, all else from the parts between: to those they are as new as a window is."""
    parts = joined(every)
    kinds = parts.kinds
    names = sorted(set(kinds.tolist()))
    centres = {name: parts.points[kinds == name].mean(axis=0) for name in names}
    away = parts.points - np.stack([centres[name] for name in kinds])
    basis = scatter.directions(away[::2]).astype(np.float32)
    between = np.arange(len(away)) % 2 == min(1, len(away) - 1)
    spread = scatter.spread(away[between], basis)
    made = {}
    for name in names:
        mine = kinds == name
        chosen = away[mine & between]
        places = scatter.places(chosen[:: max(1, -(-len(chosen) // _KEPT))], basis, spread)
        judged = parts.rejected[mine & np.isfinite(parts.rejected)]
        counts = (int(mine.sum()), len(judged), int(judged.sum()))
        declared = str(parts.declared[mine][0])
        made[name] = Kind(declared, centres[name].astype(np.float32), places.astype(np.float32), *counts)
    far = _MARGIN * max(float(scatter.distance(kind.places).max(initial=1.0)) for kind in made.values())
    return Content(made, basis, spread, far, network, model)
