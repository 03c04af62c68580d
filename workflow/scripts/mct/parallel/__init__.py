"""Messages between ranks, and sums of gradients during backward. May import `base`."""
