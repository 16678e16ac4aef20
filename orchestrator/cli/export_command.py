"""`metatrain export`: writes the parts of a run that adapting needs as one file."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.command_settings import command_settings
from orchestrator.cli.local_path import local_path

if TYPE_CHECKING:  # imports Arrow, which help must not wait for
    from orchestrator.adaptation.artefact import Artefact
    from orchestrator.config.schema import MetaConfig


class Form(StrEnum):
    """What is written."""

    METATRAIN = "metatrain"
    SAVED_MODEL = "savedmodel"
    LITERT = "litert"


@command_settings(epilog="Example: metatrain export runs/pets pets.metatrain")
def export(
    run: Annotated[str, typer.Argument(help="Folder or URI of a run.")],
    file: Annotated[Path, typer.Argument(parser=local_path, help="The file to write.")],
    form: Annotated[
        Form,
        typer.Option(
            "--format",
            help="metatrain: for adapt and Learner. savedmodel, litert: functions that adapt and "
            "predict in other programs, without metatrain.",
        ),
    ] = Form.METATRAIN,
    classes: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, help="Of these functions, if any number is possible."),
    ] = None,
    examples: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, help="Of each class; as in the run's test if unset."),
    ] = None,
) -> None:
    """Write the parts of a run that adapting needs as one file."""
    if form is Form.METATRAIN:
        if classes is not None or examples is not None:
            name, value = ("classes", classes) if classes is not None else ("examples", examples)
            raise ValueError(
                f"--{name} {value} is for --format savedmodel or litert; metatrain's own file "
                "takes any number that the run can adapt to"
            )
        export_run(run, file)
    else:
        export_standalone(run, file, form, classes, examples)


def export_standalone(
    run: str, file: Path, form: Form, classes: int | None, examples: int | None
) -> None:
    """Write a run as functions that adapt and predict without metatrain.

    Raises:
      ValueError: `file` exists, there is no such run, or it cannot be written in this form.
      MetatrainError: what was converted answers otherwise than the run.
    """
    from orchestrator.adaptation import artefact
    from orchestrator.adaptation.checks import with_statistics
    from orchestrator.cli.common import RESULTS, waiting
    from orchestrator.storage.targets import open_file

    with open_file(file) as new, waiting() as say:
        source = with_statistics(artefact.load(run), None)
        from orchestrator.export.standalone import support_of, write_standalone

        support = support_of(source, classes, examples)
        difference = write_standalone(source, support, form.value, new, say)
    sizes = f"{support.examples} example{'s' if support.examples > 1 else ''}"
    if support.classes:
        sizes = f"{support.classes} classes of {sizes}"
    RESULTS.print(
        f"written: {file}: adapts to {sizes}; its outputs are within {difference:.0e} of the run's"
    )


def export_run(run: str, file: Path) -> None:
    """Write a run's best checkpoint, its recipe and its examples' description to `file`.

    Raises:
      ValueError: `file` exists, or there is no run with a validated checkpoint.
    """
    from orchestrator.adaptation import artefact
    from orchestrator.adaptation.recipe_words import adapts_how
    from orchestrator.cli.common import RESULTS, show_note
    from orchestrator.storage.storage import Storage
    from orchestrator.storage.targets import open_file

    with open_file(file) as new:
        source = artefact.of_run(Storage(run))
        if source.config.model.is_users:
            source = _with_model(source)
        if source.config.model.backbone is not None:
            source = _with_backbone(source)
        if modules := getattr(source.config.task, "loss_modules", None):
            show_note(
                f"the run's loss or metrics are in {', '.join(modules)}: wherever the file is "
                "used, this must be installed or in the working directory"
            )
        content = artefact.as_bytes(source)
        new.write(content)
    RESULTS.print(
        f"written: {new.path} ({len(content) / 1e6:.2g} MB): theta of {source.origin}; "
        f"{adapts_how(source)}"
    )


def _with_model(source: Artefact) -> Artefact:
    """Add the user's own model, as a .keras file."""
    from orchestrator.adaptation.checks import check_model, worker_settings
    from orchestrator.cli.common import waiting
    from workers.execution import runtime

    with waiting() as say:
        say("building the model")
        runtime.start_tensorflow(0)
        from workers.export.keras_file import as_keras_file
        from workers.tasks.registry import make_family

        settings = worker_settings(source)
        portable = as_keras_file(settings, make_family(settings.task, settings.model))
    check_model(source, portable.digest, source.loss_digest)
    config = _importing(source.config, "model", portable.modules)
    return replace(source, config=config, model=portable.content, model_digest="")


def _with_backbone(source: Artefact) -> Artefact:
    """Add the backbone, as a .keras file."""
    from orchestrator.adaptation.checks import check_backbone
    from orchestrator.cli.common import waiting
    from workers.execution import runtime

    with waiting() as say:
        say("loading the backbone")
        runtime.start_tensorflow(0)
        from workers.export.keras_file import backbone_file

        portable = backbone_file(source.config.model, source.examples.input_shape)
    check_backbone(source, {"backbone": portable.digest})
    config = _importing(source.config, "backbone", portable.modules)
    return replace(source, config=config, backbone=portable.content, backbone_digest="")


def _importing(config: MetaConfig, what: str, modules: list[str]) -> MetaConfig:
    """Have the modules imported that a model needs beside Keras, and note that they are needed."""
    from orchestrator.cli.common import show_note

    if modules:
        show_note(
            f"the {what} has layers of {', '.join(modules)}: wherever the file is used, this must "
            "be installed or in the working directory"
        )
    imports = tuple(dict.fromkeys([*config.model.imports, *modules]))
    model = config.model.model_copy(update={"imports": imports})
    return config.model_copy(update={"model": model})
