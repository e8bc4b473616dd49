"""Prefect's servers.

own.py   one for the time of one command
site.py  the site's: whom it lets in, its workers and runs
"""
