"""Hyper-parameters as a job gives them, which remember what an algorithm has looked at."""

from collections.abc import Iterator, Mapping

_OF_PLATFORM = ("_", "sagemaker_")
"""Names that begin so are put there by tuning jobs and SDKs."""


class Given(Mapping[str, str]):
    """Texts by name. Looking a name up counts as use of it, going over the names does not."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = dict(texts)
        self._unused = {name for name in texts if not is_of_platform(name)}

    def __getitem__(self, name: str) -> str:
        self._unused.discard(name)
        return self._texts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def unused(self) -> list[str]:
        """What no algorithm has asked for so far."""
        return sorted(self._unused)


def is_of_platform(name: str) -> bool:
    """Whether a hyper-parameter is no algorithm's, but a tuning job's or an SDK's."""
    return name.startswith(_OF_PLATFORM)
