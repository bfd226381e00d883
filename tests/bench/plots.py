"""SVG plots by gnuplot: ratios against goals, latencies idle and beside load, growth. Data goes in by here-documents of gnuplot's
own; a plot without data is left out."""
import subprocess

PERCENTILES = (("p50_us", "p50"), ("p90_us", "p90"), ("p99_us", "p99"), ("p999_us", "p99.9"))
HEAD = """set terminal svg noenhanced size {width},{height} dynamic font 'sans,13' background '#ffffff'
set output '{path}'
set grid ytics lc rgb '#dddddd'
set key below horizontal
"""


def quote(text):
    return '"' + text.replace('"', "'") + '"'


def block(name, lines):
    return f"${name} << EOD\n" + "\n".join(lines) + "\nEOD\n"


def draw(text):
    subprocess.run(["gnuplot"], input=text, text=True, check=True, capture_output=True)


def ratios(results, path):
    """Each ratio with its spread beside its goal; what shall be low and what shall be high are told apart by the goal's mark."""
    figures = [figure for figure in results.figures if figure.ratio is not None and figure.goal != "-"]
    if not figures:
        return
    rows, least, most = [], [], []
    for at, figure in enumerate(reversed(figures)):
        label = f"{figure.row} {figure.case}, {figure.metric}, {figure.data_on}"
        rows.append(f"{at} {figure.ratio} {figure.ratio_min} {figure.ratio_max} {quote(label)} {2 if figure.met == 'no' else 1}")
        operator, bound = figure.goal.split()
        (least if operator == ">=" else most).append(f"{at} {bound}")
    text = HEAD.format(width=1200, height=160 + 22 * len(figures), path=path)
    text += block("rows", rows)
    plots = [
        "$rows using 2:1:3:4:ytic(5) with xerrorbars pt 7 ps 0.6 lc rgb '#1f5f9f' title 'ratio: median of rounds, least and most'",
        "$rows using ($6 == 2 ? $2 : NaN):1 with points pt 7 ps 0.8 lc rgb '#c03020' title 'goal not met'",
    ]
    for name, lines, mark, title in (("least", least, 9, "at least"), ("most", most, 11, "at most")):
        if lines:
            text += block(name, lines)
            plots.append(f"${name} using 2:1 with points pt {mark} ps 1.0 lc rgb '#208040' title 'goal: {title}'")
    text += "set logscale x\nset grid xtics lc rgb '#dddddd'\n"
    text += "set key at screen 0.99,0.985 right top vertical maxrows 2\nset title ''\nset xlabel 'cairn / other'\nset tmargin 5\n"
    text += f"set yrange [-1:{len(figures)}]\nplot {', '.join(plots)}\n"
    draw(text)


def latencies(results, path):
    """Percentiles of durable commits of 1 kB, a panel a place."""
    places = {name: loads for name, loads in results.latencies.items() if "idle" in loads}
    if not places:
        return
    text = HEAD.format(width=640 * len(places), height=480, path=path)
    text += f"set multiplot layout 1,{len(places)} title 'durable commit of 1 kB, one client'\nset logscale y\n"
    text += "set ylabel 'µs'\nset xrange [-0.3:3.3]\nset encoding utf8\n"
    for place, loads in places.items():
        plots = []
        for load, values in loads.items():
            name = f"{place}{load}"
            text += block(name, [f"{at} {values[key]} {quote(title)}" for at, (key, title) in enumerate(PERCENTILES)])
            title = "idle" if load == "idle" else f"beside {load}"
            plots.append(f"${name} using 1:2:xtic(3) with linespoints pt 7 ps 0.6 title {quote(title)}")
        text += f"set title 'data on {place}'\nplot {', '.join(plots)}\n"
    draw(text + "unset multiplot\n")


def growth_plots(results, by, path):
    found = getattr(results, "growth", None)
    points = [point for point in found.points if point[0] == by] if found else []
    if not points:
        return
    text = HEAD.format(width=1280, height=480, path=path)
    text += f"set multiplot layout 1,2 title 'growth with {by}, data on tmpfs'\nset logscale xy\nset xlabel '{by}'\nset encoding utf8\n"
    for suffix, label in (("_rate", "operations/s"), ("_p99_us", "p99, µs")):
        plots = []
        for metric in dict.fromkeys(point[2] for point in points if point[2].endswith(suffix)):
            lines = [f"{at} {values[len(values) // 2]} {values[0]} {values[-1]}" for _, at, name, values in points if name == metric]
            text += block(metric, lines)
            plots.append(f"${metric} using 1:2:3:4 with yerrorlines pt 7 ps 0.6 title '{metric.removesuffix(suffix)}'")
        text += f"set ylabel '{label}'\nplot {', '.join(plots)}\n"
    draw(text + "unset multiplot\n")


PLOTS = {
    "ratios.svg": ratios,
    "latencies.svg": latencies,
    "growth-heights.svg": lambda results, path: growth_plots(results, "heights", path),
    "growth-clients.svg": lambda results, path: growth_plots(results, "clients", path),
}


def plot_all(results, out):
    """Returns the names of the plots that were made."""
    for name, make in PLOTS.items():
        make(results, out / name)
    return [name for name in PLOTS if (out / name).exists()]
