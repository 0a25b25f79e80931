"""The data doctor: what is wrong with a data set, found without a model. `check` puts the findings together."""
