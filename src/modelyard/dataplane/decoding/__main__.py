"""The decoding process: reads jobs until its input ends. See the package."""

import argparse
import resource
import sys
from typing import BinaryIO

import msgspec

from modelyard.dataplane.decoding.messages import PREFIX, Decoded, Job, JobKind, Refused, pack
from modelyard.dataplane.errors import BodyInvalidError
from modelyard.errors import InvalidInputError, TooLargeError

_MEMORY_BYTES = 4 << 30  # of addresses; Arrow reserves some hundred megabytes that it never touches
_LIMITS = (
    (resource.RLIMIT_AS, _MEMORY_BYTES),
    (resource.RLIMIT_FSIZE, 0),  # it has no file to write
    (resource.RLIMIT_CORE, 0),
)

_decoder = msgspec.msgpack.Decoder(Job)


def main() -> None:
    """Answer jobs, one at a time."""
    parser = argparse.ArgumentParser(prog="python -m modelyard.dataplane.decoding", description=__doc__)
    parser.add_argument("--limit-bytes", type=int, required=True, help="most bytes that a body may decode to")
    limit = parser.parse_args().limit_bytes
    for kind, most in _LIMITS:
        resource.setrlimit(kind, (most, most))
    while (job := _next_job(sys.stdin.buffer)) is not None:
        sys.stdout.buffer.write(pack(_answer(job, limit)))
        sys.stdout.buffer.flush()


def _next_job(stream: BinaryIO) -> Job | None:
    prefix = stream.read(PREFIX.size)
    if len(prefix) < PREFIX.size:
        return None
    return _decoder.decode(stream.read(PREFIX.unpack(prefix)[0]))


def _answer(job: Job, limit_bytes: int) -> Decoded | Refused:
    try:
        return Decoded(_columns(job, limit_bytes))
    except InvalidInputError as error:
        return Refused(error.message, error.hint, isinstance(error, TooLargeError), error.field)
    except MemoryError:
        return Refused(
            "the body takes more memory to decode than there is", "Send fewer rows, or a smaller image.", True
        )


def _columns(job: Job, limit_bytes: int) -> tuple:  # type: ignore[type-arg] # of Column, see messages
    # Each library is loaded when its first body comes: Arrow takes half a second.
    if job.kind is JobKind.PARQUET:
        from modelyard.dataplane.decoding.parquet import columns_of  # noqa: PLC0415

        return columns_of(job.body, limit_bytes)
    if job.kind is JobKind.RECORDS:
        from modelyard.dataplane.decoding import records  # noqa: PLC0415

        return (records.rows_of(job.body, job.width, limit_bytes),)
    if job.kind is JobKind.LIBSVM:
        from modelyard.dataplane.decoding import libsvm  # noqa: PLC0415

        return (libsvm.rows_of(job.body, job.width, limit_bytes),)
    from modelyard.dataplane.decoding.images import pixels_of  # noqa: PLC0415

    if job.image is None:
        raise BodyInvalidError("an image came without its form", hint="Send the image to a model that takes images.")
    return (pixels_of(job.body, job.image, limit_bytes),)


if __name__ == "__main__":
    main()
