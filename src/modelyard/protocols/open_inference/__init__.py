"""The Open Inference Protocol v2 (KServe, Triton, MLServer, Seldon), REST with its binary tensor extension.

Source: github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md;
github.com/triton-inference-server/server, docs/protocol/extension_binary_data.md.
"""
