"""The format of an index file as numbered steps: append a step to change it, never edit one that was released."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

APPLICATION_ID = 0x4C545443  # "LTTC" in the file's header: tells an index from any other SQLite file

# `lattice.tokens` has cut and stemmed the words before they arrive, so the tokenizer must keep each whole. "ascii"
# takes every character beyond ASCII as part of a word; + and # are added for `c++` and `c#`.
_TOKENIZER = "ascii tokenchars '+#'"


def create_tables(db: Database) -> None:
    """Step 1: documents, passages, nodes, vectors, the embedder's arrays, skipped files, the build, the word index."""
    _create_corpus(db)
    db.table("nodes").create(
        {"id": int, "parent": int, "kind": str, "description": str, "leaves": int, "depth": int, "passage": int},
        pk="id",
        not_null={"kind", "description", "leaves", "depth"},
    )
    db.table("nodes").create_index(["parent"])
    db.table("nodes").create_index(["passage"])
    db.table("vectors").create({"passage": int, "vector": bytes}, pk="passage", not_null={"vector"})
    db.table("arrays").create({"name": str, "dtype": str, "shape": str, "content": bytes}, pk="name")
    # A second row would make the current build ambiguous: the key can only be 1.
    db.execute(
        "CREATE TABLE build (id INTEGER PRIMARY KEY CHECK (id = 1), root TEXT NOT NULL, built_at TEXT NOT NULL, "
        "generation INTEGER NOT NULL, settings TEXT NOT NULL, documents INTEGER NOT NULL, passages INTEGER NOT NULL, "
        "nodes INTEGER NOT NULL, depth INTEGER NOT NULL, dimensions INTEGER NOT NULL, skipped INTEGER NOT NULL, "
        "builder INTEGER NOT NULL, identity TEXT NOT NULL)"
    )
    # Contentless: the passages' text is kept once, in `passages`; these hold only which word stands where.
    for name in ("lexical", "lexical_documents"):
        db.execute(f'CREATE VIRTUAL TABLE {name} USING fts5(title, heading, text, content="", tokenize="{_TOKENIZER}")')
    db.execute("CREATE VIRTUAL TABLE lexical_terms USING fts5vocab(lexical, row)")


def _create_corpus(db: Database) -> None:
    db.table("documents").create(
        {"id": int, "path": str, "title": str, "content_hash": str, "size": int, "modified_ns": int},
        pk="id",
        not_null={"path", "title", "content_hash", "size", "modified_ns"},
    )
    db.table("documents").create_index(["path"], unique=True)
    passage = {"id": int, "document": int, "position": int, "title": str, "heading": str, "text": str}
    place = {"location": str, "first": int, "last": int, "content_hash": str}
    db.table("passages").create(
        passage | place,
        pk="id",
        not_null=(passage | place).keys() - {"id"},
        foreign_keys=[("document", "documents", "id")],
    )
    db.table("passages").create_index(["document", "position"], unique=True)
    db.table("skipped").create(
        {"id": int, "path": str, "reason": str, "size": int, "modified_ns": int},
        pk="id",
        not_null={"path", "reason", "size", "modified_ns"},
    )


def add_names(db: Database) -> None:
    """Step 2: short names of nodes, for people."""
    db.execute("ALTER TABLE nodes ADD COLUMN name TEXT NOT NULL DEFAULT ''")


def add_summaries(db: Database) -> None:
    """Step 3: the summaries of five lengths that a model wrote, as a JSON list a node."""
    db.table("summaries").create({"node": int, "texts": str}, pk="node", not_null={"texts"})


def add_index_terms(db: Database) -> None:
    """Step 4: the stems that an inner node is found by, between spaces."""
    db.table("index_terms").create({"node": int, "stems": str}, pk="node", not_null={"stems"})


STEPS: tuple[Callable[[Database], None], ...] = (create_tables, add_names, add_summaries, add_index_terms)

FORMAT = len(STEPS)  # kept in the file as `user_version`
OLDEST_READABLE = 1  # raise it with a step after which older files can no longer be read as they are

# What a file of any readable format must hold.
TABLES = frozenset(
    [
        *("documents", "passages", "nodes", "vectors", "arrays", "build", "skipped"),
        *("lexical", "lexical_documents", "lexical_terms"),
    ]
)


def migrate(db: Database) -> None:
    """Bring the open database to `FORMAT`, from nothing or from an older format; the caller holds the transaction."""
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    for step in STEPS[version:]:
        step(db)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {len(STEPS)}")
