"""The folder of checkpoints of a job, kept equal to a prefix in a bucket while the job lives."""

from pathlib import Path

from modelyard.control.jobs.contract.buckets import Address, Buckets, objects_below
from modelyard.control.jobs.scripts.places import plain_files
from modelyard.kit.files import inside
from modelyard.types.contract.recipes import ContractRecipe

_State = tuple[int, int]  # size, time of the last change: a file that has others is uploaded again


class BucketCheckpoints:
    """Restores checkpoints at the beginning and uploads them as they are written. Safe from any thread.

    What a job has uploaded is remembered in this process alone: after a restart all is uploaded once more.
    """

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets
        self._uploaded: dict[str, dict[str, _State]] = {}

    def restore(self, project: str, recipe: ContractRecipe, folder: Path) -> None:
        """Bring what an earlier job, or attempt, has left into an empty folder.

        Raises:
            ModelyardError: the bucket cannot be reached.
        """
        if not recipe.checkpoint_uri or any(folder.iterdir()):
            return
        address = Address.of(recipe.checkpoint_uri, "checkpoint_uri")
        store = self._buckets.open(project, address.bucket)
        for name, each in objects_below(store, f"{address.key.rstrip('/')}/").items():
            path = inside(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            store.download(each.key, path)

    def upload(self, project: str, job_id: str, recipe: ContractRecipe, folder: Path) -> None:
        """Upload the files that are new or have changed.

        Raises:
            ModelyardError: the bucket does not take them.
        """
        if not recipe.checkpoint_uri or not folder.is_dir():
            return
        address = Address.of(recipe.checkpoint_uri, "checkpoint_uri")
        store = self._buckets.open(project, address.bucket)
        known = self._uploaded.setdefault(job_id, {})
        for name, file in plain_files(folder).items():
            try:
                found = file.stat()
                state = found.st_size, found.st_mtime_ns
                if known.get(name) != state:
                    store.put_file(address.below(name).key, file)
                    known[name] = state
            except FileNotFoundError:
                continue  # the program has removed it meanwhile

    def forget(self, job_id: str) -> None:
        """The job has ended."""
        self._uploaded.pop(job_id, None)
