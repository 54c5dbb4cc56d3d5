"""Damaged and malicious variants of the tiny models: a GGUF taken apart, changed, and written again.

A variant is named by its base, its mutations and its seed, and comes out the same whenever it is made.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import gguf

from lattice.models.gguf_types import ARRAY, SCALARS, STRING, TENSORS
from tests.models.gguf_files import header, pair, tensor, text
from tests.models.tiny import make_bert, make_decoder, make_qwen_reranker

Entry = tuple[int, bytes]
"""The type of a value, and its bytes."""


@dataclass(frozen=True)
class Weight:
    name: str
    dimensions: tuple[int, ...]
    kind: int
    data: bytes


@dataclass
class Model:
    entries: dict[str, Entry]
    weights: list[Weight]

    @property
    def architecture(self) -> str:
        return self.entries["general.architecture"][1][8:].decode()

    def own(self, key: str) -> str:
        """Give a key of the architecture."""
        return f"{self.architecture}.{key}"


Mutate = Callable[[Model, Random], object]


def u32(value: int) -> Entry:
    return 4, struct.pack("<I", value % 2**32)


def f32(value: float) -> Entry:
    return 6, struct.pack("<f", value)


def flag(value: bool) -> Entry:
    return 7, bytes([value])


def string(value: str) -> Entry:
    return STRING, text(value)


def strings(values: Sequence[bytes]) -> Entry:
    listed = b"".join(struct.pack("<Q", len(value)) + value for value in values)
    return ARRAY, struct.pack("<IQ", STRING, len(values)) + listed


def numbers(values: Sequence[int], kind: int = 4) -> Entry:
    return ARRAY, struct.pack(f"<IQ{len(values)}{SCALARS[kind]}", kind, len(values), *values)


def taken_apart(path: Path) -> Model:
    """Read a whole GGUF that gguf's own writer has written."""
    reader = gguf.GGUFReader(path)
    entries: dict[str, Entry] = {}
    for name, field in reader.fields.items():
        if not name.startswith("GGUF."):
            parts = [part.tobytes() for part in field.parts]
            entries[name] = int(field.types[0]), b"".join(parts[3:])
    weights = [
        Weight(one.name, tuple(map(int, one.shape)), int(one.tensor_type), one.data.tobytes()) for one in reader.tensors
    ]
    return Model(entries, weights)


def put_together(model: Model, alignment: int = 32) -> bytes:
    """Write a model as a GGUF file."""
    told, data = [], bytearray()
    for weight in model.weights:
        data += bytes(-len(data) % alignment)
        told.append(tensor(weight.name, weight.dimensions, weight.kind, len(data)))
        data += weight.data
    start = header(*(pair(key, *entry) for key, entry in model.entries.items()), tensors=tuple(told))
    return start + bytes(-len(start) % alignment) + bytes(data) + bytes(-len(data) % alignment)


def bases(folder: Path) -> dict[str, Model]:
    """Make the models that variants are made of."""
    make_decoder(folder / "writer.gguf", None)
    make_decoder(folder / "last.gguf", 3)
    make_bert(folder / "mean.gguf", 1)
    make_bert(folder / "reranker.gguf", 4, head=True)
    make_qwen_reranker(folder / "qwen.gguf")
    made = {name: taken_apart(folder / f"{name}.gguf") for name in ("writer", "last", "mean", "reranker", "qwen")}
    made["speaker"] = _with_words(made["writer"])
    return made


def _with_words(model: Model) -> Model:
    """Give a decoder with a vocabulary of SentencePiece's kind, as Llama 2 has it."""
    count = next(one.dimensions[1] for one in model.weights if one.name == "token_embd.weight")
    pieces = [b"<unk>", b"<s>", b"</s>", *(b"<0x%02X>" % byte for byte in range(256))]
    pieces = [*pieces, "▁".encode()][:count]
    kinds = [2, 3, 3, *([6] * 256), 1][:count]
    entries = {key: entry for key, entry in model.entries.items() if not key.startswith("tokenizer.")}
    return replace(
        model,
        entries=entries
        | {
            "tokenizer.ggml.model": string("llama"),
            "tokenizer.ggml.tokens": strings(pieces),
            "tokenizer.ggml.scores": numbers([0] * count, 6),
            "tokenizer.ggml.token_type": numbers(kinds, 5),
            "tokenizer.ggml.bos_token_id": u32(1),
            "tokenizer.ggml.eos_token_id": u32(2),
            "tokenizer.ggml.unknown_token_id": u32(0),
            "tokenizer.chat_template": string("{{ messages }}"),
        },
    )


NUMBERS = (0, 1, 2, 3, 7, 33, 2**16, 2**31 - 1, 2**31, 2**32 - 1)
OWN_NUMBERS = (
    "attention.head_count attention.head_count_kv attention.key_length attention.value_length block_count "
    "context_length embedding_length feed_forward_length rope.dimension_count pooling_type expert_count "
    "expert_used_count vocab_size "
    "attention.sliding_window embedding_length_out leading_dense_block_count rope.scaling.original_context_length "
    "nextn_predict_layers full_attention_interval token_type_count"
).split()
OWN_FLOATS = (
    "attention.layer_norm_rms_epsilon",
    "attention.layer_norm_epsilon",
    "rope.freq_base",
    "rope.scaling.factor",
)
FLOATS = (0.0, -1.0, math.nan, math.inf, 1e30)
TOKENS = "bos eos eot unknown seperator padding cls mask fim_pre fim_suf fim_mid eom prefix suffix middle".split()
FLAGS = ("add_bos_token", "add_eos_token", "add_sep_token", "add_space_prefix", "remove_extra_whitespaces")
VOCABULARIES = ("llama", "bert", "gpt2", "t5", "rwkv", "plamo2", "no_vocab", "none", "unheard-of", "")
SPLITTERS = ("default", "llama-bpe", "deepseek-llm", "qwen2", "gpt-4o", "kimi-k2", "chatglm-bpe", "unheard-of", "")
ARCHITECTURES = sorted(gguf.MODEL_ARCH_NAMES.values())
POOLINGS = (0, 1, 2, 3, 4, 5, 99, 2**31, 2**32 - 1)
TEMPLATES = (
    "{% for i in range(99999) %}{% for j in range(99999) %}{% for k in range(99999) %}" + "{% endfor %}" * 3,
    "{{ 'a' * 10**10 }}",
    "{{ 10 ** 10 ** 10 }}",
    "{{ '%09999999999d' % 1 }}",
    "{{ 'a'.center(10**10) }}",
    "{{ [0] * 10**10 }}",
    "{{ lipsum(n=10**9) }}",
    "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ messages.__init__.__globals__ }}",
    "{% include '/etc/passwd' %}",
    "{{ messages[9].content }}",
    "{{ raise_exception('no') }}",
    "{% if %}",
    "{{ 1 / 0 }}",
    "{{ messages[0]['content'] * 3 }}",
    "{% set x = namespace(a=[]) %}{% for i in range(99999) %}{% set x.a = x.a + [x.a, x.a] %}{% endfor %}{{ x.a }}",
    "(" * 100_000,
    "{{ " + "(" * 5_000 + ")" * 5_000 + " }}",
    "{{ " + "-" * 20_000 + "1 }}",
)


def catalogue() -> Iterator[tuple[str, Mutate]]:
    """Yield the mutations that have names."""
    yield from _of_numbers()
    yield from _of_vocabulary()
    yield from _of_weights()
    for name in ARCHITECTURES:
        yield f"architecture {name}", lambda model, _, name=name: _renamed(model, name)  # type: ignore[misc]
    for i, template in enumerate(TEMPLATES):
        yield f"chat template {i}", _put("tokenizer.chat_template", string(template))
    for template in ("{query}{document}" * 1000, "{query}", "", "\0{query}{document}", "<|im_end|>" * 10_000):
        yield f"rerank template {template[:20]!r}", _put("tokenizer.chat_template.rerank", string(template))


def _of_numbers() -> Iterator[tuple[str, Mutate]]:
    for key in OWN_NUMBERS:
        for value in POOLINGS if key == "pooling_type" else NUMBERS:
            yield f"{key} {value}", _put_own(key, u32(value))
        yield f"{key} one more", lambda model, _, key=key: _changed(model, model.own(key), lambda old: old + 1)  # type: ignore[misc]
        yield f"{key} one less", lambda model, _, key=key: _changed(model, model.own(key), lambda old: old - 1)  # type: ignore[misc]
        yield f"{key} of text", _put_own(key, string("x"))
        yield f"{key} of a layer", _put_own(key, numbers([4, 0]))
        yield f"{key} of many layers", _put_own(key, numbers([3] * 600))
        yield f"{key} left out", lambda model, _, key=key: model.entries.pop(model.own(key), None)  # type: ignore[misc]
    for key in OWN_FLOATS:
        for real in FLOATS:
            yield f"{key} {real}", _put_own(key, f32(real))
        yield f"{key} left out", lambda model, _, key=key: model.entries.pop(model.own(key), None)  # type: ignore[misc]
    for value in (True, False):
        yield f"causal {value}", _put_own("attention.causal", flag(value))
    for kind in ("none", "linear", "yarn", "longrope", "unheard-of"):
        yield f"rope scaling {kind}", _put_own("rope.scaling.type", string(kind))
    for value in NUMBERS:
        yield f"alignment {value}", _put("general.alignment", u32(value))
    yield "sections", _put_own("rope.dimension_sections", numbers([-1, 0, 99, 2**30], 5))
    yield "split", _put("split.count", (2, struct.pack("<H", 5)))
    yield "labels", _put_own("classifier.output_labels", strings([b"yes", b"no", b"\xff", b""] * 50))
    yield "labels that are numbers", _put_own("classifier.output_labels", numbers([1, 2]))


def _of_vocabulary() -> Iterator[tuple[str, Mutate]]:
    for name in TOKENS:
        for value in (0, 5, 258, 10_000, 2**31, 2**32 - 1):
            yield f"{name} {value}", _put(f"tokenizer.ggml.{name}_token_id", u32(value))
    for name in FLAGS:
        for chosen in (True, False):
            yield f"{name} {chosen}", _put(f"tokenizer.ggml.{name}", flag(chosen))
        yield f"{name} of text", _put(f"tokenizer.ggml.{name}", string("x"))
    for name in VOCABULARIES:
        yield f"vocabulary {name}", _put("tokenizer.ggml.model", string(name))
    for name in SPLITTERS:
        yield f"splitter {name}", _put("tokenizer.ggml.pre", string(name))
    for key in ("tokens", "token_type", "scores", "merges", "model", "pre"):
        yield f"{key} left out", lambda model, _, key=key: model.entries.pop(f"tokenizer.ggml.{key}", None)  # type: ignore[misc]
        yield f"{key} a number", _put(f"tokenizer.ggml.{key}", u32(1))
        yield f"{key} few", _put(f"tokenizer.ggml.{key}", numbers([1, 2, 3]))
        yield f"{key} no text", _put(f"tokenizer.ggml.{key}", strings([b"\xff\xfe", b"", b"\0", b"a b", b"a"]))
        yield f"{key} empty", _put(f"tokenizer.ggml.{key}", strings([]))
    for said, pieces in (
        ("of one word", [b"a"] * 260),
        ("of nothing", [b""] * 260),
        ("of no text", [b"\xff%c" % (i % 256) for i in range(260)]),
        ("of surrogates", [b"\xed\xa0\x80%d" % i for i in range(260)]),
        ("long", [b"%d" % i * 2000 for i in range(260)]),
        ("too many", [b"%d" % i for i in range(5000)]),
        ("spaces", ["▁".encode() * i for i in range(260)]),
    ):
        yield f"words {said}", _put("tokenizer.ggml.tokens", strings(pieces))
    for kind in (0, 2, 3, 4, 5, 6, 99, -1):
        yield f"words of kind {kind}", _put("tokenizer.ggml.token_type", numbers([kind] * 260, 5))
    for score in (math.nan, math.inf, -math.inf):
        yield f"scores {score}", _put("tokenizer.ggml.scores", (ARRAY, struct.pack("<IQ260f", 6, 260, *[score] * 260)))
    for said, merges in (
        ("without a space", [b"ab"]),
        ("of nothing", [b""]),
        ("unknown", [b"xyz abc"]),
        ("space", [b" "]),
    ):
        yield f"merges {said}", _put("tokenizer.ggml.merges", strings(merges * 3))
    for size in (0, 3, 4, 5, 100):
        yield f"charsmap {size}", _put("tokenizer.ggml.precompiled_charsmap", numbers([255] * size, 0))


def _of_weights() -> Iterator[tuple[str, Mutate]]:
    for name, change in (
        ("gone", lambda one, _: None),
        ("empty", lambda one, _: replace(one, dimensions=(0,) * len(one.dimensions), data=b"")),
        ("one row", lambda one, _: replace(one, dimensions=(*one.dimensions[:-1], 1))),
        ("one short", lambda one, _: replace(one, dimensions=(*one.dimensions[:-1], one.dimensions[-1] - 1))),
        (
            "twice as long",
            lambda one, _: replace(one, dimensions=(*one.dimensions[:-1], one.dimensions[-1] * 2), data=one.data * 2),
        ),
        ("turned", lambda one, _: replace(one, dimensions=one.dimensions[::-1])),
        ("of no dimension", lambda one, _: replace(one, dimensions=())),
        ("of four dimensions", lambda one, _: replace(one, dimensions=(*one.dimensions, 1, 1)[:4])),
        ("renamed", lambda one, _: replace(one, name=one.name + ".x")),
        ("not a number", lambda one, _: replace(one, data=b"\xff" * len(one.data))),
        ("infinite", lambda one, _: replace(one, data=struct.pack("<f", math.inf) * (len(one.data) // 4))),
        ("huge", lambda one, _: replace(one, data=struct.pack("<f", 3e38) * (len(one.data) // 4))),
        ("zero", lambda one, _: replace(one, data=bytes(len(one.data)))),
        ("of another type", _of_another_type),
    ):
        yield f"a weight {name}", _one_weight(change)
        yield f"all weights {name}", _all_weights(change)
    for name in (
        "token_embd.weight",
        "output_norm.weight",
        "position_embd.weight",
        "token_types.weight",
        "cls.output.weight",
    ):
        yield f"{name} of another type", _named(name, _of_another_type)
        yield (
            f"{name} one short",
            _named(name, lambda one, _: replace(one, dimensions=(*one.dimensions[:-1], one.dimensions[-1] - 1))),
        )
    yield "a weight twice", lambda model, random: model.weights.append(random.choice(model.weights))
    yield "weights in another order", lambda model, random: random.shuffle(model.weights)
    yield "a head", lambda model, _: model.weights.append(Weight("cls.output.weight", (64, 1), 0, bytes(256)))
    yield "an output", lambda model, _: model.weights.append(Weight("output.weight", (64, 7), 0, bytes(64 * 28)))
    for name, size in (("rope_freqs.weight", 3), ("rope_freqs.weight", 8), ("blk.0.attn_q.bias", 7), ("cls.bias", 3)):
        extra = Weight(name, (size,), 0, bytes(4 * size))
        yield f"{name} of {size}", lambda model, _, extra=extra: model.weights.append(extra)  # type: ignore[misc]


Change = Callable[[Weight, Random], Weight | None]


def _of_another_type(one: Weight, random: Random) -> Weight:
    kind = random.choice([*TENSORS, 4, 5, 31, 36, 38, 42, 99])
    _, block, size = TENSORS.get(kind, ("", 1, 4))
    return replace(one, kind=kind, data=random.randbytes(-(-math.prod(one.dimensions) // block) * size))


def _one_weight(change: Change) -> Mutate:
    def mutate(model: Model, random: Random) -> None:
        at = random.randrange(len(model.weights))
        changed = change(model.weights[at], random)
        model.weights[at : at + 1] = [changed] if changed else []

    return mutate


def _all_weights(change: Change) -> Mutate:
    def mutate(model: Model, random: Random) -> None:
        model.weights[:] = [changed for one in model.weights if (changed := change(one, random))]

    return mutate


def _named(name: str, change: Change) -> Mutate:
    def mutate(model: Model, random: Random) -> None:
        changed = [change(one, random) if one.name == name else one for one in model.weights]
        model.weights[:] = [one for one in changed if one]

    return mutate


def _put(key: str, entry: Entry) -> Mutate:
    return lambda model, _: model.entries.update({key: entry})


def _put_own(key: str, entry: Entry) -> Mutate:
    return lambda model, _: model.entries.update({model.own(key): entry})


def _changed(model: Model, key: str, change: Callable[[int], int]) -> None:
    kind, value = model.entries.get(key, u32(4))
    if kind == 4:
        model.entries[key] = u32(change(struct.unpack("<I", value)[0]))


def _renamed(model: Model, name: str) -> None:
    before = model.architecture
    model.entries = {
        (f"{name}{key.removeprefix(before)}" if key.startswith(f"{before}.") else key): entry
        for key, entry in model.entries.items()
    }
    model.entries["general.architecture"] = string(name)


def damaged(content: bytes, random: Random) -> bytes:
    """Flip, overwrite, cut out or cut off bytes of a file; most of it happens in the header, where it counts."""
    whole = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 5, 50))):
        at = random.randrange(random.choice((len(whole), min(len(whole), 20_000), min(len(whole), 1_500))))
        how = random.randrange(6)
        if how < 3:
            whole[at] ^= 1 << random.randrange(8)
        elif how == 3:
            whole[at : at + 4] = random.choice((b"\xff" * 4, bytes(4), random.randbytes(4)))
        elif how == 4:
            del whole[at : at + random.randrange(1, 9)]
        else:
            whole[at:at] = random.randbytes(random.randrange(1, 9))
    return bytes(whole) if random.randrange(8) else bytes(whole[: random.randrange(len(whole))])
