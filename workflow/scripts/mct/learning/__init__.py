"""One model alone: architectures, losses, a step on all its ranks, objectives, training.

May import `base`, `labels`, `data`, `parallel` and `stage`.
"""
