"""What people get: tables, figures and lists of an experiment's results, and models to hand over.

May import `base`, `labels`, `data` and `learning`.
"""
