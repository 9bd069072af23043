"""The verdict on a replay: a pure function of what the replay job found."""

import math
from collections.abc import Mapping

from modelyard.control.retraining.proof.judgement import Judgement
from modelyard.types.retraining.rules import GateRules

Result = Mapping[str, str | float]

_KINDS = {"single": "one row", "captured": "a request as it was captured"}
_LISTED = 5


def judge_replay(
    result: Result,
    *,
    running: str,
    candidate: str,
    rules: GateRules,
    sizes: tuple[int, int] | None = None,
    masked: int = 0,
) -> Judgement:
    """Nothing fails, nothing becomes NaN, nothing takes much longer. Answers that changed are told, not judged.

    Args:
        result: of the replay job.
        running: the version that serves.
        candidate: the version that wants to.
        rules: bounds.
        sizes: bytes of both bundles, as part of the cost.
        masked: captured requests that were left out because inputs of theirs were hashed or dropped.
    """
    error = _text(result, "load/error")
    if error:
        refusal = f"it does not load: {error}"
        return Judgement(candidate=candidate, approval=candidate, refusals=(refusal,))
    requests = _number(result, "requests")
    refusals = [*_golden(result), *_failures(result, running), *_slow(result, running, rules)]
    if requests < rules.minimum_replay_requests:
        story = cannot_tell(int(requests), rules, masked)
        refusals += [story] if rules.is_replay_required else []
    else:
        story = f"{_story(result)}{_masked(masked)}"
    return Judgement(
        candidate=candidate,
        approval=f"{candidate} stood the replay",
        refusals=tuple(refusals),
        story=story,
        figures=_figures(result, sizes) | left_out(masked),
    )


def cannot_tell(requests: int, rules: GateRules, masked: int = 0) -> str:
    """What is said when there are too few requests."""
    needed = f"{rules.minimum_replay_requests:,} are needed to tell"
    return f"a replay could not tell, {requests:,} captured requests are there and {needed}{_masked(masked)}"


def left_out(masked: int) -> dict[str, float]:
    """The figure of requests that no replay can use."""
    return {"replay_masked": float(masked)} if masked else {}


def _masked(requests: int) -> str:
    if not requests:
        return ""
    return f"; {requests:,} more were left out, their personal columns were hashed or dropped"


def _golden(result: Result) -> list[str]:
    failed = _number(result, "golden/failed")
    if not failed:
        return []
    return [f"it fails {failed:.0f} of its own golden requests ({_text(result, 'golden/first')})"]


def _failures(result: Result, running: str) -> list[str]:
    requests = f"{_number(result, 'requests'):,.0f} captured requests"
    found = []
    if failed := _number(result, "errors/new"):
        message = _text(result, "errors/first")
        found.append(f"it fails on {failed:,.0f} of {requests} that {running} answers ({message})")
    if nans := _number(result, "nan/new"):
        output = _text(result, "nan/output")
        found.append(f"it answers NaN in '{output}' to {nans:,.0f} of {requests} where {running} does not")
    return found


def _slow(result: Result, running: str, rules: GateRules) -> list[str]:
    for kind, words in _KINDS.items():
        was, now = _times(result, kind)
        is_noticeable = now - was > rules.slowdown_floor_ms
        if was > 0 and is_noticeable and now > rules.maximum_slowdown * was:
            allowed = f"{rules.maximum_slowdown:g} times is allowed"
            times = f"{now:.3f} ms instead of {was:.3f} ms; {allowed}"
            return [f"it takes {now / was:.2f} times the time of {running} for {words} ({times})"]
    return []


def _story(result: Result) -> str:
    rows, changed = _number(result, "rows"), _number(result, "changed/share")
    parts = [f"of {rows:,.0f} captured rows {changed:.1%} are answered otherwise"]
    name = _text(result, "changed/1/name")
    if name:
        parts.append(f"most where {name} ({_number(result, 'changed/1/share'):.1%})")
    was, now = _times(result, "single")
    parts.append(f"one row takes {now:.3f} ms instead of {was:.3f} ms")
    return ", ".join(parts)


def _times(result: Result, kind: str) -> tuple[float, float]:
    """Milliseconds of the running version and of the candidate."""
    return _number(result, f"time/{kind}/running") / 1000, _number(result, f"time/{kind}/candidate") / 1000


def _figures(result: Result, sizes: tuple[int, int] | None) -> dict[str, float]:
    figures = {
        "replay_requests": _number(result, "requests"),
        "replay_rows": _number(result, "rows"),
        "replay_errors": _number(result, "errors/new"),
        "replay_nan": _number(result, "nan/new"),
        "replay_changed": _number(result, "changed/share"),
        "replay_shift": _number(result, "shift"),
    }
    for kind in _KINDS:
        was, now = _times(result, kind)
        figures |= {f"{kind}_ms_running": was, f"{kind}_ms_candidate": now}
        figures |= {f"{kind}_time_ratio": now / was} if was > 0 else {}
    for role in ("running", "candidate"):
        figures |= {f"memory_bytes_{role}": _number(result, f"memory/{role}")} if f"memory/{role}" in result else {}
    if sizes is not None:
        figures |= {"size_bytes_running": float(sizes[0]), "size_bytes_candidate": float(sizes[1])}
    for place in range(1, _LISTED + 1):
        if name := _text(result, f"changed/{place}/name"):
            figures[f"changed where {name}"] = _number(result, f"changed/{place}/share")
    return figures


def _number(result: Result, name: str) -> float:
    value = result.get(name, 0.0)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0


def _text(result: Result, name: str) -> str:
    value = result.get(name, "")
    return value if isinstance(value, str) else ""
