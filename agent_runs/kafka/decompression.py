"""Bounds what the Kafka client decompresses.

The client decompresses a whole record batch before its first record can be seen. A batch of 300 kB can hold 300 MB, so
without a bound a producer decides how much memory a consumer needs, and the kernel kills one consumer after the other.
The client has no setting for it. Its two modules of record formats call decoders by their module's global names: these
are replaced here, and nowhere else, by decoders that stop at the bound.
"""

import sys
import zlib
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

import cramjam
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.legacy_records import LegacyRecordBatch

from agent_runs.kafka.errors import BatchTooLarge, FetchTooLarge

_UNCOMPRESSED: Final = 0
_GZIP: Final = 16 + zlib.MAX_WBITS
# The first buffer for codecs that do not state the size of their result, as a multiple of the compressed size. A buffer
# that is too small costs a second decompression.
_FIRST_RATIO: Final = 8
_NEXT_RATIO: Final = 8
_SMALLEST_BUFFER: Final = 64 * 1024
_XERIAL: Final = b"\x82SNAPPY\x00"  # the framing of Java's snappy producers: a header of 16 bytes, then blocks
_XERIAL_HEADER: Final = 16


class DecompressionLimit:
    """The bounds of one batch and of one fetch, for all clients of the process."""

    def __init__(self) -> None:
        self._batch_bytes = sys.maxsize // 2  # before `set`: no bound
        self._left: int | None = None

    def set(self, batch_bytes: int) -> None:
        """Set the most bytes that a batch may have after decompression, and install the bounded decoders."""
        self._batch_bytes = batch_bytes
        for module in _client_modules():
            for name, decoder in _DECODERS.items():
                if hasattr(module, name):
                    setattr(module, name, self._bounded(decoder))

    def begin_fetch(self, records: int) -> None:
        """Bound what the client decompresses for the next fetch, of at most this many records.

        The records of all batches of a fetch are in memory at the same time. A fetch of one record has no further
        bound: it ends in the batch that has the record.
        """
        self._left = self._batch_bytes if records > 1 else None

    def decompress(self, decoder: Callable[[Any, int], bytes | bytearray], data: Any) -> bytes | bytearray:
        """Return the decompressed batch.

        Raises:
            BatchTooLarge: the batch expands to more than the bound.
            FetchTooLarge: the batches of this fetch together do.
        """
        most = self._batch_bytes if self._left is None else self._left
        try:
            result = decoder(data, most)
        except _TooLarge:
            if most < self._batch_bytes:
                raise FetchTooLarge(f"the batches of a fetch expand to more than {self._batch_bytes} bytes") from None
            raise BatchTooLarge(
                f"its record batch of {len(data)} bytes expands to more than {most} bytes: "
                "raise AGENT_RUNS_MAX_DECOMPRESSED_BYTES, or skip the batch"
            ) from None
        if self._left is not None:
            self._left -= len(result)
        return result

    def decompress_codec(self, codec: int, data: bytes) -> bytes | bytearray:
        """Return the decompressed batch; `codec` is the number in its attributes.

        Raises:
            BatchTooLarge: the batch expands to more than the bound.
            ValueError: the codec is unknown.
        """
        if codec == _UNCOMPRESSED:
            return data
        if codec > len(_DECODERS):
            raise ValueError(f"unknown compression codec {codec}")
        return self.decompress(list(_DECODERS.values())[codec - 1], data)

    def _bounded(self, decoder: Callable[[Any, int], bytes | bytearray]) -> Callable[[Any], bytes | bytearray]:
        return lambda data: self.decompress(decoder, data)


def _client_modules() -> list[ModuleType]:
    """Return the modules that the client parses batches with: compiled ones, or those in Python."""
    return [sys.modules[batch.__module__] for batch in (DefaultRecordBatch, LegacyRecordBatch)]


class _TooLarge(Exception):
    """The result has more bytes than it may have."""


def _gunzip(data: Any, most: int) -> bytes:
    parts: list[bytes] = []
    rest = bytes(data)
    while rest:  # a gzip file may have several members
        member = zlib.decompressobj(_GZIP)
        parts.append(member.decompress(rest, most + 1))
        most -= len(parts[-1])
        if most < 0:
            raise _TooLarge
        if not member.eof:
            raise EOFError("the gzip data is truncated")
        rest = member.unused_data
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _unlz4(data: Any, most: int) -> bytearray:
    return _into_growing_buffer(cramjam.lz4.decompress_into, data, most)


def _unzstd(data: Any, most: int) -> bytearray:
    return _into_growing_buffer(cramjam.zstd.decompress_into, data, most)


def _into_growing_buffer(decompress_into: Callable[[Any, Any], int], data: Any, most: int) -> bytearray:
    """Decompress into a buffer of Python, because a failed allocation in the codec's library would end the process."""
    size = min(most, max(_SMALLEST_BUFFER, _FIRST_RATIO * len(data)))
    while True:
        buffer = bytearray(size)
        try:
            length = decompress_into(data, buffer)
        except cramjam.DecompressionError as error:
            if "failed to write whole buffer" not in str(error):
                raise
            if size == most:
                raise _TooLarge from None
        else:
            del buffer[length:]
            return buffer
        size = min(most, _NEXT_RATIO * size)


def _unsnappy(data: Any, most: int) -> bytearray:
    """Decompress one block, or Java's sequence of blocks. Each block states the size of its result at its start."""
    view = memoryview(data)
    blocks = _xerial_blocks(view) if bytes(view[: len(_XERIAL)]) == _XERIAL else [view]
    result = bytearray()
    for block in blocks:
        size = cramjam.snappy.decompress_raw_len(block)
        if size > most - len(result):
            raise _TooLarge
        buffer = bytearray(size)
        cramjam.snappy.decompress_raw_into(block, buffer)
        if len(blocks) == 1:
            return buffer
        result += buffer
    return result


def _xerial_blocks(view: memoryview) -> list[memoryview]:
    blocks, start = [], _XERIAL_HEADER
    while start < len(view):
        size = int.from_bytes(view[start : start + 4], "big")
        blocks.append(view[start + 4 : start + 4 + size])
        start += 4 + size
    return blocks


# In the order of Kafka's numbers of the codecs, from 1 on.
_DECODERS: Final[dict[str, Callable[[Any, int], bytes | bytearray]]] = {
    "gzip_decode": _gunzip,
    "snappy_decode": _unsnappy,
    "lz4_decode": _unlz4,
    "zstd_decode": _unzstd,
}

# One for the process, because the decoders are global.
decompression_limit: Final = DecompressionLimit()
