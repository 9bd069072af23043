"""What keeps a machine from running a member of a gang."""

from modelyard.errors import UnavailableError


class GangNetworkUnavailableError(UnavailableError):
    """This machine cannot give a sandbox a network of its own with other machines."""

    code = "gang_network_unavailable"
