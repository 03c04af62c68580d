"""Labels and how far to believe them: noise, its estimates, metrics, selection by confidence.

May import `base`.
"""
