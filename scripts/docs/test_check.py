"""Tests of the checker: that it finds the mistakes that it is there for."""

import importlib.util
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
SPEC = importlib.util.spec_from_file_location("docs_check", HERE / "check.py")
check = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(check)

PROJECT = check.Project(check.ROOT)


class Mistakes(unittest.TestCase):
    def mistakes(self, do):
        checker = check.Checker(PROJECT)
        do(checker)
        return checker.mistakes

    def assert_wrong(self, do):
        self.assertTrue(self.mistakes(do))

    def assert_right(self, do):
        self.assertEqual(self.mistakes(do), [])

    def test_links(self):
        link = lambda target: lambda it: it.link("here", "docs/platforms.md", target)
        self.assert_right(link("../README.md"))
        self.assert_right(link("#the-kernels"))
        self.assert_right(link("https://example.org/anything"))
        self.assert_wrong(link("../READ.md"))
        self.assert_wrong(link("#the-colonels"))
        self.assert_wrong(link("../README.md#no-such-heading"))
        self.assert_wrong(link("../../elsewhere"))
        self.assert_wrong(link("http://example.org"))

    def test_commands(self):
        command = lambda line: lambda it: it.command("here", line)
        self.assert_right(command("cargo run --release --example bounded_tasks -- --limit 4 ."))
        self.assert_right(command("COMPIO_SYNC_TIER=futex cargo test --test semaphore_tests"))
        self.assert_right(command("scripts/loom.sh bell"))
        self.assert_right(command("scripts/test-windows.sh --quick"))
        self.assert_wrong(command("cargo run --example unbounded_tasks"))
        self.assert_wrong(command("cargo test --features linux-futures"))
        self.assert_wrong(command("scripts/loom.sh && scripts/lume.sh"))
        self.assert_wrong(command("scripts/test-windows.sh --quack"))
        self.assert_wrong(command("frobnicate all"))

    def test_names(self):
        code = lambda text: lambda it: it.code("here", text)
        self.assert_right(code("src/waiter_queue/queue/word.rs"))
        self.assert_right(code("COMPIO_SYNC_TIER=auto"))
        self.assert_right(code("futex/io_uring"))
        self.assert_wrong(code("src/waiter_queue/queues.rs"))
        self.assert_wrong(code("COMPIO_SYNC_" + "TEARS"))
        self.assert_wrong(code("a_test_that_" + "nobody_wrote"))

    def test_anchors(self):
        page = "# A `b`, c\n## Same\n## Same\n```sh\n# not a heading\n```\n"
        self.assertEqual(check.anchors(page), {"a-b-c", "same", "same-1"})


if __name__ == "__main__":
    unittest.main()
