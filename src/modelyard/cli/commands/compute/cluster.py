"""cluster start, stop, status: this machine's part of a Ray cluster, for `modelyard up --engine ray`."""

from typing import TYPE_CHECKING, Annotated

import typer

from modelyard.cli.command import command
from modelyard.cli.commands.compute import node_kinds
from modelyard.cli.groups import add_group
from modelyard.cli.labels import read_labels
from modelyard.cli.session import Session
from modelyard.types.compute.nodes import NodeTraits

if TYPE_CHECKING:
    from modelyard.settings import Home

PANEL = "Platform"


def declare(app: typer.Typer) -> None:
    """Add the group."""
    add_group(app, "cluster", _declare, help="This machine's part of a Ray cluster.", panel=PANEL)


def _declare(group: typer.Typer) -> None:
    command(group, "start")(start)
    command(group, "stop")(stop)
    command(group, "status")(status)
    node_kinds.declare(group)


def start(
    session: Session,
    address: Annotated[
        str, typer.Option(help="host:port of the head of the cluster to join; a cluster of its own if left out.")
    ] = "",
    node_ip: Annotated[str, typer.Option(help="Address of this machine by which the other nodes reach it.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of a new cluster's head; 0 takes a free one.")] = 0,
    name: Annotated[str, typer.Option(help="Name of this machine in the cluster; its address if left out.")] = "",
    cpus: Annotated[int | None, typer.Option(min=0, help="Cores that it gives; all if left out.")] = None,
    memory: Annotated[
        int | None, typer.Option(min=1, metavar="MIB", help="Memory that it gives, in MiB; most of it if left out.")
    ] = None,
    gpus: Annotated[int | None, typer.Option(min=0, help="Accelerators that it gives; all if left out.")] = None,
    gpu_kind: Annotated[str, typer.Option(help="What they are, such as A100; what the driver says if left out.")] = "",
    gpu_memory: Annotated[
        int, typer.Option(min=0, metavar="MIB", help="Memory of each, in MiB; what the driver says if left out.")
    ] = 0,
    label: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A label of this machine; may be repeated.")
    ] = None,
) -> None:
    """Start a cluster on this machine, or have this machine join one. It goes on until `cluster stop`."""
    from modelyard.engines.ray import cluster  # noqa: PLC0415 - the server's side, only needed here

    traits = NodeTraits(labels=read_labels(label or ()), gpu_kind=gpu_kind, gpu_memory_bytes=gpu_memory << 20)
    offer = cluster.Offer(name=name, cpus=cpus, memory_bytes=memory and memory << 20, gpus=gpus, traits=traits)
    with session.out.waiting("Starting Ray"):
        node = cluster.start_node(_layout(session), address=address, ip=node_ip, port=port, offer=offer)
    words = f"The node {node.ip} takes work. Head: {node.address}"
    session.out.done({"address": node.address, "node": node.ip, "pid": node.pid}, words)
    session.out.note("Next: modelyard up --engine ray")


def stop(session: Session) -> None:
    """End this machine's nodes that were started from the state directory, and what runs on them."""
    from modelyard.engines.ray import cluster, nodes  # noqa: PLC0415 - see above

    layout = _layout(session)
    found = nodes.nodes_here(layout)
    with session.out.waiting("Stopping Ray"):
        for node in found:
            cluster.stop_node(layout, node)
    names = [node.ip for node in found]
    words = f"Stopped the node {', '.join(names)}." if names else f"No node runs here from {layout.root}."
    session.out.done({"stopped": names}, words)


def status(
    session: Session,
    address: Annotated[str, typer.Option(help="host:port of the head; the one that was started if left out.")] = "",
) -> None:
    """The nodes of the cluster: what each has, and whether it lives."""
    from modelyard.engines.ray import listing  # noqa: PLC0415 - see above

    columns = {
        "Node": lambda node: node.name,
        "Address": lambda node: node.ip,
        "State": lambda node: "alive" if node.is_alive else "gone",
        "CPU": lambda node: f"{node.cpus:g}",
        "GPU": lambda node: f"{node.gpus:g} {node.gpu_kind}".strip(),
        "Memory": lambda node: f"{node.memory_bytes / 2**30:.1f} GiB",
        "Labels": lambda node: ", ".join(f"{name}={value}" for name, value in node.labels.items()),
    }
    session.out.table(listing.describe(_layout(session), address), columns, empty="The cluster has no node.")
    session.out.note("Which nodes came and went by themselves, and why: modelyard cluster history")


def _layout(session: Session) -> "Home":
    from modelyard.settings import Settings  # noqa: PLC0415 - pydantic, which help does not wait for

    return (Settings(home=session.home) if session.home else Settings()).layout
