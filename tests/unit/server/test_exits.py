"""`up` and `serve` end like every other command: words, a next step, and the documented exit code."""

import pytest

from modelyard.errors import ConflictError, InternalError, InvalidInputError
from modelyard.server.exits import leave


@pytest.mark.parametrize(("kind", "code"), [(ConflictError, 5), (InvalidInputError, 2), (InternalError, 1)])
def test_a_program_that_cannot_go_on_says_why_and_what_to_do(kind, code: int, capsys):
    with pytest.raises(SystemExit) as caught:
        leave(kind("It runs already", hint="Stop that one first."))
    assert caught.value.code == code
    assert capsys.readouterr().err == "Error: It runs already\nNext:  Stop that one first.\n"
