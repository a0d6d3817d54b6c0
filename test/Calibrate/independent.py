"""MAMBA-OPT MODEL CALIBRATION-TEXT STATS.json: what calibration records against an independent computation over the
same samples, every layer and site. Exit code 77 where the files are absent."""
import json
import os
import subprocess
import sys
import tempfile

tool, model, text, expected = sys.argv[1:]
absent = [path for path in (text, expected) if not os.path.exists(path)]
if absent:
    print(f"skipped: {', '.join(absent)} (docs/testing.md)")
    sys.exit(77)
with tempfile.TemporaryDirectory() as folder:
    report = os.path.join(folder, "report.json")
    passes = (f"mamba-rotate{{sites=y}},mamba-fold-hadamard,"
              f"mamba-calibrate{{calibration={text} statistics={folder}/s.json}},"
              f"mamba-report-outliers{{json={report}}}")
    subprocess.run([tool, model, f"--pass-pipeline=builtin.module({passes})", "-o", os.devnull], check=True)
    sites = json.load(open(report))["sites"]
layers = json.load(open(expected))["layers"]
# Relative: percentiles are at most 2^-10 above the value of their rank; the rest is what float32 arithmetic leaves.
tolerances = {"absmax": 1e-5, "p99.9": 1.1e-3, "p99.99": 1.1e-3, "p99.999": 1.1e-3, "std": 1e-4, "kurtosis": 1e-3}
compared = 0
for site in sites:
    other = layers[site["layer"]].get({"y_rotated": "yh"}.get(site["site"], site["site"])) if site["layer"] >= 0 else None
    for name, tolerance in tolerances.items() if other else ():
        if abs(site[name] / other[name] - 1) > tolerance:
            sys.exit(f"{site['value']} {name}: expected {other[name]}, found {site[name]}")
        compared += 1
if compared != len(layers) * 11 * len(tolerances):
    sys.exit(f"expected {len(layers) * 11 * len(tolerances)} figures, found {compared}")
print(f"{compared} figures agree")
