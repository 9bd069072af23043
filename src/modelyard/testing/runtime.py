# ruff: noqa: D102, S101 - these are tests: their names are sentences
"""The conformance suite of the runtime contract. Subclass it in a test module and give the fixture `case`.

class TestMyRuntime(RuntimeConformance):
    @pytest.fixture
    def case(self, tmp_path): return RuntimeCase(runtime=MyRuntime(), artifact=..., inputs=..., width=...)
"""

import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from modelyard.runtimes.base import ArtifactInvalidError, Runtime, Tensors
from modelyard.runtimes.golden import make_golden, mismatches
from modelyard.runtimes.tensors import datatype_of
from modelyard.runtimes.validate import check_inputs


@dataclass(frozen=True, kw_only=True)
class RuntimeCase:
    """A runtime, an artifact of its format, rows that the model takes, and the answers it is known to give."""

    runtime: Runtime
    artifact: Path
    inputs: Tensors
    expected: Tensors
    tolerance: float = 1e-4


class RuntimeConformance:
    """What every runtime must do with an artifact of its format."""

    def test_the_inferred_signature_takes_the_rows_of_the_model(self, case: RuntimeCase) -> None:
        check_inputs(case.runtime.infer_signature(case.artifact), case.inputs)

    def test_answers_are_those_of_the_framework(self, case: RuntimeCase) -> None:
        signature = case.runtime.infer_signature(case.artifact)
        answer = case.runtime.load(case.artifact, signature).predict(case.inputs)
        for name, expected in case.expected.items():
            if expected.dtype.kind == "f":
                np.testing.assert_allclose(answer[name], expected, atol=case.tolerance, rtol=case.tolerance)
            else:
                assert answer[name].tolist() == expected.tolist()

    def test_answers_have_the_names_types_and_shapes_of_the_signature(self, case: RuntimeCase) -> None:
        signature = case.runtime.infer_signature(case.artifact)
        answer = case.runtime.load(case.artifact, signature).predict(case.inputs)
        assert list(answer) == [spec.name for spec in signature.outputs]
        for spec in signature.outputs:
            assert datatype_of(answer[spec.name]) is spec.datatype
            shape = answer[spec.name].shape
            assert len(shape) == len(spec.shape)
            assert all(want in (-1, got) for want, got in zip(spec.shape, shape, strict=True))

    def test_a_batch_is_answered_as_its_rows_are(self, case: RuntimeCase) -> None:
        predictor = case.runtime.load(case.artifact, case.runtime.infer_signature(case.artifact))
        whole = predictor.predict(case.inputs)
        for row in range(3):
            single = predictor.predict({name: array[row : row + 1] for name, array in case.inputs.items()})
            for name, array in whole.items():
                if array.dtype.kind == "f":
                    np.testing.assert_allclose(single[name], array[row : row + 1], atol=case.tolerance)
                else:
                    assert single[name].tolist() == array[row : row + 1].tolist()

    def test_the_parts_of_a_stream_are_the_answer(self, case: RuntimeCase) -> None:
        predictor = case.runtime.load(case.artifact, case.runtime.infer_signature(case.artifact))
        whole = predictor.predict(case.inputs)
        parts = [part for part in predictor.stream(case.inputs) if part is not None]
        for name, array in whole.items():
            if array.dtype.kind == "O":
                texts = zip(*[part[name].reshape(-1).tolist() for part in parts], strict=True)
                assert ["".join(pieces) for pieces in texts] == array.reshape(-1).tolist()
            elif len(parts) == 1:
                np.testing.assert_allclose(parts[0][name], array, atol=case.tolerance, rtol=case.tolerance)

    def test_the_inputs_are_not_changed_and_may_be_read_only(self, case: RuntimeCase) -> None:
        predictor = case.runtime.load(case.artifact, case.runtime.infer_signature(case.artifact))
        frozen = {name: array.copy() for name, array in case.inputs.items()}
        for array in frozen.values():
            array.flags.writeable = False
        predictor.predict(frozen)
        for name, array in frozen.items():
            np.testing.assert_array_equal(array, case.inputs[name])

    def test_a_pure_model_answers_its_golden_requests_after_loading_again(self, case: RuntimeCase) -> None:
        signature = case.runtime.infer_signature(case.artifact)
        golden = make_golden(case.runtime.load(case.artifact, signature), case.inputs)
        again = case.runtime.load(case.artifact, signature)
        assert case.runtime.is_pure
        assert mismatches(golden, again.predict) == []

    def test_it_may_be_loaded_and_used_in_another_thread(self, case: RuntimeCase) -> None:
        signature, answers = case.runtime.infer_signature(case.artifact), []

        def work() -> None:
            answers.append(case.runtime.load(case.artifact, signature, threads=2).predict(case.inputs))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(60)
        assert list(answers[0]) == [spec.name for spec in signature.outputs]

    def test_a_file_cut_short_is_refused_with_a_reason(self, case: RuntimeCase, tmp_path: Path) -> None:
        signature, content = case.runtime.infer_signature(case.artifact), case.artifact.read_bytes()
        for share in (0.3, 0.9):
            damaged = tmp_path / "damaged"
            damaged.write_bytes(content[: int(len(content) * share)])
            with pytest.raises(ArtifactInvalidError) as refused:
                case.runtime.load(damaged, signature)
            assert refused.value.message
            assert refused.value.hint

    def test_a_signature_of_another_width_is_refused(self, case: RuntimeCase) -> None:
        signature = case.runtime.infer_signature(case.artifact)
        wrong = {name: array[:, :-1] for name, array in case.inputs.items()}
        with pytest.raises(Exception, match="shape"):
            check_inputs(signature, wrong)
