"""aws-credentials and aws: what boto3 and the SageMaker SDK need to find this platform."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from modelyard.cli.command import command
from modelyard.cli.groups import add_group
from modelyard.cli.output import when
from modelyard.cli.session import Session
from modelyard.types.access import Role
from modelyard.types.foreign.access_keys import AccessKey

PANEL = "Access"
REGION = "us-east-1"
_SITE = Path(__file__).with_name("site")
_NAME = "aws-credentials"
RoleOption = Annotated[Role, typer.Option(help="What programs with the key may do in the project.")]


def declare(app: typer.Typer) -> None:
    """Add the command and the group."""
    command(app, "aws-credentials", panel=PANEL)(show_credentials)
    add_group(app, "aws", _declare, help="Programs that speak with AWS, run on this platform.", panel=PANEL)


def _declare(group: typer.Typer) -> None:
    command(group, "run")(run_program)
    command(group, "keys")(list_keys)
    command(group, "revoke")(revoke_key)


def show_credentials(session: Session, role: RoleOption = Role.OPERATOR) -> None:
    """Print the environment of AWS clients: `eval "$(modelyard aws-credentials)"` points boto3 here."""
    variables = _variables(session, role)
    session.out.done(variables, "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items()))


def run_program(
    session: Session,
    program: Annotated[list[str], typer.Argument(help="A Python file or a command, and its arguments after `--`.")],
    role: RoleOption = Role.OPERATOR,
) -> None:
    """Run a program whose AWS clients talk to this platform, also where an SDK names Amazon's own STS."""
    own = [str(_SITE), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(_SITE / "sagemaker.yaml"),  # the SDK reports its use to Amazon otherwise
        **os.environ,
        **_variables(session, role),
        "PYTHONPATH": os.pathsep.join(own),
    }
    environment.pop("AWS_SESSION_TOKEN", None)
    runs_python = program[0].endswith(".py")
    finished = subprocess.run([sys.executable, *program] if runs_python else program, env=environment, check=False)
    raise typer.Exit(finished.returncode if finished.returncode >= 0 else 128 - finished.returncode)


def list_keys(session: Session) -> None:
    """Access keys of the project, newest first, without their secrets."""
    session.out.table(
        session.client.access_keys.list(project=session.client.project),
        {
            "Id": lambda key: key.id,
            "Name": lambda key: key.name,
            "Role": lambda key: key.role,
            "Made": lambda key: when(key.created_at),
            "State": _state,
        },
        empty="There are no access keys. `modelyard aws-credentials` makes one.",
    )


def revoke_key(session: Session, key_id: Annotated[str, typer.Argument(help="Id of the access key.")]) -> None:
    """End an access key now; direct use of the S3 store ends within ten seconds."""
    session.client.access_keys.revoke(key_id)
    session.out.done({"revoked": key_id}, f"Access key {key_id} is revoked.")


def _variables(session: Session, role: Role) -> dict[str, str]:
    made = session.client.access_keys.ensure(_NAME, role=role)
    return {
        "AWS_ACCESS_KEY_ID": made.key.id,
        "AWS_SECRET_ACCESS_KEY": made.secret,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": session.client.url,
    }


def _state(key: AccessKey) -> str:
    return "in force" if key.revoked_at is None else f"revoked {when(key.revoked_at)}"
