"""What one of several hosts of an image sees otherwise than the others: who it is, and its part of the data."""

import json
from collections.abc import Sequence

from modelyard.control.jobs.contract.configuration import names_of_hosts, resources
from modelyard.control.jobs.contract.places import CONFIG, DATA, ROOT, ContractPlaces
from modelyard.control.jobs.gangs.images import member_address
from modelyard.kit.files import write_atomic
from modelyard.types.contract.recipes import ContractRecipe
from modelyard.types.processes import Mount

_RESOURCES = "resourceconfig.json"


def host_mounts(recipe: ContractRecipe, places: ContractPlaces, host: int) -> Sequence[Mount]:
    """The files and folders of a host, which are there afterwards; hosts find each other by their names."""
    name = recipe.host_names[host]
    told = places.outside / f"{name}-{_RESOURCES}"
    write_atomic(told, json.dumps(resources(recipe, name), indent=1).encode() + b"\n")
    names = places.outside / "hosts"
    write_atomic(names, names_of_hosts(recipe, member_address).encode())
    data = places.host_data(host)
    data.mkdir(parents=True, exist_ok=True)
    return (
        Mount(path=str(told), target=f"{ROOT}/{CONFIG}/{_RESOURCES}"),
        Mount(path=str(data), target=f"{ROOT}/{DATA}"),
        Mount(path=str(names), target="/etc/hosts"),
    )
