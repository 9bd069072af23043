"""The forms of a model as people read them: a small table inside a record."""

from collections.abc import Mapping, Sequence

from modelyard.types.compilation import Compilation, Variant

_TITLES = ("form", "state", "batch 1", "batch 8", "batch 64", "difference")


def compilation_fields(compilation: Compilation) -> Mapping[str, object]:
    """Lines of a record: the table of forms, and why each is in the state that it is in."""
    rows = [_TITLES, *(_row(variant) for variant in compilation.variants)]
    reasons = [f"{variant.name}: {variant.reason}" for variant in compilation.variants if variant.reason]
    return {
        "Compilation": "\n".join(_aligned(rows)),
        "": "\n".join(reasons),
        "Measured on": compilation.machine,
    }


def _row(variant: Variant) -> tuple[str, ...]:
    times = {timing.batch: _time(timing.microseconds) for timing in variant.timings}
    # A model whose batch is fixed has one time, and it is told with its batch.
    fixed = next((f"{time} ({batch})" for batch, time in times.items() if batch not in (1, 8, 64)), "")
    difference = f"{variant.max_abs_difference:.2g} on {variant.rows} rows" if variant.rows else ""
    return (variant.name, variant.state, times.get(1, fixed), times.get(8, ""), times.get(64, ""), difference)


def _time(microseconds: float) -> str:
    """In the unit that fits."""
    if microseconds >= 10_000:  # noqa: PLR2004
        return f"{microseconds / 1000:.0f} ms"
    return f"{microseconds:.0f} us" if microseconds >= 100 else f"{microseconds:.1f} us"  # noqa: PLR2004


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
