"""Rewrites what is generated: output blocks of the documents, config headers, the JSON Schema.

`scripts/docs.py` writes, `scripts/docs.py --check` exits 1 if something is not current. A block is

    <!-- begin: mnistladder list -->
    (its output)
    <!-- end -->

and its command may also be `python SCRIPT`, or `scripts/docs.py PART` for a part made here.
"""

import contextlib
import io
import json
import os
import re
import runpy
import shlex
import sys
from pathlib import Path

from mnistladder.config.loading import shipped_names
from mnistladder.config.spec import OPTIMIZERS
from mnistladder.report import confounders, tables
from mnistladder.report.summary import Row, expected_band, make_rows
from mnistladder.runs import results

TOP = Path(__file__).parents[1]
DOCUMENTS = [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]
BLOCK = re.compile(r"(<!-- begin: (.*?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
EXPECT_LINES = re.compile(r"^# Expect: .*\n(?:#  {9}.*\n)*", re.MULTILINE)
EXPECT_KEY = re.compile(r"\nexpect: .*\n\Z")


def run(command: str) -> str:
    """What a block's command prints on stdout in a checkout."""
    from mnistladder.cli import app

    output = io.StringIO()
    program, *arguments = shlex.split(command)
    if program == "scripts/docs.py":
        return PARTS[arguments[0]]()
    with contextlib.redirect_stdout(output), contextlib.chdir(TOP):
        if program == "python":
            runpy.run_path(arguments[0], run_name="__main__")
        else:
            app(arguments, standalone_mode=False)
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines()) + "\n"


def document(text: str) -> str:
    """The text with every block's output made anew; Markdown stays bare, the rest is fenced."""

    def block(match: re.Match[str]) -> str:
        output = run(match[2])
        makers = ("python ", "scripts/docs.py ")
        is_markdown = "--format markdown" in match[2] or match[2].startswith(makers)
        body = output if is_markdown else f"```text\n{output}```\n"
        return match[1] + body + match[4]

    return BLOCK.sub(block, text)


def ladder_table() -> str:
    """The README's table: the rungs of the committed board in five columns, without variants."""
    board = results.all_results(TOP / "results")
    rows = [row for row in make_rows(board) if row.variant_of is None]
    lines = ["| rung | what is new | errors of 10,000 | published | verdict |"]
    lines += ["| --- | --- | ---: | ---: | --- |", *map(_ladder_line, rows)]
    return "\n".join(lines) + "\n"


def _ladder_line(row: Row) -> str:
    link = f"[{row.name}](configs/{row.name}.yaml)"
    title = row.title + " (transductive)" * row.transductive
    spread = "" if row.errors_sd is None else f" ± {row.errors_sd:,.1f}"
    errors = f"{row.errors_mean:,.1f}{spread}"
    published = "-" if row.published_errors is None else f"{row.published_errors:,.0f}"
    return f"| {link} | {title} | {errors} | {published} | {row.verdict or '-'} |"


def optimizer_table() -> str:
    """The optimisers that a config may name, with their own keys and defaults."""
    lines = ["| name | what it is | keys and defaults |", "| --- | --- | --- |"]
    for name, section in OPTIMIZERS.items():
        keys = [
            f"`{key}` {_default(field.default)}"
            for key, field in section.model_fields.items()
            if key not in ("name", "no_decay")
        ]
        source = (section.__doc__ or "").partition("\n")[0].rstrip(".")
        lines.append(f"| `{name}` | {source} | {', '.join(keys)} |")
    return "\n".join(lines) + "\n"


def _default(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


def isolated_steps() -> str:
    """One sentence: which steps of the article are their technique's alone, from the configs."""
    rungs = {name: number for number, name in enumerate(shipped_names(), 1)}
    also = confounders.confounded_rungs()
    alone = [str(rungs[name]) for name, texts in also.items() if not texts]
    more = [str(rungs[name]) for name, texts in also.items() if texts]
    return (
        f"Of the article's steps, those to rungs {_and(alone)} change their named technique alone; "
        f"those to rungs\n{_and(more)} change more (`mnistladder report` says what), and what they "
        "gain is not the technique's alone.\n"
    )


def _and(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]])


PARTS = {
    "isolated_steps": isolated_steps,
    "ladder_table": ladder_table,
    "optimizer_table": optimizer_table,
}


def measured(rung: str) -> Row | None:
    """The rung's row of the committed board."""
    board = results.all_results(TOP / "results")
    rows = make_rows(r for r in board if r.rung == rung and not r.overrides)
    return rows[0] if rows else None


def config(path: Path) -> str:
    """A config with its header's `Expect:` lines and its `expect:` key from the committed board.

    `report --check` on this board therefore always passes: it finds later changes of the engine or
    the machine, never a wrong first measurement (docs/board.md).
    """
    text, row = path.read_text(), measured(path.stem)
    if row is None:
        return EXPECT_LINES.sub("# Expect:   not measured yet\n", EXPECT_KEY.sub("", text), count=1)
    low, high = expected_band(row)
    key = f"\nexpect: {{errors: [{low}, {high}]}}   # three deviations of one seed each way\n"
    return EXPECT_LINES.sub(expectation(row), EXPECT_KEY.sub("", text), count=1) + key


def expectation(row: Row) -> str:
    spread = "" if row.errors_sd is None else f" (standard deviation {row.errors_sd:.1f})"
    time = tables.duration(row.train_s_mean)
    return (
        f"# Expect:   {row.errors_mean:.1f} errors of {row.test_images:,}{spread}, "
        f"{row.accuracy_mean:.2f} %, n={row.n},\n"
        f"#           {time} of training on one {row.device} core, {row.ended[:10]}\n"
    )


def generated() -> dict[Path, str]:
    """Each file with generated parts, and what it should hold."""
    from mnistladder.config.json_schema import config_schema

    files = {path: document(path.read_text()) for path in DOCUMENTS}
    for path in sorted((TOP / "configs").rglob("*.yaml")):
        files[path] = config(path)
    schema = json.dumps(config_schema(), indent=1) + "\n"
    return {**files, TOP / "configs" / "schema.json": schema}


def main() -> None:
    os.environ |= {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "100"}
    stale = {
        path: text
        for path, text in generated().items()
        if not path.exists() or path.read_text() != text
    }
    for path, text in stale.items():
        print(f"{'not current' if '--check' in sys.argv else 'rewritten'}: {path.relative_to(TOP)}")
        if "--check" not in sys.argv:
            path.write_text(text)
    sys.exit(1 if stale and "--check" in sys.argv else 0)


if __name__ == "__main__":
    main()
