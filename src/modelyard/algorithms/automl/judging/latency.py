"""How long one row takes through the ONNX form of a candidate."""

from time import perf_counter

import numpy as np
import onnxruntime as ort

from modelyard.algorithms.automl.rows import Rows
from modelyard.algorithms.graph import Graph
from modelyard.algorithms.tables.encoding import Encoder
from modelyard.algorithms.tables.models import Model
from modelyard.algorithms.tables.tensors import input_specs
from modelyard.runtimes.base import Tensors
from modelyard.types.signatures import DataType, Signature, TensorSpec

_CALLS = 30


def latency_ms(model: Model, encoder: Encoder, rows: Rows, inputs: Tensors) -> float:
    """The median of some calls with the first row of `inputs`, on one thread."""
    graph = Graph()
    scores = model.nodes(graph, encoder.nodes(graph))
    outputs: tuple[TensorSpec, ...] = (TensorSpec(name="prediction", datatype=DataType.FP32, shape=(-1,)),)
    if rows.classes is not None:
        graph.classify(scores, rows.classes.values)
        outputs = rows.classes.outputs
    else:
        graph.add("Reshape", scores, graph.constant(np.array([-1])), output="prediction")
    signature = Signature(inputs=input_specs(rows.table.numeric, rows.table.categorical), outputs=outputs)
    return graph_latency_ms(graph.to_bytes(signature), {name: tensor[:1] for name, tensor in inputs.items()})


def graph_latency_ms(content: bytes, row: Tensors) -> float:
    """The median of some calls of an ONNX file with one row, on one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    taken = {each.name for each in session.get_inputs()}
    row = {name: tensor for name, tensor in row.items() if name in taken}
    times = []
    for _ in range(_CALLS):
        begin = perf_counter()
        session.run(None, row)
        times.append(perf_counter() - begin)
    return round(float(np.median(times)) * 1e3, 4)
