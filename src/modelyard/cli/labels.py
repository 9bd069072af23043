"""Labels of machines on the command line."""

from collections.abc import Sequence

from modelyard.errors import InvalidInputError


class LabelInvalidError(InvalidInputError):
    """A label of a node that is not of the form NAME=VALUE."""

    code = "label_invalid"


def read_labels(given: Sequence[str]) -> dict[str, str]:
    """Labels from NAME=VALUE.

    Raises:
        LabelInvalidError: not of that form.
    """
    labels = {}
    for each in given:
        name, separator, value = each.partition("=")
        if not (name and separator and value):
            raise LabelInvalidError(f"'{each}' is no label", hint="Write NAME=VALUE, such as zone=a.", field="label")
        labels[name] = value
    return labels
