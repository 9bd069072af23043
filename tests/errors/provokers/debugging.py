"""Errors of rules on live figures, and of profiles."""

import httpx
from stage import Stage

from modelyard.sdk.resources.debugging.rules import read_rule
from provokers.jobs import train
from provokers.registration import provokes


@provokes("rule_invalid")
def rule_invalid(stage: Stage) -> httpx.Response:
    return train(stage, rules=[{"rule": "overfiting"}])


@provokes("rule_text_invalid")
def rule_text_invalid(_stage: Stage) -> None:
    read_rule("overfitting:halt")


@provokes("profile_not_found")
def profile_not_found(stage: Stage) -> httpx.Response:
    job = train(stage, schedule={"hold": True}).raise_for_status().json()["id"]
    answer = stage.jobs_call("GET", f"/jobs/{job}/profile")
    stage.jobs_call("POST", f"/jobs/{job}/stop")
    return answer
