"""Local models as verbs: embed, judge, write. Each heavy library is imported only when it is called upon."""
