"""Messages between ranks, and sums of gradients that travel while backward still runs.

May import `base`.
"""
