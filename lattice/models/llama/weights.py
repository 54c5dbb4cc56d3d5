"""A model's weights, loaded: its vocabulary, what its file says of it, and its chat template."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

import llama_cpp

from lattice.errors import ModelUnusable
from lattice.models.gguf import read_gguf
from lattice.models.llama.native import quiet_native_log


class Weights:
    """A loaded GGUF; what every context of the engine shares."""

    def __init__(self, path: Path, gpu_layers: int) -> None:
        """Load the GGUF at `path`; ModelUnusable, with the reason, when it is none or llama.cpp refuses it."""
        self.file = read_gguf(path)
        quiet_native_log()
        self.path = path
        self.handle = _load(path, gpu_layers)
        self._vocabulary = llama_cpp.llama_model_get_vocab(self.handle)
        self.vocabulary_size = int(llama_cpp.llama_vocab_n_tokens(self._vocabulary))
        self.parameters = int(llama_cpp.llama_model_n_params(self.handle))
        self.trained_context = int(llama_cpp.llama_model_n_ctx_train(self.handle))
        # The state of recurrent layers holds all that they have seen, and nothing can be taken back from it.
        self.can_forget = not (
            llama_cpp.llama_model_is_recurrent(self.handle) or llama_cpp.llama_model_is_hybrid(self.handle)
        )
        self.name = self.metadata("general.name") or path.stem

    @property
    def vocabulary(self) -> Any:
        """Give llama.cpp's vocabulary."""
        return self._vocabulary

    def close(self) -> None:
        """Free the weights; no context of them may be left."""
        if self.handle is not None:
            llama_cpp.llama_model_free(self.handle)
            self.handle = None

    def tokenize(self, text: str, *, control: bool = False, special: bool = False) -> list[int]:
        """Give the token ids of `text`; control tokens that it spells out are plain text unless `control`.

        With `special`, the tokens that the model wants at the begin and the end of a text are added.
        """
        raw = text.encode("utf-8", errors="replace")
        room = len(raw) + 8
        buffer = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self._vocabulary, raw, len(raw), buffer, room, special, control)
        if count < 0:
            raise ModelUnusable(
                f"{self.path.name} cannot tokenise a text; it is damaged or of an unknown kind. Use another model."
            )
        return list(buffer[:count])

    def piece(self, token: int) -> bytes:
        """Give the bytes that a token stands for; control tokens stand for none."""
        buffer = ctypes.create_string_buffer(256)
        length = llama_cpp.llama_token_to_piece(self._vocabulary, token, buffer, len(buffer), 0, False)
        return buffer.raw[:length] if length > 0 else b""

    def piece_of(self, key: str) -> str:
        """Give the text of the token whose id the file has under `key`, control tokens too; empty where it has none."""
        token = self.metadata(key)
        known = token is not None and token.isdecimal() and int(token) < self.vocabulary_size
        return self.spelling(int(token)) if token is not None and known else ""

    def spelling(self, token: int) -> str:
        """Give the text of a token, control tokens too."""
        buffer = ctypes.create_string_buffer(256)
        length = llama_cpp.llama_token_to_piece(self._vocabulary, token, buffer, len(buffer), 0, True)
        return buffer.raw[:length].decode("utf-8", errors="replace") if length > 0 else ""

    def steers(self, token: int) -> bool:
        """Whether a token is a control token, which no text may spell out."""
        return bool(llama_cpp.llama_vocab_is_control(self._vocabulary, token))

    def ends(self, token: int) -> bool:
        """Whether a token ends what the model has to say."""
        return bool(llama_cpp.llama_vocab_is_eog(self._vocabulary, token))

    def first_token(self) -> int:
        """Give the token that a text may begin with where it has none of its own."""
        for token in (llama_cpp.llama_vocab_bos(self._vocabulary), llama_cpp.llama_vocab_eos(self._vocabulary)):
            if token >= 0:
                return int(token)
        return 0

    def metadata(self, key: str) -> str | None:
        """Give what the file says under `key`; None where it says nothing."""
        length = llama_cpp.llama_model_meta_val_str(self.handle, key.encode(), None, 0)
        if length < 0:
            return None
        buffer = ctypes.create_string_buffer(length + 1)
        llama_cpp.llama_model_meta_val_str(self.handle, key.encode(), buffer, len(buffer))
        return buffer.value.decode("utf-8", errors="replace")


def _load(path: Path, gpu_layers: int) -> Any:
    llama_cpp.llama_backend_init()
    params = llama_cpp.llama_model_default_params()
    params.n_gpu_layers = gpu_layers
    model = llama_cpp.llama_model_load_from_file(os.fsencode(path), params)
    if not model:
        raise ModelUnusable(
            f"llama.cpp cannot load {path}: the file is damaged, or its architecture is unknown to this "
            "version. Check the download, or use another model."
        )
    return model
