"""Commands killed at random instants (SIGKILL), each on a copy of a small plant and then run again to its end:
`python -m benchmarks.kills --out kills.json`. Two thirds of the kills of a retrain fall within its training. A run that
is stopped goes on with what is in the file.
"""

import argparse
import random
import sys
from pathlib import Path

from benchmarks.kills.kill import kill, undisturbed
from benchmarks.kills.tally import Tally
from benchmarks.kills.world import COMMANDS, World

SHARE = 2 / 3  # of the kills of a retrain that fall within its training


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.kills", description=__doc__)
    parser.add_argument("--only", choices=COMMANDS, nargs="+", default=list(COMMANDS), help="default: all commands")
    parser.add_argument("--kills", type=int, default=60, metavar="N", help="of each command; default: 60")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path(".andon/kills"), metavar="DIR", help="for the plants")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.json")
    given = parser.parse_args()
    world, tally = World(given.work.resolve()), Tally(given.out, given.seed)
    for command in given.only:
        kill_some(world, tally, command, given.kills, given.seed)
    print("\n".join(tally.lines(given.only)))
    raise SystemExit(any(not one["finished"] or one["processes"] for one in tally.kills))


def kill_some(world: World, tally: Tally, command: str, count: int, seed: int) -> None:
    """Kill the command as often as it was not killed yet."""
    if len(tally.of(command)) >= count:
        return
    whole = undisturbed(world, command)
    for number in range(len(tally.of(command)), count):
        training = command == "retrain" and int((number + 1) * SHARE) > int(number * SHARE)
        chance = random.Random(f"{seed}-{command}-{number}")  # noqa: S311  instants, no secrets
        one = kill(world, command, training, whole, chance)
        tally.add(one)
        how = f"training, epoch {one.epoch}" if training else f"{one.after:.1f} s"
        words = "finished by the next run" if one.finished else f"{one.lost} {one.doubled} {one.troubles}"
        left = f", left: {one.processes}" if one.processes else ""
        print(f"{command} {number + 1}/{count}: killed in {how}; {words}{left}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
