"""Retraining against full fine-tuning, on a real folder: `python -m benchmarks.training --data DIR`.

Five folds that share no part; pooled out-of-fold predictions; differences with a bootstrap over parts, paired. Both
sides choose among the same three learning rates on the first fold's validation set. What was measured is kept in
`.andon/training`, so that a run that was stopped goes on.
"""

import argparse
from pathlib import Path

from benchmarks.report import report
from benchmarks.training.added import added
from benchmarks.training.comparison import compared
from benchmarks.training.memory import alone, memory
from benchmarks.training.opening import opened


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.training", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder with metadata.csv beside its pictures")
    parser.add_argument("--serial-column", help="the pictures of a part share it; default: every picture is a part")
    parser.add_argument("--order-column", help="in which pictures came; default: the order of metadata.csv")
    parser.add_argument("--alone", action="store_true", help="one training, and only its peak memory in GiB")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    bench = opened(options.data, options.serial_column, options.order_column)
    if options.alone:
        return alone(bench)
    given = ["--data", str(options.data)]
    for word, value in (("--serial-column", options.serial_column), ("--order-column", options.order_column)):
        given += [word, value] if value else []
    figures = [*compared(bench), *added(bench), *memory(bench, given)]
    report(f"Retraining on {options.data.name}", figures, options.out, data=options.data.name)
    return None


if __name__ == "__main__":
    main()
