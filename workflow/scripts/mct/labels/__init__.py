"""Labels and how far to believe them: noise, confusions, posteriors, judgement, selection by confidence.

May import `base`.
"""
