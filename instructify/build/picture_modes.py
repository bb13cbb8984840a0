"""Choose how the pictures of each family are kept: by request, as in the build, or by default."""

from collections.abc import Mapping

from instructify._util.errors import UserError
from instructify.build.manifest import Manifest, PictureMode
from instructify.build.request import ConvertRequest


def picture_modes(request: ConvertRequest, manifest: Manifest | None) -> Mapping[str, PictureMode]:
    """Choose the mode of every family that the datasets of a request may use.

    Raises UserError if the request has another mode than the build.
    """
    standing = {} if manifest is None else manifest.pictures.modes
    families = {
        family.name: family
        for dataset in request.datasets
        for family in request.catalog.families_of(dataset)
    }
    _check_all_or_none(request, standing)
    modes: dict[str, PictureMode] = {}
    for name, family in sorted(families.items()):
        before = standing.get(name)
        asked = request.pictures
        if before is not None and asked is not None and asked != before:
            raise UserError(
                f"{request.out} was built with --pictures {before} for the pictures of {name}; "
                f"convert with that, or into another folder for --pictures {asked}."
            )
        modes[name] = asked or before or family.keep
    return modes


def _check_all_or_none(request: ConvertRequest, standing: Mapping[str, PictureMode]) -> None:
    """Check that a build looks at all of its pictures or at none."""
    if not standing:
        return
    without = "none" in standing.values()
    if without == (request.pictures == "none"):
        return
    if without:
        raise UserError(
            f"{request.out} was built with --pictures none; convert with that, or into another "
            f"folder for --pictures {request.pictures or 'store'}."
        )
    kept = ", ".join(sorted(set(standing.values())))
    raise UserError(
        f"{request.out} was built with --pictures {kept}; convert with that or without the option, "
        "or into another folder for --pictures none."
    )
