"""What a job ran on: whatever a result may depend on beside its recipe."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine and the libraries, as the job's own process saw them.

    Attributes:
        cpu: model of the processor.
        instructions: of those that it has, the ones that numeric libraries choose their code by.
        cores: that the process could run on.
        system: operating system with its version.
        kernel: its version, and the kind of processor.
        python: version of the interpreter.
        libraries: name -> version of the installed packages that compute.
        blas: linear algebra libraries that were loaded: name, version, kernel and threads.
    """

    cpu: str = ""
    instructions: tuple[str, ...] = ()
    cores: int = 0
    system: str = ""
    kernel: str = ""
    python: str = ""
    libraries: dict[str, str] = field(default_factory=dict)
    blas: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What an attempt of a job began with. Code, packages, hyper-parameters and the seed stand in its recipe.

    Attributes:
        data: role -> SHA-256 of the data.
        threads: that it was told to use.
        machine: None for an image, for a job that has not ended, and for one that could not tell.
    """

    data: dict[str, str] = field(default_factory=dict)
    threads: int = 0
    machine: Machine | None = None
