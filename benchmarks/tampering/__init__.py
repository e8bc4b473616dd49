"""Whether `andon verify` finds what somebody changed: `python -m benchmarks.tampering [--n 200] [--out FILE]`.

answers.py  what Andon says, and what a retrain and a rollback would use
edits.py    a file, tampered with: a bit, a line, the whole of it
grown.py    a plant that has all that can be believed
kinds.py    every kind of thing that is believed
line.py     what the line executes, tampered with
record.py   what git holds of the record, tampered with
"""
