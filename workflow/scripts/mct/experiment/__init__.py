"""What the rules ask of an experiment: configuration, lists, each stage's settings; without torch.

May import `base`, `data`, `stage` and `calibration`.
"""
