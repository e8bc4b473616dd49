"""What people are told: plots, pages, evidence.

canvas.py    what pictures are drawn on
courses.py   sizes from window to window, with what held
day.py       a day of the plant, camera by camera
dossier.py   an incident's page as things stand
evidence.py  what shows an incident
index.py     one page over all incidents, cameras and days
pages.py     a camera's windows and days as pages and JSON
pictures.py  images before and now, side by side
plots.py     sizes over time
report.py    pages for people (Evidently)
scene.py     a camera as far as the ledger tells of it
suspects.py  the parts that an incident makes suspect
"""
