"""Names that other systems permit and this one does not, as names of our own: the same one each time."""

import hashlib

from modelyard.kit.ids import NameInvalidError, check_name

_KEPT = 54
_DIGITS = 8


def own_name(name: str) -> str:
    """`name` itself if it is valid here; else it in lower case, with some digits of its digest ("churn-1a2b3c4d")."""
    try:
        return check_name(name)
    except NameInvalidError:
        digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
    letters = "".join(each if each.isascii() and (each.isalnum() or each in "-_") else "-" for each in name.lower())
    return f"{letters.strip('-_')[:_KEPT].rstrip('-_') or 'x'}-{digest}"
