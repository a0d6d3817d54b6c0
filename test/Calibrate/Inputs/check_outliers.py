"""REPORT.json of report-outliers.test: exactly the channels that were made large."""
import json
import sys

report = json.load(open(sys.argv[1]))
sites = {(s["layer"], s["site"]): s for s in report["sites"]}
names = ["in", "x", "z", "u", "dt", "B", "C", "y", "y_rotated", "delta", "state"]
assert set(sites) == {(layer, site) for layer in range(12) for site in names} | {(-1, "head")}, sorted(sites)
for layer in (2, 3, 4):
    assert sites[layer, "x"]["outliers"] == [17, 200], sites[layer, "x"]["outliers"]
assert sites[3, "z"]["outliers"] == [99], sites[3, "z"]["outliers"]
assert sites[2, "state"]["channels"] == 16 * 512
for site in report["sites"]:
    assert sum(site["histogram"]) > 0 and site["p99.9"] <= site["p99.99"] <= site["p99.999"] <= site["absmax"], site
    groups = len(site["maxima"])
    per = site["channels"] // groups
    for group, largest in enumerate(site["maxima"]):
        inside = [c for c in site["outliers"] if c // per == group] if site["channels"] % groups == 0 else []
        assert not inside or largest > 6 * site["std"], (site["value"], group)
x = next(r for r in report["recurrence"] if r["site"] == "x")
assert x["layers"] == 12 and x["recurring"][:2] == [[17, 3], [200, 3]] and x["overlap"] > 10, x
