"""What a built-in algorithm of the contract is given: its folders, its hyper-parameters, and a log with metrics."""

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path

from modelyard.algorithms.contract.given import Given
from modelyard.algorithms.errors import ChannelInvalidError, HyperparameterInvalidError

_OF_JUMPSTART = ("lightgbm", "catboost")
"""Algorithms whose channel to learn from may be called `training`."""


@dataclass(frozen=True, slots=True)
class BuiltInJob:
    """One training, as the files below `root` say."""

    root: Path
    given: Given
    content_types: dict[str, str]
    algorithm: str

    @classmethod
    def read(cls, root: Path, algorithm: str) -> "BuiltInJob":
        """What stands below `root`."""
        config = root / "input" / "config"
        inputs = json.loads((config / "inputdataconfig.json").read_text(encoding="utf-8"))
        given = json.loads((config / "hyperparameters.json").read_text(encoding="utf-8"))
        return cls(
            root, Given(given), {name: channel.get("ContentType", "") for name, channel in inputs.items()}, algorithm
        )

    @property
    def data(self) -> Path:
        """Folder of the channels."""
        return self.root / "input" / "data"

    @property
    def model(self) -> Path:
        """Where the model goes."""
        return self.root / "model"

    def has(self, channel: str) -> bool:
        """Whether there is such a channel."""
        return channel in self.content_types

    def check_trained(self) -> None:
        """Nothing if there is data to learn from.

        Raises:
            ChannelInvalidError: there is no channel of that name.
        """
        of_jumpstart = self.algorithm.startswith(_OF_JUMPSTART) and self.has("training")
        if not self.has("train") and not of_jumpstart:
            named = ", ".join(sorted(self.content_types)) or "none"
            raise ChannelInvalidError(
                "Missing required channel: train",
                hint=f"Name it so in InputDataConfig, which has {named}.",
                field="channels",
            )

    def check_width(self, features: int, channel: str = "train") -> None:
        """Nothing if rows have as many features as `feature_dim` says, where it says something.

        Raises:
            HyperparameterInvalidError: they have not.
        """
        if self.given.get("feature_dim", "auto") not in ("auto", str(features)):
            raise HyperparameterInvalidError(
                f"The hyper-parameter 'feature_dim' is {self.given['feature_dim'][:100]}, and the rows of the channel "
                f"'{channel}' have {features} features",
                hint="The label is no feature. Check feature_dim and the content type.",
                field="feature_dim",
            )

    def tell_unused(self) -> None:
        """Say in the log what the job gives and this algorithm, which is another one than AWS's, does not look at."""
        if unused := self.given.unused():
            self.log(f"Hyper-parameters without effect here: {', '.join(unused)}")
        if self.has("model"):
            self.log("The channel 'model' is not used: the training begins anew, on the data alone")

    def text(self, name: str, default: str | None = None, choices: tuple[str, ...] = ()) -> str:
        """A hyper-parameter that is a text.

        Raises:
            HyperparameterInvalidError: it is missing, or not one of the choices.
        """
        value = self.given.get(name, default)
        if value is None:
            raise HyperparameterInvalidError(
                f"The hyper-parameter '{name}' is missing", hint="This algorithm cannot do without.", field=name
            )
        if choices and value not in choices:
            raise HyperparameterInvalidError(
                f"'{value[:100]}' is no value of the hyper-parameter '{name}'",
                hint=f"Give one of {', '.join(choices)}.",
                field=name,
            )
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """A hyper-parameter that is a number.

        Raises:
            HyperparameterInvalidError: it is missing, or none.
        """
        value = self.text(name, None if default is None else str(default))
        try:
            found = float(value)
        except ValueError:
            found = math.nan
        if not math.isfinite(found):
            raise HyperparameterInvalidError(
                f"The hyper-parameter '{name}' is '{value[:100]}', which is no number", hint="Give one.", field=name
            )
        return found

    def integer(self, name: str, default: int | None = None, minimum: int = 1) -> int:
        """A hyper-parameter that is a whole number of at least `minimum`.

        Raises:
            HyperparameterInvalidError: it is missing, or none.
        """
        value = self.number(name, default)
        if value != int(value) or value < minimum:
            raise HyperparameterInvalidError(
                f"The hyper-parameter '{name}' is {value:g}",
                hint=f"Give a whole number of at least {minimum}.",
                field=name,
            )
        return int(value)

    @staticmethod
    def log(line: str) -> None:
        """A line of the job's log."""
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def metric(self, name: str, value: float, step: int) -> None:
        """A value of a metric, such as "validation:rmse"."""
        if math.isfinite(value):
            self.log("metric " + json.dumps({"name": name, "value": float(value), "step": step}))
