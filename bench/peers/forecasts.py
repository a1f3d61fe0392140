"""Forecasts of models that live on PyPI, for `npm run bench -- foresight` and `forecast`.

Standard input: one JSON object {model, startMs, stepMs, horizon, window, values, origins}; a value is null where it is missing.
Standard output: a JSON line {origin, paths, cpuMs} for every origin; paths are p10, p50, p90, p95, p99 over the horizon. At each
origin the model is fitted anew on the `window` steps before it and sees nothing else. CPU is that of this process and of the
processes it has waited for. `--which` prints the models whose packages are installed, with their versions.
"""

import importlib
import json
import logging
import os
import sys
import warnings

levels = [0.1, 0.5, 0.9, 0.95, 0.99]
packages = {"mstl-autoarima": "statsforecast", "prophet-pypi": "prophet"}
# Loaded before the first forecast, so that none pays for it.
modules = {"mstl-autoarima": ["statsforecast.models"], "prophet-pypi": ["pandas", "prophet"]}

warnings.filterwarnings("ignore")
logging.getLogger("cmdstanpy").disabled = True
logging.getLogger("prophet").disabled = True


def cpu_ms():
    return 1_000 * sum(os.times()[:4])


def which():
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for model, package in packages.items():
        try:
            found[model] = f"{package} {version(package)}"
        except PackageNotFoundError:
            pass
    print(json.dumps(found))


def mstl_autoarima(values, _start_ms, step_ms, horizon):
    """MSTL with a day, and a week where two of them are known; AutoARIMA on what is left over, with its own intervals."""
    from statsforecast.models import MSTL, AutoARIMA

    day = 86_400_000 // step_ms
    seasons = [day, 7 * day] if len(values) >= 14 * day else day
    said = MSTL(season_length=seasons, trend_forecaster=AutoARIMA()).forecast(values, horizon, level=[80, 90, 98])
    return [list(said[name]) for name in ("lo-80", "mean", "hi-80", "hi-90", "hi-98")]


def prophet_pypi(values, start_ms, step_ms, horizon):
    """Prophet with its own defaults; quantiles of its 1,000 sampled futures."""
    import numpy
    import pandas
    from prophet import Prophet

    at = lambda first, count: pandas.to_datetime(  # noqa: E731
        [start_ms + step * step_ms for step in range(first, first + count)], unit="ms"
    )
    model = Prophet()
    numpy.random.seed(1)
    model.fit(pandas.DataFrame({"ds": at(0, len(values)), "y": values}), seed=1)
    future = model.predictive_samples(pandas.DataFrame({"ds": at(len(values), horizon)}))["yhat"]
    return [list(path) for path in numpy.quantile(future, levels, axis=1)]


models = {"mstl-autoarima": mstl_autoarima, "prophet-pypi": prophet_pypi}


def forecast(asked):
    import numpy

    values = numpy.array([numpy.nan if value is None else value for value in asked["values"]], dtype=float)
    missing = numpy.isnan(values)
    steps = numpy.arange(len(values))
    model = models[asked["model"]]
    for module in modules[asked["model"]]:
        importlib.import_module(module)
    for origin in asked["origins"]:
        first = max(0, origin - asked["window"])
        known = values[first:origin].copy()
        gaps = missing[first:origin]
        if gaps.any():
            known[gaps] = numpy.interp(steps[first:origin][gaps], steps[first:origin][~gaps], known[~gaps])
        before = cpu_ms()
        paths = model(known, asked["startMs"] + first * asked["stepMs"], asked["stepMs"], asked["horizon"])
        spent = cpu_ms() - before
        paths = [[max(0.0, float(value)) for value in path] for path in paths]
        print(json.dumps({"origin": origin, "paths": paths, "cpuMs": spent}), flush=True)


if __name__ == "__main__":
    which() if sys.argv[1:] == ["--which"] else forecast(json.load(sys.stdin))
