"""A store whose versions are all the starter."""

from __future__ import annotations

import shutil

from model_store import Description, ModelStore
from model_store.operations.starter import STARTER, seed

MODEL = "mnist"


class StarterStore(ModelStore):
    """A store whose versions are all the starter."""

    def seed_as_passed(self) -> None:
        """Put the starter in, as a service leaves it that has tried it: its trial takes long.

        A store that is there already stays as it is.
        """
        if self.root.exists():
            return
        seed(self, MODEL)
        passed = {1: self.verify(MODEL, 1).digest}
        self.change(
            MODEL, "pass", lambda control: control.model_copy(update={"passed": passed}), by="test"
        )

    def publish(self) -> int:
        """Publish the starter again, as the next version."""
        metadata = ModelStore(STARTER).metadata(MODEL, 1)
        known = {name: getattr(metadata, name) for name in Description.model_fields}
        with self.draft(MODEL) as draft:
            shutil.copytree(STARTER / MODEL / "1", draft.path, dirs_exist_ok=True)
            (draft.path / "manifest.json").unlink()
            (draft.path / "metadata.json").unlink()
            return draft.commit(Description(**known))

    def publish_damaged(self) -> int:
        """Publish a version that lost a byte on its way, before anybody sees it."""
        aside = StarterStore(self.root.with_name("aside"))
        for _ in range(max(self.versions(MODEL), default=1)):
            aside.publish()
        number = aside.publish()
        weights = aside.path(MODEL, number) / "variables/variables.data-00000-of-00001"
        content = bytearray(weights.read_bytes())
        content[len(content) // 2] ^= 1
        weights.write_bytes(content)
        aside.path(MODEL, number).rename(self.path(MODEL, number))
        return number
