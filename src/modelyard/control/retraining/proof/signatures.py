"""May callers go on as they are? What a new version takes and answers, beside what the running one does."""

from collections.abc import Iterator

from modelyard.runtimes.validate import describe
from modelyard.types.signatures import Signature, TensorSpec


def breaks(running: Signature, candidate: Signature) -> list[str]:
    """What a caller of the running version would miss in the candidate, one clause each; empty if nothing.

    Inputs: all it sends are still taken, with the same columns in the same order, and nothing more is asked for.
    Outputs: all it reads are still there; further outputs may come, and further classes at the end.
    """
    return [*_inputs(running, candidate), *_outputs(running, candidate)]


def _inputs(running: Signature, candidate: Signature) -> Iterator[str]:
    taken = {spec.name: spec for spec in candidate.inputs}
    for spec in running.inputs:
        now = taken.pop(spec.name, None)
        if now is None:
            yield f"it no longer takes the input '{spec.name}'"
        elif now.datatype is not spec.datatype or not _fits(spec.shape, now.shape):
            yield f"its input '{spec.name}' is {describe(now)} instead of {describe(spec)}"
        elif spec.columns and now.columns != spec.columns:
            yield f"its input '{spec.name}' has other columns: {_difference(spec.columns, now.columns)}"
        elif spec.allows_missing and not now.allows_missing:
            yield f"its input '{spec.name}' no longer takes missing values"
    yield from (f"it asks for a further input '{name}'" for name in taken)


def _outputs(running: Signature, candidate: Signature) -> Iterator[str]:
    given = {spec.name: spec for spec in candidate.outputs}
    for spec in running.outputs:
        now = given.get(spec.name)
        if now is None:
            yield f"it no longer answers '{spec.name}'"
        elif now.datatype is not spec.datatype or not _answers_as(spec, now):
            yield f"its output '{spec.name}' is {describe(now)} instead of {describe(spec)}"
        elif now.columns[: len(spec.columns)] != spec.columns:
            yield f"its output '{spec.name}' has other columns: {_difference(spec.columns, now.columns)}"


def _fits(sent: tuple[int, ...], taken: tuple[int, ...]) -> bool:
    """Whatever fits the first shape fits the second."""
    return len(sent) == len(taken) and all(now in (-1, was) for was, now in zip(sent, taken, strict=True))


def _answers_as(was: TensorSpec, now: TensorSpec) -> bool:
    """The same shape, but for columns that came at the end."""
    if len(was.shape) != len(now.shape):
        return False
    is_wider = bool(was.columns) and len(now.columns) > len(was.columns)
    pairs = [*zip(was.shape, now.shape, strict=True)]
    return all(before in (-1, after) for before, after in (pairs[:-1] if is_wider else pairs))


def _difference(was: tuple[str, ...], now: tuple[str, ...]) -> str:
    gone, new = [name for name in was if name not in now], [name for name in now if name not in was]
    parts = [f"'{gone[0]}' is gone{_more(gone)}" if gone else "", f"'{new[0]}' is new{_more(new)}" if new else ""]
    return ", ".join(part for part in parts if part) or "they come in another order"


def _more(names: list[str]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""
