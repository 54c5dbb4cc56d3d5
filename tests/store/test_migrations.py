from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import pytest
from sqlite_utils import Database

from lattice.store import migrations
from lattice.store.store import Store
from lattice.store.write import write
from tests.store.snapshots import BUILT_AT, make_snapshot, make_store

# The schema that each released number of steps leads to. A step is never edited: append one, and its line here.
SCHEMAS = {1: "32d1ce3974f09095", 2: "0e153013823cb52c", 3: "b8c9ad81bce40f73", 4: "6c6fd7de3959a45a"}


def schema(database: Database) -> str:
    """Give a digest of every table and index as SQLite keeps them."""
    rows = database.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


def test_no_released_step_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(SCHEMAS) == list(range(1, migrations.FORMAT + 1))
    steps = migrations.STEPS
    for number, digest in SCHEMAS.items():
        database = Database(memory=True)
        monkeypatch.setattr(migrations, "STEPS", steps[:number])
        migrations.migrate(database)
        assert schema(database) == digest
        database.close()


def test_migrating_again_changes_nothing() -> None:
    database = Database(memory=True)
    migrations.migrate(database)
    before = schema(database)
    migrations.migrate(database)
    assert schema(database) == before
    assert database.execute("PRAGMA user_version").fetchone() == (migrations.FORMAT,)
    assert database.execute("PRAGMA application_id").fetchone() == (migrations.APPLICATION_ID,)
    database.close()


def add_notes(db: Database) -> None:
    db.table("notes").create({"id": int, "note": str}, pk="id")


def test_an_older_file_takes_only_the_steps_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(memory=True)
    migrations.migrate(database)
    database.table("skipped").insert({"id": 1, "path": "a", "reason": "b", "size": 1, "modified_ns": 2})
    monkeypatch.setattr(migrations, "STEPS", (*migrations.STEPS, add_notes))
    migrations.migrate(database)
    assert database.table("notes").exists()
    assert database.table("skipped").count == 1
    assert database.execute("PRAGMA user_version").fetchone() == (migrations.FORMAT + 1,)
    database.close()


def test_writing_brings_an_older_index_to_the_newest_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "notes.lattice"
    make_store(path).close()
    monkeypatch.setattr(migrations, "STEPS", (*migrations.STEPS, add_notes))
    monkeypatch.setattr("lattice.store.opening.FORMAT", migrations.FORMAT + 1)
    with Store.open(path) as store:
        assert store.status().format == migrations.FORMAT  # still readable
    write(path, make_snapshot(), BUILT_AT)
    with Store.open(path) as store:
        assert (store.status().format, store.status().generation) == (migrations.FORMAT + 1, 2)


def test_an_index_without_names_is_read_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "notes.lattice"
    make_store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE nodes DROP COLUMN name")
        for table in ("summaries", "index_terms"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    with Store.open(path) as store:
        assert [(node.name, node.label) for node in store.nodes()[:2]] == [("", "everything"), ("", "about Memory")]
        assert store.summaries() == store.index_terms() == {}
        (candidate,) = store.candidates((1,))
        assert (candidate.text, candidate.index_terms) == ("everything", frozenset())
        with store.reading():
            write(path, make_snapshot(), BUILT_AT)
            assert store.root().name == ""
        with store.reading():
            assert (store.status().format, store.root().name) == (migrations.FORMAT, "Everything")


def test_the_tables_of_a_file_are_those_that_opening_asks_for(tmp_path: Path) -> None:
    path = tmp_path / "notes.lattice"
    make_store(path).close()
    connection = sqlite3.connect(path)
    found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    assert found >= migrations.TABLES
    later = {"summaries", "index_terms"}
    assert all(name.startswith("lexical_") for name in found - migrations.TABLES - later)
