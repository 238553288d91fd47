"""zstd with a dictionary of what SDKs send: a fifth of the bytes, in a third of the time.

A payload of a few hundred bytes repeats itself hardly, but it repeats what all others say: library
names, user agents, field names. A frame names the dictionary it was made with, so a new one can be
put beside the old ones in `dictionaries/`, whose names are their numbers; none may ever be removed.
`bench/dictionary.py` trains them.
"""

from __future__ import annotations

from pathlib import Path

import zstandard

CURRENT = 1
_LEVEL = 1

_dictionaries = {
    int(path.stem): zstandard.ZstdCompressionDict(path.read_bytes())
    for path in (Path(__file__).parent / "dictionaries").glob("*.zdict")
}
_dictionaries[CURRENT].precompute_compress(level=_LEVEL)
_compressor = zstandard.ZstdCompressor(
    level=_LEVEL, dict_data=_dictionaries[CURRENT], write_checksum=False
)
_decompressors = {
    number: zstandard.ZstdDecompressor(dict_data=dictionary)
    for number, dictionary in _dictionaries.items()
}


def compress(plain: bytes) -> bytes:
    """A zstd frame that names its dictionary and its size."""
    return _compressor.compress(plain)


def decompress(frame: bytes) -> bytes:
    """The plain bytes, with whichever dictionary the frame was made."""
    decompressor = _decompressors[CURRENT]
    if len(_decompressors) > 1:
        decompressor = _decompressors[zstandard.get_frame_parameters(frame).dict_id]
    return decompressor.decompress(frame)
