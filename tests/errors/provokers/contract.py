"""Errors of training jobs of the container contract."""

from pathlib import Path

from stage import Stage

from modelyard.control.jobs.contract.buckets import Address, Buckets, JoinedBuckets
from modelyard.control.jobs.contract.channels import ContractChannels
from modelyard.storage.objects import ObjectStore, open_objects
from modelyard.types.contract.recipes import ContractChannel
from provokers.registration import provokes


class _Folder(Buckets):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, project: str, bucket: str) -> ObjectStore:
        return open_objects(f"file://{self._folder / bucket}")


@provokes("contract_invalid")
def contract_invalid(_stage: Stage) -> None:
    Address.of("/data/train.csv", "output_uri")


@provokes("buckets_missing")
def buckets_missing(_stage: Stage) -> None:
    JoinedBuckets().open("default", "data")


@provokes("channel_data_invalid")
def channel_data_invalid(stage: Stage) -> None:
    channel = ContractChannel(name="train", uri="s3://data/nothing/")
    ContractChannels(_Folder(stage.folder())).fetch("default", channel, [stage.folder() / "train"], stage.folder())
