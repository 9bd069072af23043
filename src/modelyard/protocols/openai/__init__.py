"""The OpenAI API for endpoints whose model takes text: embeddings, chat and completions, and the list of models.

Source: OpenAI, API reference (Embeddings, Chat, Completions, Models).
"""
