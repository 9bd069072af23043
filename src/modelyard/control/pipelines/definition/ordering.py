"""What waits for what: edges between steps, and an order in which they may run."""

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from modelyard.control.pipelines.definition.references import find
from modelyard.control.pipelines.errors import PipelineInvalidError
from modelyard.types.pipelines.definitions import StepDefinition
from modelyard.types.pipelines.runs import GraphEdge, GraphNode, PipelineGraph, StepState


def edges_of(name: str, step: StepDefinition) -> Iterator[GraphEdge]:
    """Everything that a step waits for."""
    for _, reference in find(step.inputs, f"steps.{name}.inputs"):
        if reference.step:
            yield GraphEdge(source=reference.step, target=name, via=".".join((reference.name, *reference.path)))
    for via, sources in (("when", step.when), ("unless", step.unless), ("after", step.after)):
        yield from (GraphEdge(source=source, target=name, via=via) for source in sources)


def before(name: str, step: StepDefinition) -> tuple[str, ...]:
    """Names of the steps that one waits for."""
    return tuple(dict.fromkeys(edge.source for edge in edges_of(name, step)))


def ordered(steps: Mapping[str, StepDefinition]) -> tuple[str, ...]:
    """Names of all steps, each behind those that it waits for.

    Raises:
        PipelineInvalidError: some wait for one another.
    """
    sorter = TopologicalSorter({name: before(name, step) for name, step in steps.items()})
    try:
        return tuple(sorter.static_order())
    except CycleError as error:
        circle: Sequence[str] = error.args[1]
        raise PipelineInvalidError(
            f"Steps wait for one another: {' -> '.join(circle)}",
            hint="Take one of these references, or `when`, `unless` or `after`, away.",
            field=f"steps.{circle[-1]}",
        ) from None


def graph_of(steps: Mapping[str, StepDefinition], states: Sequence[StepState] = ()) -> PipelineGraph:
    """Steps and what waits for what; with where each stands, if a run is given."""
    known = {state.name: state for state in states}
    nodes = tuple(
        GraphNode(name=name, kind=steps[name].kind, status=known[name].status, message=known[name].message)
        if name in known
        else GraphNode(name=name, kind=steps[name].kind)
        for name in ordered(steps)
    )
    found = (edge for node in nodes for edge in edges_of(node.name, steps[node.name]))
    return PipelineGraph(nodes=nodes, edges=tuple(dict.fromkeys(found)))
