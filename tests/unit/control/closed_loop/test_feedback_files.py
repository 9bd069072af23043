"""Ground truth in files: every line counts once, and a bad one disturbs no other."""

import io
import json
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelyard.control.feedback.errors import FeedbackFileInvalidError
from modelyard.control.feedback.files import MAXIMUM_LINE_BYTES, FeedbackIntake, reader_for
from modelyard.errors import TooLargeError
from modelyard.types.monitoring import FeedbackFileReceipt


def send(world, kind: str, content: bytes, piece: int = 7) -> FeedbackFileReceipt:
    """In small pieces, as a slow network would."""
    with closing(FeedbackIntake(world.feedback, "default", "points", reader_for(kind))) as intake:
        for start in range(0, len(content), piece):
            intake.feed(content[start : start + piece])
        return intake.finish()


def truths(world, *ids: str) -> dict:
    return dict(world.feedback.truths("default", "points", ids))


def test_csv_groups_the_rows_of_an_inference(world):
    content = b'truth,other,inference_id\n1,x,a\n0,x,b\n,x,b\n"cat, or dog",x,c\ntrue,x,d'
    receipt = send(world, "text/csv; charset=utf-8", content)
    assert receipt == FeedbackFileReceipt(accepted=4)
    assert truths(world, "a", "b", "c", "d") == {"a": [1], "b": [0, None], "c": ["cat, or dog"], "d": [True]}
    assert send(world, "text/csv", content) == FeedbackFileReceipt(duplicate=4)


def test_json_lines_that_cannot_be_taken_are_refused_by_number(world):
    send(world, "application/x-ndjson", b'{"inference_id": "two", "truth": [1, 2]}')
    lines = [
        '{"inference_id": "a", "truth": 1}',
        "no json",
        "[1]",
        '{"truth": 1}',
        '{"inference_id": "b", "truth": {"x": 1}}',
        '{"inference_id": "two", "truth": [1, 2, 3]}',
        '{"inference_id": "c", "truth": []}',
        "",
        '{"inference_id": "d", "truth": ["x", null]}',
    ]
    receipt = send(world, "application/x-ndjson", "\n".join(lines).encode() + b"\n\xff\n")
    assert (receipt.accepted, receipt.refused) == (2, 7)
    assert sorted(refusal.line for refusal in receipt.refusals) == [2, 3, 4, 5, 6, 7, 10]
    assert truths(world, "a", "d", "two") == {"a": [1], "d": ["x", None], "two": [1, 2]}


def test_a_stream_is_taken_line_by_line_as_it_comes(world):
    intake = FeedbackIntake(world.feedback, "default", "points", reader_for("application/x-ndjson"))
    for number in range(3):
        intake.feed(json.dumps({"inference_id": f"s{number}", "truth": number}).encode() + b"\n")
        assert truths(world, f"s{number}") == {f"s{number}": [number]}


def test_parquet_takes_values_and_lists(world):
    for name, truth in (("plain", [1.5, None]), ("lists", [["a", "b"], ["c"]])):
        buffer = io.BytesIO()
        pq.write_table(pa.table({"inference_id": [f"{name}-1", f"{name}-2"], "truth": truth}), buffer)
        assert send(world, "application/x-parquet", buffer.getvalue(), 100).accepted == 2
    assert truths(world, "plain-1", "lists-1", "lists-2") == {
        "plain-1": [1.5],
        "lists-1": ["a", "b"],
        "lists-2": ["c"],
    }


@pytest.mark.parametrize(
    ("kind", "content"),
    [("text/csv", b"id,label\na,1\n"), ("application/x-parquet", b"PAR1 nothing"), ("image/png", b"")],
)
def test_what_is_no_file_of_truth_is_refused(world, kind, content):
    with pytest.raises(FeedbackFileInvalidError):
        send(world, kind, content)


def test_a_line_without_end_is_refused(world):
    with pytest.raises(TooLargeError):
        send(world, "application/x-ndjson", b"x" * (MAXIMUM_LINE_BYTES + 2), MAXIMUM_LINE_BYTES)
