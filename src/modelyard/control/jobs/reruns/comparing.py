"""What was not the same when a job was run again, in words that people act on."""

from collections.abc import Iterator, Mapping

from modelyard.types.scripting.conditions import Conditions, Machine
from modelyard.types.scripting.reruns import ConditionChange

_NOWHERE = "not there"
_UNKNOWN = "not recorded"


def compare(before: Conditions | None, after: Conditions | None) -> tuple[ConditionChange, ...]:
    """What changed between two runs, the data first."""
    if before is None or after is None:
        if before is after:
            return ()
        known = _known(before), _known(after)
        return (ConditionChange(name="conditions of the run", before=known[0], after=known[1]),)
    return tuple(_changes(before, after))


def _changes(before: Conditions, after: Conditions) -> Iterator[ConditionChange]:
    yield from _pairs("data of '{}'", before.data, after.data)
    yield from _change("threads", str(before.threads), str(after.threads))
    if before.machine is None or after.machine is None:
        yield from _change("machine", _known(before.machine), _known(after.machine))
        return
    yield from _machines(before.machine, after.machine)


def _machines(before: Machine, after: Machine) -> Iterator[ConditionChange]:
    yield from _change("processor", before.cpu, after.cpu)
    lost, new = (
        " ".join(sorted(set(one.instructions) - set(other.instructions))) or "none more"
        for one, other in ((before, after), (after, before))
    )
    yield from _change("instructions of the processor", lost, new)
    yield from _change("cores", str(before.cores), str(after.cores))
    yield from _change("operating system", before.system, after.system)
    yield from _change("kernel", before.kernel, after.kernel)
    yield from _change("Python", before.python, after.python)
    yield from _pairs("version of {}", before.libraries, after.libraries)
    yield from _change("linear algebra", "; ".join(before.blas) or _UNKNOWN, "; ".join(after.blas) or _UNKNOWN)


def _pairs(name: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[ConditionChange]:
    for key in sorted(before.keys() | after.keys()):
        yield from _change(name.format(key), before.get(key, _NOWHERE), after.get(key, _NOWHERE))


def _change(name: str, before: str, after: str) -> Iterator[ConditionChange]:
    if before != after:
        yield ConditionChange(name=name, before=before, after=after)


def _known(what: object) -> str:
    return _UNKNOWN if what is None else "recorded"
