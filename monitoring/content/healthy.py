"""What a healthy camera shows: the centre of every declared part, and the scatter that all of them share."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.content import scatter
from monitoring.content.parts import Mask, Names, Parts, Points, Single
from monitoring.content.scatter import distance

_USUAL = 0.95  # of a look's healthy parts, by their distance


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
        return scatter.places(points - self.kinds[kind].centre, self.basis, self.spread)

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


def nearest(points: Points, content: Content) -> tuple[Points, Names]:
    """Distance to the nearest centre, in healthy standard deviations, and whose it is: (n,) each."""
    names = np.array(list(content.kinds))
    distances = np.stack([distance(content.places(points, name)) for name in names])
    return distances.min(axis=0), names[distances.argmin(axis=0)]


def kinds_of(parts: Parts, content: Content) -> Names:
    """Each part's kind: as it was declared, or the nearest look of that."""
    return parts.declared if set(content.parts) == set(content.kinds) else nearest(parts.points, content)[1]


def of_their_look(points: Points, kinds: Names, content: Content, elsewhere: Collection[str] = ()) -> Mask:
    """Whether each part lies as near the look it was given as nineteen in twenty healthy ones do: (n,).

    A part of another product has a nearest look too, and is none of it; nor is any part of a look whose parts have all
    moved `elsewhere`. One whose kind was declared is what it is said to be.
    """
    if set(content.parts) == set(content.kinds):
        return np.ones(len(points), np.bool_)
    near = np.zeros(len(points), np.bool_)
    for name in content.kinds.keys() - set(elsewhere):
        kind, mine = content.kinds[name], kinds == name
        near[mine] = distance(content.places(points[mine], name)) <= np.quantile(distance(kind.places), _USUAL)
    return near
