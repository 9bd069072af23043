"""A verdict on a new version, with its reason and its numbers."""

from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What one proof came to.

    Attributes:
        candidate: the version that was judged ("digits:2").
        approval: what the reason begins with when nothing speaks against it ("digits:2 is better than digits:1").
        refusals: what is wrong, a clause each.
        story: what was measured, as a clause.
        figures: all numbers.
    """

    candidate: str
    approval: str
    refusals: tuple[str, ...] = ()
    story: str = ""
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def is_passed(self) -> bool:
        """Nothing speaks against it."""
        return not self.refusals

    @property
    def reason(self) -> str:
        """The verdict in words."""
        if not self.refusals:
            return f"{self.approval}: {self.story}." if self.story else f"{self.approval}."
        story = f" {self.story[:1].upper()}{self.story[1:]}." if self.story else ""
        return f"{self.candidate} is refused: {' and '.join(self.refusals)}.{story}"


def joined(first: Judgement, *others: Judgement) -> Judgement:
    """One verdict of several: refused if any refuses, with the refusals of all; else the approvals of all."""
    every = (first, *others)
    figures = {name: value for judgement in every for name, value in judgement.figures.items()}
    refused = [judgement for judgement in every if not judgement.is_passed]
    if not refused:
        story = ". ".join([first.story, *(judgement.reason.rstrip(".") for judgement in others)])
        return replace(first, story=story, figures=figures)
    return replace(
        first,
        refusals=tuple(refusal for judgement in refused for refusal in judgement.refusals),
        story="; ".join(judgement.story for judgement in every if judgement.story),
        figures=figures,
    )
