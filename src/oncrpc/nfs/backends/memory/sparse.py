"""The data of files in memory: blocks, of which holes need none, and the space that is left."""

from __future__ import annotations

import errno

from oncrpc.nfs.posix import refusal

BLOCK = 4096


class Space:
    """The memory that a file system may use. Every block, name and file is charged here."""

    def __init__(self, total: int) -> None:
        self.total, self.used = total, 0

    @property
    def free(self) -> int:
        """Bytes that may still be taken."""
        return self.total - self.used

    def take(self, count: int) -> None:
        """Use some bytes.

        Raises:
            OSError: ENOSPC.
        """
        if count > self.free:
            raise refusal(errno.ENOSPC)
        self.used += count

    def give(self, count: int) -> None:
        """Give bytes back."""
        self.used -= count


class SparseData:
    """The data of one file, of any size up to 2^63 - 1.

    Invariants: a block holds at most ``BLOCK`` bytes, and none beyond ``size``; bytes that a block
    lacks are zero. Each block is charged in full, however many bytes it holds.
    """

    __slots__ = ("_blocks", "_space", "size")

    def __init__(self, space: Space) -> None:
        self.size = 0
        self._space = space
        self._blocks: dict[int, bytearray] = {}

    @property
    def used(self) -> int:
        """Bytes of memory, charged to the space."""
        return len(self._blocks) * BLOCK

    def read(self, offset: int, count: int) -> bytes:
        """At most ``count`` bytes, fewer only at the end."""
        end = min(offset + count, self.size)
        parts = []
        while offset < end:
            number, start = divmod(offset, BLOCK)
            length = min(BLOCK - start, end - offset)
            block = self._blocks.get(number, b"")
            parts.append(bytes(block[start : start + length]).ljust(length, b"\0"))
            offset += length
        return b"".join(parts)

    def write(self, offset: int, data: bytes) -> int:
        """Write what there is space for, at least one byte, and return the number of bytes.

        Raises:
            OSError: ENOSPC.
        """
        done, view = 0, memoryview(data)
        while done < len(data):
            number, start = divmod(offset + done, BLOCK)
            if number not in self._blocks:
                if done and self._space.free < BLOCK:
                    break
                self._space.take(BLOCK)
                self._blocks[number] = bytearray()
            part = view[done : done + BLOCK - start]
            block = self._blocks[number]
            block.extend(bytes(max(start - len(block), 0)))
            block[start : start + len(part)] = part
            done += len(part)
        self.size = max(self.size, offset + done) if done else self.size
        return done

    def truncate(self, size: int) -> None:
        """Set the size: data beyond it is gone, and zeros are between the old end and the new."""
        if size < self.size:
            last, length = divmod(size, BLOCK)
            gone = [
                number for number in self._blocks if number > last or (number, length) == (last, 0)
            ]
            for number in gone:
                del self._blocks[number]
            self._space.give(len(gone) * BLOCK)
            if last in self._blocks:
                del self._blocks[last][length:]
        self.size = size
