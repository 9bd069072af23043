"""The reference names every noun and verb of the client."""

from pathlib import Path

from modelyard import Client

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "python-client.md").read_text()


def test_every_noun_and_verb_is_in_the_reference():
    with Client("http://x") as client:
        nouns = {name: value for name, value in vars(client).items() if hasattr(value, "_driver")}
        for noun, resource in nouns.items():
            line = next(line for line in TEXT.splitlines() if line.startswith("|") and f"`client.{noun}`" in line)
            verbs = [name for name in vars(type(resource)) if not name.startswith("_")]
            assert not [verb for verb in verbs if f"`{verb}`" not in line], noun
