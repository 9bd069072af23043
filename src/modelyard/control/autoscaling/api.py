"""Routes of nodes that come and go."""

from fastapi import APIRouter, Depends

from modelyard.control.autoscaling.schemas import NodeKindUpdate
from modelyard.control.autoscaling.service import AutoscalingService
from modelyard.control.rest.dependencies import PageParameters
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.pages import Page
from modelyard.types.access import Action
from modelyard.types.compute.autoscaling import ManagedNode, NodeKind


def router(service: AutoscalingService, guard: Guard) -> APIRouter:
    """/node-kinds and /nodes: the whole platform's."""
    routes = APIRouter(tags=["nodes"])
    reads, administers = Depends(guard.require(Action.READ)), Depends(guard.require(Action.ADMINISTER))

    @routes.get("/node-kinds", summary="List kinds of nodes that may come", dependencies=[reads])
    def list_node_kinds() -> Page[NodeKind]:
        """What each offers, and how many there may be."""
        return Page(items=service.kinds(), next_cursor=None)

    @routes.put("/node-kinds/{kind}", summary="Make or replace a kind of node", dependencies=[administers])
    def set_node_kind(kind: str, body: NodeKindUpdate) -> NodeKind:
        """Nodes of it come when jobs need them, and go when they are idle."""
        return service.set_kind(body.kind(kind))

    @routes.delete("/node-kinds/{kind}", status_code=204, summary="Delete a kind of node", dependencies=[administers])
    def delete_node_kind(kind: str) -> None:
        """No more of it come; those that are there go once they are idle."""
        service.delete_kind(kind)

    @routes.get("/nodes", summary="List nodes that came and went", dependencies=[reads])
    def list_nodes(page: PageParameters) -> Page[ManagedNode]:
        """Newest first, with what each came for and why it went."""
        return service.nodes(page)

    return routes
