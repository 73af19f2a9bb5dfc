"""Pages and cards from templates: styles and pictures inside, no script, nothing loaded from elsewhere."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from outcrop.record.formats import as_yaml, chance, count, fixed, image, plain, size, spread

TEMPLATES = Path(__file__).parent / "templates"


def render_page(template: str, folder: Path = TEMPLATES, **values: object) -> str:
    """Fill a template of a folder, which may include those of this package; one of them if no folder is named."""
    environment = Environment(
        loader=FileSystemLoader([folder, TEMPLATES]),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        fixed=fixed, chance=chance, count=count, size=size, spread=spread, plain=plain, image=image, as_yaml=as_yaml
    )
    return environment.get_template(template).render(**values)
