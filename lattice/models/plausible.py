"""What a GGUF's header must not say: llama.cpp takes it for granted, and ends the process where it is not so.

Only what holds for every architecture stands here; a file that is new is tried in a process of its own (`trials`).
Found by `tests/models/llama/hostile.py` (docs/llama.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

MOST_LAYERS, MOST_EXPERTS = 512, 512  # llama.cpp's LLAMA_MAX_LAYERS and LLAMA_MAX_EXPERTS
_EPSILONS = ("attention.layer_norm_epsilon", "attention.layer_norm_rms_epsilon", "attention.group_norm_epsilon")


def implausible(metadata: Mapping[str, object]) -> str | None:
    """Say what is wrong with the numbers of a model's header, to follow its path; None where nothing is."""
    return next(_flaws(metadata), None)


def _flaws(metadata: Mapping[str, object]) -> Iterator[str]:
    architecture = metadata.get("general.architecture")

    def whole(key: str, missing: int) -> int:
        """Give a whole number; `missing` also for a value of another type, which llama.cpp itself refuses."""
        value = metadata.get(f"{architecture}.{key}", missing)
        return value if isinstance(value, int) else missing

    layers = whole("block_count", 1)
    if not 1 <= layers <= MOST_LAYERS:
        yield f"has {layers:,} layers by its header, where 1 to {MOST_LAYERS} can be read"
    if not 0 <= whole("nextn_predict_layers", 0) <= layers:
        yield f"has more layers that predict ({whole('nextn_predict_layers', 0):,}) than layers ({layers:,})"
    experts = whole("expert_count", 0)
    if not 0 <= experts <= MOST_EXPERTS:
        yield f"has {experts:,} experts by its header, where up to {MOST_EXPERTS} can be read"
    used = whole("expert_used_count", min(1, experts))
    if not min(1, experts) <= used <= experts:
        yield f"uses {used:,} of {experts:,} experts by its header"
    for key in _EPSILONS:
        epsilon = metadata.get(f"{architecture}.{key}", 0.0)
        if isinstance(epsilon, float) and not epsilon >= 0:
            yield f"has {epsilon} as {key} in its header, where 0 or more is right"
