"""A head that knows a new class by its prototype, the mean of the few pictures that show it (after Snell et al.,
"Prototypical Networks for Few-shot Learning", 2017), beside classes that it knows well."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from sklearn.covariance import ledoit_wolf
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from inspection.model.head import Said
from inspection.model.tail import pooled

_DOUBT = 2  # pieces of a new class at which what is won of it counts half as much as what a known one loses
_NEAR = 1e-6  # by which a picture changes sides
_MOST = 1000  # eases that are tried; where there are more, so many of them
_LEAST, _NEVER = 1e-3, -10.0  # gain of a class that cannot be told from the known ones, and its ease
_TINY = 1e-9  # share of the spread that every direction has at least

Margins = NDArray[np.float64]  # by how much a new class's score is ahead of the best known one, (N,)


class Prototypes(torch.nn.Module):
    """Embeddings (N, D) -> logits (N, K): of known classes by their rows, of a new one by how much more a picture looks
    like it than like any known one, on top of the best known score.

    Attributes:
        known: the rows of the known classes.
        middle: the mean embedding, from which likeness is taken.
        kinds: likeness to each known class, then to each new one.
        gain: by which a lead in likeness counts as a lead in logits.
        ease: with which each new class is called.
        order: where each class stands among the known ones followed by the new ones.
    """

    def __init__(self, known: torch.nn.Linear, fresh: int, order: Sequence[int]) -> None:
        super().__init__()
        self.known = known
        self.kinds = torch.nn.Linear(known.in_features, known.out_features + fresh, bias=False)
        self.gain, self.ease = torch.nn.Parameter(torch.ones(fresh)), torch.nn.Parameter(torch.zeros(fresh))
        self.middle: torch.Tensor
        self.order: torch.Tensor
        self.register_buffer("middle", torch.zeros(known.in_features))
        self.register_buffer("order", torch.tensor(order))

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        scores, kinds = self.known(embedding), self.kinds(embedding - self.middle)
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
    that were left out: its own in turn, and the validation pictures of the known ones; for each new class as if it were
    the only one.

    Args:
        learned: pictures of all classes.
        left_out: pictures to decide by, which may lack the new ones.
    """
    shared = [number for number, name in enumerate(classes) if name in known_classes]
    fresh = [number for number in range(len(classes)) if number not in shared]
    places = [*shared, *fresh]
    head = Prototypes(torch.nn.Linear(known.in_features, len(shared)), len(fresh), np.argsort(places).tolist())
    space = _Space(learned.only(np.isin(learned.labels, shared)))
    white = space.white(learned.mean)
    kinds = np.stack([_direction(white[learned.labels == number]) for number in places])
    with torch.no_grad():
        from_known = [known_classes.index(classes[number]) for number in shared]
        head.known.weight.copy_(known.weight[from_known])
        head.known.bias.copy_(known.bias[from_known])
        head.kinds.weight.copy_(torch.from_numpy(space.rows(kinds)))
        head.middle.copy_(torch.from_numpy(space.middle))
        judge = _Judge(head.known, space, kinds[: len(shared)])
        right = left_out.only(np.array(shared)[judge.called(left_out)] == left_out.labels)
        share = 1 / np.bincount(left_out.labels)[right.labels]  # of its class's recall, each
        for new, number in enumerate(fresh):
            mine, held_back = (some.only(some.labels == number) for some in (learned, left_out))
            kind = kinds[len(shared) + new]
            tried = [(judge.leads(held_back, kind), held_back), *_left_out(judge, mine)]
            tried = [pair for pair in tried if len(pair[0])] or [(judge.leads(mine, kind), mine)]
            lost = judge.leads(right, kind)
            gain = _gain(np.concatenate([leads for leads, _ in tried]), lost, share)
            won = np.concatenate([judge.margins(leads, some, gain) for leads, some in tried])
            pieces = len(np.unique(np.r_[mine.pieces, held_back.pieces]))
            head.gain[new] = gain
            head.ease[new] = _NEVER if gain <= _LEAST else _ease(won, judge.margins(lost, right, gain), share, pieces)
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
        each = shown.mean.astype(np.float64)
        self.middle: NDArray[np.float64] = each.mean(axis=0)
        numbers, kinds = np.unique(shown.labels, return_inverse=True)
        means = np.stack([each[shown.labels == number].mean(axis=0) for number in numbers])
        spread = ledoit_wolf(each - means[kinds], assume_centered=True)[0]
        self._root = np.linalg.cholesky(spread + max(_TINY * np.trace(spread), _TINY) * np.eye(len(spread)))

    def white(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """Embeddings (..., D) in that space."""
        flat = (embeddings - self.middle).reshape(-1, len(self.middle))
        return np.asarray(solve_triangular(self._root, flat.T, lower=True).T.reshape(embeddings.shape), np.float64)

    def rows(self, directions: NDArray[np.float64]) -> NDArray[np.float64]:
        """What gives for an embedding, less `middle`, its part in each direction (K, D) of that space."""
        return np.asarray(solve_triangular(self._root, directions.T, trans="T", lower=True).T, np.float64)


class _Judge:
    """What the known classes say of pictures, and by how much these look more like another kind."""

    def __init__(self, known: torch.nn.Linear, space: _Space, old: NDArray[np.float64]) -> None:
        self._known, self.space, self._old = known, space, old

    def called(self, some: Said) -> NDArray[np.int64]:
        """The known class of each picture, (N,)."""
        called: NDArray[np.int64] = pooled(self._scores(some)).argmax(1).numpy()
        return called

    def leads(self, some: Said, kind: NDArray[np.float64]) -> NDArray[np.float64]:
        """By how much each tile looks more like `kind` than like any known class, (N, tiles)."""
        white = self.space.white(some.embeddings)
        leads: NDArray[np.float64] = white @ kind - (white @ self._old.T).max(axis=2, initial=-np.inf)
        return leads

    def margins(self, leads: NDArray[np.float64], some: Said, gain: float) -> Margins:
        """By how much the new class's score is ahead of the best known one, (N,), pooled over tiles as in `Tail`."""
        scores = self._scores(some)
        new = pooled(scores.amax(2) + gain * torch.from_numpy(leads))
        return np.asarray((new - pooled(scores).amax(1)).numpy(), np.float64)

    def _scores(self, some: Said) -> torch.Tensor:
        scores: torch.Tensor = self._known(torch.from_numpy(some.embeddings)).detach().double()
        return scores


def _direction(white: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of (N, D), each of which counts alike: (D,), of length 1."""
    return np.asarray(normalize(normalize(white).mean(axis=0, keepdims=True))[0], np.float64)


def _left_out(judge: _Judge, mine: Said) -> Iterator[tuple[NDArray[np.float64], Said]]:
    """Pictures of one class and their leads, piece by piece, each by the prototype of the other pieces."""
    white = judge.space.white(mine.mean)
    pieces = np.unique(mine.pieces)
    for piece in pieces if len(pieces) > 1 else ():
        out = mine.pieces == piece
        yield judge.leads(mine.only(out), _direction(white[~out])), mine.only(out)


def _gain(won: NDArray[np.float64], lost: NDArray[np.float64], share: NDArray[np.float64]) -> float:
    """By what to multiply leads (N, tiles) so that they are logits, the new class as likely as all known ones together,
    and these as likely as each other. Args as of `_ease`."""
    if not len(lost):
        return 1.0
    both, new = np.r_[won, lost].mean(axis=1, keepdims=True), np.r_[np.ones(len(won)), np.zeros(len(lost))]
    weight = np.r_[np.full(len(won), 1 / len(won)), share / share.sum()] * len(both) / 2
    return max(float(LogisticRegression().fit(both, new, sample_weight=weight).coef_[0, 0]), _LEAST)


def _ease(won: Margins, lost: Margins, share: NDArray[np.float64], pieces: int) -> float:
    """What to add to margins: most recall, summed over the classes. A new class counts the less the fewer pieces show
    it, for so much less is known of it.

    Args:
        won: of pictures of the new class.
        lost: of pictures of known classes that are called right, each of which is `share` of its class's recall.
    """
    if pieces == 1:
        return 0.0
    every = np.unique(np.r_[0.0, _NEAR - won, -_NEAR - lost])
    tried = every[np.unique(np.linspace(0, len(every) - 1, _MOST).astype(int))]
    found = (won + tried[:, None] > 0).mean(axis=1) * pieces / (pieces + _DOUBT)
    kept = (lost + tried[:, None] <= 0) @ share
    best = tried[np.isclose(found + kept, (found + kept).max())]
    return float(best[np.abs(best).argmin()])
