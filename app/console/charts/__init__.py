"""The geometry of charts: pure functions from rows to frozen values, which `charts.html` draws.

x is in per cent of the plot and y in pixels, so that a chart fills its column and its text never
scales. A value of None was not recorded: it is a gap, never 0.

| file | its subject |
| --- | --- |
| `scale.py` | the axis of values, and lengths as text |
| `ticks.py` | the axis of time |
| `panel.py` | what a panel consists of, series, and gaps |
| `bars.py`, `lines.py` | panels of stacked bars and of lines |
| `plot.py` | panels over one time axis, with the text for each step |
| `spark.py`, `quota_bar.py` | the small charts of figures and tables |
"""
