"""`foveal resume`."""

from pathlib import Path
from typing import Annotated

import typer

from foveal.cli.console import AsJson, Own, print_json, say
from foveal.cli.train import Log, say_result, trackers

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The run folder of a training that was stopped.")]
Verify = Annotated[
    bool,
    typer.Option(
        "--verify", help="Train the same again, killed and resumed on the way, and compare every bit of the weights."
    ),
]
Data = Annotated[str | None, typer.Option(help="Where the data lie now, if they were moved.")]
AllowDifference = Annotated[
    bool,
    typer.Option(
        "--allow-difference", help="Go on though versions, processor, threads, settings or data are not the same."
    ),
]


def resume(
    run: RunFolder,
    verify: Verify = False,
    allow_difference: AllowDifference = False,
    data: Data = None,
    own: Own = None,
    log: Log = None,
    as_json: AsJson = False,
) -> None:
    """Go on with a training that was stopped anywhere; the weights are those of one that never was."""
    from foveal.launch import place
    from foveal.run import open_run

    opened = open_run(run)
    was_finished = opened.is_finished
    here = place()
    if here.workers > 1:
        from foveal.cli.workers import resume_together

        if resume_together(opened, here, data=data, allow_difference=allow_difference) is None:
            return
    elif not was_finished:
        from foveal.workflows.prepare import own_network
        from foveal.workflows.resume import resume as resume_workflow

        network = own_network(own) if own else None
        resume_workflow(opened, data, network, allow_difference=allow_difference, log=trackers(log))
    proof = None
    if verify:
        from foveal.workflows.verify import verify as verify_workflow

        proof = verify_workflow(opened)
    if as_json:
        print_json({**opened.summary, **({"verified": proof.as_dict()} if proof else {})})
    elif was_finished and proof is None:
        say(f"{opened.folder} is finished already: nothing was changed", f"next: foveal evaluate {opened.folder}")
    else:
        if not was_finished:
            say_result(opened.summary, opened.folder)
        if proof is not None:
            say(*proof.sentences)
