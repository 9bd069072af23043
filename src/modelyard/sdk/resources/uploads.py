"""Content on its way to the platform, in pieces, going on where a broken connection left it."""

from functools import partial
from pathlib import Path

from modelyard.errors import ConflictError, TemporaryError
from modelyard.sdk.calls import Bound, call
from modelyard.sdk.resource import REGISTRY, Resource, create, delete, encode, error_of, pause_seconds, read
from modelyard.sdk.calls import Mode
from modelyard.sdk.steps import Flow, Pause, Progress, Request, Response, Work
from modelyard.types.uploads import Upload
