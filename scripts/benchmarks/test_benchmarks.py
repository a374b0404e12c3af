"""Tests: python3 -m unittest discover scripts"""

import random
import unittest

from benchmarks import plot, reach, regress, report
from benchmarks.results import OURS, Results, geometric_mean, number


def measured(median, spread=0.02, **more):
    return {
        "median": [median],
        "low": [median * (1 - spread)],
        "high": [median * (1 + spread)],
        "runs": 30,
        **more,
    }


def results(cells, unit="ns"):
    columns = []
    for cell in cells.values():
        columns.extend(column for column in cell if column not in columns)
    return Results(
        {
            "format": 1,
            "os": "linux",
            "arch": "x86_64",
            "system": "a machine",
            "processors": 2,
            "effort": "quick",
            "columns": columns,
            "ours": [column for column in columns if column.startswith(OURS)],
            "cells": [
                {"id": name, "unit": unit, "metrics": ["median"], "results": cell}
                for name, cell in cells.items()
            ],
        }
    )


def three(ours, tokio=300.0, asyncband=200.0, limit=30.0, **options):
    return {
        OURS: measured(ours, **options),
        "tokio": measured(tokio),
        "asyncband": measured(asyncband),
        "limit": measured(limit),
    }


def found(base, new):
    return [(it.cell, it.column) for it in regress.regressions(base, new)]


class Regressions(unittest.TestCase):
    def test_what_is_the_same_is_none(self):
        base = results({"a": three(100), "b": three(50)})
        self.assertEqual(found(base, base), [])

    def test_a_planted_one_is_found_and_nothing_else(self):
        base = results({"a": three(100), "b": three(50)})
        new = results({"a": three(130), "b": three(50)})
        self.assertEqual(found(base, new), [("a", OURS)])

    def test_getting_faster_is_none(self):
        self.assertEqual(found(results({"a": three(100)}), results({"a": three(50)})), [])

    def test_a_slower_machine_is_none(self):
        base = results({"a": three(100)})
        new = results({"a": three(200, 600, 400, 60)})
        self.assertEqual(found(base, new), [])

    def test_one_that_a_faster_machine_hides_is_found(self):
        base = results({"a": three(100)})
        new = results({"a": three(100, 150, 100, 15)})
        self.assertEqual(found(base, new), [("a", OURS)])

    def test_a_peer_that_becomes_faster_is_not_taken_for_the_machine(self):
        base = results({"a": three(100)})
        new = results({"a": three(100, tokio=100)})
        self.assertEqual(found(base, new), [])

    def test_a_wide_spread_is_noise(self):
        base = results({"a": three(100, spread=0.3)})
        new = results({"a": three(150, spread=0.3)})
        self.assertEqual(found(base, new), [])

    def test_noise_alone_is_none_and_a_planted_one_within_it_is_found(self):
        generator = random.Random(1)

        def run(slower):
            def noisy(value):
                runs = sorted(value * generator.gauss(1, 0.05) for _ in range(15))
                return {"median": [runs[7]], "low": [runs[3]], "high": [runs[11]], "runs": 15}

            # One that is slower all over, too, as machines are.
            machine = generator.uniform(0.7, 1.4)
            return results(
                {
                    f"cell {i}": {
                        OURS: noisy(machine * 100 * (slower if i == 7 else 1)),
                        "tokio": noisy(machine * 300),
                        "async-lock": noisy(machine * 250),
                        "asyncband": noisy(machine * 200),
                    }
                    for i in range(100)
                }
            )

        base = run(1)
        for _ in range(20):
            self.assertEqual(found(base, run(1)), [])
            self.assertEqual(found(base, run(1.5)), [("cell 7", OURS)])

    def test_a_hang_is_found(self):
        base, new = results({"a": three(100)}), results({"a": three(100)})
        new.cells["a"]["results"][OURS] = None
        self.assertEqual(found(base, new), [("a", OURS)])
        self.assertIn("hangs", str(next(regress.regressions(base, new))))

    def test_one_more_byte_is_found_whatever_the_others_do(self):
        base = results({"a": three(40)}, unit="bytes")
        new = results({"a": three(41, tokio=600)}, unit="bytes")
        self.assertEqual(found(base, new), [("a", OURS)])
        self.assertEqual(found(base, base), [])

    def test_the_first_allocation_is_found(self):
        base = results({"a": three(0)}, unit="allocations")
        new = results({"a": three(1)}, unit="allocations")
        self.assertEqual(found(base, new), [("a", OURS)])

    def test_cells_of_one_side_only_are_passed_over(self):
        self.assertEqual(found(results({"a": three(1)}), results({"b": three(9)})), [])


class Reach(unittest.TestCase):
    def row(self, cells, *args, **options):
        return reach.against(results(cells), "title", list(cells), *args, **options)

    def test_the_best_of_several_is_who_is_compared_with(self):
        row = self.row({"a": three(100)}, ("tokio", "asyncband"), 0.6)
        self.assertAlmostEqual(row.value, 0.5)
        self.assertEqual(row.verdict, "pass")

    def test_one_cell_above_the_limit_fails_even_if_the_mean_is_below(self):
        cells = {"a": three(60), "b": three(270)}
        row = self.row(cells, "tokio", 0.6)
        self.assertEqual(row.worst_cell, "b")
        self.assertEqual(row.verdict, "on average")
        self.assertEqual(self.row(cells, "tokio", 0.6, each=False).verdict, "pass")

    def test_all_above_the_limit_fails(self):
        self.assertEqual(self.row({"a": three(100)}, "tokio", 0.3).verdict, "FAIL")

    def test_what_was_not_measured_does_not_pass(self):
        self.assertEqual(self.row({"a": three(100)}, "nobody", 9).verdict, "not measured")

    def test_whoever_hangs_is_not_the_best(self):
        cells = {"a": three(100)}
        cells["a"]["asyncband"] = None
        self.assertAlmostEqual(self.row(cells, ("tokio", "asyncband"), 1).value, 1 / 3)

    def test_a_channel_that_hangs_fails(self):
        cells = {"mpsc/bounded, 1 runtime, 8 senders": three(100)}
        rows = {row.scenario: row for row in reach.channels(results(cells))}
        self.assertEqual(rows["mpsc, bounded, 1 runtime"].value, 0.5)
        self.assertEqual(rows["channels: rows that hang"].verdict, "pass")
        cells["mpsc/bounded, 1 runtime, 8 senders"][OURS] = None
        rows = {row.scenario: row for row in reach.channels(results(cells))}
        self.assertEqual(rows["channels: rows that hang"].verdict, "FAIL")

    def test_the_whole_table_can_be_made_of_nothing(self):
        text = reach.table(reach.rows(results({"a": three(1)})))
        self.assertNotIn("FAIL", text)
        self.assertNotIn("pass", text)


class Numbers(unittest.TestCase):
    def test_three_digits(self):
        self.assertEqual(number(1234.5), "1,234")
        self.assertEqual(number(12.345), "12.3")
        self.assertEqual(number(0.5), "0.500")
        self.assertEqual(number(0), "0")

    def test_geometric_mean(self):
        self.assertAlmostEqual(geometric_mean([1, 4]), 2)
        self.assertIsNone(geometric_mean([]))


class Tables(unittest.TestCase):
    def test_channels_have_one_of_their_own_with_those_that_hang(self):
        cells = {
            "uncontended/acquire": three(14),
            "mpsc/bounded, 2 runtimes, 128 senders": {OURS: measured(100), "flume": None},
        }
        text = report.of_platform(results(cells))
        self.assertIn("| | compio-sync | tokio | asyncband | limit |", text)
        self.assertIn("| | compio-sync | flume |", text)
        self.assertIn("128 senders | **100** | hangs |", text)


class Plots(unittest.TestCase):
    def test_they_are_well_formed(self):
        from xml.etree import ElementTree

        cells = {f"contend/{n}x8/1 permits/yield": three(100) for n in (1, 2)}
        cells |= {f"fan-out/1 runtime, asleep/{n}": three(100 * n) for n in (1, 64, 4096)}
        cells |= {f"waiters/{n}": three(100 + n) for n in (1, 100)}
        cells["uncontended/acquire"] = three(14)
        for name, svg in plot.plots(results(cells)):
            self.assertTrue(name.endswith(".svg"))
            ElementTree.fromstring(svg)


if __name__ == "__main__":
    unittest.main()
