"""Latencies counted in buckets of a logarithmic scale, in a form that needs no unpacking.

A packed histogram is a row of 64-bit integers, little-endian: the numbers of the buckets that have
turns, in order, then for each how many turns are in it or below it. So a percentile is one binary
search, and 180 days are read at the cost of reading their bytes.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from itertools import accumulate
from struct import pack

Counts = Mapping[int, int]

# Buckets of latencies in each doubling; below twice as many milliseconds every value has its own.
SUB_BUCKETS = 32
_PRECISION_BITS = SUB_BUCKETS.bit_length()
# A percentile is off by at most this share of itself: half a bucket's width.
MAX_RELATIVE_ERROR = 1 / (2 * SUB_BUCKETS)


class PackedHistogram(Counts):
    """Turns by `bucket_of` their latency; read from `data` where it lies."""

    __slots__ = ("_buckets", "_reached", "data")

    def __init__(self, data: bytes = b"") -> None:
        words = memoryview(data).cast("Q")
        middle = len(words) // 2
        self.data = data
        self._buckets, self._reached = words[:middle], words[middle:]

    @property
    def total(self) -> int:
        """Turns in all buckets."""
        return self._reached[-1] if self else 0

    def percentiles_ms(self, *percents: int) -> list[int | None]:
        """The latencies that so many percent of the turns do not exceed; None without turns.

        Exact below 64 ms, above it within `MAX_RELATIVE_ERROR`.
        """
        total = self.total
        if not total:
            return [None] * len(percents)
        ranks = (-(-total * percent // 100) for percent in percents)
        return [middle_of(self._buckets[bisect_left(self._reached, rank)]) for rank in ranks]

    def __getitem__(self, bucket: int) -> int:
        place = bisect_left(self._buckets, bucket)
        if place == len(self) or self._buckets[place] != bucket:
            raise KeyError(bucket)
        return self._reached[place] - (self._reached[place - 1] if place else 0)

    def __iter__(self) -> Iterator[int]:
        return iter(self._buckets)

    def __len__(self) -> int:
        return len(self._buckets)


def packed(counts: Counts) -> PackedHistogram:
    """The same histogram, packed."""
    if isinstance(counts, PackedHistogram):
        return counts
    buckets = sorted(counts)
    reached = accumulate(counts[bucket] for bucket in buckets)
    return PackedHistogram(pack(f"<{2 * len(buckets)}Q", *buckets, *reached))


def bucket_of(latency_ms: int) -> int:
    """The number of the histogram's bucket, growing with the latency."""
    octave = max(latency_ms.bit_length() - _PRECISION_BITS, 0)
    return SUB_BUCKETS * octave + (latency_ms >> octave)


def middle_of(bucket: int) -> int:
    """The latency that stands for a bucket, milliseconds."""
    octave = max(bucket // SUB_BUCKETS - 1, 0)
    return (bucket - SUB_BUCKETS * octave << octave) + ((1 << octave) - 1) // 2
