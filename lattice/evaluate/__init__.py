"""How good a search is: test collections, metrics, and the baselines that it is measured beside."""
