"""What a command printed, as a picture of a terminal: `andon demo | python -m benchmarks.picture TITLE OUT.svg`."""

import io
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text


def main() -> None:
    title, out = sys.argv[1], Path(sys.argv[2])
    console = Console(record=True, width=132, file=io.StringIO())
    for line in sys.stdin:
        console.print(Text(line.rstrip().replace(str(Path.cwd()), "~/andon")))
    out.write_text(console.export_svg(title=title), encoding="utf-8")


if __name__ == "__main__":
    main()
