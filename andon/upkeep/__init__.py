"""Words for whoever keeps the plant up.

backup.py  backup, restore
doctor.py  doctor
plants.py  init, upgrade
scale.py   scale: worker
verify.py  verify
"""
