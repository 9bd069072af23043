"""Names that other systems permit and this one does not, as names of our own: the same one each time."""

import hashlib

from modelyard.kit.ids import NameInvalidError, check_name

_KEPT = 54
_DIGITS = 8
_MOST_LETTERS = 400


def own_name(name: str) -> str:
    """`name` itself if it is valid here; else it in lower case, with some digits of its digest ("churn-1a2b3c4d")."""
    try:
        return check_name(name)
    except NameInvalidError:
        digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
    letters = "".join(each if each.isascii() and (each.isalnum() or each in "-_") else "-" for each in name.lower())
    return f"{letters.strip('-_')[:_KEPT].rstrip('-_') or 'x'}-{digest}"


def target_name(endpoint: str, key: str) -> str:
    """What an endpoint's model of this key is called; no name of a caller's has such a slash."""
    name = f"{endpoint}/{key}"
    return name if len(name) <= _MOST_LETTERS else f"{endpoint}/{hashlib.sha256(key.encode()).hexdigest()}"


def is_target(name: str) -> bool:
    """Whether this is a name that `target_name` has made."""
    return "/" in name


def container_name(endpoint: str, hostname: str) -> str:
    """What one of an endpoint's containers is called: as no target is."""
    return f"{endpoint}:{hostname}"


def is_part_of(endpoint: str, name: str) -> bool:
    """Whether a target or container of this name is the endpoint's."""
    return name.startswith((f"{endpoint}/", f"{endpoint}:"))
