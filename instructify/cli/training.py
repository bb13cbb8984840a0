"""Commands about training: plan, teach-towers, train, merge, checkpoints, generate, demo."""

from pathlib import Path
from typing import Annotated

import typer

from instructify.cli.options import AddTemplates, BuildFolder, CatalogFile, Json, TemplateFolder
from instructify.cli.output import reader_may_leave
from instructify.cli.start import light_start


def plan(
    build: BuildFolder,
    recipe: Annotated[
        str, typer.Option(help="paper, mixed-batches, another built-in, or a YAML file.")
    ] = "paper",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, as mixture=all.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps of the run; default: the recipe's, or 60,000.")
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(min=1, help="Samples of a step, on all GPUs; default: the recipe's, or 128."),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page too.")] = None,
    against: Annotated[
        str | None, typer.Option(help="Another recipe or build, to see the difference.")
    ] = None,
    catalog_file: CatalogFile = None,
    as_json: Json = False,
) -> None:
    """Show the mixture of a build: shares of samples and of loss, passes, disk.

    Example: instructify plan build --recipe paper --steps 60000 --batch 128
    """
    light_start()
    from instructify.commands.plan import run_plan

    with reader_may_leave():
        run_plan(
            build,
            recipe,
            set_to=settings or [],
            steps=steps,
            batch=batch,
            html=html,
            against=against,
            catalog_file=catalog_file,
            as_json=as_json,
        )


def teach_towers(
    out: Annotated[Path, typer.Option(help="Folder to write the model to.")],
    preset: Annotated[str, typer.Option(help="tiny-llama or tiny-t5.")] = "tiny-llama",
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights and lessons.")] = 0,
    vision_steps: Annotated[
        int, typer.Option(min=1, help="Steps of 64 scenes for the vision tower.")
    ] = 1000,
    language_steps: Annotated[
        int, typer.Option(min=1, help="Steps of 64 lessons for the language model.")
    ] = 800,
    grounding_steps: Annotated[
        int, typer.Option(min=0, help="Steps of 128 questions for the Q-Former.")
    ] = 600,
    as_json: Json = False,
) -> None:
    """Train the towers and the Q-Former of a tiny model on synthetic scenes and texts.

    Example: instructify teach-towers --out towers
    """
    from instructify.commands.teach_towers import run_teach_towers

    with reader_may_leave():
        run_teach_towers(
            out,
            preset,
            seed=seed,
            vision_steps=vision_steps,
            language_steps=language_steps,
            grounding_steps=grounding_steps,
            as_json=as_json,
        )


def train(
    build: BuildFolder,
    out: Annotated[Path, typer.Option(help="The run's folder.")],
    recipe: Annotated[
        str | None, typer.Option(help="A built-in recipe (docs/training.md), or a YAML file.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, as optimizer.lr=1e-4.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of the run.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue where it stopped.")] = False,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Continue though data or recipe changed.")
    ] = False,
    from_scratch: Annotated[
        bool,
        typer.Option("--from-scratch", help="Resume at step 0 where no checkpoint is whole."),
    ] = False,
    take_over: Annotated[
        bool,
        typer.Option("--take-over", help="Continue a run of another host; it must have ended."),
    ] = False,
    templates: TemplateFolder = None,
    added_templates: AddTemplates = None,
    catalog_file: CatalogFile = None,
    as_json: Json = False,
) -> None:
    """Fine-tune InstructBLIP on a build, or resume a run.

    Example: instructify train build --recipe tiny --out run
    """
    from instructify.commands.train import TrainOptions, run_train
    from instructify.templating import TemplateFolders

    options = TrainOptions(
        build=build,
        out=out,
        recipe=recipe,
        settings=settings or [],
        steps=steps,
        resume=resume,
        accept_changes=accept_changes,
        from_scratch=from_scratch,
        take_over=take_over,
        templates=TemplateFolders.of(templates, added_templates or []),
        catalog_file=catalog_file,
    )
    raise typer.Exit(run_train(options, as_json=as_json))


Checkpoint = Annotated[str, typer.Option("--checkpoint", help="best | last | a step, of a run.")]


def merge(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A folder made by train.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    checkpoint: Checkpoint = "best",
    precision: Annotated[
        str, typer.Option(help="auto (trained parts fp32, the rest as the base) | fp32 | bf16")
    ] = "auto",
) -> None:
    """Write a run's whole model for plain transformers.

    Example: instructify merge run --out model
    """
    from instructify.commands.model import run_merge

    run_merge(run, out, checkpoint, precision)


def import_checkpoint(
    file: Annotated[Path, typer.Argument(metavar="FILE.pth", help="A checkpoint of LAVIS.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    language_model: Annotated[
        str | None, typer.Option(help="Folder of the Vicuna or FlanT5 that it belongs to.")
    ] = None,
    vision: Annotated[Path | None, typer.Option(help="eva_vit_g.pth of LAVIS.")] = None,
    stage1: Annotated[
        Path | None, typer.Option("--stage1", help="blip2_pretrained.pth, for stage 2.")
    ] = None,
    like: Annotated[
        str | None, typer.Option(help="A model to take sizes and tokenizers from.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Turn a checkpoint of LAVIS (BLIP-2 stage 2, InstructBLIP) into a model for training.

    Example: instructify import-checkpoint instruct_blip_vicuna7b_trimmed.pth --out model
    --language-model vicuna-7b-v1.1 --vision eva_vit_g.pth
    """
    from instructify.commands.checkpoints import run_import_checkpoint

    run_import_checkpoint(
        file,
        out,
        language_model=language_model,
        vision=vision,
        stage1=stage1,
        like=like,
        as_json=as_json,
    )


def check_model(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A preset, folder or hub name.")],
    as_json: Json = False,
) -> None:
    """Check whether a model and its processor are what training expects.

    Special tokens, layout, pixels, weights, and the loss of ten samples. Example: instructify
    check-model Salesforce/instructblip-vicuna-7b
    """
    from instructify.commands.check_model import run_check_model

    raise typer.Exit(run_check_model(model, as_json=as_json))


def export_checkpoint(
    model: Annotated[str, typer.Argument(metavar="RUN|MODEL", help="A run, folder or name.")],
    out: Annotated[Path, typer.Option(metavar="FILE.pth", help="File to write.")],
    checkpoint: Checkpoint = "best",
    whole: Annotated[
        bool, typer.Option("--whole", help="With vision tower and language model too.")
    ] = False,
) -> None:
    """Write a model's trained parts under LAVIS' names, for LAVIS.

    Example: instructify export-checkpoint run --out run.pth
    """
    from instructify.commands.checkpoints import run_export_checkpoint

    run_export_checkpoint(model, out, checkpoint, whole=whole)


def generate(
    model: Annotated[str, typer.Argument(metavar="RUN|MODEL", help="A run, folder or name.")],
    image: Annotated[Path, typer.Option(help="A picture or a clip.")],
    prompt: Annotated[str, typer.Option(help="The instruction.")],
    checkpoint: Checkpoint = "best",
    beams: Annotated[int, typer.Option(min=1, help="Beams; 1 is greedy.")] = 5,
    max_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of the answer.")] = 64,
    min_tokens: Annotated[int, typer.Option(min=0, help="Fewest tokens of the answer.")] = 1,
    length_penalty: Annotated[float, typer.Option(help="Above 0 favours long answers.")] = 1.0,
    device: Annotated[str, typer.Option(help="auto | cpu | cuda")] = "auto",
    as_json: Json = False,
) -> None:
    """Ask a trained model about one picture.

    Example: instructify generate run --image cat.jpg --prompt "Question: what is this? Answer:"
    """
    from instructify.commands.model import GenerateOptions, run_generate

    options = GenerateOptions(
        model=model,
        image=image,
        prompt=prompt,
        checkpoint=checkpoint,
        beams=beams,
        max_tokens=max_tokens,
        min_tokens=min_tokens,
        length_penalty=length_penalty,
        device=device,
    )
    run_generate(options, as_json=as_json)


def demo(
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("demo"),
    jobs: Annotated[int, typer.Option(min=1, help="Processes of the conversion.")] = 2,
    full: Annotated[bool, typer.Option("--full", help="More data, longer training.")] = False,
    trains: Annotated[bool, typer.Option("--train/--no-train", help="Train a tiny model.")] = True,
) -> None:
    """Make twins of all releases, convert all 26 datasets, train a tiny model and ask it.

    Example: instructify demo
    """
    from instructify.commands.demo import run_demo

    run_demo(out, jobs, full=full, trains=trains)
