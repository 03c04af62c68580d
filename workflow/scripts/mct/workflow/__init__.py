"""What the rules ask of an experiment, and its jobs on a cluster; without torch and MPI.

May import `base`, `labels`, `data` and `stage`.
"""
