from marketplace.core import metrics


def test_figures_are_written_as_prometheus_reads_them():
    lag = metrics.gauge("lag_seconds", "How late.").add(1.5, sweep="a").add(None, sweep="b").add(2, sweep='c"\\\n')
    steps = metrics.counter("steps", "Steps.").add(3)
    assert metrics.text([lag, steps]).splitlines() == [
        "# HELP manyhands_lag_seconds How late.",
        "# TYPE manyhands_lag_seconds gauge",
        'manyhands_lag_seconds{sweep="a"} 1.5',
        'manyhands_lag_seconds{sweep="c\\"\\\\\\n"} 2',
        "# HELP manyhands_steps_total Steps.",
        "# TYPE manyhands_steps_total counter",
        "manyhands_steps_total 3",
    ]
