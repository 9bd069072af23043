"""All SQL of detectors."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from modelyard.control.detectors.tables import own_detectors
from modelyard.types.monitoring import DetectorDescription, DetectorImage


class DetectorRepository:
    """Rows of `own_detectors` as DetectorDescription."""

    def get(self, connection: Connection, project: str, name: str) -> DetectorDescription | None:
        """A detector with its source, if there is one of this name."""
        row = connection.execute(select(own_detectors).where(*_key(project, name))).mappings().one_or_none()
        return None if row is None else _detector(row)

    def list(self, connection: Connection, project: str) -> list[DetectorDescription]:
        """A project's detectors by name."""
        statement = select(own_detectors).where(own_detectors.c.project == project).order_by(own_detectors.c.name)
        return [_detector(row) for row in connection.execute(statement).mappings()]

    def put(self, connection: Connection, project: str, detector: DetectorDescription) -> None:
        """Add a detector, or replace the one of its name."""
        if detector.version == 1:
            connection.execute(insert(own_detectors).values(project=project, **asdict(detector)))
        else:
            connection.execute(update(own_detectors).where(*_key(project, detector.name)).values(asdict(detector)))

    def delete(self, connection: Connection, project: str, name: str) -> None:
        """Remove a detector."""
        connection.execute(delete(own_detectors).where(*_key(project, name)))


def _key(project: str, name: str) -> tuple[Any, Any]:
    return own_detectors.c.project == project, own_detectors.c.name == name


def _detector(row: RowMapping) -> DetectorDescription:
    values = {key: value for key, value in row.items() if key != "project"}
    image = values.pop("image")
    if image is not None:
        image = DetectorImage(**{**image, "command": tuple(image["command"])})
    return DetectorDescription(**values, image=image)
