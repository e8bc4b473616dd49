"""Plants of their own: made, brought to a newer Andon, backed up and restored.

backup.py     a plant -> a folder on another disk, only what is new
commented.py  settings as YAML whose comments stay
founding.py   a new plant: a git and DVC repository without product code
like.py       what a folder of example pictures says of a plant
restoring.py  a backup -> a plant
template/     what a new plant holds: links to this checkout's own settings
upgrading.py  a plant of an earlier Andon -> the installed one
"""
