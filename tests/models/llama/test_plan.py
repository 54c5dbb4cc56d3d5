from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lattice.models.llama.plan import OVERHEAD_TOKENS, Rectangle, rectangles

LENGTHS = st.lists(st.integers(1, 700), min_size=1, max_size=16).map(lambda found: sorted(found, reverse=True))


def _computed(parts: list[Rectangle]) -> int:
    """What the plan costs, in tokens: every position of every rectangle, and the overhead of each."""
    return sum((part.end - part.begin) * part.streams + OVERHEAD_TOKENS for part in parts)


def test_equal_streams_are_one_rectangle() -> None:
    assert rectangles([30] * 14, 512, may_pad=True) == [Rectangle(0, 30, 14)]


def test_what_overfills_a_batch_is_cut_into_equal_parts() -> None:
    assert rectangles([59] * 14, 512, may_pad=True) == [Rectangle(0, 30, 14), Rectangle(30, 59, 14)]


def test_nearly_equal_streams_are_padded_and_far_ones_are_not() -> None:
    assert rectangles([60, 59, 58], 512, may_pad=True) == [Rectangle(0, 60, 3)]
    # Padding the short one would cost 98 tokens, another computation 24.
    assert rectangles([100, 100, 2], 512, may_pad=True) == [Rectangle(0, 2, 3), Rectangle(2, 100, 2)]


def test_without_padding_every_length_has_its_own_rectangle() -> None:
    found = rectangles([60, 59, 58], 512, may_pad=False)
    assert found == [Rectangle(0, 58, 3), Rectangle(58, 59, 2), Rectangle(59, 60, 1)]


def test_no_streams_need_no_rectangle() -> None:
    assert rectangles([], 512, may_pad=True) == []


@given(LENGTHS, st.booleans(), st.sampled_from([16, 100, 512]))
def test_every_position_is_decoded_once_in_order_and_no_part_overfills_a_batch(
    lengths: list[int], may_pad: bool, batch_tokens: int
) -> None:
    reached = [0] * len(lengths)
    for part in rectangles(lengths, batch_tokens, may_pad=may_pad):
        assert 0 < (part.end - part.begin) * part.streams <= batch_tokens
        for stream in range(part.streams):
            assert reached[stream] == part.begin
            reached[stream] = part.end
    assert all(end >= length for end, length in zip(reached, lengths, strict=True))
    if not may_pad:
        assert reached == lengths


@given(LENGTHS)
def test_padding_never_makes_a_plan_dearer_than_one_rectangle_or_one_for_each_length(lengths: list[int]) -> None:
    whole = 10**6  # a batch that holds everything, so that only the grouping counts
    chosen = _computed(rectangles(lengths, whole, may_pad=True))
    assert chosen <= _computed(rectangles(lengths, whole, may_pad=False))
    assert chosen <= len(lengths) * lengths[0] + OVERHEAD_TOKENS
