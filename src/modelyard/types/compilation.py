"""How the forms of a model version compare: which answers as the original does, how fast, and which one is served."""

from dataclasses import dataclass
from enum import StrEnum


class VariantState(StrEnum):
    """What became of one form of a model."""

    SERVED = "served"
    SLOWER = "slower"
    """It agrees with the original, and the served form is faster, or as fast and simpler."""
    DIFFERS = "differs"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long one request of `batch` rows takes inside the model, on one thread of the machine that measured.

    Attributes:
        batch: rows.
        microseconds: the fastest of several short runs, which other work on the machine disturbs least.
    """

    batch: int
    microseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One form of a model.

    Attributes:
        name: "original", "onnx", "onnx-float64", "onnx-optimised", "onnx-int8".
        state: what became of it.
        reason: why, in a sentence; what differs, in words and numbers.
        artifact: its file in the bundle; empty if it is not kept.
        artifact_format: format of that file.
        rows: rows that were compared with the original.
        label_mismatches: rows on which another label came out.
        max_abs_difference: largest difference of a number.
        timings: measured, per batch size.
    """

    name: str
    state: VariantState
    reason: str = ""
    artifact: str = ""
    artifact_format: str = ""
    rows: int = 0
    label_mismatches: int = 0
    max_abs_difference: float = 0.0
    timings: tuple[Timing, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Compilation:
    """`compilation.json` of a bundle, and the section `compilation` of the card.

    It holds times, so it is no part of a version's digest: the same model compiled twice is the same version.

    Attributes:
        served: name of the variant that workers load.
        tolerance: how far a number may differ from the original's: absolute, and relative above 1.
        machine: processor that measured.
        variants: all that were tried, the original first.
    """

    served: str
    tolerance: float
    machine: str = ""
    variants: tuple[Variant, ...] = ()

    def variant(self, name: str) -> Variant | None:
        """The variant of that name, if it was tried."""
        return next((variant for variant in self.variants if variant.name == name), None)


class Target(StrEnum):
    """What `modelyard models compile` can make, named by the hardware that it is for."""

    CPU = "cpu"
    CPU_INT8 = "cpu-int8"
    CUDA = "cuda"
    ARM64 = "arm64"
    C = "c"


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """`build.json` beside the files that a target is made of.

    Attributes:
        target: what was made.
        is_bundle: the files are a complete bundle, which can be registered as a version.
        summary: what the files are and how to use them.
        compilation: how what was made compares with the original, as far as this machine can tell.
    """

    target: Target
    is_bundle: bool
    summary: str
    compilation: Compilation
