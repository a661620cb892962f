"""A stage's file.

What it can say is in `kinds`, how it is read in `files`, what is impossible in `never` and `rules`; `new` writes one.
"""
