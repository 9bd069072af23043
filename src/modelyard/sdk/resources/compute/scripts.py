"""Jobs that run code of one's own, and what they leave."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from modelyard.errors import TooLargeError
from modelyard.kit.files import inside
from modelyard.sdk.calls import Mode, Pages, call, listing
from modelyard.sdk.packing import pack_code
from modelyard.sdk.resource import JOBS, decode, pages, send
from modelyard.sdk.resources.compute.waiting import JobCalls, channels_of, limits_of, place_of, source_of
from modelyard.sdk.resources.debugging.rules import Rules, choices_of
from modelyard.sdk.resources.uploads import FileMissingError
from modelyard.sdk.steps import Download, Flow, Request, Response, Work
from modelyard.sdk.transfers import download
from modelyard.types.compute.scheduling import Placement
from modelyard.types.jobs import Job
from modelyard.types.processes import Resources
from modelyard.types.scripting.recipes import OutputFile, Snapshot
from modelyard.types.signatures import Scalar

_MOST_BYTES = 16 << 20


class CodeTooLargeError(TooLargeError):
    """The folder of code is larger than a snapshot may be."""

    code = "code_too_large"


@dataclass(frozen=True, slots=True)
class Program:
    """Code of one's own, or an image; the parts are those of `ScriptJobs.run`."""

    code: str | Path | None = None
    entry_point: str = ""
    image: str = ""
    requirements: str | Path | None = None
    environment: str = ""
    python: str = ""
    command: Sequence[str] = ()
    arguments: Sequence[str] = ()
    metrics: Mapping[str, str] | None = None


class ScriptJobs(JobCalls[Mode]):
    """Runs scripts and images."""

    @call
    def run(
        self,
        code: str | Path | None = None,
        *,
        entry_point: str = "",
        arguments: Sequence[str] = (),
        hyperparameters: Mapping[str, Scalar] | None = None,
        data: str | Mapping[str, str] | None = None,
        requirements: str | Path | None = None,
        environment: str = "",
        python: str = "",
        metrics: Mapping[str, str] | None = None,
        model: str | None = None,
        dataset: str | None = None,
        image: str = "",
        command: Sequence[str] = (),
        hosts: int = 1,
        seed: int = 0,
        retries: int = 0,
        resources: Resources | None = None,
        placement: Placement | None = None,
        rules: Rules = (),
        wait: bool = False,
    ) -> Flow[Job]:
        """Run a Python file, or an image, as a job.

        Args:
            code: a Python file, or a folder (without hidden files) of which `entry_point` is run.
            entry_point: file of the folder.
            arguments: handed to it behind the hyper-parameters.
            hyperparameters: handed over as `--name value`, and as a JSON file.
            data: a dataset ("digits:2") for the channel `train`, or datasets by channel.
            requirements: a requirements file or lock; None: it runs with the platform's own packages.
            environment: name of an environment, in place of requirements.
            python: version of Python for the requirements ("3.12"); the platform's if empty.
            metrics: name -> regular expression (RE2) whose first group is the value, in a line of output.
            model: model that gets what the script saves in the folder MODELYARD_MODEL as its next version.
            dataset: dataset that gets the one file of the folder MODELYARD_OUTPUT as its next version.
            image: container image that is run instead; its packages are its own.
            command: program and arguments in the image; none: what the image says.
            hosts: a gang of so many processes that reach each other; all start or none.
            seed: told to the script.
            retries: how often it is begun again after it has failed by itself.
            resources: limits of the job; of each member of a gang.
            placement: queue, priority, spot, ...: when and where it may start.
            rules: how rules on live figures are applied where not as usual ("overfitting:stop"); see `jobs.rules`.
            wait: come back when the job has ended, and fail (WaitFailedError) if it failed.

        Raises:
            FileMissingError, CodeTooLargeError: there is no such file, or more than 16 MiB of code.
            ModelyardError: what the platform says against it.
        """
        program = Program(code, entry_point, image, requirements, environment, python, command, arguments, metrics)
        body = yield from program_of(self._path(JOBS, "snapshots"), program)
        body |= _course(hyperparameters, seed, retries, resources, placement)
        body |= {"channels": channels_of(data or {}), "hosts": hosts, "rules": choices_of(rules)}
        return (yield from self._submitted("script-jobs", body | {"model": model, "dataset": dataset}, wait=wait))

    @call
    def process(
        self,
        code: str | Path | None = None,
        *,
        outputs: Mapping[str, str],
        inputs: Mapping[str, str] | None = None,
        entry_point: str = "",
        arguments: Sequence[str] = (),
        hyperparameters: Mapping[str, Scalar] | None = None,
        requirements: str | Path | None = None,
        environment: str = "",
        python: str = "",
        metrics: Mapping[str, str] | None = None,
        image: str = "",
        command: Sequence[str] = (),
        seed: int = 0,
        retries: int = 0,
        resources: Resources | None = None,
        placement: Placement | None = None,
        wait: bool = False,
    ) -> Flow[Job]:
        """Make datasets of data by a Python file or an image: all that are promised, or none.

        Args:
            code: a Python file, or a folder (without hidden files) of which `entry_point` is run.
            outputs: output -> dataset. The one file in the folder MODELYARD_OUTPUT_<NAME> becomes its next version.
            inputs: name -> a dataset ("houses:2"), the key of an object ("inputs/<project>/..."), or an `https://`
                address that the platform allows; each is a folder, MODELYARD_CHANNEL_<NAME>.
            entry_point: file of the folder.
            arguments: handed to it behind the hyper-parameters.
            hyperparameters: handed over as `--name value`, and as a JSON file.
            requirements: a requirements file or lock; None: it runs with the platform's own packages.
            environment: name of an environment, in place of requirements.
            python: version of Python for the requirements ("3.12"); the platform's if empty.
            metrics: name -> regular expression (RE2) whose first group is the value, in a line of output.
            image: container image that is run instead; its packages are its own.
            command: program and arguments in the image; none: what the image says.
            seed: told to the script.
            retries: how often it is begun again after it has failed by itself.
            resources: limits of the job.
            placement: queue, priority, spot, ...: when and where it may start.
            wait: come back when the job has ended, and fail (WaitFailedError) if it failed.

        Returns:
            The job; `result["dataset/<output>"]` names the version that an output became.

        Raises:
            FileMissingError, CodeTooLargeError: there is no such file, or more than 16 MiB of code.
            ModelyardError: what the platform says against it.
        """
        program = Program(code, entry_point, image, requirements, environment, python, command, arguments, metrics)
        body = yield from program_of(self._path(JOBS, "snapshots"), program)
        body |= _course(hyperparameters, seed, retries, resources, placement)
        body |= {"inputs": {name: source_of(text) for name, text in (inputs or {}).items()}, "outputs": dict(outputs)}
        return (yield from self._submitted("processing-jobs", body, wait=wait))

    @listing
    def output(self, id: str) -> Pages[OutputFile]:
        """The files that a job has left."""
        return pages(OutputFile, self._path(JOBS, "jobs", id, "output"))

    @call
    def download(self, id: str, folder: str | Path) -> Flow[list[OutputFile]]:
        """Write the files that a job has left into `folder`; each is checked against its digest."""
        files: list[OutputFile] = []
        fetch = ScriptJobs.output.pages(self, id).fetch
        cursor: str | None = None
        while True:
            found, cursor = yield from fetch(cursor)
            files += found
            if cursor is None:
                break
        for file in files:
            path = f"{self._path(JOBS, 'jobs', id, 'output')}/{file.path}"
            target: Path = yield Work(partial(_place, Path(folder), file.path))
            yield from download(Download(path=path, target=target), file.digest)
        return files


def program_of(snapshots: str, program: Program) -> Flow[dict[str, object]]:
    """What a request says of a program; the code is on the platform afterwards. `snapshots`: the path to send it to."""
    digest, entry_point = "", program.entry_point
    if program.code is not None:
        digest, named = yield from snapshot_of(snapshots, Path(program.code))
        entry_point = entry_point or ("" if program.image else named)
    text = "" if program.requirements is None else (yield Work(partial(_text, Path(program.requirements))))
    return {
        "code": digest,
        "entry_point": entry_point,
        "image": program.image,
        "requirements": text,
        "environment": program.environment,
        "python": program.python,
        "command": [*program.command],
        "arguments": [*program.arguments],
        "metrics": [{"name": name, "regex": regex} for name, regex in (program.metrics or {}).items()],
    }


def _course(
    hyperparameters: Mapping[str, Scalar] | None,
    seed: int,
    retries: int,
    resources: Resources | None,
    placement: Placement | None,
) -> dict[str, object]:
    """What a request says of how the program is run."""
    return {
        "hyperparameters": dict(hyperparameters or {}),
        "seed": seed,
        "retries": retries,
        "resources": limits_of(resources),
        "schedule": place_of(placement),
    }


def snapshot_of(path: str, code: Path) -> Flow[tuple[str, str]]:
    """Send a folder or a Python file; the snapshot's digest, and the name of what is run if it is a file.

    Raises:
        FileMissingError, CodeTooLargeError: there is no such file, or more than 16 MiB of code.
    """
    content: bytes = yield Work(partial(_packed, code))
    snapshot = yield from _snapshot(path, content)
    return snapshot.digest, code.name if code.is_file() else ""


def _packed(code: Path) -> bytes:
    """A zip file of the code."""
    if not code.exists():
        raise FileMissingError(f"there is no file or folder {code}", hint="Check the path.", field="code")
    with tempfile.TemporaryDirectory(prefix="modelyard-") as scratch:
        packed = Path(scratch) / "code.zip"
        pack_code(code, packed)
        if packed.stat().st_size > _MOST_BYTES:
            raise CodeTooLargeError(
                f"{code} has {packed.stat().st_size:,} bytes, code may have {_MOST_BYTES:,}",
                hint="Give data to the job as datasets, and name a folder that holds code alone.",
            )
        return packed.read_bytes()


def _snapshot(path: str, content: bytes) -> Flow[Snapshot]:
    request = Request(method="POST", path=path, headers={"Content-Type": "application/zip"}, content=content)
    response: Response = yield from send(request)
    return decode(response.content, Snapshot)


def _text(file: Path) -> str:
    if not file.is_file():
        raise FileMissingError(f"there is no file {file}", hint="Check the path.", field="requirements")
    return file.read_text(encoding="utf-8")


def _place(folder: Path, path: str) -> Path:
    target = inside(folder, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    return target
