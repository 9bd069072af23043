"""Text generation by llama.cpp, with a tiny model of random weights that is made here."""

from pathlib import Path

import gguf
import numpy as np
import pytest

from modelyard.control.models.registration import Submission
from modelyard.dataplane.client import WorkerClient
from modelyard.engines.local.engine import LocalEngine
from modelyard.runtimes.base import ArtifactInvalidError
from modelyard.runtimes.catalog import sniff
from modelyard.runtimes.formats.gguf import GgufRuntime
from modelyard.runtimes.inspect import inspect
from modelyard.settings import Home
from modelyard.storage.database import Database
from modelyard.testing.registry import LocalRegistry
from modelyard.testing.serving import Serving
from modelyard.types.models import ArtifactFormat

WIDTH, FEED, CONTEXT = 32, 64, 128
PROMPTS = np.array(["hello", "a b c", "hello"], dtype=object)


def write_tiny_model(path: Path) -> Path:
    """A llama of one layer that knows bytes and a few letters."""
    letters = [letter.encode() for letter in "abcdefghijklmnopqrstuvwxyz"]
    byte_tokens = [f"<0x{value:02X}>".encode() for value in range(256)]
    tokens = [b"<unk>", b"<s>", b"</s>", *byte_tokens, "\u2581".encode(), *letters]
    kinds = [gguf.TokenType.UNKNOWN, *[gguf.TokenType.CONTROL] * 2, *[gguf.TokenType.BYTE] * 256]
    kinds += [gguf.TokenType.NORMAL] * (len(tokens) - len(kinds))
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_rope_dimension_count(WIDTH // 2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    random = np.random.default_rng(0)
    square, wide = (WIDTH, WIDTH), (FEED, WIDTH)
    shapes = {
        **dict.fromkeys(("token_embd", "output"), (len(tokens), WIDTH)),
        **dict.fromkeys((f"blk.0.attn_{part}" for part in ("q", "k", "v", "output")), square),
        "blk.0.ffn_gate": wide,
        "blk.0.ffn_up": wide,
        "blk.0.ffn_down": (WIDTH, FEED),
    }
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", random.normal(size=shape).astype(np.float32))
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


def test_the_format_is_told_from_the_content_and_equal_prompts_give_equal_texts(artifact: Path):
    assert sniff(artifact) is ArtifactFormat.GGUF
    runtime = GgufRuntime()
    predictor = runtime.load(artifact, runtime.infer_signature(artifact))
    first, second, third = predictor.predict({"prompt": PROMPTS})["text"]
    assert first
    assert first == third != second
    assert predictor.predict({"prompt": PROMPTS[1:2]})["text"].tolist() == [second]


def test_a_stream_gives_the_same_texts_token_by_token_and_may_be_left(artifact: Path):
    runtime = GgufRuntime()
    predictor = runtime.load(artifact, runtime.infer_signature(artifact))
    whole = predictor.predict({"prompt": PROMPTS})["text"].tolist()
    stream, parts = predictor.stream({"prompt": PROMPTS}), []
    while True:
        try:
            parts.append(next(stream))
        except StopIteration as end:
            ending = end.value
            break
    said = [part["text"] for part in parts if part is not None]
    # The limit may cut a character of several bytes: it is left out of a stream, and "\ufffd" in a whole answer.
    texts = ["".join(column).rstrip("\ufffd") for column in zip(*said, strict=True)]
    assert texts == [text.rstrip("\ufffd") for text in whole]
    assert len(said) > len(PROMPTS)
    assert ending.finish_reason in {"stop", "length"}
    assert ending.completion_tokens >= len(said)
    assert ending.prompt_tokens > 0
    left = predictor.stream({"prompt": PROMPTS})
    next(left)
    left.close()
    assert predictor.predict({"prompt": PROMPTS})["text"].tolist() == whole


def test_a_damaged_file_and_one_of_another_kind_are_refused(artifact: Path, tmp_path: Path):
    runtime = GgufRuntime()
    signature = runtime.infer_signature(artifact)
    for content in (artifact.read_bytes()[:2000], b"GGUF", b"not one"):
        (tmp_path / "damaged").write_bytes(content)
        with pytest.raises(ArtifactInvalidError) as refused:
            runtime.load(tmp_path / "damaged", signature)
        assert refused.value.hint


def test_it_is_registered_in_the_sandbox_and_served_by_a_worker(artifact: Path, database: Database, tmp_path: Path):
    home = Home(tmp_path / "home")
    home.create()
    registry = LocalRegistry(database, home.run, LocalEngine(home))
    version = registry.registration.register("default", "writer", {"tiny.gguf": artifact}, Submission())
    assert version.manifest.artifact_format is ArtifactFormat.GGUF
    assert version.manifest.is_pure
    (tmp_path / "bundle").mkdir()
    inspect(artifact, tmp_path / "bundle")
    with Serving(tmp_path) as serving:
        worker = serving.start_worker("writer", tmp_path / "bundle")
        with WorkerClient(worker.address) as client:
            texts = client.infer({"prompt": PROMPTS})["text"].tolist()
    assert texts[0] == texts[2] != texts[1]
