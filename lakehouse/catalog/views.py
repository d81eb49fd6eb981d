"""The ViewDefinitions of sql/fhir/*.json as declared views over the current resources."""

import json
from collections.abc import Iterable
from pathlib import Path

from lakehouse.catalog.spec import Column, Definition, Phi, Table, Write
from lakehouse.errors import SpecError
from lakehouse.viewdefinition.columns import Output
from lakehouse.viewdefinition.compiler import ENVELOPE, Compiled, compile_view, macros

CURRENT = "fhir.resource"
PHI_TAG = "lakehouse/phi"
"""The tag of a column that says its PHI class; without it, it is taken for the most restrictive."""


def read_definition(path: Path) -> Table:
    """The view `fhir.<name of the file>`; raises SpecError naming the file and what is wrong in it.

    Its rows are the view's own columns, with the types it declares, then those of the envelope.
    """
    place = f"{path.parent.name}/{path.name}"
    compiled = _compiled(path)
    own = {output.name: _column(place, output) for output in compiled.columns}
    taken = {name.lower() for name in own}
    return Table(
        name=f"fhir.{path.stem}",
        about=compiled.means,
        owner=compiled.owner,
        keep="as long as the resources",
        write=Write.VIEW,
        path=place,
        columns=(*own, *(name for name in ENVELOPE if name not in taken)),
        sql=compiled.sql,
        reads=(CURRENT,),
        macros=tuple(name for name in macros() if f"{name}(" in compiled.sql),
        resources=(compiled.resource,),
        definition=Definition(
            own,
            {output.name: output.paths for output in compiled.columns},
            {output.name: output.deciders for output in compiled.columns},
            compiled.rows,
        ),
    )


def compiled_again(roots: Iterable[Path], table: Table) -> Compiled:
    """The definition of such a view, compiled once more from the last of the folders that has it:
    a catalogue keeps no more of it than readers need."""
    return _compiled([path for root in roots if (path := root / table.path).is_file()][-1])


def _compiled(path: Path) -> Compiled:
    place = f"{path.parent.name}/{path.name}"
    try:
        return compile_view(json.loads(path.read_text()), CURRENT, in_lake=True)
    except ValueError:
        raise SpecError(f"{place}: not JSON") from None
    except SpecError as error:
        raise SpecError(f"{place}: {error.message}", hint=error.hint) from None


def _column(place: str, output: Output) -> Column:
    phi = output.tags.get(PHI_TAG, Phi.FREE_TEXT)
    if phi not in list(Phi):
        raise SpecError(f"{place}: {output.name} has the unknown PHI class {phi}")
    return Column(output.name, output.sql_type, Phi(phi), output.means)
