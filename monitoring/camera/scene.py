"""A window's blocks of pictures against what is expected of them, moved and blurred as the window is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from monitoring.camera.blur import BLURRED_PX2, as_now
from monitoring.camera.framing import EDGE_PX, Framing, rim_of, warped
from monitoring.camera.measurement import Map, Vector
from monitoring.camera.window import Block, median_map

_MOVED_PX = 0.3  # smaller framing is not taken out: it would add noise


@dataclass(frozen=True)
class Scene:
    """What a window shows, and what it should show.

    Attributes:
        healthy: part -> its mean picture in health, (H, W) levels.
        framing, added: where it has moved, and the blur that was added ((2, 2) px^2, x before y).
    """

    blocks: Sequence[Block]
    healthy: Mapping[str, Map]
    framing: Framing = field(default_factory=Framing)
    added: Vector = field(default_factory=lambda: np.zeros((2, 2)))

    def at(self, framing: Framing) -> "Scene":
        """As it has moved, and sharp; a move that is too small stays."""
        far = framing.reach(next(iter(self.healthy.values())).shape) > _MOVED_PX
        return replace(self, framing=framing if far else Framing(), added=np.zeros((2, 2)))

    def blurred(self, added: Vector) -> "Scene":
        return replace(self, added=added)

    @property
    def moved(self) -> bool:
        return self.framing != Framing()

    @property
    def soft(self) -> bool:
        return bool(np.abs(self.added).max() > BLURRED_PX2)

    @property
    def edges(self) -> float:
        """By how many px edges may lie elsewhere because they were moved or blurred; 0: they were not."""
        left = EDGE_PX * (1 + float(np.sqrt(max(0.0, self.added.max()))))
        return left if self.moved or self.soft else 0.0

    @property
    def images(self) -> int:
        return sum(block.images for block in self.blocks)

    @cached_property
    def expected(self) -> dict[str, Map]:
        """Part -> its mean picture as it should look now, (H, W) levels."""
        there = {part: warped(level, self.framing) if self.moved else level for part, level in self.healthy.items()}
        return {part: self._as_now(level) for part, level in there.items()}

    def _as_now(self, level: Map) -> Map:
        return as_now(level, self.added) if self.soft else level

    @cached_property
    def mixed(self) -> Map:
        """The parts in the window's own proportions, as they should look now: (H, W) levels."""
        return self._in_proportion(self.expected)

    @cached_property
    def unmoved(self) -> Map:
        """As `mixed`, where it was."""
        return self._in_proportion({part: self._as_now(level) for part, level in self.healthy.items()})

    def _in_proportion(self, levels: Mapping[str, Map]) -> Map:
        share = Counter[str]()
        for block in self.blocks:
            share[block.part] += block.images
        weights = {part: np.float32(share[part] / self.images) for part in levels}
        return np.asarray(sum(level * weights[part] for part, level in levels.items()), np.float32)

    @cached_property
    def ratios(self) -> NDArray[np.float32]:
        """(blocks, H, W): log of each block's mean over what its part should look like."""
        logs = {part: np.log(np.maximum(level, 0) + np.float32(1)) for part, level in self.expected.items()}
        return np.stack([np.log(one.mean.astype(np.float32) + np.float32(1)) - logs[one.part] for one in self.blocks])

    @cached_property
    def middle(self) -> Map:
        """The median of `ratios` over blocks, (H, W)."""
        return median_map(self.ratios)

    @cached_property
    def now(self) -> Map:
        """What the window shows, without what differs from part to part: (H, W) levels."""
        return np.asarray(self.mixed * np.exp(self.middle), np.float32)

    @property
    def rim(self) -> int:
        """How many px at the border moved in from outside."""
        return rim_of(self.framing, self.mixed.shape)

    @property
    def hidden(self) -> NDArray[np.bool_]:
        """What moved in from outside and was never seen before: (H, W)."""
        outside = np.zeros(self.mixed.shape, np.bool_)
        if rim := self.rim:
            outside[:rim], outside[-rim:], outside[:, :rim], outside[:, -rim:] = True, True, True, True
        return outside
