"""The plant in SimPy time: runs, experiments and forecasts."""
