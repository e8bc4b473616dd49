"""A head that knows a new class by its prototype, the mean of the few pictures that show it (after Snell et al.,
"Prototypical Networks for Few-shot Learning", 2017), beside classes that it knows well."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from sklearn.covariance import ledoit_wolf
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from inspection.head import Said

_DOUBT = 2  # pieces of a new class at which what is won of it counts half as much as what a known one loses
_NEAR = 1e-6  # by which a picture changes sides
_LEAST = 1e-3  # gain, so that looking more like the new class never lowers its score
_TINY = 1e-9  # share of the spread that every direction has at least

Leads = NDArray[np.float64]  # by how much pictures look more like a new class than like any known one, (N,)


class Prototypes(torch.nn.Module):
    """Embeddings (N, D) -> logits (N, K): of known classes by their rows, of a new one by how much more a picture looks
    like it than like any known one, on top of the best known score.

    Attributes:
        known: the rows of the known classes.
        kinds: likeness to each known class, then to each new one.
        gain: by which a lead in likeness counts as a lead in logits.
        ease: with which each new class is called.
        order: where each class stands among the known ones followed by the new ones.
    """

    def __init__(self, known: torch.nn.Linear, fresh: int, order: Sequence[int]) -> None:
        super().__init__()
        self.known = known
        self.kinds = torch.nn.Linear(known.in_features, known.out_features + fresh)
        self.gain, self.ease = torch.nn.Parameter(torch.ones(fresh)), torch.nn.Parameter(torch.zeros(fresh))
        self.order: torch.Tensor
        self.register_buffer("order", torch.tensor(order))

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        scores, kinds = self.known(embedding), self.kinds(embedding)
        old = scores.shape[1]
        lead = kinds[:, old:] - kinds[:, :old].amax(1, keepdim=True)
        new = scores.amax(1, keepdim=True) + self.gain * lead + self.ease
        return torch.cat([scores, new], dim=1)[:, self.order]


def prototyped(
    known: torch.nn.Linear, known_classes: Sequence[str], learned: Said, left_out: Said, classes: Sequence[str]
) -> Prototypes:
    """A head for `classes`, some of which `known` tells apart already and goes on telling apart.

    A prototype is the mean direction of a class's pictures, in the space where the spread within the known classes is
    alike in all directions (as in linear discriminant analysis). How readily a new class is called is decided by pieces
    that were left out: its own in turn, and the validation pictures of the known ones.

    Args:
        learned: pictures of all classes.
        left_out: pictures to decide by, which may lack the new ones.
    """
    shared = [number for number, name in enumerate(classes) if name in known_classes]
    fresh = [number for number in range(len(classes)) if number not in shared]
    places = [*shared, *fresh]
    head = Prototypes(torch.nn.Linear(known.in_features, len(shared)), len(fresh), np.argsort(places).tolist())
    space = _Space(learned.only(np.isin(learned.labels, shared)))
    white = [space.white(learned.embeddings[learned.labels == number]) for number in places]
    kinds = np.stack([_direction(some) for some in white])
    rows, old, tried = space.rows(kinds), kinds[: len(shared)], space.white(left_out.embeddings)
    with torch.no_grad():
        from_known = [known_classes.index(classes[number]) for number in shared]
        head.known.weight.copy_(known.weight[from_known])
        head.known.bias.copy_(known.bias[from_known])
        head.kinds.weight.copy_(torch.from_numpy(rows))
        head.kinds.bias.copy_(torch.from_numpy(-rows @ space.middle))
        called = np.array(shared)[head.known(torch.from_numpy(left_out.embeddings)).argmax(1).numpy()]
        right = called == left_out.labels
        share = 1 / np.bincount(left_out.labels)[left_out.labels[right]]  # of its class's recall, each
        for place, number in enumerate(fresh, len(shared)):
            pieces = learned.serials[learned.labels == number]
            held_back = tried[left_out.labels == number]
            won = np.r_[_leads_left_out(white[place], pieces, old), _lead(held_back, kinds[place], old)]
            lost, new = _lead(tried[right], kinds[place], old), place - len(shared)
            head.gain[new] = gain = _gain(won, lost)
            head.ease[new] = gain * _ease(won, lost, share, len(np.unique(pieces)))
    return head


def before_prototypes(
    weights: Mapping[str, torch.Tensor], classes: Sequence[str]
) -> tuple[Mapping[str, torch.Tensor], tuple[str, ...]]:
    """The weights of a tail by name, and its classes, without those that it knows only by likeness."""
    place = next((name.removesuffix(".known.weight") for name in weights if name.endswith(".known.weight")), None)
    if place is None:
        return weights, tuple(classes)
    blocks = {name: value for name, value in weights.items() if not name.startswith(f"{place}.")}
    head = {f"{place}.{name}": weights[f"{place}.known.{name}"] for name in ("weight", "bias")}
    known, order = len(head[f"{place}.bias"]), weights[f"{place}.order"].tolist()
    return {**blocks, **head}, tuple(name for name, at in zip(classes, order, strict=True) if at < known)


class _Space:
    """Where the spread of pictures within their classes is alike in all directions (Ledoit and Wolf, "A
    well-conditioned estimator for large-dimensional covariance matrices", 2004)."""

    def __init__(self, shown: Said) -> None:
        each = shown.embeddings.astype(np.float64)
        self.middle: NDArray[np.float64] = each.mean(axis=0)
        numbers, kinds = np.unique(shown.labels, return_inverse=True)
        means = np.stack([each[shown.labels == number].mean(axis=0) for number in numbers])
        spread = ledoit_wolf(each - means[kinds], assume_centered=True)[0]
        self._root = np.linalg.cholesky(spread + max(_TINY * np.trace(spread), _TINY) * np.eye(len(spread)))

    def white(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """Embeddings (N, D) in that space."""
        values: NDArray[np.float64] = solve_triangular(self._root, (embeddings - self.middle).T, lower=True).T
        return values

    def rows(self, directions: NDArray[np.float64]) -> NDArray[np.float64]:
        """What gives for an embedding, less `middle`, its part in each direction (K, D) of that space."""
        values: NDArray[np.float64] = solve_triangular(self._root, directions.T, trans="T", lower=True).T
        return values


def _direction(white: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of (N, D), each of which counts alike: (D,), of length 1."""
    return np.asarray(normalize(normalize(white).mean(axis=0, keepdims=True))[0], np.float64)


def _lead(white: NDArray[np.float64], kind: NDArray[np.float64], old: NDArray[np.float64]) -> Leads:
    lead: Leads = white @ kind - (white @ old.T).max(axis=1)
    return lead


def _leads_left_out(white: NDArray[np.float64], pieces: NDArray[np.object_], old: NDArray[np.float64]) -> Leads:
    """Leads of a class's pictures (N, D), each by the prototype of the other pieces."""
    each = np.unique(pieces)
    if len(each) == 1:  # there are no others
        return _lead(white, _direction(white), old)
    leads = np.empty(len(white))
    for piece in each:
        out = pieces == piece
        leads[out] = _lead(white[out], _direction(white[~out]), old)
    return leads


def _gain(won: Leads, lost: Leads) -> float:
    """By what to multiply leads so that they are logits, the new class as likely as all known ones together."""
    if not len(lost):
        return 1.0
    both, new = np.r_[won, lost][:, None], np.r_[np.ones(len(won)), np.zeros(len(lost))]
    model = LogisticRegression(class_weight="balanced").fit(both, new)
    return max(float(model.coef_[0, 0]), _LEAST)


def _ease(won: Leads, lost: Leads, share: NDArray[np.float64], pieces: int) -> float:
    """What to add to leads: most recall, summed over the classes. A new class counts the less the fewer pieces show it,
    for so much less is known of it.

    Args:
        won: of pictures of the new class.
        lost: of pictures that are called right, each of which is `share` of its class's recall.
    """
    if pieces == 1:
        return 0.0
    tried = np.unique(np.r_[0.0, _NEAR - won, -_NEAR - lost])
    found = (won + tried[:, None] > 0).mean(axis=1) * pieces / (pieces + _DOUBT)
    kept = (lost + tried[:, None] <= 0) @ share
    best = tried[np.isclose(found + kept, (found + kept).max())]
    return float(best[np.abs(best).argmin()])
