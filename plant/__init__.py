"""A simulated line: parts, defects and cameras drawn from a seed, real folders replayed, faults injected."""
