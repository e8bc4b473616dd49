"""What is trained: the blocks behind the cut and the head."""

from collections.abc import Iterable, Iterator

import torch


class Tail(torch.nn.Sequential):
    """Blocks behind the cut and, last, a head, which is linear where it is tuned: activations -> logits (N, classes).

    Where a picture is looked at in tiles, activations have one more axis, (N, tiles, ...), and the tiles' scores are
    pooled by the logarithm of the mean of their exponentials, a smooth maximum: a defect that one tile shows is not
    outvoted by the others.
    """

    def __init__(self, blocks: Iterable[torch.nn.Module], head: torch.nn.Module, tiles: int = 1) -> None:
        super().__init__(*blocks, head)
        self.tiles = tiles

    @property
    def head(self) -> torch.nn.Linear:
        *_, head = self
        assert isinstance(head, torch.nn.Linear)
        return head

    @property
    def blocks(self) -> list[torch.nn.Module]:
        """All but the head."""
        return list(self)[:-1]

    def block_parameters(self) -> Iterator[torch.nn.Parameter]:
        for block in self.blocks:
            yield from block.parameters()

    def forward(self, activations: torch.Tensor) -> torch.Tensor:
        return self.scored(self.embedded(activations))

    def embedded(self, activations: torch.Tensor) -> torch.Tensor:
        """The embedding of each tile, (N * tiles, D)."""
        embedding = activations.flatten(0, 1) if self.tiles > 1 else activations
        for block in self.blocks:
            embedding = block(embedding)
        return embedding

    def scored(self, embedding: torch.Tensor) -> torch.Tensor:
        """Logits of the pictures from embeddings of their tiles."""
        *_, head = self
        logits: torch.Tensor = head(embedding)
        if self.tiles == 1:
            return logits
        return pooled(logits.reshape(-1, self.tiles, logits.shape[1]))


def pooled(each: torch.Tensor) -> torch.Tensor:
    """Scores of tiles (N, tiles, ...) as those of pictures (N, ...)."""
    most = each.amax(1, keepdim=True)  # taken out by hand: OpenVINO 2026 reads ReduceLogSumExp without its axes
    return (most + (each - most).exp().mean(1, keepdim=True).log()).squeeze(1)
