"""The pair: what both models decide, what each is taught, and a step of calibration.

May import `base`, `labels`, `data`, `parallel`, `stage` and `learning`.
"""
