"""token and project: who may do what, where."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from modelyard.cli.command import command
from modelyard.cli.commands.compute.idle import idle_policy, idle_words
from modelyard.cli.groups import add_group
from modelyard.cli.output import since, when
from modelyard.cli.session import Session
from modelyard.cli.suggestions import did_you_mean
from modelyard.types.access import Project, Role, Token
from modelyard.types.compute.scheduling import Quota

PANEL = "Access"
Name = Annotated[str, typer.Argument(help="Name.")]
Sure = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def declare(app: typer.Typer) -> None:
    """Add the groups."""
    add_group(app, "token", _declare_token, help="Create, list and revoke tokens.", panel=PANEL)
    add_group(app, "project", _declare_project, help="Projects keep the work of teams apart.", panel=PANEL)


def _declare_token(group: typer.Typer) -> None:
    command(group, "create")(create_token)
    command(group, "list")(list_tokens)
    command(group, "revoke")(revoke_token)
    command(group, "whoami")(whoami)


def _declare_project(group: typer.Typer) -> None:
    command(group, "create")(create_project)
    command(group, "list")(list_projects)
    command(group, "show")(show_project)
    command(group, "allow-code")(allow_code)
    command(group, "forbid-code")(forbid_code)
    command(group, "quota")(set_quota)
    command(group, "idle-policy")(idle_policy)
    command(group, "usage")(show_usage)
    command(group, "delete")(delete_project)


def create_token(
    session: Session,
    name: Annotated[str, typer.Argument(help="Who or what will use it.")],
    role: Annotated[Role, typer.Option(help="What it may do; each role includes the ones before it.")] = Role.DEVELOPER,
    every_project: Annotated[
        bool, typer.Option("--every-project", help="It reaches every project, not only the one of --project.")
    ] = False,
    days: Annotated[float | None, typer.Option(help="Days until it ends; never if left out.")] = None,
    requests_per_second: Annotated[
        float | None, typer.Option(help="How often it may call models; as often as it likes if left out.")
    ] = None,
) -> None:
    """Create a token. Its secret is shown this once."""
    expires_at = datetime.now(UTC) + timedelta(days=days) if days is not None else None
    project = None if every_project else session.client.project
    made = session.client.tokens.create(
        name, role, project=project, expires_at=expires_at, requests_per_second=requests_per_second
    )
    session.out.note(f"Token {made.token.id} ({role}, {project or 'every project'}). Its secret, shown this once:")
    session.out.done(made, made.secret)


def list_tokens(session: Session) -> None:
    """Tokens, newest first, without their secrets."""
    session.out.table(
        session.client.tokens.list(),
        {
            "Id": lambda token: token.id,
            "Name": lambda token: token.name,
            "Role": lambda token: token.role,
            "Project": lambda token: token.project or "every project",
            "State": _state,
            "Calls/s": lambda token: f"{token.requests_per_second:g}" if token.requests_per_second else "",
            "Last used": lambda token: since(token.last_used_at),
        },
        empty="There are no tokens.",
    )


def revoke_token(
    session: Session, id: Annotated[str, typer.Argument(help="Id of the token (not its secret).")]
) -> None:
    """End a token now."""
    with did_you_mean("token", id, lambda: [token.id for token in session.client.tokens.list()]):
        session.client.tokens.revoke(id)
    session.out.done({"revoked": id}, f"Revoked {id}.")


def whoami(session: Session) -> None:
    """Identity, role and project of the token in use."""
    principal = session.client.tokens.whoami()
    session.out.record(
        principal,
        {
            "Name": principal.name,
            "Id": principal.id,
            "Role": principal.role,
            "Project": principal.project or "every project",
            "Ends": when(principal.expires_at),
        },
    )


def create_project(
    session: Session, name: Name, description: Annotated[str, typer.Option(help="What it is for.")] = ""
) -> None:
    """Create a project."""
    made = session.client.projects.create(name, description=description)
    session.out.done(made, f"Created project {made.name}. Use it with --project {made.name}.")


def list_projects(session: Session) -> None:
    """Projects that the token reaches."""
    session.out.table(
        session.client.projects.list(),
        {
            "Name": lambda project: project.name,
            "Description": lambda project: project.description,
            "Made": lambda project: when(project.created_at),
        },
        empty="There are no projects.",
    )


def show_project(session: Session, name: Name) -> None:
    """A project."""
    with did_you_mean("project", name, lambda: _names(session)):
        project: Project = session.client.projects.get(name)
    session.out.record(
        project,
        {
            "Name": project.name,
            "Description": project.description,
            "Code": f"permitted: {project.code_permission}" if project.code_permission else "not permitted",
            "Quota": _limits(project.quota),
            "Idle": idle_words(project.idle_after_hours),
            "Made": when(project.created_at),
        },
    )


def set_quota(
    session: Session,
    name: Name,
    running_jobs: Annotated[int | None, typer.Option(help="Jobs that run at the same time.")] = None,
    cpus: Annotated[float | None, typer.Option(help="Cores of running jobs and reservations.")] = None,
    memory: Annotated[int | None, typer.Option(metavar="MIB", help="Their memory in MiB.")] = None,
    gpus: Annotated[int | None, typer.Option(help="Their GPUs.")] = None,
    storage: Annotated[int | None, typer.Option(metavar="MIB", help="Datasets and models, in MiB.")] = None,
    endpoints: Annotated[int | None, typer.Option(help="Endpoints.")] = None,
    share: Annotated[float, typer.Option(help="Weight when projects share the machine.")] = 1.0,
) -> None:
    """Set the whole quota of a project; what is left out has no limit."""
    quota = Quota(
        running_jobs=running_jobs,
        cpus=cpus,
        memory_bytes=None if memory is None else memory << 20,
        gpus=gpus,
        storage_bytes=None if storage is None else storage << 20,
        endpoints=endpoints,
        share=share,
    )
    with did_you_mean("project", name, lambda: _names(session)):
        changed = session.client.projects.set_quota(name, quota)
    session.out.done(changed, f"Project {name}: {_limits(changed.quota)}.")


def show_usage(session: Session, name: Name) -> None:
    """What a project has of what its quota allows."""
    client = session.client
    with did_you_mean("project", name, lambda: _names(session)):
        usage = client.projects.usage(name)
    session.out.table(
        usage,
        {
            "What": lambda each: each.name,
            "Used": lambda each: _amount(each.name, each.used),
            "Limit": lambda each: "no limit" if each.limit is None else _amount(each.name, each.limit),
        },
        empty="",
    )


def allow_code(
    session: Session, name: Name, reason: Annotated[str, typer.Option(help="Why, in a sentence; it is kept.")]
) -> None:
    """Permit models that are programs (scripts, MLflow models, servers) in a project."""
    with did_you_mean("project", name, lambda: _names(session)):
        changed = session.client.projects.allow_code(name, reason)
    session.out.done(changed, f"Project {name} may register models that are programs.")


def forbid_code(session: Session, name: Name) -> None:
    """Permit no more programs in a project; versions that are there stay."""
    with did_you_mean("project", name, lambda: _names(session)):
        session.client.projects.forbid_code(name)
    session.out.done({"forbidden": name}, f"Project {name} registers no more programs.")


def delete_project(session: Session, name: Name, yes: Sure = False) -> None:
    """Delete an empty project."""
    session.confirm(f"Delete project {name}?", is_sure=yes)
    with did_you_mean("project", name, lambda: _names(session)):
        session.client.projects.delete(name)
    session.out.done({"deleted": name}, f"Deleted project {name}.")


def _names(session: Session) -> list[str]:
    return [project.name for project in session.client.projects.list()]


def _limits(quota: Quota) -> str:
    gib = {"memory_bytes": "memory", "storage_bytes": "storage"}
    found = []
    for field in fields(quota):
        value = getattr(quota, field.name)
        if field.name in gib and value is not None:
            found.append(f"{gib[field.name]} {value / 2**30:.4g} GiB")
        elif value is not None:
            found.append(f"{field.name.replace('_', ' ')} {value:g}")
    return ", ".join(found)


def _amount(name: str, value: float) -> str:
    return f"{value / 2**30:.4g} GiB" if name.endswith("_bytes") else f"{value:g}"


def _state(token: Token) -> str:
    if token.revoked_at:
        return "revoked"
    if token.expires_at and token.expires_at < datetime.now(UTC):
        return "expired"
    return f"until {when(token.expires_at)}" if token.expires_at else "valid"
