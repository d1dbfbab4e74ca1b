"""How large a zstd frame says it is, before anything is allocated for it."""

from __future__ import annotations

HEAD_BYTES = 18
_MAGIC = b"\x28\xb5\x2f\xfd"


def frame_size(head: bytes) -> int | None:
    """Bytes that a frame holds, by its header (RFC 8878, 3.1.1.1); None where it does not say, or is no frame.

    Args:
        head: the first `HEAD_BYTES` bytes of the frame.

    >>> frame_size(bytes.fromhex("28b52ffd 20 05"))  # one segment of 5 bytes
    5
    """
    if len(head) < 6 or head[:4] != _MAGIC:
        return None
    descriptor = head[4]
    one_segment = descriptor >> 5 & 1
    window, dictionary = 1 - one_segment, (0, 1, 2, 4)[descriptor & 3]
    width = (one_segment, 2, 4, 8)[descriptor >> 6]
    field = head[5 + window + dictionary :][:width]
    if len(field) < max(1, width):
        return None
    return int.from_bytes(field, "little") + (256 if width == 2 else 0)
