"""lattice: a local, offline search engine in which a quantized LLM navigates a semantic tree of your documents."""
