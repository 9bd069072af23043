"""A whole platform as a program, and boto3 clients of it whose answers are checked."""

from pathlib import Path
from typing import Any, Self

import boto3
import httpx
from botocore.config import Config

from modelyard.testing.aws.shapes import check_answers
from modelyard.testing.programs import Program
from modelyard.types.access import Role

REGION = "us-east-1"


class AwsPlatform:
    """`modelyard up` on a free port. Leave the block to end it.

    Args:
        home: state directory to be.
        environment: further variables of the program.
    """

    def __init__(self, home: Path, environment: dict[str, str] | None = None) -> None:
        self.program = Program(home, "modelyard.server.up", environment=environment)
        self.url = ""
        self._own: tuple[str, str] | None = None

    def __enter__(self) -> Self:
        self.url = self.program.start("--port", "0").ready()
        return self

    def __exit__(self, *_: object) -> None:
        self.program.end()

    @property
    def key(self) -> tuple[str, str]:
        """An access key of the project `default`, with the role operator: id and secret."""
        if self._own is None:
            self._own = self.make_key()
        return self._own

    def rest(self, method: str, path: str, **options: Any) -> Any:
        """A request to the REST APIs as the administrator; its JSON."""
        headers = {"Authorization": f"Bearer {self.program.token}"}
        answer = httpx.request(method, f"{self.url}{path}", headers=headers, timeout=60, **options)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def allow_code(self) -> None:
        """Let the project `default` run scripts, handlers and images of one's own."""
        self.rest("PUT", "/registry/v1/projects/default/code-permission", json={"reason": "It is the tests' own."})

    def make_key(self, project: str = "default", role: Role = Role.OPERATOR, name: str = "test") -> tuple[str, str]:
        """An access key: id and secret."""
        wanted = {"name": name, "project": project, "role": role}
        made = self.rest("PUT", "/registry/v1/access-keys", json=wanted)
        return made["key"]["id"], made["secret"]

    def client(
        self, service: str, key: tuple[str, ...] | None = None, config: Config | None = None, **options: Any
    ) -> Any:
        """A boto3 client that tries once, and refuses answers which are not of the operation's output shape.

        Args:
            service: botocore's name of it.
            key: id and secret, perhaps a session token; the platform's own if None.
            config: further settings of the client.
            options: of boto3's `client`; an `endpoint_url` in place of the platform's.
        """
        own = Config(retries={"max_attempts": 0, "mode": "standard"}, s3={"addressing_style": "path"})
        id_and_secret = key or self.key
        made = boto3.session.Session().client(
            service,
            aws_access_key_id=id_and_secret[0],
            aws_secret_access_key=id_and_secret[1],
            aws_session_token=id_and_secret[2] if len(id_and_secret) > 2 else None,  # noqa: PLR2004
            config=own.merge(config) if config else own,
            **{"endpoint_url": self.url, "region_name": REGION, **options},
        )
        check_answers(made)
        return made
