"""The cluster: its queues, what jobs ask of it, and what became of them."""
