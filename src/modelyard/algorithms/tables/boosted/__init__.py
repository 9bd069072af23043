"""Boosting by XGBoost: its rounds, and what may change between them."""
