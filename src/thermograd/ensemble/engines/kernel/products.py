"""Matrix products, blocked in registers."""

from __future__ import annotations

from collections.abc import Iterator

from thermograd.ensemble.engines.kernel.terms import TYPE, Index, Term

_REGISTERS = 16
_LATENCY = 4.0


def product(
    out: Term, left: Term, right: Term, start: Term | None, lead: Index, *, features: bool
) -> list[str]:
    """Statements of out = left · right (+ start), all of them memory but `start`.

    Args:
        out: (..., m, n).
        left: (..., m, k).
        right: (..., k, n).
        start: what is added, of the shape of `out`.
        lead: index of the leading axes.
        features: whether an element is a single number, so that the compiler vectorises over elements.
    """
    rows, inner, columns = left.shape[-2], left.shape[-1], right.shape[-1]
    high, wide = block_size(rows, columns, inner)
    lines = []
    for first, count, height in _blocks(rows, high):
        for begin, number, width in _blocks(columns, wide):
            lines.append(_block(out, left, right, start, lead, (first, count, height), (begin, number, width)))
    return lines


def block_size(rows: int, columns: int, inner: int) -> tuple[int, int]:
    """Rows and columns of the result that are summed at once, by counting loads and additions.

    >>> block_size(100, 5, 5), block_size(2, 1, 10)
    ((4, 3), (2, 1))
    """

    def time(high: int, wide: int) -> float:
        total = 0.0
        for _, count, height in _blocks(rows, high):
            for _, number, width in _blocks(columns, wide):
                cell = max(_LATENCY, height * width / 2, (height + width) / 2)
                total += count * number * (inner * cell + height * width)
        return total

    sizes = [
        (high, wide)
        for high in range(1, min(rows, 8) + 1)
        for wide in range(1, min(columns, 8) + 1)
        if high * wide <= _REGISTERS
    ]
    return min(sizes, key=lambda size: (time(*size), size[0] * size[1]))


def _blocks(length: int, size: int) -> Iterator[tuple[int, int, int]]:
    """First element, number of blocks and their size: the whole ones, then the rest."""
    whole = length // size
    if whole:
        yield 0, whole, size
    if length % size:
        yield whole * size, 1, length % size


def _block(
    out: Term,
    left: Term,
    right: Term,
    start: Term | None,
    lead: Index,
    vertical: tuple[int, int, int],
    horizontal: tuple[int, int, int],
) -> str:
    kind = TYPE[out.dtype]
    (first, count, height), (begin, number, width) = vertical, horizontal
    row = [_shifted("r", first, count, height, k) for k in range(height)]
    column = [_shifted("c", begin, number, width, k) for k in range(width)]
    cells = [(r, c) for r in range(height) for c in range(width)]
    k = "k" if left.shape[-1] > 1 else 0
    begun = " ".join(
        f"{kind} s{r}_{c} = {kind + '_(0)' if start is None else start.at([*lead, row[r], column[c]])};"
        for r, c in cells
    )
    reads = " ".join(f"{kind} a{r} = {left.at([*lead, row[r], k])};" for r in range(height))
    sums = " ".join(
        f"{{ {kind} b = {right.at([*lead, k, column[c]])}; "
        + " ".join(f"s{r}_{c} += a{r} * b;" for r in range(height))
        + " }"
        for c in range(width)
    )
    ended = " ".join(f"{out.at([*lead, row[r], column[c]])} = s{r}_{c};" for r, c in cells)
    loops = (f"for (int r = 0; r < {count}; r++) " if count > 1 else "") + (
        f"for (int c = 0; c < {number}; c++) " if number > 1 else ""
    )
    inner = f"for (int k = 0; k < {left.shape[-1]}; k++) " if left.shape[-1] > 1 else ""
    return f"    {loops}{{ {begun} {inner}{{ {reads} {sums} }} {ended} }}"


def _shifted(name: str, first: int, count: int, size: int, k: int) -> str | int:
    """Index of the k-th row of a block."""
    if count == 1:
        return first + k
    scaled = name if size == 1 else f"{name}*{size}"
    return scaled if first + k == 0 else f"{scaled}+{first + k}"
