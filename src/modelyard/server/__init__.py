"""The three applications and the programs that run them: the only place that wires objects together."""
