"""Errors of explanations."""

from modelyard.errors import InvalidInputError


class ExplanationImpossibleError(InvalidInputError):
    """The answer, or the wanted method, is none that can be explained so."""

    code = "explanation_impossible"


class ExplanationTooSlowError(InvalidInputError):
    """The model answers too slowly for an explanation in the time that was given."""

    code = "explanation_too_slow"
