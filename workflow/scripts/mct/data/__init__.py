"""From image lists to batches: layouts, catalogue, inspection, shards and their readers.

May import `base` and `labels`.
"""
