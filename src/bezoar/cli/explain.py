"""`bezoar explain`: the page of a finding code or of a method."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bezoar.core.codes import Code


def explain(
    name: Annotated[str, typer.Argument(metavar="CODE_OR_METHOD", help="Such as BZ101, badnets or loss_dynamics.")],
) -> None:
    """Explain a finding code, or an attack, a detector or a mitigation."""
    import inspect
    from difflib import get_close_matches

    from bezoar.core.codes import CODES
    from bezoar.core.errors import UnknownNameError
    from bezoar.core.registry import GROUPS, lookup, names

    if name.upper() in CODES:
        _print(CODES[name.upper()])
        return
    tables = {group: names(group) for group in GROUPS}
    for group, table in tables.items():
        if name in table:
            typer.echo(f"{name} ({group[:-1]})\n\n{inspect.getdoc(lookup(group, name)) or 'It has no description.'}")
            return
    known = [*CODES, *(method for table in tables.values() for method in table)]
    near = get_close_matches(name, known, n=3, cutoff=0.5) or get_close_matches(name.upper(), list(CODES), cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else "`bezoar list` shows all."
    raise UnknownNameError(f"no code or method {name[:80]!r}. {hint}")


def _print(page: "Code") -> None:
    import textwrap

    typer.echo(f"{page.code}  {page.title}")
    for heading, body in (
        ("What it shows", page.shows),
        ("Why it matters", page.matters),
        ("What to do", page.remedy),
        ("What it cannot tell", page.cannot_tell),
    ):
        typer.echo(f"\n{heading}\n{textwrap.fill(body, 88, initial_indent='  ', subsequent_indent='  ')}")
    typer.echo("\nReferences")
    for reference in page.references:
        typer.echo(textwrap.fill(reference, 88, initial_indent="  ", subsequent_indent="    "))
    for framework, ids in page.framework().items():
        typer.echo(f"  {framework}: {', '.join(ids)}")
