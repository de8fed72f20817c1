"""Hooks of mkdocs (mkdocs.yml): the README as first page, a page of the API for each package, links out of docs/."""

import ast
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("api", "library", "standalone", "agents", "embeddings", "environments", "training", "analysis")
"""Of jsae, in the order of the site; `api` is a module, the rest are packages."""
LINK = re.compile(r"\[([^\]]*)\]\(([^)#:\s]+)(#[^)]*)?\)")
"""A link to a file."""


def modules(package: str) -> dict[str, list[str]]:
    """The public names of each module of a package of jsae; of `api`: those that it imports, by their own module."""
    if package == "api":
        tree = ast.parse((ROOT / "jsae/api.py").read_text(encoding="utf-8"))
        imports = sorted(
            (node for node in tree.body if isinstance(node, ast.ImportFrom)), key=lambda node: str(node.module)
        )
        return {str(node.module): [alias.name for alias in node.names] for node in imports}
    found = {}
    for file in sorted((ROOT / "jsae" / package).glob("*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                found[f"jsae.{package}.{file.stem}"] = list(ast.literal_eval(node.value))
    return found


def page_of(package: str) -> str:
    """The page of a package of jsae, in Markdown: its docstring and public names; those of `api` are there only."""
    options = "{show_root_heading: false, show_root_toc_entry: false, members: false}"
    parts = [f"# jsae.{package}\n\n::: jsae.{package}\n    options: {options}\n"]
    of_api = modules("api")
    for module, names in modules(package).items():
        if package == "api":
            parts += [f"::: {module}.{name}\n" for name in names]
        else:
            members = [name for name in names if name not in of_api.get(module, ())]
            parts.append(f"::: {module}\n    options: {{members: {members}}}\n")
    return "\n".join(parts)


def on_config(config: Any) -> Any:
    """Add the pages of the API to the navigation."""
    config.nav.append({"API": [{f"jsae.{package}": f"api/{package}.md"} for package in PACKAGES]})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are no files of docs/, and the figures that these show."""
    from mkdocs.structure.files import File

    pages = {f"api/{package}.md": page_of(package) for package in PACKAGES}
    pages["index.md"] = (ROOT / "README.md").read_text(encoding="utf-8")
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    for figure in sorted((ROOT / "published/figures").glob("*.svg")):
        files.append(File.generated(config, f"published/figures/{figure.name}", abs_src_path=str(figure)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links to files outside of docs/ become the name of the file, which the site does not have."""
    folder = ROOT if page.file.src_uri == "index.md" else (ROOT / "docs" / page.file.src_uri).parent

    def followed(match: re.Match[str]) -> str:
        text, path, place = match.groups(default="")
        target = (folder / path).resolve()
        if target.is_relative_to(ROOT / "docs"):
            return f"[{text}]({target.relative_to(ROOT / 'docs').as_posix()}{place})"
        file = target.relative_to(ROOT).as_posix()
        return f"`{file}`" if text.replace("\\", "") == file else f"{text} (`{file}`)"

    return LINK.sub(followed, markdown) if not page.file.src_uri.startswith("api/") else markdown
