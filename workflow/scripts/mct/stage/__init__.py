"""A stage's process: its start, device, progress, checkpoints, interruption and record.

May import `base` and `parallel`.
"""
