"""What can be wrong with a training job of the container contract."""

from modelyard.errors import InvalidInputError, UnavailableError


class ContractInvalidError(InvalidInputError):
    """The job names no program that can be run here, or its data or results have an address that is none."""

    code = "contract_invalid"


class ChannelDataInvalidError(InvalidInputError):
    """There is no data at a channel's address, or its manifest is none."""

    code = "channel_data_invalid"


class BucketsMissingError(UnavailableError):
    """The platform has no server of objects for training jobs."""

    code = "buckets_missing"
