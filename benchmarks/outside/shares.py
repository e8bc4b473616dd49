"""Shares with their exact intervals (Clopper and Pearson, 1934)."""

from collections import Counter
from collections.abc import Iterable

from scipy.stats import beta

from benchmarks.report import Figure


def upper(hits: int, total: int, confidence: float = 0.95) -> float:
    """One-sided upper bound of a share."""
    return float(beta.ppf(confidence, hits + 1, total - hits)) if hits < total else 1.0


def lower(hits: int, total: int, confidence: float = 0.95) -> float:
    """One-sided lower bound of a share."""
    return float(beta.ppf(1 - confidence, hits, total - hits + 1)) if hits else 0.0


def share(words: str, hits: int, total: int, least: float | None = None, most: float | None = None) -> Figure:
    """A share in per cent with its two-sided 95 % interval, and whether it keeps a bound."""
    found, ends = hits / total, (lower(hits, total, 0.975), upper(hits, total, 0.975))
    name = f"{words} ({hits} of {total}; 95 % interval {100 * ends[0]:.0f} to {100 * ends[1]:.0f} %)"
    if least is not None:
        return Figure(name, 100 * found, "%", f"≥ {100 * least:g}", found >= least)
    if most is not None:
        return Figure(name, 100 * found, "%", f"≤ {100 * most:g}", found <= most)
    return Figure(name, 100 * found, "%")


def counted(words: Iterable[str]) -> str:
    """How often each word comes, the most frequent first."""
    counts = Counter(words)
    return (
        ", ".join(f"{word} {n}" for word, n in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))) or "none"
    )
