"""A mistyped name is answered with the right one."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches

from modelyard.errors import ModelyardError, NotFoundError


@contextmanager
def did_you_mean(what: str, name: str, names: Callable[[], Iterable[str]]) -> Iterator[None]:
    """If the block ends with a NotFoundError, add to its hint which of `names` is close, or which there are."""
    try:
        yield
    except NotFoundError as error:
        try:
            known = [*names()]
        except ModelyardError:
            known = []
        if known and name not in known and "Did you mean" not in error.hint:
            error.hint = _hint(what, name, known)
        raise


def _hint(what: str, name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    if close:
        return f"Did you mean '{close[0]}'?"
    shown = ", ".join(sorted(known)[:10])
    plural = f"{what.removesuffix('y')}ies" if what.endswith("y") else f"{what}s"
    return f"Known {plural}: {shown}{', ...' if len(known) > 10 else ''}."  # noqa: PLR2004
