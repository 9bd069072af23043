"""The Open Inference Protocol v2 over gRPC: `inference.GRPCInferenceService`, unary and streaming.

Needs the extra `grpc`: everything but `available.py` imports grpcio or protobuf.

Source: github.com/kserve/open-inference-protocol, specification/protocol/inference_grpc.md; the stream as
github.com/triton-inference-server/common, protobuf/grpc_service.proto has it.
"""
