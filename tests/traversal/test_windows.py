from __future__ import annotations

from lattice.traversal.snippets import snippet
from lattice.traversal.windows import best_window, query_stems

TEXT = " ".join(f"word{i}" for i in range(100)) + ". The actor leaks memory when its mailbox grows. " + "end " * 100


def test_query_stems_leave_out_function_words_unless_nothing_else_is_there() -> None:
    assert query_stems("why does my actor leak memory") == {"actor", "leak", "memori"}
    assert query_stems("to be or not") == {"to", "be", "or", "not"}


def test_the_window_is_where_the_query_stands() -> None:
    start, end = best_window(TEXT, query_stems("leaking actors"), 12)
    assert "actor leaks memory" in TEXT[start:end]
    assert len(TEXT[start:end].split()) <= 12


def test_the_window_moves_back_to_the_beginning_of_its_sentence() -> None:
    text = "filler " * 50 + "done. Some telescopes drift at night " + "filler " * 50
    start, _ = best_window(text, query_stems("drift night"), 20)
    assert text[start:].startswith("Some telescopes") or "Some telescopes drift" in text[start : start + 160]


def test_more_distinct_words_beat_more_repetitions() -> None:
    text = "leak leak leak leak leak " + "filler " * 40 + "actor leak memory " + "filler " * 40
    start, end = best_window(text, query_stems("actor leak memory"), 10)
    assert "actor leak memory" in text[start:end]


def test_short_empty_and_blank_texts() -> None:
    assert best_window("", frozenset(), 10) == (0, 0)
    assert best_window("  \n ", frozenset(), 10) == (0, 0)
    start, end = best_window("  short text ", frozenset({"x"}), 10)
    assert "  short text "[start:end] == "short text"


def test_without_a_match_the_beginning_is_shown() -> None:
    assert best_window(TEXT, frozenset({"nowhere"}), 10)[0] == 0


def test_unspaced_scripts_are_cut_as_well() -> None:
    text = "数据库连接失败时会自动重试。" * 200 + "望远镜的赤道仪需要校准。" + "数据库连接失败时会自动重试。" * 200
    start, end = best_window(text, query_stems("赤道仪校准"), 10)
    assert "赤道仪" in text[start:end]
    assert end - start <= 10 * 12


def test_a_snippet_marks_the_words_of_the_query_in_other_forms() -> None:
    shown, marks = snippet("leaking actors", TEXT, 12)
    assert [shown[a:b] for a, b in marks] == ["actor", "leaks"]
    assert shown.startswith("… ")
    assert shown.endswith(" …")
    assert "\n" not in shown


def test_overlapping_marks_are_merged() -> None:
    shown, marks = snippet("getUserName", "call getUserName twice", 12)
    assert [shown[a:b] for a, b in marks] == ["getUserName"]
    _, pairs = snippet("赤道仪", "望远镜的赤道仪需要校准", 12)
    assert len(pairs) == 1
