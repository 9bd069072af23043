"""The number of this installation among AWS accounts: 12 digits that never change."""

import secrets

from modelyard.control.documents.errors import DocumentExistsError
from modelyard.control.documents.service import DocumentService

_KIND, _NAME = "aws-account", "id"
_DIGITS = 12


def account_id(documents: DocumentService) -> str:
    """Drawn at random the first time; every process on the same database has the same."""
    found = documents.find(_KIND, "", _NAME)
    if found is None:
        drawn = str(10 ** (_DIGITS - 1) + secrets.randbelow(9 * 10 ** (_DIGITS - 1)))
        try:
            found = documents.create(_KIND, "", _NAME, {"id": drawn})
        except DocumentExistsError:  # another process was quicker
            found = documents.get(_KIND, "", _NAME)
    return str(found.content["id"])
