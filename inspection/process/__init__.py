"""A process, those that it starts, and the end of both.

stopping.py  Ctrl-C and SIGTERM: one sentence, and the end
tether.py    processes that end with the one that started them
"""
