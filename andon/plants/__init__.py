"""Plants of their own: made, and brought to a newer Andon.

commented.py  settings as YAML whose comments stay
founding.py   a new plant: a git and DVC repository without product code
like.py       what a folder of example pictures says of a plant
template/     what a new plant holds: links to this checkout's own settings
upgrading.py  a plant of an earlier Andon -> the installed one
"""
