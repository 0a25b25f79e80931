"""Each file puts the rooms to its left together for one job: training, evaluating, reproducing, describing."""
