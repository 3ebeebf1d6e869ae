# pyright: strict
"""Where in a picture the image tokens of a prompt come from: what lays attention to them out over it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isqrt

Box = tuple[float, float, float, float]
"""Left, top, right and bottom as shares of the picture's width and height; what lies beyond 0 and 1 is padding."""
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Grid:
    """Image tokens that follow one another, row by row over a part of the picture; `box` None has no known place."""

    rows: int
    columns: int
    box: Box | None = WHOLE

    def __len__(self) -> int:
        return self.rows * self.columns

    def boxes(self) -> Iterator[Box]:
        """Yield each token's own part of the picture; nothing where there is no known place."""
        if self.box is None:
            return
        left, top, right, bottom = self.box
        wide, tall = (right - left) / self.columns, (bottom - top) / self.rows
        for row in range(self.rows):
            for column in range(self.columns):
                x, y = left + column * wide, top + row * tall
                yield x, y, x + wide, y + tall


def nowhere(count: int) -> Grid:
    """Return tokens in a row that no part of the picture is known for."""
    return Grid(1, count, None)


def square(count: int, box: Box = WHOLE) -> Grid:
    """Return as many rows as columns; raises ValueError where that is not possible."""
    side = isqrt(count)
    if side * side != count:
        raise ValueError(f"{count} image tokens do not make a square")
    return Grid(side, side, box)


def middle(wide: float, tall: float) -> Box:
    """Return what is around the picture's middle, so wide and so tall."""
    return 0.5 - wide / 2, 0.5 - tall / 2, 0.5 + wide / 2, 0.5 + tall / 2


def in_square(height: int, width: int) -> Box:
    """Return the square that holds a picture of this size, in its middle."""
    return middle(max(1.0, height / width), max(1.0, width / height))


def tiled(rows: int, columns: int, each: int) -> list[Grid]:
    """Return one square of `each` tokens per tile of a picture cut into equal parts, row by row."""
    return [square(each, box) for box in Grid(rows, columns).boxes()]


def by_grid(shares: Sequence[float], images: Sequence[Sequence[Grid]]) -> list[list[tuple[Grid, tuple[float, ...]]]]:
    """Lay one map of a `Reading` out: for each picture its grids, as `Family.grids` has them, with their shares.

    Raises ValueError where these are not as many.
    """
    count = sum(len(grid) for grids in images for grid in grids)
    if count != len(shares):
        raise ValueError(f"{len(shares)} shares do not fit {count} image tokens; give the grids of the same pictures")
    at = 0
    found: list[list[tuple[Grid, tuple[float, ...]]]] = []
    for grids in images:
        laid: list[tuple[Grid, tuple[float, ...]]] = []
        for grid in grids:
            laid.append((grid, tuple(shares[at : at + len(grid)])))
            at += len(grid)
        found.append(laid)
    return found
