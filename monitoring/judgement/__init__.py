"""What is judged on a window, and by which limits.

calibration.py  clean windows -> limits that keep to a budget of false alarms
climb.py        slow changes that add up over windows
diagnosis.py    (window, reference) -> verdict with causes
drill.py        what a rehearsed fault must bring about
learning.py     images of the healthy camera -> reference
limit.py        the limits of one statistic
looking.py      new captures -> verdicts and windows
reference.py    what a healthy camera looks like and shows, kept on the disk
renewal.py      whether pictures after a planned change agree with each other
scatter.py      how much healthy windows differ, place by place
sentences.py    a finding in words
windows.py      windows of cameras -> what is said of them, here or by a worker
"""
