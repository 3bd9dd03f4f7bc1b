"""The parity table: one row a question, with the oracle, the cases, the worst difference and the
verdict.
"""

import dataclasses
import json
import sys
import time
import traceback


@dataclasses.dataclass
class Row:
    what: str
    oracle: str
    cases: str
    worst: float
    tolerance: float
    note: str = ""
    error: str = ""

    @property
    def holds(self):
        return not self.error and self.worst <= self.tolerance  # a NaN does not hold


class Table:
    """Collects rows, prints each as it comes, so that a long run shows where it is."""

    def __init__(self, out=sys.stdout, log=sys.stderr):
        self.rows, self.remarks = [], []
        self.out, self.log = out, log
        self.began = time.monotonic()

    def add(self, what, oracle, cases, worst, tolerance, note=""):
        self._append(Row(what, oracle, cases, float(worst), float(tolerance), note))

    def fail(self, what, oracle, error):
        self._append(Row(what, oracle, "-", float("nan"), float("nan"), error=error))

    def remark(self, text):
        self.remarks.append(text)
        print(f"note: {text}", file=self.log, flush=True)

    def guard(self, what, oracle, question, *arguments):
        """Runs one group of rows; what it cannot answer is a failed row, never a missing one."""
        try:
            return question(self, *arguments)
        except (
            Exception
        ) as error:  # the table goes on: one broken command must not hide the other rows
            self.fail(what, oracle, f"{type(error).__name__}: {str(error).strip()}")
            traceback.print_exc(file=self.log)
            return None

    def _append(self, row):
        self.rows.append(row)
        verdict = "holds" if row.holds else "FAILS"
        seconds = time.monotonic() - self.began
        print(f"[{seconds:6.1f} s] {verdict}: {row.what}", file=self.log, flush=True)

    @property
    def holds(self):
        return bool(self.rows) and all(row.holds for row in self.rows)

    def print(self):
        heads = ("what", "oracle", "cases", "worst", "tolerance", "verdict")
        lines = [
            (
                r.what,
                r.oracle,
                r.cases,
                _number(r.worst),
                _number(r.tolerance),
                "holds" if r.holds else "FAILS",
            )
            for r in self.rows
        ]
        widths = [max(len(line[i]) for line in [heads, *lines]) for i in range(len(heads))]
        print("  ".join(head.ljust(width) for head, width in zip(heads, widths)), file=self.out)
        print("  ".join("-" * width for width in widths), file=self.out)
        for row, line in zip(self.rows, lines):
            print(
                "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip(),
                file=self.out,
            )
            for extra in filter(None, (row.note, row.error)):
                for part in extra.splitlines():
                    print("    " + part, file=self.out)
        for text in self.remarks:
            print(f"note: {text}", file=self.out)
        failed = sum(not row.holds for row in self.rows)
        seconds = time.monotonic() - self.began
        verdict = "every row holds" if self.holds else f"{failed} of {len(self.rows)} rows FAIL"
        print(f"{verdict} ({len(self.rows)} rows, {seconds:.0f} s)", file=self.out, flush=True)

    def save(self, path, facts):
        rows = [dataclasses.asdict(row) | {"holds": row.holds} for row in self.rows]
        value = {"facts": facts, "holds": self.holds, "rows": rows, "remarks": self.remarks}
        path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _number(value):
    if value != value:
        return "-"
    if value == 0:
        return "0"
    return f"{value:.2g}"
