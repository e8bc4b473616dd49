"""Commands killed with SIGKILL at random instants: what is lost, what is doubled, what goes on, what the next run ends.

kill.py     one kill, and the run after it
record.py   what a plant believes, to be compared
tally.py    the kills of a run in a file and in a table, with exact bounds
world.py    a small plant before each of the commands
"""
