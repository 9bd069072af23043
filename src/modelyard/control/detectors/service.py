"""Rules of detectors of one's own. Their code is read here (as text), never run: that is `running`'s business."""

import ast
from collections.abc import Callable, Sequence
from dataclasses import replace

from modelyard.control.detectors.errors import (
    DetectorCodeForbiddenError,
    DetectorInvalidError,
    DetectorNotFoundError,
)
from modelyard.control.detectors.repository import DetectorRepository
from modelyard.control.detectors.schemas import DetectorPut
from modelyard.drift.catalog import DETECTORS
from modelyard.kit.clock import Clock
from modelyard.kit.ids import check_name
from modelyard.storage.database import Database
from modelyard.types.monitoring import DetectorDescription, DetectorImage

QUALITY = DetectorDescription(
    name="quality",
    description="Accuracy or error on traffic whose truth is known, against the version's own; looked at as you like.",
)
"""The one detector that judges labels instead of windows; monitors carry it out (`monitors.checking.quality`)."""


class DetectorService:
    """Keeps detectors. Safe from any thread.

    Args:
        database: of Operations.
        repository: the SQL.
        permits_code: whether a project permits code in writing.
        resolve_image: what a reference of an image means now, by the digest of its content.
        clock: for times.
    """

    def __init__(
        self,
        database: Database,
        repository: DetectorRepository,
        permits_code: Callable[[str], bool],
        resolve_image: Callable[[str], str],
        clock: Clock,
    ) -> None:
        self._database = database
        self._repository = repository
        self._permits_code = permits_code
        self._resolve_image = resolve_image
        self._clock = clock

    def list(self, project: str) -> Sequence[DetectorDescription]:
        """Those that are built in, then the project's own, without their sources."""
        built_in = [DetectorDescription(name=name, description=kind.description) for name, kind in DETECTORS.items()]
        with self._database.read() as connection:
            own = self._repository.list(connection, project)
        return [*built_in, QUALITY, *(replace(each, source=None) for each in own)]

    def get(self, project: str, name: str) -> DetectorDescription:
        """A detector of the project's own, with its source.

        Raises:
            DetectorNotFoundError: there is none.
        """
        with self._database.read() as connection:
            found = self._repository.get(connection, project, name)
        if found is None:
            raise DetectorNotFoundError(
                f"Project '{project}' has no detector '{name[:80]}' of its own",
                hint="GET /operations/v1/projects/<project>/detectors lists those that there are.",
            )
        return found

    def names(self, project: str) -> Sequence[str]:
        """What a monitor may name."""
        return [each.name for each in self.list(project)]

    def put(self, project: str, name: str, body: DetectorPut) -> DetectorDescription:
        """Keep a detector; monitors that name it use it from their next check on.

        Raises:
            NameInvalidError, DetectorInvalidError: the request is wrong.
            DetectorCodeForbiddenError: the project does not permit code.
            ContainersUnavailableError: nothing here runs images.
            ImageNotFoundError, RegistryRefusedError, ImagePullFailedError: the image is not to be had.
        """
        check_name(name)
        self._check_permitted(project)
        if name in DETECTORS or name == QUALITY.name:
            raise DetectorInvalidError(
                f"'{name}' is a detector that is built in", hint="Choose another name.", field="name"
            )
        image = None
        if body.image is not None:
            image = DetectorImage(
                reference=body.image, digest=self._resolve_image(body.image), command=tuple(body.command)
            )
        else:
            _check_source(body.source or "")
        now = self._clock.now()
        with self._database.transaction() as connection:
            before = self._repository.get(connection, project, name)
            detector = DetectorDescription(
                name=name,
                description=body.description,
                source=body.source,
                image=image,
                created_at=before.created_at if before else now,
                updated_at=now,
                version=before.version + 1 if before else 1,
            )
            self._repository.put(connection, project, detector)
        return detector

    def delete(self, project: str, name: str) -> None:
        """Remove a detector of the project's own.

        Raises:
            DetectorNotFoundError: there is none.
        """
        self.get(project, name)
        with self._database.transaction() as connection:
            self._repository.delete(connection, project, name)

    def runnable(self, project: str, name: str) -> DetectorDescription:
        """The detector, if it may run: leave to run code can be taken back.

        Raises:
            DetectorNotFoundError: there is none.
            DetectorCodeForbiddenError: the project does not permit code (any more).
        """
        found = self.get(project, name)
        self._check_permitted(project)
        return found

    def _check_permitted(self, project: str) -> None:
        if not self._permits_code(project):
            raise DetectorCodeForbiddenError(
                f"Project '{project}' does not permit code, and a detector of one's own is code",
                hint="An administrator can permit it: modelyard project allow-code PROJECT --reason '...'.",
            )


def _check_source(source: str) -> None:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise DetectorInvalidError(
            f"The file is no Python{f' (line {line})' if line else ''}: {getattr(error, 'msg', error)}",
            hint="Correct it and send it again.",
            field="source",
        ) from error
    has_detect = any(
        isinstance(part, ast.FunctionDef) and part.name == "detect"
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for part in node.body
    )
    if not has_detect:
        raise DetectorInvalidError(
            "The file defines no class with a method `detect`",
            hint="Write one subclass of modelyard.drift.base.Detector; docs/how-to/watch-for-drift.md has an example.",
            field="source",
        )
