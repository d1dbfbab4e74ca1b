"""Matrix products, blocked in registers."""

from __future__ import annotations

from collections.abc import Iterator

from thermograd.ensemble.engines.kernel.terms import TYPE, Index, Term

_REGISTERS = 16
_LATENCY = 4.0
_WORTH = 16
_NUMBER = {"float32": "float", "float64": "double"}


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
    if features and inner >= _WORTH and left.strides[-1] == right.strides[-2] == 1:
        return _along_inner(out, left, right, start, lead)
    if features and columns >= _WORTH and right.strides[-1] == 1:
        return _along_columns(out, left, right, start, lead)
    high, wide = block_size(rows, columns, inner)
    lines = []
    for first, count, height in _blocks(rows, high):
        for begin, number, width in _blocks(columns, wide):
            lines.append(
                _block(out, left, right, start, lead, (first, count, height), (begin, number, width))
            )
    return lines


def _along_inner(out: Term, left: Term, right: Term, start: Term | None, lead: Index) -> list[str]:
    """Vectors along the summed axis, contiguous in both; several results share what is read."""
    rows, inner, columns = left.shape[-2], left.shape[-1], right.shape[-1]
    number = _NUMBER[out.dtype]
    wide = min(columns, 5)
    high = max(1, min(rows, _REGISTERS // wide))
    lines = []
    for first, count, height in _blocks(rows, high):
        for begin, repeats, width in _blocks(columns, wide):
            row = [_shifted("r", first, count, height, k) for k in range(height)]
            column = [_shifted("c", begin, repeats, width, k) for k in range(width)]
            cells = [(r, c) for r in range(height) for c in range(width)]
            tops = " ".join(
                f"const {number}* x{r} = &{left.at([*lead, row[r], 0])};" for r in range(height)
            ) + " ".join(f"const {number}* y{c} = &{right.at([*lead, 0, column[c]])};" for c in range(width))
            begun = " ".join(f"Wide<{number}> s{r}_{c} = {{}};" for r, c in cells)
            reads = " ".join(f"auto a{r} = wide(x{r} + k);" for r in range(height))
            sums = " ".join(
                f"{{ auto b = wide(y{c} + k); "
                + " ".join(f"s{r}_{c} += a{r} * b;" for r in range(height))
                + " }"
                for c in range(width)
            )
            ended = " ".join(
                f"{{ {number} s = total(s{r}_{c}); for (int k = even; k < {inner}; k++) s += x{r}[k] * y{c}[k]; "
                f"{out.at([*lead, row[r], column[c]])} = s"
                + (";" if start is None else f" + {start.at([*lead, row[r], column[c]])};")
                + " }"
                for r, c in cells
            )
            lines.append(
                f"    {_loops(count, repeats)}{{ constexpr int even = {inner} / WIDTH<{number}> * WIDTH<{number}>; {tops} "
                f"{begun} for (int k = 0; k < even; k += WIDTH<{number}>) {{ {reads} {sums} }} {ended} }}"
            )
    return lines


def _along_columns(out: Term, left: Term, right: Term, start: Term | None, lead: Index) -> list[str]:
    """Vectors along the columns of the right factor, contiguous there and in the result."""
    rows, inner, columns = left.shape[-2], left.shape[-1], right.shape[-1]
    number = _NUMBER[out.dtype]
    high = min(rows, 5)
    lines = [f"    {{ constexpr int W = WIDTH<{number}>; int c = 0;"]
    for several in (3, 1):
        body = []
        for first, count, height in _blocks(rows, high):
            row = [_shifted("r", first, count, height, k) for k in range(height)]
            cells = [(r, v) for r in range(height) for v in range(several)]
            begun = " ".join(
                f"Wide<{number}> s{r}_{v} = {{}};"
                + (
                    ""
                    if start is None
                    else f" for (int l = 0; l < W; l++) s{r}_{v}[l] = {start.at([*lead, row[r], f'c+{v}*W+l'])};"
                )
                for r, v in cells
            )
            reads = " ".join(
                f"auto b{v} = wide(&{right.at([*lead, 'k', 'c'])} + {v} * W);" for v in range(several)
            )
            sums = " ".join(
                f"{{ {number} a = {left.at([*lead, row[r], 'k'])}; "
                + " ".join(f"s{r}_{v} += a * b{v};" for v in range(several))
                + " }"
                for r in range(height)
            )
            ended = " ".join(f"put(&{out.at([*lead, row[r], 'c'])} + {v} * W, s{r}_{v});" for r, v in cells)
            body.append(
                f"{_loops(count, 1)}{{ {begun} for (int k = 0; k < {inner}; k++) {{ {reads} {sums} }} {ended} }}"
            )
        lines.append(f"    for (; c + {several} * W <= {columns}; c += {several} * W) {{ {' '.join(body)} }}")
    begin = f"{number}(0)" if start is None else start.at([*lead, "r", "c"])
    lines.append(
        f"    for (; c < {columns}; c++) for (int r = 0; r < {rows}; r++) {{ {number} s = {begin}; "
        f"for (int k = 0; k < {inner}; k++) s += {left.at([*lead, 'r', 'k'])} * {right.at([*lead, 'k', 'c'])}; "
        f"{out.at([*lead, 'r', 'c'])} = s; }} }}"
    )
    return lines


def _loops(count: int, number: int) -> str:
    """Loops over blocks of rows and of columns, where there are several."""
    return (f"for (int r = 0; r < {count}; r++) " if count > 1 else "") + (
        f"for (int c = 0; c < {number}; c++) " if number > 1 else ""
    )


def block_size(rows: int, columns: int, inner: int) -> tuple[int, int]:
    """Rows and columns of the result that are summed at once, by counting loads and additions.

    >>> block_size(100, 5, 5), block_size(2, 1, 10)
    ((2, 5), (2, 1))
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
    inner = f"for (int k = 0; k < {left.shape[-1]}; k++) " if left.shape[-1] > 1 else ""
    return f"    {_loops(count, number)}{{ {begun} {inner}{{ {reads} {sums} }} {ended} }}"


def _shifted(name: str, first: int, count: int, size: int, k: int) -> str | int:
    """Index of the k-th row of a block."""
    if count == 1:
        return first + k
    scaled = name if size == 1 else f"{name}*{size}"
    return scaled if first + k == 0 else f"{scaled}+{first + k}"
