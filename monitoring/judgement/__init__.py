"""What is judged on a window, and by which limits.

calibration.py  clean windows -> limits that keep to a budget of false alarms; slow changes
diagnosis.py    (window, reference) -> verdict with causes
drill.py        what a rehearsed fault must bring about
looking.py      new captures -> verdicts and windows
reference.py    what a healthy camera looks like, and what it shows
renewal.py      whether pictures after a planned change agree with each other
"""
