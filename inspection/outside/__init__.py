"""What comes from outside, before it is believed, kept or shown.

credentials.py passwords and keys within an address: found, masked, and where they belong instead
documents.py   YAML and JSON, read within bounds
quoted.py      words of others, as they stand beside Andon's own
"""
