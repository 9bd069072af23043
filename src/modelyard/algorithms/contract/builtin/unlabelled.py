"""Rows of algorithms that learn without labels. Source: docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html."""

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.contract.context import BuiltInJob
from modelyard.algorithms.contract.formats.tables import read_table

_CSV = ("", "text/csv", "csv")


def read_rows(job: BuiltInJob, channel: str) -> NDArray[np.float32]:
    """Features (n, d) of a channel, without the label that AWS expects in CSV files which say nothing about it.

    A content type without `label_size` leaves open whether there is one: `feature_dim` tells.

    Raises:
        ChannelInvalidError: a file is not what the content type says, or there is none.
        HyperparameterInvalidError: rows have another number of features than `feature_dim` says.
    """
    content_type = job.content_types[channel]
    features = read_table(job.data / channel, content_type, is_labelled=False).features
    is_open = content_type.strip().lower() in _CSV
    if is_open and job.given.get("feature_dim") == str(features.shape[1] - 1):
        job.log(f"The first column of '{channel}' is taken for a label, as feature_dim is {features.shape[1] - 1}")
        features = features[:, 1:]
    job.check_width(features.shape[1], channel)
    return features
