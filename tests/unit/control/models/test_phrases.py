"""Plain phrases: what a newcomer types becomes the query that he would have written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.control.models.discovery.errors import SearchQueryInvalidError
from modelyard.control.models.discovery.parser import parse_query
from modelyard.control.models.discovery.phrases import interpret
from modelyard.control.models.discovery.service import understand

PHRASES = {
    "image classification with accuracy above 0.95": 'task = "image-classification" and metrics.accuracy > 0.95',
    "image classification with accuracy >= 0.95": 'task = "image-classification" and metrics.accuracy >= 0.95',
    "Image classifiers with at least 95% accuracy": 'task = "image-classification" and metrics.accuracy >= 0.95',
    "accuracy above 95": "metrics.accuracy > 0.95",
    "accuracy of 97 percent or better": "metrics.accuracy >= 0.97",
    "metrics.accuracy above 0.95": "metrics.accuracy > 0.95",
    "0.9 accuracy or more": "metrics.accuracy >= 0.9",
    "regression with rmse below 3": 'task = "tabular-regression" and metrics.rmse < 3',
    "forecasters with mase below 0.8": 'task = "forecasting" and metrics.mase < 0.8',
    "rmse better than 2": "metrics.rmse < 2",
    "rmse 2 or better": "metrics.rmse <= 2",
    "loss 0.3": "metrics.loss <= 0.3",
    "over 0.9 precision and recall over 80%": "metrics.precision > 0.9 and metrics.recall > 0.8",
    "p95 under 20": "metrics.p95 < 20",
    "best image classifier": 'task = "image-classification" order by metrics.accuracy desc',
    "best regression with mae under 5": 'task = "tabular-regression" and metrics.mae < 5 order by metrics.mae asc',
    "highest f1 score": "order by metrics.f1 desc",
    "lowest log loss": "order by metrics.log_loss asc",
    "the newest model called digits": 'name = "digits" order by created_at desc',
    "smallest models using xgboost": 'algorithm ~ "xgboost" order by size_bytes asc',
    "models that classify images tagged vision, demo": (
        'task = "image-classification" and tags = "vision" and tags = "demo"'
    ),
    "smaller than 10 MB": "size_bytes < 10000000",
    "mit licensed models": 'licence ~ "mit"',
    "models with licence apache-2.0": 'licence ~ "apache-2.0"',
    "deployed at digits-live": 'endpoint = "digits-live"',
    "the champion of digits": 'alias = "champion" and text ~ "digits"',
    "classification or regression": 'task ~ "classification" or task = "tabular-regression"',
    "tabular classification or regression": 'task in ("tabular-classification", "tabular-regression")',
    "handwritten digits since 2026-01-31": 'created_at >= "2026-01-31" and text ~ "handwritten digits"',
    "before 2026-13-45": 'text ~ "2026-13-45"',
    "find me a model for fraud detection": 'text ~ "fraud detection"',
    "resnet50": 'text ~ "resnet50"',
    "show all models": "",
}


@pytest.mark.parametrize(("phrase", "query"), PHRASES.items())
def test_a_phrase_becomes_a_query(phrase, query):
    understood = understand(phrase)
    assert str(understood) == query
    assert parse_query(query) == understood


@pytest.mark.parametrize(
    "text", ["taks = x", "size_bytes >= abc", 'task "x"', "metrics.accuracy > x", "name ~ x", "order by tags"]
)
def test_a_text_with_the_marks_of_a_query_is_not_taken_for_a_phrase(text):
    with pytest.raises(SearchQueryInvalidError):
        understand(text)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300))
def test_every_phrase_becomes_a_query_that_parses(text):
    query = interpret(text)
    assert parse_query(str(query)) == query
