"""The checker of shapes and types that jaxtyping's import hook puts around every function of foveal under pytest."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, as PEP 484 has it
