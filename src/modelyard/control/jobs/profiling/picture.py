"""Draws a profile as SVG: a strip for each figure over the same time."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from modelyard.types.debugging.profiles import Profile

_WIDTH, _STRIP, _LEFT, _RIGHT, _TOP, _GAP = 860, 84, 120, 20, 64, 30
_TEXT = "#334155"
_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Strip:
    """One figure over time; `limit` is drawn as a line."""

    title: str
    unit: str
    color: str
    values: Sequence[float | None]
    limit: float | None = None

    @property
    def top(self) -> float:
        """The value at the upper edge; a limit that is far away does not press the curve flat."""
        most = max((value for value in self.values if value is not None), default=0.0)
        is_near = self.limit is not None and most > self.limit / 4
        return max(most, self.limit if is_near and self.limit else 0.0) * 1.05 or 1.0


def picture_of(profile: Profile) -> str:
    """The whole picture."""
    strips = _strips(profile)
    words = [f"Job {profile.job}", *profile.verdicts]
    top = _TOP + 18 * (len(words) - 1)
    height = top + len(strips) * (_STRIP + _GAP) + 24
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="system-ui, sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for number, sentence in enumerate(words):
        font = ' font-size="16" font-weight="600"' if number == 0 else ""
        lines.append(f'<text x="20" y="{28 + 18 * number}" fill="{_TEXT}"{font}>{escape(sentence)}</text>')
    moments = [point.seconds for point in profile.points]
    for number, strip in enumerate(strips):
        lines += _drawn(strip, moments, profile.seconds, top + number * (_STRIP + _GAP))
    for part in range(5):
        x = _LEFT + part / 4 * (_WIDTH - _LEFT - _RIGHT)
        label = f"{part / 4 * profile.seconds:.4g} s"
        lines.append(f'<text x="{x:.1f}" y="{height - 16}" fill="{_TEXT}" text-anchor="middle">{label}</text>')
    return "\n".join([*lines, "</svg>\n"])


def _strips(profile: Profile) -> list[_Strip]:
    points, limit = profile.points, profile.memory_limit_bytes
    found = [
        _Strip(title="CPU", unit="cores", color="#2563eb", values=[each.cpus for each in points], limit=profile.cpus),
        _Strip(title="Not given", unit="cores", color="#d97706", values=[each.waiting_cpus for each in points]),
        _Strip(
            title="Memory",
            unit="MiB",
            color="#059669",
            values=[each.memory_bytes / _MIB for each in points],
            limit=limit / _MIB if limit else None,
        ),
        _Strip(
            title="Read", unit="MiB/s", color="#7c3aed", values=[each.read_bytes_per_second / _MIB for each in points]
        ),
        _Strip(
            title="Written",
            unit="MiB/s",
            color="#be185d",
            values=[each.written_bytes_per_second / _MIB for each in points],
        ),
    ]
    if profile.step_metric:
        rates = [each.steps_per_second for each in points]
        found.append(_Strip(title="Steps", unit="per s", color="#0f766e", values=rates))
    return found


def _drawn(strip: _Strip, moments: Sequence[float], seconds: float, y: float) -> list[str]:
    top, floor, width = strip.top, y + _STRIP, _WIDTH - _LEFT - _RIGHT

    def place(moment: float, value: float) -> str:
        return f"{_LEFT + moment / max(seconds, 1e-9) * width:.1f},{floor - min(value, top) / top * _STRIP:.1f}"

    known = [(moment, value) for moment, value in zip(moments, strip.values, strict=True) if value is not None]
    curve = " ".join(place(moment, value) for moment, value in known)
    lines = [
        f'<text x="20" y="{y + 16}" fill="{_TEXT}" font-weight="600">{strip.title}</text>',
        f'<text x="20" y="{y + 32}" fill="{_TEXT}">{strip.unit}</text>',
        f'<text x="{_LEFT - 8}" y="{y + 10}" fill="{_TEXT}" text-anchor="end">{top:.3g}</text>',
        f'<text x="{_LEFT - 8}" y="{floor}" fill="{_TEXT}" text-anchor="end">0</text>',
        f'<line x1="{_LEFT}" y1="{floor}" x2="{_LEFT + width}" y2="{floor}" stroke="#cbd5e1"/>',
    ]
    if known:
        area = f"{place(known[0][0], 0)} {curve} {place(known[-1][0], 0)}"
        lines.append(f'<polygon points="{area}" fill="{strip.color}" fill-opacity="0.15"/>')
        lines.append(f'<polyline points="{curve}" fill="none" stroke="{strip.color}" stroke-width="1.5"/>')
    if strip.limit is not None and strip.limit <= top:
        start, end = place(0, strip.limit).split(","), place(seconds, strip.limit).split(",")
        lines.append(
            f'<line x1="{start[0]}" y1="{start[1]}" x2="{end[0]}" y2="{end[1]}" stroke="#dc2626" stroke-dasharray="4"/>'
        )
    return lines
