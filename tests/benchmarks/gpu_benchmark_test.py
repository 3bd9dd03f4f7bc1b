#!/usr/bin/env python3
"""benchmarks/peers/gpu.py where there is no GPU.

    [ATTUNE=build/release/attune] .venv/bin/python tests/benchmarks/gpu_benchmark_test.py

With ATTUNE its tiny form, too, runs with both programs on the processor: minutes.
"""

import contextlib
import dataclasses
import io
import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks" / "peers"))
import gpu  # noqa: E402
import measured  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from gpu_parts import bench, devices, encode, models, peer_runs, report, training  # noqa: E402

MINILM = models.Shape("minilm", "bert", 384, 6, 12, 1536, 30522)


class Work(unittest.TestCase):
    def test_flops_of_a_training_token_are_those_worked_out_by_hand(self):
        # 3 (2 x 6 x 12 x 384^2 + 4 x 128 x 384 x 6), and so on, in GFLOP.
        expected = {
            (MINILM, 128): 0.067,
            (MINILM, 512): 0.078,
            (models.PUBLISHED["bge-base"], 128): 0.524,
            (models.PUBLISHED["bge-base"], 512): 0.566,
            (models.PUBLISHED["bge-large"], 128): 1.85,
            (models.PUBLISHED["bge-large"], 512): 1.96,
            (models.PUBLISHED["modernbert-base"], 128): 0.688,
            (models.PUBLISHED["modernbert-base"], 512): 0.716,
        }
        for (shape, length), value in expected.items():
            got = 3 * models.forward_flops(shape, length) / length / 1e9
            self.assertAlmostEqual(got / value, 1, delta=0.008, msg=f"{shape.name}, {length}")

    def test_body_parameters_are_the_layers_matrices_of_transformers(self):
        for shape in models.TINY.values():
            matrices = [
                value.numel()
                for name, value in models._encoder(shape).named_parameters()
                if value.dim() == 2 and "embeddings" not in name and "pooler" not in name
            ]
            self.assertEqual(models.body_parameters(shape), sum(matrices), shape.name)

    def test_texts_are_distinct_and_as_long_as_asked(self):
        rows = bench.pairs(1, 500, (8, 40))
        every = [text for row in rows for text in row]
        self.assertEqual(len(set(every)), 1000)
        lengths = [len(passage.split()) for _, passage in rows]
        self.assertGreaterEqual(min(lengths), 9)
        self.assertLessEqual(max(lengths), 41)
        self.assertGreater(max(lengths), 3 * min(lengths))

    def test_one_vector_far_away_is_found(self):
        vectors = np.random.default_rng(0).normal(size=(5, 8))
        other = vectors * 2
        self.assertLess(encode.farthest(vectors, other), 1e-12)
        other[3] = -other[3]
        self.assertAlmostEqual(encode.farthest(vectors, other), 2)


def rounds(peer, attune, tokens=(10, 10)):
    return [
        {
            "peer": {"losses": p, "tokens": [tokens[0]]},
            "attune": {"losses": a, "tokens": [tokens[1]]},
        }
        for p, a in zip(peer, attune)
    ]


class Losses(unittest.TestCase):
    def test_within_the_spread_of_the_peers_seeds(self):
        verdict = training.loss_verdict(rounds([[9, 1.0], [9, 1.2]], [[9, 1.1], [9, 1.25]]))
        self.assertTrue(verdict["within"])
        self.assertAlmostEqual(verdict["spread"], 0.2)
        self.assertAlmostEqual(verdict["attune"], 1.175)

    def test_outside_it_but_by_no_more_than_rounding(self):
        verdict = training.loss_verdict(rounds([[1.0], [1.001]], [[1.01], [1.01]]))
        self.assertFalse(verdict["within"])

    def test_different_training_has_no_figure(self):
        for attune in ([[1.4], [1.4]], [[math.nan], [1.0]]):
            with self.assertRaises(bench.NotMeasured):
                training.loss_verdict(rounds([[1.0], [1.1]], attune))
        with self.assertRaisesRegex(bench.NotMeasured, "tokens a step differ"):
            training.loss_verdict(rounds([[1.0], [1.1]], [[1.0], [1.1]], tokens=(10, 9)))


class Settings(unittest.TestCase):
    def test_the_fastest_that_runs_is_taken_and_the_others_reasons_are_kept(self):
        seconds = {"a": 3.0, "c": 1.0}

        def measure(setting):
            if setting.name == "b":
                raise RuntimeError("no such kernel")
            if setting.name == "d":
                time.sleep(30)
            return seconds[setting.name]

        every = [peer_runs.Setting(name) for name in "abcd"]
        with contextlib.redirect_stderr(io.StringIO()):
            tried = peer_runs.try_each(every, measure, "cpu", lambda: 10.5)
        self.assertEqual(peer_runs.best(tried).name, "c")
        self.assertEqual([one.seconds for one in tried], [3.0, None, 1.0, None])
        self.assertIn("no such kernel", tried[1].said)
        self.assertIn("stopped after 5 s", tried[3].said)

    def test_deep_encoders_are_compiled_layer_by_layer(self):
        for name, layers in (("bge-base", 12), ("modernbert-base", 13)):
            encoder = models._encoder(dataclasses.replace(models.TINY[name], layers=layers))
            peer_runs.compile_model(encoder)
            compiled = [m for m in encoder.modules() if m._compiled_call_impl is not None]
            self.assertEqual(len(compiled), 1 if layers == 12 else 13, name)

    def test_none_that_runs_is_an_error(self):
        with self.assertRaisesRegex(ValueError, "in no setting"):
            peer_runs.best([peer_runs.Tried("a", None, None, "broken")])

    def test_flash_attention_needs_a_gpu(self):
        can, cannot = peer_runs.settings_to_try("cpu", compiled=False)
        self.assertTrue(can)
        self.assertEqual({one.said for one in cannot}, {"needs a GPU", "not asked for"})


LONG = """==PROF== Connected to process 7
"ID","Process ID","Kernel Name","Section Name","Metric Name","Metric Unit","Metric Value"
"0","7","gemm<float>(int)","Command line","gpu__time_duration.sum","ns","1,500"
"1","7","gemm<float>(int)","Command line","gpu__time_duration.sum","ns","500"
"2","7","norm","Command line","gpu__time_duration.sum","us","3"
"2","7","norm","Command line","launch__grid_size","","128"
"""
RAW = """"ID","Process ID","Kernel Name","gpu__time_duration.sum"
"","","","us"
"0","7","norm","3"
"1","7","gemm<float>(int)","1.5"
"2","7","gemm<float>(int)","0.5"
"""
SYSTEMS = """Processing [profile.sqlite] with [cuda_gpu_kern_sum.py]...

Time (%),Total Time (ns),Instances,Avg (ns),Name
60.0,3000,1,3000.0,norm
40.0,2000,2,1000.0,gemm<float>(int)
"""


class Kernels(unittest.TestCase):
    def test_tables_of_the_profilers(self):
        for read, text in (
            (devices.read_nsight_compute, LONG),
            (devices.read_nsight_compute, RAW),
            (devices.read_nsight_systems, SYSTEMS),
        ):
            (name, calls, ms), other = read(text)
            self.assertEqual((name, calls, other[:2]), ("norm", 1, ("gemm<float>(int)", 2)))
            self.assertAlmostEqual(ms, 0.003)
            self.assertAlmostEqual(other[2], 0.002)
            with self.assertRaisesRegex(ValueError, "no table"):
                read("==ERROR== the driver refuses\n")

    def run_with(self, name, script):
        with tempfile.TemporaryDirectory() as folder:
            work = pathlib.Path(folder)
            if name:
                (work / name).write_text("#!/bin/sh\n" + script)
                (work / name).chmod(0o755)
            before = os.environ["PATH"]
            os.environ["PATH"] = f"{folder}:/usr/bin:/bin" if name else "/nowhere"
            try:
                return devices.profile(["true"], work, 1, 20, skip=5, count=7)
            finally:
                os.environ["PATH"] = before

    def test_without_a_profiler_it_is_said(self):
        kernels, how = self.run_with(None, "")
        self.assertIsNone(kernels)
        self.assertIn("no profiler there", how)

    def test_ncu_is_asked_for_a_window_and_its_table_read(self):
        script = (
            'while [ "$1" != --log-file ]; do shift; done\n'
            f"cat >\"$2\" <<'END'\n{RAW}END\n"
            'case "$*" in *"--launch-skip 5 --launch-count 7"*) ;; *) exit 3 ;; esac\n'
        )
        kernels, how = self.run_with("ncu", script)
        self.assertEqual([kernel[0] for kernel in kernels], ["norm", "gemm<float>(int)"])
        self.assertIn("7 kernels at most after the first 5", how)

    def test_a_profiler_that_fails_is_said(self):
        kernels, how = self.run_with("ncu", "echo no permission >&2; exit 1\n")
        self.assertIsNone(kernels)
        self.assertIn("no permission", how)

    def test_names_are_cut_to_what_tells_them_apart(self):
        long = "void at::native::(anonymous namespace)::norm<float, Pair<int, int>>(float*, int)"
        self.assertEqual(devices.short(long), "at::native::norm<float, Pair>")


class Page(unittest.TestCase):
    def test_goals_are_met_missed_or_not_measured(self):
        goals = report.Goals(judged=True)
        goals.add("a", 2, 2.0, report.RATIO)
        goals.add("b", 2, 1.99, report.RATIO)
        goals.add("c", 1.4, 1.5, report.RATIO, at_most=True)
        goals.add("d", 0.45, "no time left", report.SHARE)
        goals.add("e", 2, None, report.RATIO)
        goals.add("no goal", None, 1.0, report.RATIO)
        self.assertEqual([row[3] for row in goals.rows[:3]], ["met", "missed", "missed"])
        self.assertEqual(goals.rows[3][2:], ("not measured", "no time left"))
        self.assertEqual(goals.rows[4][2], "not measured")
        self.assertEqual(len(goals.rows), 5)

    def test_what_a_program_said_names_no_folder_of_this_machine(self):
        said = measured.told(
            "error: /a/b-c/d.1/config.json: not | known; see https://x.example/y/z"
        )
        self.assertEqual(said, "error: config.json: not / known; see https://x.example/y/z")


@unittest.skipUnless(os.environ.get("ATTUNE"), "ATTUNE, the built program, is not given")
class TinyRun(unittest.TestCase):
    def test_stopped_from_outside_it_reports_what_is_there(self):
        def interrupted(running, options, found):
            found["adapter"] = {"name": "adapter", "said": "no time left"}
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)

        with tempfile.TemporaryDirectory() as folder:
            with (
                unittest.mock.patch.object(gpu, "measure", interrupted),
                contextlib.redirect_stdout(io.StringIO()) as out,
            ):
                status = gpu.main(
                    [
                        *("--tiny", "--device", "cpu", "--attune", os.environ["ATTUNE"]),
                        *("--work", f"{folder}/work", "--reports", f"{folder}/reports"),
                    ]
                )
            (page,) = pathlib.Path(folder, "reports").glob("gpu-*.md")
            self.assertIn("| stopped | before the end", page.read_text(encoding="utf-8"))
        self.assertEqual(status, 1)
        self.assertIn("Not measured: no time left.", out.getvalue())

    def test_every_part_has_figures_or_says_why_not(self):
        attune = pathlib.Path(os.environ["ATTUNE"]).resolve()
        with tempfile.TemporaryDirectory() as folder:
            place = pathlib.Path(folder)
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                status = gpu.main(
                    [
                        *("--tiny", "--device", "cpu", "--rounds", "2", "--no-compile"),
                        *("--attune", str(attune), "--work", str(place / "work")),
                        *("--reports", str(place / "reports")),
                    ]
                )
            self.assertEqual(status, 0)
            (page,) = (place / "reports").glob("gpu-*.md")
            text = page.read_text(encoding="utf-8")
            self.assertEqual(out.getvalue().rstrip("\n"), text.rstrip("\n"))
            raw = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
            self.assertFalse((place / "reports" / "gpu-unfinished.json").exists())
            for here in (folder, str(ROOT), str(pathlib.Path.home())):
                self.assertNotIn(here + "/", text)
            compared = subprocess.run(
                [attune, "bench", "compare", page.with_suffix(".json"), page.with_suffix(".json")],
                capture_output=True,
            )
            self.assertEqual(compared.returncode, 0, compared.stderr)

        bert = [row for row in raw["train"] if "ModernBERT" not in row["name"]]
        self.assertTrue(bert)
        for row in bert:
            self.assertNotIn("said", row, row["name"])
            self.assertGreater(row["ratio"]["median"], 0)
            self.assertGreater(row["loss"]["spread"], 0)
            self.assertGreater(row["padding"]["peer"], 0.05)
            self.assertGreater(row["share"]["attune"], 0)
        for row in (raw["large"], raw["adapter"], *raw["encode"]):
            self.assertNotIn("said", row)
            self.assertGreater(row["ratio"]["median"], 0)
        self.assertLess(raw["large"]["peer"]["losses apart"], 0.02)
        self.assertEqual({row["batch"] for row in raw["memory"]}, set(bench.TINY.memory))
        self.assertFalse([row for row in raw["memory"] if "said" in row])
        kernels, _ = raw["profile"]["peer"]
        self.assertTrue(any("addmm" in name for name, _, _ in kernels))
        self.assertIn("not judged (tiny form)", text)
        self.assertNotIn("| met |", text)


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    unittest.main()
