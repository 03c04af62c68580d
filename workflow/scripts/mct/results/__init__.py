"""What people read: tables, figures and lists of an experiment's results.

May import `base`, `labels`, `data` and `learning`.
"""
