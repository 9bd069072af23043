"""Everything that can be measured, by name."""

from benchmarks.serving.peers.base import Peer
from benchmarks.serving.peers.bentoml import BentoMl
from benchmarks.serving.peers.echo import Echo
from benchmarks.serving.peers.fastapi import FastApi
from benchmarks.serving.peers.flask import Flask
from benchmarks.serving.peers.kserve import KServe
from benchmarks.serving.peers.litserve import LitServe
from benchmarks.serving.peers.mix import ModelyardMix
from benchmarks.serving.peers.mlflow import MlFlow
from benchmarks.serving.peers.mlserver import MlServer
from benchmarks.serving.peers.modelyard import Modelyard, ModelyardUncompiled
from benchmarks.serving.peers.rayserve import RayServe
from benchmarks.serving.peers.torchserve import TorchServe
from benchmarks.serving.peers.triton import Triton

OWN: tuple[type[Peer], ...] = (Echo, Modelyard, ModelyardUncompiled, ModelyardMix)
PEERS: tuple[type[Peer], ...] = (
    FastApi,
    MlServer,
    LitServe,
    Flask,
    KServe,
    MlFlow,
    Triton,
    TorchServe,
    BentoMl,
    RayServe,
)
ALL: dict[str, type[Peer]] = {kind.name: kind for kind in (*OWN, *PEERS)}
