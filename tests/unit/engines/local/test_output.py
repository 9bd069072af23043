"""Output of a process on disk: bounded, read by offset."""

from pathlib import Path

from modelyard.engines.local import output_files
from modelyard.engines.local.shim.output import OutputLog


def filled(folder: Path, *pieces: bytes) -> OutputLog:
    log = OutputLog(str(folder), segment_bytes=10, segments=2)
    for piece in pieces:
        log.append(piece)
    return log


def test_output_within_the_limit_is_whole(tmp_path):
    filled(tmp_path, b"abcde", b"fghij", b"klm")
    chunk = output_files.read(tmp_path, 0, 100, is_complete=True)
    assert (chunk.text, chunk.next_offset) == ("abcdefghijklm", 13)
    assert output_files.read(tmp_path, 8, 4, is_complete=True).text == "ijkl"


def test_the_oldest_output_is_dropped_and_offsets_stay_true(tmp_path):
    filled(tmp_path, *(bytes([97 + index]) * 10 for index in range(5)), b"end")
    assert len(list(tmp_path.iterdir())) == 2
    chunk = output_files.read(tmp_path, 0, 100, is_complete=True)
    assert (chunk.text, chunk.next_offset) == ("eeeeeeeeeeend", 53)
    assert output_files.read(tmp_path, 53, 100, is_complete=True).text == ""


def test_a_character_cut_by_the_end_waits_for_its_rest(tmp_path):
    log = filled(tmp_path, "ä€"[:2].encode()[:-1])
    chunk = output_files.read(tmp_path, 0, 100, is_complete=False)
    assert (chunk.text, chunk.next_offset) == ("ä", 2)
    assert output_files.read(tmp_path, 0, 100, is_complete=True).text == "ä�"
    log.append("€".encode()[-1:])
    assert output_files.read(tmp_path, 2, 100, is_complete=False).text == "€"


def test_a_limit_smaller_than_a_character_still_advances(tmp_path):
    filled(tmp_path, "€uro".encode())
    text, offset = "", 0
    while (chunk := output_files.read(tmp_path, offset, 1, is_complete=True)).text:
        text, offset = text + chunk.text, chunk.next_offset
    assert text == "€uro"


def test_the_tail_has_whole_lines_only(tmp_path):
    log = OutputLog(str(tmp_path), segment_bytes=1000, segments=2)
    log.append(b"first line\nsecond\nthird\n")
    assert log.tail(10) == "third\n"
    assert output_files.tail(tmp_path, 10) == "third\n"
    assert log.tail() == "first line\nsecond\nthird\n"


def test_the_tail_goes_back_over_the_beginning_of_a_segment(tmp_path):
    log = filled(tmp_path, b"a\nb\nc\nd\ne\n", b"f\ng\n")
    assert log.tail(8) == "e\nf\ng\n"
    log.append(b"h\ni\nk\n")  # the segment is full, and the next one empty
    assert log.tail(6) == output_files.tail(tmp_path, 6) == "i\nk\n"
