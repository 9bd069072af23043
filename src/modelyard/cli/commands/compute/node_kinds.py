"""cluster kinds, set-kind, delete-kind, history: nodes that come when jobs need them and go when they are idle."""

from typing import Annotated

import typer

from modelyard.cli.command import command
from modelyard.cli.labels import read_labels
from modelyard.cli.output import when
from modelyard.cli.session import Session
from modelyard.cli.suggestions import did_you_mean
from modelyard.types.compute.autoscaling import NodeKind
from modelyard.types.compute.nodes import NodeTraits

Name = Annotated[str, typer.Argument(help="Name of the kind.")]


def declare(group: typer.Typer) -> None:
    """Add the commands to the group `cluster`."""
    command(group, "kinds")(list_kinds)
    command(group, "set-kind")(set_kind)
    command(group, "delete-kind")(delete_kind)
    command(group, "history")(history)


def list_kinds(session: Session) -> None:
    """Kinds of nodes that may come."""
    session.out.table(
        session.client.nodes.kinds(),
        {
            "Kind": lambda kind: kind.name,
            "Nodes": lambda kind: f"{kind.min_nodes} to {kind.max_nodes}",
            "Cores": lambda kind: f"{kind.cpus:g}",
            "GiB": lambda kind: f"{kind.memory_bytes / 2**30:.3g}",
            "GPUs": lambda kind: f"{kind.gpus} {kind.traits.gpu_kind}".strip(),
            "Idle": lambda kind: f"{kind.idle_seconds:g} s",
            "Labels": lambda kind: ", ".join(f"{name}={value}" for name, value in kind.traits.labels.items()),
        },
        empty="No nodes come by themselves.",
    )


def set_kind(
    session: Session,
    name: Name,
    cpus: Annotated[float, typer.Option(help="Cores that each offers.")],
    memory: Annotated[int, typer.Option(metavar="MIB", help="Memory that each offers, in MiB.")],
    max_: Annotated[int, typer.Option("--max", help="There are never more.")],
    min_: Annotated[int, typer.Option("--min", help="So many are always there.")] = 0,
    gpus: Annotated[int, typer.Option(help="Accelerators that each offers.")] = 0,
    gpu_kind: Annotated[str, typer.Option(help="What they are, such as A100.")] = "",
    gpu_memory: Annotated[int, typer.Option(metavar="MIB", help="Memory of each accelerator, in MiB.")] = 0,
    label: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A label of each node; may be repeated.")
    ] = None,
    idle: Annotated[float, typer.Option(metavar="SECONDS", help="One that did nothing for so long is ended.")] = 300.0,
    patience: Annotated[
        float, typer.Option(metavar="SECONDS", help="One that has not come within this is given up.")
    ] = 600.0,
) -> None:
    """Make or replace a kind of node."""
    kind = session.client.nodes.set_kind(
        NodeKind(
            name=name,
            min_nodes=min_,
            max_nodes=max_,
            cpus=cpus,
            memory_bytes=memory << 20,
            gpus=gpus,
            traits=NodeTraits(labels=read_labels(label or ()), gpu_kind=gpu_kind, gpu_memory_bytes=gpu_memory << 20),
            idle_seconds=idle,
            start_seconds=patience,
        )
    )
    session.out.done(kind, f"{kind.min_nodes} to {kind.max_nodes} nodes of the kind {name} come when jobs need them.")


def delete_kind(session: Session, name: Name) -> None:
    """Let no more nodes of a kind come."""
    with did_you_mean("node kind", name, lambda: [kind.name for kind in session.client.nodes.kinds()]):
        session.client.nodes.delete_kind(name)
    session.out.done({"deleted": name}, f"No more nodes of the kind {name} come; those that are there go when idle.")


def history(session: Session) -> None:
    """Nodes that came and went by themselves, newest first: what each came for, and why it went."""
    session.out.table(
        session.client.nodes.list(),
        {
            "Node": lambda node: node.name,
            "State": lambda node: node.state,
            "Since": lambda node: when(node.changed_at),
            "Came because": lambda node: node.started_because,
            "Went because": lambda node: node.ended_because,
        },
        empty="None yet.",
    )
