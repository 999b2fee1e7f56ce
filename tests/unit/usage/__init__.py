"""Calendar buckets, roll-ups and the histogram of latencies."""
