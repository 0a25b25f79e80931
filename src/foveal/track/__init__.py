"""Where the records of a training go besides `history.jsonl`: a table, and the trackers that the user has."""
