"""An experiment's jobs on a machine: queues, plans, starts, signals, accounting; without torch.

May import `base`, `stage`, `results` and `experiment`.
"""
