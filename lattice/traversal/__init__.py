"""From a query to a ranking: prior → slate → judge → calibration → path relevance."""
