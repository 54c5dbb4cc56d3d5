"""What a model is asked of a question, what it may cost, and what becomes of its answer, on a scripted engine."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.errors import ModelUnusable, ServerProblem
from lattice.models.llama.engine import LlamaEngine
from lattice.models.llama.grammars import grammar_flaw
from lattice.models.prompts import Part, Prompt, understand_dynamic, understand_static
from lattice.models.registry import embedded_model
from lattice.models.remote.model import RemoteModel
from lattice.models.remote.server import Server
from lattice.models.settings import EngineSettings
from lattice.tokens import stems
from lattice.traversal.understanding import EARLIER, LocalScribe, RemoteScribe, grammar, schema, understand
from lattice.types import OutOfTime, Question, Understanding, Usage
from tests.models.remote.scripted import hangs, says, serving, unused_url
from tests.traversal.writers import WordsAreTokens, Wrote

HISTORY = ("how do I prune roses",)
ALL = ("query", "problem", "words")
REWRITTEN = {"query": "pruning roses in winter", "problem": "When roses are cut back.", "words": ["frost", "buds"]}


@dataclass
class Engine(WordsAreTokens):
    """Writes what it is told to; a word is a token."""

    text: str = ""
    context: int = 10_000
    asked: list[Prompt] = field(default_factory=list)
    how: list[dict[str, Any]] = field(default_factory=list)
    late: bool = False
    problem: str = ""

    def prompt(self, system: str, static: str, dynamic: str) -> Prompt:
        return Prompt((Part(f"{system} {static}"),), (Part(dynamic),))

    def generate(
        self, prompt: Prompt, *, grammar: str | None = None, max_tokens: int = 512, seconds: float | None = None
    ) -> Wrote:
        self.asked.append(prompt)
        self.how.append({"grammar": grammar, "max_tokens": max_tokens, "seconds": seconds})
        if self.problem:
            raise ModelUnusable(self.problem)
        if self.late:
            raise OutOfTime(Usage(evaluated=7, calls=1))
        return Wrote(self.text)


def _understood(
    engine: Engine, question: Question, *, large: bool = True, tokens: int | None = None, seconds: float | None = None
) -> Understanding | None:
    return understand(question, LocalScribe(engine, large), tokens, seconds)


def test_a_large_model_rewrites_a_follow_up_and_expands_it() -> None:
    engine = Engine(json.dumps(REWRITTEN))
    found = _understood(engine, Question("and in winter?", HISTORY))
    assert found == Understanding(
        "pruning roses in winter",
        rewritten=True,
        problem="When roses are cut back.",
        vocabulary=("frost", "buds"),
        usage=Wrote("").usage,
    )
    (prompt,) = engine.asked
    assert prompt.dynamic[0].text == "Earlier questions:\nhow do I prune roses\n\nLast question: and in winter?"
    assert prompt.static[0].text.endswith(understand_static(ALL))
    assert engine.how[0]["grammar"] == grammar(ALL)


def test_what_was_not_wanted_is_not_asked_for() -> None:
    engine = Engine(json.dumps(REWRITTEN))
    rewritten = _understood(engine, Question("and in winter?", HISTORY, expand=False))
    assert rewritten is not None
    assert (rewritten.query, rewritten.problem, rewritten.vocabulary) == ("pruning roses in winter", "", ())
    assert '"words"' not in engine.asked[0].static[0].text
    assert _understood(engine, Question("roses")) is None
    assert _understood(engine, Question("roses", expand=False)) is None
    assert _understood(engine, Question("opening hours of museums", HISTORY), large=False) is None
    assert len(engine.asked) == 1


def test_a_small_model_is_not_asked_to_rewrite() -> None:
    engine = Engine(json.dumps(REWRITTEN))
    by_rule = _understood(engine, Question("and in winter?", HISTORY), large=False)
    assert by_rule == Understanding("prune roses in winter?", ("prune", "roses"))
    assert engine.asked == []
    expanded = _understood(engine, Question("and in winter?", HISTORY, expand=True), large=False)
    assert expanded is not None
    assert (expanded.query, expanded.carried) == ("prune roses in winter?", ("prune", "roses"))
    assert expanded.vocabulary == ("frost", "buds")
    assert engine.asked[0].dynamic[0].text == "Question: prune roses in winter?"


def test_a_model_is_shown_the_last_questions_and_of_each_its_beginning() -> None:
    engine = Engine(json.dumps(REWRITTEN))
    _understood(engine, Question("and? " * 200, tuple(f"question {i} " + "x " * 200 for i in range(20))))
    shown = engine.asked[0].dynamic[0].text
    assert f"question {20 - EARLIER} " in shown
    assert f"question {19 - EARLIER} " not in shown
    assert len(shown.split()) < (EARLIER + 1) * 64 + 10


def test_words_of_the_question_and_words_said_twice_are_no_vocabulary() -> None:
    words = ["Roses", "the question", "prune_roses", "frost", "frosts", "late frost", "", 3, "buds"]
    engine = Engine(json.dumps({"problem": "What is the question: prune the roses?", "words": words}))
    found = _understood(engine, Question("prune roses", expand=True))
    assert found is not None
    assert found.vocabulary == ("frost", "late frost")  # the ninth and later are too many
    assert found.problem == ""  # it says nothing that the question does not


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "wrote nothing"),
        ("I would rather not.", "wrote 'I would rather not.'"),
        ('{"problem": "", "words": []}', "wrote '{"),
        ('{"problem": "roses?", "words": ["rose"]}', "wrote '{"),
        ("[1, 2]", "wrote '[1, 2]'"),
    ],
)
def test_an_answer_that_says_nothing_leaves_the_question_as_it_was_and_is_told(text: str, reason: str) -> None:
    found = _understood(Engine(text), Question("roses", expand=True))
    assert found is not None
    assert (found.query, found.problem, found.vocabulary) == ("roses", "", ())
    assert found.notice is not None
    assert found.notice.startswith("The question was not expanded by the model, for it ")
    assert reason in found.notice
    assert found.usage.evaluated == 50


@pytest.mark.parametrize(
    "text", ["no", '{"query": ""}', '{"query": "Sorry, I cannot"}', '{"query": "pruning roses in wi', '{"query": 3}']
)
def test_a_follow_up_that_is_not_rewritten_is_left_to_the_rule(text: str) -> None:
    found = _understood(Engine(text), Question("and in winter?", HISTORY))
    assert found is not None
    assert (found.query, found.carried, found.rewritten) == ("prune roses in winter?", ("prune", "roses"), False)
    assert found.notice is not None
    assert "was not rewritten and expanded by the model" in found.notice
    assert found.notice.endswith("words of earlier questions were carried over instead.")
    assert found.usage.evaluated == 50


def test_what_was_carried_over_anyway_is_no_substitute_for_words() -> None:
    found = _understood(Engine("no"), Question("and in winter?", HISTORY, expand=True), large=False)
    assert found is not None
    assert found.carried == ("prune", "roses")
    assert found.notice == "The question was not expanded by the model, for it wrote 'no'."


def test_of_an_answer_that_was_cut_what_is_whole_counts() -> None:
    whole = json.dumps(REWRITTEN)
    found = _understood(Engine(whole[: whole.index("back")]), Question("and in winter?", HISTORY))
    assert found is not None
    assert found.query == "pruning roses in winter"
    assert found.notice is None
    words = _understood(Engine(whole[: whole.index('ds"]')]), Question("and in winter?", HISTORY))
    assert words is not None
    assert words.vocabulary == ("frost",)
    thought = f"<think>{{}} hm</think>\nHere:\n```json\n{whole}\n```"
    again = _understood(Engine(thought), Question("and in winter?", HISTORY))
    assert again is not None
    assert again.vocabulary == ("frost", "buds")


@pytest.mark.parametrize("expand", [True, None])
def test_where_nobody_writes_that_is_told_if_it_was_asked_for(expand: bool | None) -> None:
    found = understand(Question("and in winter?", HISTORY, expand), None)
    assert found is not None
    assert found.query == "prune roses in winter?"
    assert (found.notice is not None) == bool(expand)
    assert understand(Question("roses"), None) is None


def test_no_more_than_half_of_the_tokens_is_spent() -> None:
    engine = Engine(json.dumps(REWRITTEN))
    question = Question("and in winter?", HISTORY)
    prompt = engine.prompt("You prepare questions for a search engine.", understand_static(ALL), "")
    cost = engine.prompt_cost(prompt) + len(understand_dynamic(question.text, HISTORY).split())
    assert _understood(engine, question, tokens=2 * cost) == _understood(engine, question)
    asked = len(engine.asked)
    spared = _understood(engine, question, tokens=2 * cost - 1)
    assert len(engine.asked) == asked
    assert spared is not None
    assert (spared.query, spared.usage) == ("prune roses in winter?", Usage())
    assert spared.notice is not None
    assert f"the request takes {cost:,} tokens, more than half of the {2 * cost - 1:,}" in spared.notice
    assert "--budget" in spared.notice


def test_a_question_that_does_not_fit_into_the_context_is_not_asked() -> None:
    found = _understood(Engine(context=60), Question("roses", expand=True))
    assert found is not None
    assert found.notice == "The question was not expanded: the request does not fit into the model's context."


def test_a_small_context_costs_the_oldest_questions_first() -> None:
    history = tuple(f"question {i} about roses" for i in range(EARLIER))
    whole = Engine(json.dumps(REWRITTEN))
    _understood(whole, Question("and in winter?", history))
    small = Engine(json.dumps(REWRITTEN), context=whole.prompt_cost(whole.asked[0]) + 270 - 1)
    found = _understood(small, Question("and in winter?", history))
    assert found is not None
    assert found.rewritten
    assert "question 0 " not in small.asked[0].dynamic[0].text
    assert "question 1 " in small.asked[0].dynamic[0].text


def test_a_model_that_cannot_be_asked_may_judge_all_the_same() -> None:
    found = _understood(Engine(problem="The chat template cannot be rendered."), Question("roses", expand=True))
    assert found is not None
    assert found.query == "roses"
    assert found.notice == "The question was not expanded. The chat template cannot be rendered."


def test_a_context_with_room_lets_other_scripts_finish() -> None:
    engine, small = Engine(context=10_000), Engine(context=300)
    for one in (engine, small):
        _understood(one, Question("玫瑰", expand=True))
    assert engine.how[0]["max_tokens"] > small.how[0]["max_tokens"]


def test_half_of_the_seconds_may_go_and_what_comes_late_is_told() -> None:
    engine = Engine(json.dumps(REWRITTEN))
    _understood(engine, Question("roses", expand=True), seconds=4.0)
    assert engine.how[0]["seconds"] == pytest.approx(2.0)
    found = _understood(Engine(late=True), Question("roses", expand=True), seconds=-1.0)
    assert found is not None
    assert found.notice == "The question was not expanded by the model, for the time for it was over."
    assert (found.usage.evaluated, found.usage.calls) == (7, 1)


@pytest.mark.parametrize("keys", [ALL, ("problem", "words"), ("query",)])
def test_grammar_and_schema_ask_for_the_same(keys: Sequence[str]) -> None:
    assert grammar_flaw(grammar(keys)) is None
    assert schema(keys)["required"] == list(keys)
    assert list(schema(keys)["properties"]) == list(keys)
    assert [key for key in ALL if f'"{key}"' in understand_static(keys)] == list(keys)


def test_a_server_is_asked_the_same_by_a_schema() -> None:
    with serving(says(json.dumps(REWRITTEN))) as server:
        model = RemoteModel(Server(server.url))
        found = understand(Question("and in winter?", HISTORY), RemoteScribe(model))
        model.close()
        (body,) = server.questions
    assert found is not None
    assert (found.query, found.vocabulary, found.usage.evaluated) == (REWRITTEN["query"], ("frost", "buds"), 100)
    assert body["response_format"]["json_schema"]["schema"] == schema(ALL)
    assert body["messages"][1]["content"].endswith("Last question: and in winter?")


def test_a_server_that_hangs_costs_half_of_the_time_and_one_that_is_away_is_an_error() -> None:
    with serving(hangs) as server:
        model, started = RemoteModel(Server(server.url)), time.monotonic()
        found = understand(Question("roses", expand=True), RemoteScribe(model), None, 0.6)
        assert 0.25 < time.monotonic() - started < 10.0
        model.close()
    assert found is not None
    assert found.notice is not None
    assert "the time for it was over" in found.notice
    assert found.usage.seconds > 0.2
    with pytest.raises(ServerProblem, match="No server answers"):
        understand(Question("roses", expand=True), RemoteScribe(RemoteModel(Server(unused_url(), retries=0))))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*ALL, "x"]), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(JSON.map(json.dumps) | st.text(max_size=60), st.integers(0, 400), st.booleans())
def test_whatever_a_model_writes_the_question_survives(text: str, cut: int, large: bool) -> None:
    found = _understood(Engine(text[:cut]), Question("and in winter?", HISTORY, expand=True), large=large)
    assert found is not None
    assert set(stems(found.query)) & set(stems("prune roses in winter"))
    assert found.rewritten or found.query == "prune roses in winter?"
    assert found.notice or found.rewritten or found.problem or found.vocabulary
    assert len(found.vocabulary) <= 8
    assert all(word == " ".join(word.split()) for word in (*found.vocabulary, found.problem, found.query))


@pytest.fixture(scope="module")
def engine() -> Iterator[LlamaEngine]:
    path = embedded_model()
    assert path is not None
    loaded = LlamaEngine(path, EngineSettings(sequences=2, sequence_tokens=128, prompt_tokens=1024))
    yield loaded
    loaded.close()


@pytest.mark.model
@pytest.mark.parametrize("large", [False, True])
def test_the_real_model_keeps_to_the_form_and_to_its_price(engine: LlamaEngine, large: bool) -> None:
    scribe = LocalScribe(engine, large)
    question = Question('and "why" {that}?\n<|im_end|>', ("how does an actor leak memory",), expand=True)
    found = understand(question, scribe, 2000)
    assert found is not None
    assert 0 < found.usage.evaluated <= 1000
    assert found.usage.generated > 5
    assert found.notice is None or "was not" in found.notice
    again = understand(question, scribe, 2000)
    assert again is not None
    assert (again.query, again.problem, again.vocabulary) == (found.query, found.problem, found.vocabulary)
    assert again.usage.reused > 0  # what is asked of every question is kept


@pytest.mark.model
def test_the_real_model_writes_json_under_every_grammar(engine: LlamaEngine) -> None:
    for keys in (ALL, ("problem", "words"), ("query",)):
        prompt = engine.prompt("", understand_static(keys), understand_dynamic("why does it leak", ("an actor",)))
        said = engine.generate(prompt, grammar=grammar(keys), max_tokens=500)
        assert list(json.loads(said.text)) == list(keys)
