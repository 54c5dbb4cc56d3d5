"""The house's rules: imports go one way, and each heavy library has one home."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "lattice"
FILES = sorted(PACKAGE.rglob("*.py"))

# Who may import whom. Rooms know the ground floor and themselves; what else they may know stands here.
GROUND = {"lattice.types", "lattice.errors", "lattice.tokens", "lattice.jobs"}
MAY_IMPORT = {
    "types": set(),
    "errors": set(),
    "tokens": set(),
    "jobs": {"lattice.errors"},
    "corpus": GROUND,
    "models": GROUND,
    "store": GROUND,
    "index_builder": GROUND | {"lattice.models.embedders", "lattice.models.prompts"},
    # Between the models and a build: which passages a model has to embed.
    "embedding": GROUND
    | {"lattice.index_builder.build", "lattice.models.embedders", "lattice.models.gguf_embedder"}
    | {"lattice.models.promptreps", "lattice.models.registry", "lattice.models.shelf", "lattice.models.sparse"}
    | {"lattice.store"},
    "traversal": GROUND | {"lattice.models.prompts"},
    "filters": GROUND | {"lattice.corpus.readers", "lattice.traversal"},
    "first_stage": GROUND
    | {"lattice.models.embedders", "lattice.models.gguf_embedder", "lattice.models.promptreps"}
    | {"lattice.models.sparse", "lattice.store", "lattice.traversal"},
    "lint": GROUND | {"lattice.store"},
    # Brings the model that writes to the builder, which knows none.
    "describing": GROUND
    | {"lattice.index_builder.authors", "lattice.index_builder.organising"}
    | {"lattice.models", "lattice.store.cache"},
    "estimating": GROUND
    | {"lattice.corpus", "lattice.describing", "lattice.embedding", "lattice.index_builder"}
    | {"lattice.models.embedders", "lattice.models.gguf_embedder", "lattice.models.prompts", "lattice.models.sparse"}
    | {"lattice.store"},
    "indexing": GROUND
    | {"lattice.corpus", "lattice.describing", "lattice.embedding", "lattice.index_builder", "lattice.store"},
    # Knows the façade by its types alone, to which it adds what is for asyncio.
    "asynchronous": GROUND
    | {"lattice.answering", "lattice.lattice", "lattice.models", "lattice.store", "lattice.traversal"},
    # Knows the façade by its types alone.
    "answering": GROUND | {"lattice.lattice", "lattice.models.registry", "lattice.traversal"},
    # What was asked before; the command line alone keeps it.
    "sessions": GROUND | {"lattice.models.locks", "lattice.store.places"},
    "lattice": GROUND
    | {
        "lattice.answering",
        "lattice.asynchronous",
        "lattice.describing",
        "lattice.filters",
        "lattice.first_stage",
        "lattice.indexing",
        "lattice.lint",
        "lattice.models",
        "lattice.store",
        "lattice.traversal",
    },
    # Measures the whole, so it stands above the façade and below the command line.
    "evaluate": GROUND
    | {
        "lattice.corpus",
        "lattice.describing",
        "lattice.embedding",
        "lattice.index_builder",
        "lattice.indexing",
        "lattice.lattice",
        "lattice.models",
    }
    | {"lattice.store", "lattice.traversal"},
}
HOMES: dict[str, str | tuple[str, ...]] = {
    "llama_cpp": "models/llama",
    "hnswlib": "index_builder/neighbours.py",
    "sklearn": "models/embedders.py",
    "scipy": ("index_builder", "models/embedders.py", "jobs.py"),
    "joblib": "jobs.py",
    "threadpoolctl": "jobs.py",
    "dask": "jobs.py",
    "distributed": "jobs.py",
    "sqlite_utils": "store",
    "sqlite3": "store",
    "networkx": "lattice.py",
    "httpx2": "models",
    "json_repair": "traversal/judges",
    "pypdfium2": "corpus/readers",
    "selectolax": "corpus/readers",
    "bm25s": "evaluate",
    "ir_measures": "evaluate",
    "matplotlib": "evaluate/plots.py",
}
# May be imported at the top of a file: the room is entered only when they are wanted, or they cost nothing.
LIGHT = {"sqlite3"}
TOP_LEVEL_HOMES = {"llama_cpp": "models/llama"}


def _imports(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, "relative imports hide who knows whom"
            found |= {node.module} | {f"{node.module}.{name.name}" for name in node.names}
    return found


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    room = _room(path)
    if room not in MAY_IMPORT:
        assert room in {"cli", "__init__", "__main__"}, f"{room}: a new room; say in this test what it may import"
        return
    allowed = MAY_IMPORT[room] | {f"lattice.{room}"}
    for name in _imports(ast.parse(path.read_text())):
        if name.startswith("lattice."):
            assert any(name == one or name.startswith(f"{one}.") for one in allowed), f"{path.name} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_libraries_stay_at_home_and_come_late(path: Path) -> None:
    where = path.relative_to(PACKAGE).as_posix()
    tree = ast.parse(path.read_text())
    top = {name.partition(".")[0] for node in tree.body for name in _imports(node) if not _is_typing_block(node)}
    for name in {name.partition(".")[0] for name in _imports(tree)} & HOMES.keys():
        assert where.startswith(HOMES[name]) or (room_of_cli(where) and name not in top), f"{where} imports {name}"
        is_home = name in TOP_LEVEL_HOMES and where.startswith(TOP_LEVEL_HOMES[name])
        assert name not in top or name in LIGHT or is_home, f"{where} imports {name} before it is needed"


def room_of_cli(where: str) -> bool:
    """`lattice doctor` reports the versions of everything, so the command line may ask for them, late."""
    return where.startswith("cli")


def _is_typing_block(node: ast.stmt) -> bool:
    is_definition = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    return is_definition or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")


def test_every_package_file_has_a_docstring() -> None:
    for path in FILES:
        assert ast.get_docstring(ast.parse(path.read_text())), f"{path} does not say what it is for"
