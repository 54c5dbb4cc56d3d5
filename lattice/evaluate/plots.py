"""Plots of an evaluation: anytime curves, and wins and losses query by query. The only importer of matplotlib."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lattice.errors import MissingExtra, UsageError

Line = Sequence[tuple[float, float]]
"""Tokens evaluated a query, and the measure's mean when no more had been evaluated."""

# Okabe and Ito's palette, whose colours the colour-blind can tell apart; one for each method, in every plot.
_COLOURS = {
    "bm25": "#999999",
    "prior": "#E69F00",
    "rerank": "#0072B2",
    "lattice": "#D55E00",
    "navigation": "#56B4E9",
    "oracle": "#009E73",
    "paper": "#CC79A7",
    "ours": "#D55E00",
}
_OTHER = "#000000"
_WIN, _LOSS = "#0072B2", "#D55E00"
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "lattice",  # the same input gives the same bytes
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E5E5E5",
}


def check_installed() -> None:
    """Raise MissingExtra where matplotlib is not there: before hours of reading, and not after them."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise MissingExtra("Plots need matplotlib: pip install 'lattice-search[eval]'.") from error


def curves(path: Path, title: str, lines: Mapping[str, Line], flat: Mapping[str, float], measure: str) -> None:
    """Draw anytime curves: `lines` of methods that could be stopped, `flat` values of those that answer once."""
    with _figure(path, (7.5, 4.5)) as figure:
        axes = figure.subplots()
        _draw_curves(axes, lines, flat)
        axes.set(title=title, xlabel="tokens evaluated a query", ylabel=measure)
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))


def curve_panels(
    path: Path, panels: Mapping[str, tuple[Mapping[str, Line], Mapping[str, float]]], measure: str
) -> None:
    """Draw the curves of several collections side by side, each on a scale of its own."""
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    with _figure(path, (3.3 * columns, 2.9 * rows)) as figure:
        grid = list(figure.subplots(rows, columns, squeeze=False).flat)
        for axes, (title, (lines, flat)) in zip(grid, panels.items(), strict=False):
            _draw_curves(axes, lines, flat)
            axes.set_title(title, fontsize=10)
            axes.tick_params(labelsize=8)
        spare = grid[len(panels) :]
        for axes in spare:
            axes.axis("off")
        handles = {label: handle for axes in figure.axes for handle, label in _labelled(axes)}
        where = {"loc": "center"} if spare else {"loc": "outside right center"}
        (spare[0] if spare else figure).legend(list(handles.values()), list(handles), frameon=False, **where)
        figure.supxlabel("tokens evaluated a query", fontsize=10)
        figure.supylabel(measure, fontsize=10)


def line_panels(path: Path, panels: Mapping[str, Mapping[str, Line]], labels: tuple[str, str]) -> None:
    """Draw measured points joined by lines, one panel a title, on common axes; `labels` are those of x and y.

    x is drawn to a logarithmic scale, so it must be above 0.
    """
    with _figure(path, (2.6 * len(panels) + 1.0, 2.9)) as figure:
        grid = list(figure.subplots(1, len(panels), squeeze=False, sharey=True).flat)
        for axes, (title, lines) in zip(grid, panels.items(), strict=True):
            for name, points in lines.items():
                across, up = zip(*points, strict=True)
                axes.plot(across, up, marker="o", markersize=4, linewidth=1.8, color=_COLOURS.get(name), label=name)
            axes.set_xscale("log")
            axes.set_xticks(across, [f"{one:,.0f}" for one in across])
            axes.minorticks_off()
            axes.tick_params(labelsize=8)
            axes.set_title(title, fontsize=10)
            axes.set_ylim(bottom=0)
        figure.legend(*zip(*_labelled(grid[0]), strict=True), frameon=False, loc="outside right center")
        figure.supxlabel(labels[0], fontsize=10)
        figure.supylabel(labels[1], fontsize=10)


def wins(path: Path, title: str, differences: Mapping[str, float], names: tuple[str, str]) -> None:
    """Draw the difference of the first method to the second for every query, the largest win first."""
    ordered = sorted(differences.values(), reverse=True)
    better, worse = sum(one > 0 for one in ordered), sum(one < 0 for one in ordered)
    with _figure(path, (7.5, 3.5)) as figure:
        axes = figure.subplots()
        colours = [_WIN if one > 0 else _LOSS for one in ordered]
        axes.bar(range(1, len(ordered) + 1), ordered, color=colours, width=0.85)
        axes.axhline(0.0, color="#555555", linewidth=0.8)
        counts = f"{better} better, {len(ordered) - better - worse} the same, {worse} worse"
        axes.set(title=f"{title}: {counts}", xlabel="queries, in order of the difference")
        axes.set_ylabel(f"nDCG@10, {names[0]} − {names[1]}")
        axes.grid(visible=False, axis="x")


def _draw_curves(axes: Any, lines: Mapping[str, Line], flat: Mapping[str, float]) -> None:  # noqa: ANN401
    for method, value in flat.items():
        axes.axhline(value, color=_COLOURS.get(method, _OTHER), linestyle="--", linewidth=1.2, label=method)
    for method, points in lines.items():
        tokens, values = zip(*points, strict=True)
        colour = _COLOURS.get(method, _OTHER)
        axes.step(tokens, values, where="post", color=colour, linewidth=1.8, label=method)
        axes.plot(tokens[-1:], values[-1:], marker="o", markersize=4, color=colour)
    axes.set_xlim(left=0)


def _labelled(axes: Any) -> Iterator[tuple[Any, str]]:  # noqa: ANN401
    return zip(*axes.get_legend_handles_labels(), strict=True)


@contextmanager
def _figure(path: Path, size: tuple[float, float]) -> Iterator[Any]:
    if path.suffix not in {".svg", ".png"}:
        raise UsageError(f"{path} is no kind of plot that can be drawn: name it .svg or .png.")
    check_installed()
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        # A date would make two drawings of the same figures differ.
        figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
