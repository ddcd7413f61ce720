"""Files of stores: copies of them as a power cut would leave them, and damage to them."""

from __future__ import annotations

import random
import shutil
import struct
from pathlib import Path

from atomodm.store import create_store
from tests.faults.workload import check_contents

# SQLite's file formats: https://www.sqlite.org/fileformat2.html#walformat and https://www.sqlite.org/walformat.html
_LOG_HEADER = 32
_FRAME_HEADER = 24
_PAGE = 4096
_LOG_SALT, _INDEX_SALT = slice(16, 24), slice(32, 40)
_ATTEMPTED = 128


def copy_store(path: Path, target: Path, *, with_index: bool) -> Path:
    """Copy a store whose writer is frozen: its file and its write-ahead log, and the log's index if asked for."""
    for ending in ("", "-wal", "-shm") if with_index else ("", "-wal"):
        companion = path.with_name(path.name + ending)
        if companion.exists():
            shutil.copyfile(companion, target.with_name(target.name + ending))
    return target


def unsynced_from(path: Path) -> int:
    """The first byte of the write-ahead log that may not be on the disk yet, however little is flushed.

    What was copied into the file itself had been flushed in the log before; that is all that one may rely on when
    commits do not wait for the disk.
    """
    index = path.with_name(path.name + "-shm").read_bytes()
    log = path.with_name(path.name + "-wal").read_bytes()
    if log[_LOG_SALT] != index[_INDEX_SALT]:
        # About to be begun anew: what it still holds was flushed before it was copied back.
        return len(log)
    (attempted,) = struct.unpack_from("=I", index, _ATTEMPTED)
    return _LOG_HEADER + int(attempted) * (_FRAME_HEADER + _PAGE)


def lose_writes(log: Path, start: int, chance: random.Random) -> None:
    """Damage a write-ahead log after `start` as a power cut does: sectors that were never written, in no order."""
    content = bytearray(log.read_bytes())
    if len(content) <= start:
        return
    if chance.random() < 0.5:
        del content[chance.randrange(start, len(content)) :]
    else:
        for _ in range(chance.randrange(1, 6)):
            place = chance.randrange(start, len(content)) // 512 * 512
            if place >= start:
                content[place : place + 512] = bytes(len(content[place : place + 512]))
    log.write_bytes(content)


async def batches_in(path: Path) -> int:
    """Open a copy, make sure that it is whole, and give the number of its last batch."""
    store = create_store(f"sqlite:///{path}")
    await store.open()
    try:
        return await check_contents(store)
    finally:
        await store.close()
