"""What of a state directory is state besides database and objects: all else can be made again, or is the machine's."""

from pathlib import Path

from modelyard.settings import Home


def state_files(home: Home) -> tuple[Path, ...]:
    """The key of hashed columns, and captures that control has not taken up yet."""
    key = [home.mask_key] if home.mask_key.is_file() else []
    return (*key, *sorted(path for path in home.spool.rglob("*") if path.is_file()))


def is_state_file(home: Home, name: str) -> bool:
    """Whether `name`, a path in the state directory, may come out of an archive."""
    path = home.root / name
    return ".." not in path.parts and (path == home.mask_key or home.spool in path.parents)
