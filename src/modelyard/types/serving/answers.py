"""How the answers of a variant are written, where its callers expect another form than the platform's own."""

from enum import StrEnum


class AnswerForm(StrEnum):
    """What /invocations answers for each row.

    NAMED: every output by its name; of a classifier the label with its confidence and probabilities.
    VALUE: the number alone: the second class's probability, all of them if there are more than two, or the prediction.
    LABEL: the label alone, as a number where it is one.
    SCORE: `score` (as VALUE) and, of a classifier, `predicted_label`.
    PREDICTED_LABEL: `predicted_label`, of a regressor the prediction.
    PROBABILITIES: a list of the classes' probabilities; of one row just that list.
    SCORES: `score`, below "scores".
    PROJECTIONS: `projection`, below "projections".
    COLUMNS: an output as one list over all rows: the probabilities of a classifier, or the prediction.
    """

    NAMED = ""
    VALUE = "value"
    LABEL = "label"
    SCORE = "score"
    PREDICTED_LABEL = "predicted-label"
    PROBABILITIES = "probabilities"
    SCORES = "scores"
    PROJECTIONS = "projections"
    COLUMNS = "columns"
