"""Latencies counted in buckets of a logarithmic scale, in a form that needs no unpacking.

A packed histogram is a row of 64-bit integers, little-endian: the numbers of the buckets that have
turns, in order, then for each how many turns are in it or below it. So a percentile is one binary
search, and 180 days are read at the cost of reading their bytes.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import accumulate
from operator import sub
from struct import pack

Counts = Mapping[int, int]

# Buckets of latencies in each doubling; below twice as many milliseconds every value has its own.
SUB_BUCKETS = 32
_PRECISION_BITS = SUB_BUCKETS.bit_length()
# A percentile is off by at most this share of itself: half a bucket's width.
MAX_RELATIVE_ERROR = 1 / (2 * SUB_BUCKETS)


class PackedHistogram(Counts):
    """Numbers of turns by `bucket_of` their latency, read from `data` without unpacking."""

    __slots__ = ("_words", "data")

    def __init__(self, data: bytes = b"") -> None:
        self.data = data
        self._words = memoryview(data).cast("Q")

    def percentiles_ms(self, *percents: int) -> list[int | None]:
        """Return the latencies that these percentages of turns do not exceed; None without turns.

        Exact below 64 ms, above it within `MAX_RELATIVE_ERROR`.
        """
        words = self._words
        middle = len(words) // 2
        if not middle:
            return [None] * len(percents)
        turns = words[-1]
        return [
            middle_of(words[bisect_left(words, -(-turns * percent // 100), middle) - middle])
            for percent in percents
        ]

    def outer_buckets(self) -> tuple[int, int]:
        """Return the first and the last bucket with turns; there must be one."""
        words = self._words
        return words[0], words[len(words) // 2 - 1]

    def bounds_ms(self, sum_ms: int) -> tuple[int, int]:
        """Return bounds of all latencies, which are `sum_ms` together; there must be turns.

        They lie in the outer buckets, and are exact for a single turn.
        """
        first, last = self.outer_buckets()
        low, high, others = least_of(first), least_of(last + 1) - 1, self._words[-1] - 1
        return max(low, sum_ms - others * high), min(high, sum_ms - others * low)

    def unpacked(self) -> dict[int, int]:
        """Return the turns of each bucket, for callers that read all buckets."""
        words, middle = self._words.tolist(), len(self)
        turns = map(sub, words[middle:], (0, *words[middle:-1]))
        return dict(zip(words[:middle], turns, strict=True))

    def __getitem__(self, bucket: int) -> int:
        words, middle = self._words, len(self)
        index = bisect_left(words, bucket, 0, middle)
        if index == middle or words[index] != bucket:
            raise KeyError(bucket)
        return words[middle + index] - (words[middle + index - 1] if index else 0)

    def __iter__(self) -> Iterator[int]:
        return iter(self._words[: len(self)])

    def __len__(self) -> int:
        return len(self._words) // 2


def packed(counts: Counts) -> PackedHistogram:
    """Return the same histogram, packed."""
    if isinstance(counts, PackedHistogram):
        return counts
    buckets = sorted(counts)
    reached = accumulate(counts[bucket] for bucket in buckets)
    return PackedHistogram(pack(f"<{2 * len(buckets)}Q", *buckets, *reached))


def unpacked(counts: Counts) -> Counts:
    """Return the same histogram in a form that is quick to iterate."""
    return counts.unpacked() if isinstance(counts, PackedHistogram) else counts


def bucket_of(latency_ms: int) -> int:
    """Return the number of the bucket of a latency; higher latencies have higher numbers."""
    octave = latency_ms.bit_length() - _PRECISION_BITS
    return latency_ms if octave <= 0 else SUB_BUCKETS * octave + (latency_ms >> octave)


def least_of(bucket: int) -> int:
    """Return the least latency of a bucket, in milliseconds."""
    octave = _octave_of(bucket)
    return bucket - SUB_BUCKETS * octave << octave


@lru_cache(maxsize=2_048)  # more than all buckets of durations up to a week
def middle_of(bucket: int) -> int:
    """Return the latency that represents a bucket, in milliseconds."""
    return least_of(bucket) + ((1 << _octave_of(bucket)) - 1) // 2


def _octave_of(bucket: int) -> int:
    return max(bucket // SUB_BUCKETS - 1, 0)
