"""What the rules ask of an experiment: configuration, lists, each stage's settings; without torch.

May import `base`, `labels`, `data`, `stage`, `learning`, `calibration` and `performance`.
"""
