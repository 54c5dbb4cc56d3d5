"""Combine dark frames into a master dark and list the pixels that have changed.

Usage: python master_dark.py FOLDER MASTER [PREVIOUS_MASTER]

FOLDER holds single dark frames as .npy arrays of one exposure time and one sensor temperature.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

MIN_FRAMES = 15  # with fewer, a cosmic ray survives the median now and then
BAD_PIXEL_COUNTS = 200.0  # a pixel that moved by more since the last master goes on the bad-pixel list

Frame = npt.NDArray[np.float32]


def load_frames(folder: Path) -> list[Frame]:
    """Read every frame of a folder; raise ValueError when there are too few or their sizes differ."""
    frames = [np.load(path).astype(np.float32) for path in sorted(folder.glob("*.npy"))]
    if len(frames) < MIN_FRAMES:
        raise ValueError(f"{folder}: {len(frames)} frames, need {MIN_FRAMES}; take more darks tonight")
    if len({frame.shape for frame in frames}) > 1:
        raise ValueError(f"{folder}: frames of different size; was the binning changed?")
    return frames


def combine(frames: list[Frame]) -> Frame:
    """Take the median of each pixel over all frames, so that cosmic rays vanish."""
    return np.median(np.stack(frames), axis=0).astype(np.float32)


def changed_pixels(master: Frame, previous: Frame) -> list[tuple[int, int]]:
    """Give (row, column) of each pixel that differs from the previous master by too many counts."""
    rows, columns = np.nonzero(np.abs(master - previous) > BAD_PIXEL_COUNTS)
    return [(int(row), int(column)) for row, column in zip(rows, columns, strict=True)]


def main(arguments: list[str]) -> int:
    """Write the master and report bad pixels; give the exit code."""
    if len(arguments) not in (2, 3):
        print(__doc__)
        return 2
    folder, target = Path(arguments[0]), Path(arguments[1])
    master = combine(load_frames(folder))
    np.save(target, master)
    print(f"{target}: median level {float(np.median(master)):.1f} counts")
    if len(arguments) == 3:
        bad = changed_pixels(master, np.load(arguments[2]))
        print(f"{len(bad)} pixels differ from the previous master")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
