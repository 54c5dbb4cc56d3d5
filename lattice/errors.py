"""Every error that this package raises on purpose. Each message says what is wrong and what cures it.

LatticeError
├── UsageError              the call itself is wrong: an empty query, a bad option       exit code 2
├── IndexProblem                                                                         exit code 3
│   ├── IndexNotFound       there is no index here, or several and none was named
│   ├── IndexCorrupt        the file is not an index, or is damaged
│   ├── IndexTooNew         it was written by a later version of lattice
│   └── IndexLocked         another process is writing it
├── ModelProblem                                                                         exit code 3
│   ├── ModelNotFound       the named model file does not exist, or no model has the name
│   ├── ModelUnusable       the file is no GGUF, or llama.cpp refuses it
│   ├── ServerProblem       the server that was to read is away, refuses, or talks of something else
│   ├── RegistryCorrupt     the record of the registered models is damaged
│   ├── DownloadFailed      a model that was asked for did not come
│   └── MissingExtra        an optional library is not installed
├── SessionProblem          the record of a session is missing, damaged or cannot be read        exit code 3
├── JobsProblem             the workers of a build died, or their cluster is away                exit code 3
└── CorpusProblem                                                                        exit code 3
    └── UnreadableFile      one file cannot be read (a walk reports and skips it)
"""

from __future__ import annotations

EXIT_NOTHING_FOUND = 1
EXIT_USAGE = 2
EXIT_PROBLEM = 3
EXIT_CHECK_FAILED = 4
EXIT_INTERRUPTED = 130


class LatticeError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line ends with."""

    exit_code = EXIT_PROBLEM


class UsageError(LatticeError):
    """The call itself is wrong."""

    exit_code = EXIT_USAGE


class IndexProblem(LatticeError):
    """Something is wrong with an index."""


class IndexNotFound(IndexProblem):
    """There is no index at the place asked for, or several and none was named."""


class IndexCorrupt(IndexProblem):
    """The file is not a lattice index, or is damaged."""


class IndexTooNew(IndexProblem):
    """The index was written by a later version of lattice."""


class IndexLocked(IndexProblem):
    """Another process is writing the index."""


class ModelProblem(LatticeError):
    """Something is wrong with a model."""


class ModelNotFound(ModelProblem):
    """The named model file does not exist, or no model has the name."""


class ModelUnusable(ModelProblem):
    """The file is no GGUF, or llama.cpp refuses it."""


class ServerProblem(ModelProblem):
    """The server of a remote model is away, refuses, or answers what cannot be used; the message names it."""


class RegistryCorrupt(ModelProblem):
    """The record of the registered models is damaged."""


class DownloadFailed(ModelProblem):
    """A model that was asked for did not come; what came of it is kept unless it is wrong."""


class MissingExtra(ModelProblem):
    """An optional library is not installed; the message names the extra that brings it."""


class SessionProblem(LatticeError):
    """The record of a session is missing, damaged or cannot be read; the message names the file."""


class JobsProblem(LatticeError):
    """The processes or the cluster that a build's work was handed to died, or cannot be used."""


class CorpusProblem(LatticeError):
    """The folder to index cannot be read."""


class UnreadableFile(CorpusProblem):
    """One file cannot be read; a walk reports it and goes on."""
