"""Rules that move elements: views, parts, choices by index; new arrays and conversions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from thermograd.ensemble.engines.kernel.aten_site import Site, UnknownFormError, rule
from thermograd.ensemble.engines.kernel.ir import FLOATS, Value


@rule("permute")
def _permute(site: Site, a: Value, axes: Sequence[int]) -> Value:
    return site.builder.permute(a, axes)


@rule("view", "_unsafe_view", "reshape", "squeeze", "unsqueeze", "_reshape_copy", "view_copy")
def _view(site: Site, a: Value, *_: Any) -> Value:
    return site.builder.reshape(a, site.shape)


@rule("squeeze_copy", "clone", "detach", "alias", "lift_fresh_copy", "lift_fresh", "contiguous")
def _same(site: Site, a: Value, **_: Any) -> Value:
    return a


@rule("expand")
def _expand(site: Site, a: Value, shape: Sequence[int], **_: Any) -> Value:
    return site.builder.expand(a, shape)


@rule("select")
def _select(site: Site, a: Value, axis: int, place: int) -> Value:
    return site.builder.select(a, axis, place)


@rule("slice")
def _slice(site: Site, a: Value, axis: int = 0, start: Any = None, stop: Any = None, step: int = 1) -> Value:
    return site.builder.slice(a, axis, 0 if start is None else start, _last(stop), step)


@rule("split_with_sizes")
def _split(site: Site, a: Value, sizes: Sequence[int], axis: int = 0) -> list[Value]:
    ends = np.cumsum([0, *sizes])
    return [site.builder.slice(a, axis, int(low), int(high)) for low, high in pairwise(ends)]


@rule("unbind")
def _unbind(site: Site, a: Value, axis: int = 0) -> list[Value]:
    return [site.builder.select(a, axis, place) for place in range(a.shape[axis])]


@rule("cat")
def _cat(site: Site, parts: Sequence[Value], axis: int = 0) -> Value:
    return site.builder.cat([site.typed(part, site.dtype) for part in parts], axis)


@rule("flip")
def _flip(site: Site, a: Value, axes: Sequence[int]) -> Value:
    for axis in axes:
        places = [site.builder.slice(a, axis, place, place + 1) for place in reversed(range(a.shape[axis]))]
        a = site.builder.cat(places, axis)
    return a


@rule("slice_scatter")
def _slice_scatter(
    site: Site, a: Value, part: Value, axis: int = 0, start: Any = None, stop: Any = None, step: int = 1
) -> Value:
    """`part` in place of every `step`-th element; with gaps it is stretched, and the gaps keep what was there."""
    axis %= len(a.shape)
    low = slice(start, stop).indices(a.shape[axis])[0]
    count = part.shape[axis]
    high = low + (count - 1) * step + 1
    if step > 1:
        wide = (*part.shape[: axis + 1], 1, *part.shape[axis + 1 :])
        stretched = (*part.shape[: axis + 1], step, *part.shape[axis + 1 :])
        part = site.builder.expand(site.builder.reshape(part, wide), stretched)
        part = site.builder.reshape(part, (*a.shape[:axis], count * step, *a.shape[axis + 1 :]))
        part = site.builder.slice(part, axis, 0, high - low)
        hit = site.builder.array(np.arange(high - low) % step == 0)
        hit = site.builder.reshape(hit, [-1 if place == axis else 1 for place in range(len(a.shape))])
        part = site.where(hit, part, site.builder.slice(a, axis, low, high))
    before, after = site.builder.slice(a, axis, 0, low), site.builder.slice(a, axis, high, a.shape[axis])
    return site.builder.cat([before, part, after], axis)


@rule("select_scatter")
def _select_scatter(site: Site, a: Value, part: Value, axis: int, place: int) -> Value:
    place %= a.shape[axis]
    wide = site.builder.reshape(part, (*a.shape[:axis], 1, *a.shape[axis + 1 :]))
    return _slice_scatter(site, a, wide, axis, place)


@rule("constant_pad_nd")
def _pad(site: Site, a: Value, widths: Sequence[int], value: float = 0) -> Value:
    for place in range(len(widths) // 2):
        axis, (before, after) = len(a.shape) - 1 - place, widths[2 * place : 2 * place + 2]
        a = site.builder.slice(a, axis, max(-before, 0), a.shape[axis] - max(-after, 0))
        sides = [
            site.builder.expand(
                site.typed(value, a.dtype), (*a.shape[:axis], max(count, 0), *a.shape[axis + 1 :])
            )
            for count in (before, after)
        ]
        a = site.builder.cat([sides[0], a, sides[1]], axis)
    return a


@rule("gather")
def _gather(site: Site, a: Value, axis: int, index: Value) -> Value:
    """The chosen elements, by comparing every place with the index and adding up: lanes choose differently."""
    axis %= len(a.shape)
    for other, length in enumerate(index.shape):
        if other != axis:
            a = site.builder.slice(a, other, 0, length)
    last = [*(other for other in range(len(a.shape)) if other != axis), axis]
    rows = site.builder.permute(a, last)
    rows = site.builder.reshape(rows, (*rows.shape[:axis], 1, *rows.shape[axis:]))
    chosen = site.builder.reshape(index, (*index.shape, 1))
    here = site.compare("eq", chosen, _count(site, a.shape[axis]))
    picked = site.builder.map("where", [here, rows, site.typed(0, a.dtype)], a.dtype)
    return site.builder.reduce("sum", picked, [len(index.shape)])


@rule("scatter")
def _scatter(site: Site, a: Value, axis: int, index: Value, source: Any) -> Value:
    """A value (or an array) written where the index, one along the axis, says."""
    axis %= len(a.shape)
    fits = index.shape[axis] == 1 and all(
        length == a.shape[place] for place, length in enumerate(index.shape) if place != axis
    )
    if not fits or (isinstance(source, Value) and source.shape not in {index.shape, ()}):
        message = "scatter of several elements along its axis"
        raise UnknownFormError(message)
    places = _count(site, a.shape[axis])
    places = site.builder.reshape(places, [-1 if place == axis else 1 for place in range(len(a.shape))])
    return site.where(site.compare("eq", index, places), source, a)


@rule("scatter_add")
def _scatter_add(site: Site, a: Value, axis: int, index: Value, source: Value) -> Value:
    """Elements added where the index says, all of them compared with all places."""
    axis %= len(a.shape)
    if any(n != a.shape[place] for place, n in enumerate(index.shape) if place != axis):
        message = "scatter_add of a part of an array"
        raise UnknownFormError(message)
    last = [*(place for place in range(len(a.shape)) if place != axis), axis]
    shape = (*index.shape[:axis], 1, *index.shape[axis + 1 :], index.shape[axis])
    here, added = (
        site.builder.reshape(site.builder.permute(entry, last), shape) for entry in (index, source)
    )
    places = site.builder.reshape(
        _count(site, a.shape[axis]), [-1 if place == axis else 1 for place in range(len(a.shape) + 1)]
    )
    matched = site.compare("eq", here, places)
    chosen = site.builder.map("where", [matched, added, site.typed(0, a.dtype)], a.dtype)
    return site.map("add", a, site.builder.reduce("sum", chosen, [len(a.shape)]))


@rule("index_put")
def _index_put(
    site: Site, a: Value, indices: Sequence[Any], source: Value, accumulate: bool = False
) -> Value:
    """Rows added to the rows that an index names: the gradient of an embedding."""
    if not accumulate or len(indices) != 1 or indices[0] is None:
        message = "index_put other than adding rows"
        raise UnknownFormError(message)
    rows = site.builder.reshape(indices[0], (1, indices[0].size))
    places = site.builder.reshape(_count(site, a.shape[0]), (a.shape[0], 1))
    one_hot = site.builder.convert(site.compare("eq", rows, places), a.dtype)
    flat = site.builder.reshape(
        site.builder.expand(source, (*indices[0].shape, *a.shape[1:])),
        (indices[0].size, a.size // a.shape[0]),
    )
    return site.map("add", a, site.builder.reshape(site.builder.matmul(one_hot, flat), a.shape))


@rule("max_dim")
def _extreme(site: Site, a: Value, axis: int, keep: bool = False, *, function: str = "max") -> list[Value]:
    """Largest element along an axis, and the first place where it is."""
    axis %= len(a.shape)
    best = site.builder.reduce(function, a, [axis], keep=True)
    count = a.shape[axis]
    places = site.builder.reshape(_count(site, count), [-1 if n == axis else 1 for n in range(len(a.shape))])
    here = site.builder.map("eq", [a, best], "bool")
    found = site.builder.map("where", [here, places, site.builder.number(count - 1, "int64")], "int64")
    first = site.builder.reduce("min", site.builder.expand(found, a.shape), [axis], keep=keep)
    return [best if keep else site.builder.reshape(best, first.shape), first]


@rule("min_dim")
def _least(site: Site, a: Value, axis: int, keep: bool = False) -> list[Value]:
    return _extreme(site, a, axis, keep, function="min")


@rule("embedding")
def _embedding(site: Site, table: Value, index: Value, *_: Any) -> Value:
    flat = site.builder.reshape(index, (index.size, 1))
    here = site.compare("eq", flat, _count(site, table.shape[0]))
    picked = site.builder.matmul(site.builder.convert(here, table.dtype), table)
    return site.builder.reshape(picked, (*index.shape, table.shape[1]))


@rule("_to_copy", "to")
def _to_copy(site: Site, a: Value, **_: Any) -> Value:
    if a.dtype in FLOATS and site.dtype not in FLOATS:
        message = f"conversion of {a.dtype} to {site.dtype}"
        raise UnknownFormError(message)
    return site.typed(a, site.dtype)


@rule("full_like", "full", "new_full")
def _full(site: Site, _first: Any, number: float, *_: Any, **__: Any) -> Value:
    return site.builder.expand(site.typed(number, site.dtype), site.shape)


@rule(
    "zeros_like",
    "zeros",
    "new_zeros",
    "empty",
    "empty_like",
    "new_empty",
    "empty_permuted",
    "new_empty_strided",
)
def _zeros(site: Site, *_: Any, **__: Any) -> Value:
    return site.builder.expand(site.typed(0, site.dtype), site.shape)


@rule("ones_like", "ones", "new_ones")
def _ones(site: Site, *_: Any, **__: Any) -> Value:
    return site.builder.expand(site.typed(1, site.dtype), site.shape)


@rule("scalar_tensor")
def _scalar(site: Site, number: float, **_: Any) -> Value:
    return site.typed(number, site.dtype)


@rule("arange")
def _arange(site: Site, *bounds: int, **_: Any) -> Value:
    start, step = (bounds[0] if len(bounds) > 1 else 0), (bounds[2] if len(bounds) > 2 else 1)
    return site.builder.array((start + step * np.arange(site.shape[0])).astype(site.dtype))


@rule("copy")
def _copy(site: Site, a: Value, source: Value, *_: Any) -> Value:
    return site.builder.expand(site.typed(source, a.dtype), a.shape)


def _count(site: Site, length: int) -> Value:
    return site.builder.array(np.arange(length))


def _last(stop: Any) -> int:
    return 2**62 if stop is None else int(stop)
