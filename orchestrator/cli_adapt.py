"""The command for somebody who has a trained run: adapt."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.local_path import local_path

Source = Annotated[
    str, typer.Argument(metavar="RUN", help="Folder or URI of a run, or an exported file.")
]


def adapt(
    source: Source,
    support: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Examples with what is right: a folder of class folders, a zip, a CSV or Parquet "
            "file; or texts, a line each in a .txt file.",
        ),
    ] = None,
    query: Annotated[
        str | None, typer.Option(metavar="FILE", help="What to predict: the same, labelled or not.")
    ] = None,
    env: Annotated[
        str | None,
        typer.Option(
            metavar="ENV",
            help="Of a policy: what to act in, a name of gymnasium's or MODULE:CLASS; of a run of "
            "navigation: navigation.",
        ),
    ] = None,
    env_arg: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Attribute of ENV, or argument of its constructor; of navigation goal=X,Y; "
            "repeatable.",
        ),
    ] = None,
    episodes: Annotated[
        int | None,
        typer.Option(metavar="N", help="To learn from at each inner step. Default: as evaluated."),
    ] = None,
    judged_by: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Fresh episodes before and after each inner step. Default: as evaluated.",
        ),
    ] = None,
    generate: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=100_000,
            help="Texts to make, before and after (task.kind = generation).",
        ),
    ] = None,
    prompt: Annotated[str, typer.Option(metavar="TEXT", help="How they begin.")] = "",
    temperature: Annotated[
        float,
        typer.Option(min=0.0, help="0: the likeliest token; 1: as the model says; above: wilder."),
    ] = 1.0,
    top_k: Annotated[
        int | None,
        typer.Option(metavar="K", min=1, max=10**9, help="Draw among the K likeliest tokens only."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draws, or of the episodes.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=local_path, metavar="FILE", help="Write the predictions as .parquet or .csv."
        ),
    ] = None,
    save_model: Annotated[
        Path | None,
        typer.Option(
            parser=local_path,
            metavar="FILE",
            help="Write the adapted model as .keras; a folder for several tasks.",
        ),
    ] = None,
    input_column: Annotated[
        list[str] | None,
        typer.Option(help="Column of the inputs; repeatable. Default: x, or the image's."),
    ] = None,
    target_column: Annotated[
        str | None, typer.Option(help="Column of the class or value. Default: y, or the label's.")
    ] = None,
    task_column: Annotated[
        str | None, typer.Option(help="Column that tells tasks apart: each is adapted to alone.")
    ] = None,
    inner_steps: Annotated[
        int | None, typer.Option(help="Instead of those that validation chose.")
    ] = None,
    inner_lr: Annotated[
        float | None, typer.Option(help="Instead of the one that validation chose.")
    ] = None,
    statistics: Annotated[
        str | None,
        typer.Option(
            metavar="batch|support",
            help="Batch normalization: of all queries together, or of each with the support set. "
            "Default: support, also where the model was trained by batch.",
        ),
    ] = None,
    workers: Annotated[
        str, typer.Option(metavar="N", help="Ray actors, 0: in this process, or auto.")
    ] = "0",
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show TensorFlow's and Ray's messages.")
    ] = False,
) -> None:
    """Adapt a trained run to a few examples of your own, and predict; or a policy to ENV."""
    from orchestrator.commands import adapt_command
    from orchestrator.examples.examples import Columns

    inputs = tuple(input_column) if input_column else None
    texts = None
    if generate is not None:
        texts = adapt_command.Generate(generate, prompt, temperature, top_k, seed)
    adapt_command.execute(
        adapt_command.Request(
            source=source,
            support=support,
            query=query,
            columns=Columns(inputs, target_column, task_column),
            generate=texts,
            env=env,
            env_args=tuple(env_arg or ()),
            episodes=episodes,
            judged_by=judged_by,
            seed=seed,
            inner_steps=inner_steps,
            inner_lr=inner_lr,
            statistics=statistics,
            workers=workers,
            out=out,
            save_model=save_model,
            verbose=verbose,
        )
    )
