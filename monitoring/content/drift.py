"""What the pictures show, apart from how the camera sees it: new products, another mix, another surface, more defects.

A part is a point: the mean of its images' normalised embeddings in the frozen network. Every declared part has a centre
and all share one scatter (after K. Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples",
NeurIPS 2018). Causes are told apart in a fixed order, because each later one would mistake an earlier one for itself:
names that nobody declared -> mix -> surface, within each part -> parts unlike any other -> rejections.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

UNITS = {
    "novelty": "share of the parts",
    "mix": "share of the parts that changed kind",
    "surface": "healthy standard deviations",
    "defects": "share of the parts",
}
CAUSES = {"novelty": "new_product", "mix": "changed_mix", "surface": "changed_surface", "defects": "defect_rate"}
RISES = ("novelty", "mix", "surface")  # statistics of which only more is a change; below 0 is chance
EXPLAINS = {"changed_surface": ("defect_rate",)}  # a model that sees another surface rejects for another reason

MIN_PARTS = 5  # below which nothing is said of a window or a kind, and new parts are no kind

_DIRECTIONS = 32  # in which healthy parts differ most
_MOST = 512  # parts that directions are taken from, and ...
_KEPT = 256  # ... healthy parts that are kept of each kind, at most
_FOLDS = 24  # groups of clean windows that are left out in turn, at most
_ALIKE = 1e-6  # scatter of normalised embeddings below which pictures are all the same
_FURTHEST, _MARGIN = 0.995, 1.1  # a part is unlike all others from so much beyond that quantile of clean ones
_TOGETHER = 0.5  # cosine from which two new parts are alike
_MOVED = 1.0  # a surface that moved by more is taken out before parts are called new
_QUARTILES = (0.25, 0.5, 0.75)
_LOOKS, _APART, _SMALLEST = 4, 0.25, 0.15  # looks of an only part: how many at most, how clear, share of the rarest

Points = NDArray[np.float64]
Single = NDArray[np.float32]
Names = NDArray[np.str_]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Shown:
    """What captures show, one entry an image.

    Attributes:
        embeddings: (N, D) of the frozen network whose hash is `network`.
        parts, serials: what each image was declared to show, and of which piece.
        rejected: what the live model, whose package has the hash `model`, said; None: none was live.
        rule: how images fold to a part, any or majority.
    """

    embeddings: Single
    parts: Sequence[str]
    serials: Sequence[str]
    rejected: Sequence[bool] | None = None
    model: str = ""
    network: str = ""
    rule: str = "any"


@dataclass(frozen=True)
class Kind:
    """A declared part as the clean windows show it; where a camera sees only one, a look of it.

    Attributes:
        centre: (D,). places: (n, K + 1) of healthy parts about it, as `Content.places` gives them.
        parts: how many there were; judged: by the model; rejected: how many of these.
    """

    part: str
    centre: Single
    places: Single
    parts: int
    judged: int
    rejected: int


@dataclass(frozen=True)
class Content:
    """What a healthy camera shows.

    Attributes:
        basis: (K, D) orthogonal directions; K is 0 where all clean pictures are alike.
        spread: (K + 2,) standard deviation along each, then mean and standard deviation of the log distance from all.
        far: distance from every centre from which a part is unlike all others.
        clean: values of each clean window in time order, measured against the others.
    """

    kinds: Mapping[str, Kind]
    basis: Single
    spread: Single
    far: float
    network: str
    model: str
    clean: tuple[Mapping[str, float], ...] = ()

    @property
    def parts(self) -> list[str]:
        """The declared parts."""
        return sorted({kind.part for kind in self.kinds.values()})

    def places(self, points: Points, kind: str) -> Points:
        """Where `points` (n, D) lie about a kind's centre, in healthy standard deviations: (n, K + 1)."""
        return _places(points - self.kinds[kind].centre, self.basis, self.spread)

    def tensors(self) -> dict[str, Single]:
        """The arrays, float32, by names that begin with `content/`."""
        arrays = {"content/basis": self.basis, "content/spread": self.spread}
        for n, kind in enumerate(self.kinds.values()):
            arrays |= {f"content/{n}/centre": kind.centre, f"content/{n}/places": kind.places}
        return arrays

    def facts(self) -> dict[str, Any]:
        """Everything but the arrays, as plain types."""
        counts = ("part", "parts", "judged", "rejected")
        return {
            "kinds": [{"name": name, **{c: getattr(kind, c) for c in counts}} for name, kind in self.kinds.items()],
            "far": self.far,
            "network": self.network,
            "model": self.model,
            "clean": [dict(values) for values in self.clean],
        }

    @classmethod
    def of(cls, facts: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> "Content":
        """What `facts` and `tensors` were made from; KeyError or TypeError when they are not such."""
        kinds = {}
        for n, kind in enumerate(facts["kinds"]):
            fields = {key: value for key, value in kind.items() if key != "name"}
            fields |= {key: tensors[f"content/{n}/{key}"] for key in ("centre", "places")}
            kinds[kind["name"]] = Kind(**fields)
        plain = {**facts, "kinds": kinds, "clean": tuple(facts["clean"])}
        return cls(**plain, basis=tensors["content/basis"], spread=tensors["content/spread"])


@dataclass
class Drift:
    """How a window's parts differ from the clean ones: values and standard errors in UNITS.

    `details` hold what `words` needs and, under the statistics' own names, all that was measured, also what a fault of
    the camera may explain and `values` therefore lack.
    """

    values: dict[str, float] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    details: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def put(self, statistic: str, value: float, error: float) -> None:
        self.values[statistic] = self.details[statistic] = float(value)
        self.errors[statistic] = float(error)


class _Parts(NamedTuple):
    """One row a part: points (n, D), what it was declared to be, whether it was rejected (1, 0; nan: not judged), and
    its kind."""

    points: Points
    declared: Names
    rejected: Points
    kinds: Names

    def some(self, rows: Mask) -> "_Parts":
        return _Parts(self.points[rows], self.declared[rows], self.rejected[rows], self.kinds[rows])


# ----------------------------------------------------------------------------------------------- learning


def learn(windows: Sequence[Shown]) -> Content | None:
    """What clean windows show, each measured against the others; None: no picture that could be learned from.

    Only windows of the newest one's network count, and only verdicts of its model.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # matrices of some hundred rows; threads would wait for each other
        return _learned(windows)


def _learned(windows: Sequence[Shown]) -> Content | None:
    network, model = (windows[-1].network, windows[-1].model) if windows else ("", "")
    every = [_fold(one, model) for one in windows if one.network == network]
    every = [parts for parts in every if len(parts.points)]
    if not every:
        return None
    every = _with_looks(every)
    content = _fit(every, network, model)
    folds = min(len(every), _FOLDS)
    if folds < 2:
        return content
    without = [_fit([one for n, one in enumerate(every) if n % folds != out], network, model) for out in range(folds)]
    rests = [without[n % folds] for n in range(len(every))]
    known = [parts.some(np.isin(parts.declared, rest.parts)) for parts, rest in zip(every, rests, strict=True)]
    pairs = [(parts, rest) for parts, rest in zip(known, rests, strict=True) if len(parts.points) >= MIN_PARTS]
    distances = [_nearest(parts.points, rest)[0] for parts, rest in pairs if len(rest.basis)]
    if distances:
        content = replace(content, far=_MARGIN * float(np.quantile(np.concatenate(distances), _FURTHEST)))
    clean = tuple(_differences(parts, replace(rest, far=content.far)).values for parts, rest in pairs)
    return replace(content, clean=clean)


def with_verdicts(content: Content, windows: Sequence[Shown]) -> Content:
    """`content` with the rate at which another model rejects parts, from windows that it judged; each is measured
    against the others. Parts that it was trained on would not do: it knows them by heart."""
    model = windows[-1].model
    every = [parts for one in windows if len((parts := _fold(one, model)).points)]
    every = [parts.some(np.isin(parts.declared, content.parts)) for parts in every]
    kinds = [_kinds(parts, content) for parts in every]
    clean: list[Mapping[str, float]] = [{n: v for n, v in one.items() if n != "defects"} for one in content.clean]
    for out, parts in enumerate(every):
        found = Drift()
        _defects(parts, kinds[out], _counted(content, every, kinds, out), found)
        clean.append({name: value for name, value in found.values.items() if name == "defects"})
    return replace(_counted(content, every, kinds, None), model=model, clean=tuple(clean))


def _counted(content: Content, every: Sequence[_Parts], kinds: Sequence[Names], out: int | None) -> Content:
    """`content` with how many parts of each kind were judged and rejected in all windows but number `out`."""
    kept = [number for number in range(len(every)) if number != out]
    made = {}
    for name, kind in content.kinds.items():
        said = [every[number].rejected[kinds[number] == name] for number in kept]
        judged = np.concatenate([one[np.isfinite(one)] for one in said]) if said else np.empty(0)
        made[name] = replace(kind, judged=len(judged), rejected=int(judged.sum()))
    return replace(content, kinds=made)


def _fold(shown: Shown, model: str) -> _Parts:
    """The window's parts. Images without a finite embedding and verdicts of another model do not count."""
    embeddings = np.atleast_2d(np.asarray(shown.embeddings, np.float64))[: len(shown.parts)]
    length = np.linalg.norm(embeddings, axis=1)
    usable = np.isfinite(length) & (length > 0)
    names = np.stack([np.asarray(shown.parts, str), np.asarray(shown.serials, str)], axis=1)[usable]
    pieces, index = np.unique(names, axis=0, return_inverse=True)
    share = (index.ravel() == np.arange(len(pieces))[:, None]).astype(np.float64)
    share /= np.maximum(share.sum(axis=1, keepdims=True), 1)
    rejected = np.full(len(pieces), np.nan)
    if shown.rejected is not None and shown.model == model:
        images = share @ np.asarray(shown.rejected, np.float64)[usable]
        rejected = (images > (0 if shown.rule == "any" else 0.5)).astype(np.float64)
    return _Parts(share @ (embeddings[usable] / length[usable, None]), pieces[:, 0], rejected, pieces[:, 0])


def _joined(every: Sequence[_Parts]) -> _Parts:
    return _Parts(*(np.concatenate(column) for column in zip(*every, strict=True)))


def _fit(every: Sequence[_Parts], network: str, model: str) -> Content:
    """Directions from every other part, all else from the parts between: to those they are as new as a window is."""
    parts = _joined(every)
    kinds = parts.kinds
    names = sorted(set(kinds.tolist()))
    centres = {name: parts.points[kinds == name].mean(axis=0) for name in names}
    away = parts.points - np.stack([centres[name] for name in kinds])
    basis = _directions(away[::2]).astype(np.float32)
    between = np.arange(len(away)) % 2 == min(1, len(away) - 1)
    spread = _spread(away[between], basis)
    made = {}
    for name in names:
        mine = kinds == name
        chosen = away[mine & between]
        places = _places(chosen[:: max(1, -(-len(chosen) // _KEPT))], basis, spread)
        judged = parts.rejected[mine & np.isfinite(parts.rejected)]
        counts = (int(mine.sum()), len(judged), int(judged.sum()))
        declared = str(parts.declared[mine][0])
        made[name] = Kind(declared, centres[name].astype(np.float32), places.astype(np.float32), *counts)
    far = _MARGIN * max(float(_distance(kind.places).max(initial=1.0)) for kind in made.values())
    return Content(made, basis, spread, far, network, model)


def _directions(away: Points) -> Points:
    """(K, D): the leading directions of `away` (n, D), from the Gram matrix of at most 512 of its rows."""
    some = away[:: max(1, -(-len(away) // _MOST))]
    values, vectors = np.linalg.eigh(some @ some.T / len(some))
    chosen = np.flatnonzero(values > _ALIKE**2)[::-1][: min(_DIRECTIONS, len(some) // 2)]
    return np.asarray((some.T @ vectors[:, chosen] / np.sqrt(values[chosen] * len(some))).T)


def _rest(away: Points, along: Points, basis: Single) -> Points:
    return np.asarray(np.log(np.linalg.norm(away - along @ basis, axis=1) + _ALIKE))


def _spread(away: Points, basis: Single) -> Single:
    along = away @ basis.T
    rest = _rest(away, along, basis)
    sizes = np.maximum([*along.std(axis=0), rest.std()], _ALIKE)
    return np.insert(sizes, -1, rest.mean()).astype(np.float32)


def _places(away: Points, basis: Single, spread: Single) -> Points:
    along = away @ basis.T
    rest = _rest(away, along, basis)
    return np.column_stack([along / spread[:-2], (rest - spread[-2]) / spread[-1]])


def _with_looks(every: Sequence[_Parts]) -> list[_Parts]:
    looks = np.split(_looks(_joined(every)), np.cumsum([len(parts.points) for parts in every])[:-1])
    return [parts._replace(kinds=kinds) for parts, kinds in zip(every, looks, strict=True)]


def _looks(parts: _Parts) -> Names:
    """Each part's kind: its declaration, or where there is only one, which of its clearly distinct looks it has."""
    names = sorted(set(parts.declared.tolist()))
    if len(names) > 1 or len(parts.declared) < 8 * MIN_PARTS:
        return parts.declared
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    away = parts.points - parts.points.mean(axis=0)
    flat = away @ _directions(away)[:8].T
    best, apart = parts.declared, _APART
    for count in range(2, _LOOKS + 1) if flat.size else ():
        found = KMeans(count, n_init=3, random_state=0).fit_predict(flat)
        if np.bincount(found).min() >= _SMALLEST * len(found) and (score := silhouette_score(flat, found)) > apart:
            best, apart = np.array([f"{names[0]}, look {n + 1}" for n in found]), float(score)
    return best


# ----------------------------------------------------------------------------------------------- measuring


def measure(shown: Shown, content: Content, camera: Collection[str] = ()) -> Drift:
    """How a window differs from what the healthy camera shows.

    Args:
        camera: causes found on the camera in this window. Light, blur and dust move embeddings too, so with any of
            them only declared names and, where there are several, their mix are judged.
    """
    parts = _fold(shown, content.model)
    if len(parts.points) < MIN_PARTS:
        return Drift(notes=[f"What the pictures show takes {MIN_PARTS} parts to judge; there are {len(parts.points)}."])
    if shown.network != content.network or parts.points.shape[1] != content.basis.shape[1]:
        words = "What the pictures show was not judged: the reference knows them from another feature network."
        return Drift(notes=[f"{words} Make a new one."])
    drift = _differences(parts, content)
    if shown.rejected is not None and shown.model != content.model:
        drift.notes.append("The reference does not know how often the model that is on the line now rejects parts.")
    return _withheld(drift, content, camera) if camera else drift


def _withheld(drift: Drift, content: Content, camera: Collection[str]) -> Drift:
    """`drift` without what a fault of the camera may explain."""
    kept = {"mix"} if len(content.parts) > 1 else set()
    values = {name: value for name, value in drift.values.items() if name in kept}
    if drift.details["unknown_names"]:
        values["novelty"] = drift.details["unknown_names"]
    causes = " and ".join(cause.replace("_", " ") for cause in sorted(camera))
    words = (
        f"The camera itself changed ({causes}), and with it how every part looks: whether products, surfaces or the "
        "rate of defects changed too can be said when that is mended."
    )
    return replace(drift, values=values, errors={n: drift.errors[n] for n in values}, notes=[*drift.notes, words])


def _differences(parts: _Parts, content: Content) -> Drift:
    """Every statistic, in the order in which one explains the next."""
    drift, known = Drift(), np.isin(parts.declared, content.parts)
    drift.details |= {"parts": float(len(known)), "unknown_names": float(1 - known.mean())}
    for name in sorted(set(parts.declared[~known].tolist())):
        count = int((parts.declared == name).sum())
        drift.notes.append(f"{count} {'part is' if count == 1 else 'parts are'} '{name}', which the reference lacks.")
    rest = parts.some(known)
    unlike = np.zeros(len(rest.points), bool)
    if len(rest.points) < MIN_PARTS:
        drift.notes.append("Too few parts that the reference knows: they were not compared with it.")
    elif not len(content.basis) or float(np.ptp(rest.points, axis=0).max()) < _ALIKE:
        drift.notes.append("All pictures are alike, in this window or in the reference: they were not compared.")
    else:
        kinds = _kinds(rest, content)
        if len(content.kinds) > 1:
            _mix(kinds, content, drift)
        unlike = _unlike(rest.points, kinds, content, _surface(rest.points, kinds, content, drift))
        _defects(rest.some(~unlike), kinds[~unlike], content, drift)
    if drift.values or not known.all():
        new = float(((~known).sum() + unlike.sum()) / len(known))
        drift.put("novelty", new, _error(new, len(known)))
    return drift


def _nearest(points: Points, content: Content) -> tuple[Points, Names]:
    """Distance to the nearest centre, in healthy standard deviations, and whose it is: (n,) each."""
    names = np.array(list(content.kinds))
    distances = np.stack([_distance(content.places(points, name)) for name in names])
    return distances.min(axis=0), names[distances.argmin(axis=0)]


def _distance(places: Points | Single) -> Points:
    return np.asarray(np.sqrt(np.mean(places**2, axis=1)))


def _kinds(parts: _Parts, content: Content) -> Names:
    """Each part's kind: as it was declared, or the nearest look of that."""
    return parts.declared if set(content.parts) == set(content.kinds) else _nearest(parts.points, content)[1]


def _mix(kinds: Names, content: Content, drift: Drift) -> None:
    """Total variation between the window's kinds and the clean ones, less what chance makes of so many parts."""
    clean = np.array([kind.parts for kind in content.kinds.values()], float)
    now = np.array([(kinds == name).sum() for name in content.kinds], float)
    share = clean / clean.sum()
    scatter = np.sqrt(share * (1 - share) * (1 / now.sum() + 1 / clean.sum()))
    chance = float(scatter.sum()) * np.sqrt(2 / np.pi) / 2  # mean of |normal|, for each kind
    apart = float(np.abs(now / now.sum() - share).sum()) / 2
    drift.put("mix", apart - chance, float(np.linalg.norm(scatter)) / 2)


def _surface(points: Points, kinds: Names, content: Content, drift: Drift) -> dict[str, float]:
    """Sets surface, that of the kind that moved furthest; how far each kind with enough parts moved."""
    moved, number = {}, {}
    for name, kind in content.kinds.items():
        mine = kinds == name
        if mine.sum() >= MIN_PARTS and len(kind.places) >= MIN_PARTS:
            moved[name], number[name] = _common(content.places(points[mine], name), kind.places), int(mine.sum())
    if not moved:
        drift.notes.append(f"No kind has {MIN_PARTS} parts here and in the reference: surfaces were not compared.")
        return moved
    furthest = max(moved, key=lambda name: moved[name])
    drift.put("surface", moved[furthest], 1.25 / np.sqrt(number[furthest]))  # of a median of standard deviation 1
    drift.details |= {f"surface of {name}": size for name, size in moved.items()}
    return moved


def _common(now: Points, healthy: Single) -> float:
    """How far all parts moved together: the least that a quartile moved, along the way that the other parts went.

    More defects move some quartiles, another surface all. A far part has no more say in the way than a usual one
    (spatial signs; L. Wang et al., "A High-Dimensional Nonparametric Multivariate Test for Mean Vector", JASA 2015).
    """
    usual = float(np.median(np.linalg.norm(healthy, axis=1)))
    signs = now * np.minimum(1, usual / np.maximum(np.linalg.norm(now, axis=1, keepdims=True), _ALIKE))
    others = signs.sum(axis=0) - signs
    along = (now * others).sum(axis=1) / np.maximum(np.linalg.norm(others, axis=1), _ALIKE)
    way = signs.sum(axis=0) / max(float(np.linalg.norm(signs.sum(axis=0))), _ALIKE)
    return float(np.min(np.quantile(along, _QUARTILES) - np.quantile(healthy @ way, _QUARTILES)))


def _unlike(points: Points, kinds: Names, content: Content, moved: Mapping[str, float]) -> Mask:
    """Parts far from every centre, also from where their kind's surface moved it, and enough of them alike: (n,)."""
    away = points - np.stack([content.kinds[name].centre for name in kinds])
    distance = _nearest(points, content)[0]
    for name in [name for name, size in moved.items() if size > _MOVED]:
        mine = kinds == name
        nearer = mine & (distance <= np.median(distance[mine]))
        back = points[mine] - away[nearer].mean(axis=0)
        distance[mine] = np.minimum(distance[mine], _distance(content.places(back, name)))
    far = distance > content.far
    unit = away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), _ALIKE)
    alike = ((unit @ unit.T > _TOGETHER) & far).sum(axis=1) >= MIN_PARTS
    return np.asarray(far & alike, np.bool_)


def _defects(parts: _Parts, kinds: Names, content: Content, drift: Drift) -> None:
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
    errors = [np.hypot(_error(rate, n), _error(before, m)) for n, rate, m, before in rows]
    drift.put("defects", float(weight @ (now - clean)), float(np.linalg.norm(weight * errors)))


def _error(share: float, count: float) -> float:
    """Standard error of a share, one success and one failure added, so that it is never 0."""
    shrunk = (share * count + 1) / (count + 2)
    return float(np.sqrt(shrunk * (1 - shrunk) / count))


# ------------------------------------------------------------------------------------------------- saying


def words(statistic: str, size: float, details: Mapping[str, float]) -> str:
    """A value of `Drift.values`, with its details, as a sentence for whoever answers for quality."""
    return _WORDS[statistic](size, details)


def _new_product(size: float, details: Mapping[str, float]) -> str:
    named = details.get("unknown_names", 0.0) >= size / 2
    what = "have a name that the reference does not know" if named else "look like none of the clean pictures"
    return f"{size:.0%} of the parts {what}: a new product, or a new kind of picture."


def _changed_mix(size: float, details: Mapping[str, float]) -> str:
    return f"Other parts pass than before: their shares moved by {abs(size):.0%} more than chance does."


def _changed_surface(size: float, details: Mapping[str, float]) -> str:
    moved = {name.removeprefix("surface of "): by for name, by in details.items() if name.startswith("surface of ")}
    which = f"'{max(moved, key=lambda name: moved[name])}'" if moved else "one part"
    return f"All pictures of {which} look different, by {size:.1f} times how much clean ones differ: another surface."


def _defect_rate(size: float, details: Mapping[str, float]) -> str:
    now, clean = (details.get(f"rejected_{when}", 0.0) for when in ("now", "clean"))
    more = "more" if size > 0 else "fewer"
    return f"The model rejects {more} parts: {now:.0%}, against {clean:.0%} of the same parts in clean windows."


_WORDS = {"novelty": _new_product, "mix": _changed_mix, "surface": _changed_surface, "defects": _defect_rate}
