"""The drift that is known to be in the nannyml sets: when it is found, and which columns are named."""

from benchmarks.drift_parts.sets import SETS, load

from modelyard.drift.base import DetectionSettings
from modelyard.drift.check import ColumnDetector
from modelyard.drift.reference import build_reference, window_of
from modelyard.types.monitoring import Verdict

CHUNK = 5_000
SETTINGS = DetectionSettings(alarms_per_week=1, checks_per_week=168)


def known(name: str) -> dict[str, object]:
    """Ten windows of the analysis period against the first half of the reference, and the quiet second half.

    Returns:
        quiet: windows of the reference's second half that alarmed; verdicts: of each later window; columns: those
        named, by window; sentence: of the last.
    """
    signature, reference, analysis = load(SETS[name])
    half = reference.rows // 2
    first = reference.slice(0, half)
    sketch = build_reference(signature, first.inputs, first.outputs)

    def judge(part):
        window = window_of(sketch, [(part.inputs, part.outputs)])
        return ColumnDetector().detect(sketch, window, SETTINGS)

    quiet = [judge(reference.slice(start, start + CHUNK)) for start in range(half, reference.rows - CHUNK + 1, CHUNK)]
    later = [judge(analysis.slice(start, start + CHUNK)) for start in range(0, analysis.rows - CHUNK + 1, CHUNK)]
    return {
        "set": name,
        "quiet_windows": len(quiet),
        "quiet_alarms": sum(found.verdict is Verdict.DRIFT for found in quiet),
        "verdicts": [str(found.verdict) for found in later],
        "columns": [sorted({f"{f.column} {f.kind}" for f in found.findings if f.is_drifted}) for found in later],
        "sentence": later[-1].sentence,
    }
