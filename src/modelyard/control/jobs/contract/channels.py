"""Fills the folders of channels: objects below a prefix, those that a manifest lists, records with labels."""

import gzip
import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modelyard.control.jobs.contract.buckets import Address, Buckets, objects_below, sharded
from modelyard.control.jobs.contract.errors import ChannelDataInvalidError
from modelyard.kit.files import inside
from modelyard.types.contract.recipes import ChannelSource, ContractChannel

_GZIP = ".gz"


class ContractChannels:
    """Brings the objects of channels to this machine. Safe from any thread."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    def fetch(self, project: str, channel: ContractChannel, folders: Sequence[Path], data: Path) -> None:
        """Write a channel's files into the folder of each host, and its manifest, if it has one, into `data`.

        Raises:
            ChannelDataInvalidError: there is nothing at its address, or its manifest is none.
            ModelyardError: a bucket cannot be reached.
        """
        objects = self._objects(project, channel, data)
        names = sorted(objects)
        if not names and channel.source is ChannelSource.PREFIX:
            raise ChannelDataInvalidError(
                f"No object of the channel '{channel.name}' begins with {channel.uri}",
                hint="Upload its data first; keys are told apart by upper and lower case.",
                field=f"channels.{channel.name}",
            )
        for host, folder in enumerate(folders):
            folder.mkdir(parents=True, exist_ok=True)
            mine = sharded(names, host, len(folders)) if channel.is_sharded else names
            for name in mine:
                self._download(project, objects[name], inside(folder, name), is_compressed=channel.is_compressed)

    def _objects(self, project: str, channel: ContractChannel, data: Path) -> dict[str, Address]:
        """Name in the folder -> object; what a manifest says goes beside the folder."""
        address = Address.of(channel.uri, f"channels.{channel.name}")
        if channel.source is ChannelSource.PREFIX:
            found = objects_below(self._buckets.open(project, address.bucket), address.key)
            return {name: Address(address.bucket, each.key) for name, each in found.items()}
        content = self._buckets.open(project, address.bucket).read(address.key)
        data.mkdir(parents=True, exist_ok=True)
        (data / f"{channel.name}-manifest").write_bytes(content)
        if channel.source is ChannelSource.MANIFEST:
            return _listed(channel, content)
        return self._augmented(channel, content, data)

    def _augmented(self, channel: ContractChannel, content: bytes, data: Path) -> dict[str, Address]:
        """Files that the records of an augmented manifest refer to; the records stay beside them, in their order."""
        records = _records(channel, content)
        if channel.shuffle_seed is not None:
            random.Random(channel.shuffle_seed).shuffle(records)  # noqa: S311 - an order, no secret
        lines = [json.dumps({name: record.get(name) for name in channel.attributes or record}) for record in records]
        (data / f"{channel.name}-manifest").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        sources = [record[name] for record in records for name in record if name.endswith("-ref")]
        addresses = [Address.of(str(source), f"channels.{channel.name}") for source in sources]
        return {each.key: each for each in addresses}

    def _download(self, project: str, address: Address, path: Path, *, is_compressed: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        store = self._buckets.open(project, address.bucket)
        store.download(address.key, path)
        if is_compressed and path.suffix == _GZIP:
            with gzip.open(path) as packed, path.with_suffix("").open("wb") as plain:
                shutil.copyfileobj(packed, plain, 1 << 20)
            path.unlink()


def _listed(channel: ContractChannel, content: bytes) -> dict[str, Address]:
    """What a manifest lists: `[{"prefix": "s3://..."}, "relative/key", ...]`."""
    try:
        entries = json.loads(content)
        prefix = str(entries[0]["prefix"])
        names = [str(name) for name in entries[1:]]
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise _no_manifest(channel, 'JSON like [{"prefix": "s3://bucket/folder/"}, "a.csv", "b.csv"]') from error
    bucket = Address.of(prefix, f"channels.{channel.name}")
    return {name: Address(bucket.bucket, f"{bucket.key}{name}") for name in names}


def _records(channel: ContractChannel, content: bytes) -> list[dict[str, Any]]:
    try:
        records = [json.loads(line) for line in content.decode().splitlines() if line.strip()]
    except ValueError as error:
        raise _no_manifest(channel, 'a JSON object a line, like {"source-ref": "s3://...", "label": 1}') from error
    if not records or not all(isinstance(record, dict) for record in records):
        raise _no_manifest(channel, "a JSON object a line")
    return records


def _no_manifest(channel: ContractChannel, wanted: str) -> ChannelDataInvalidError:
    return ChannelDataInvalidError(
        f"The object {channel.uri} of the channel '{channel.name}' is no manifest",
        hint=f"A manifest of this kind is {wanted}.",
        field=f"channels.{channel.name}",
    )
