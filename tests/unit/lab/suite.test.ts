import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { contractCounts, counts, summary } from "../../../lab/suite";
import type { Result } from "../../../lab/suite";

const directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-suite-"));
const report = join(directory, "report.json");
afterAll(() => rmSync(directory, { recursive: true }));

const verified: Result = { passed: 0, failed: 0, code: 0 };

test("the last line contains the sum of all parts", () => {
  const results = [
    verified,
    { passed: 120, failed: 0, code: 0 },
    { passed: 3, failed: 0, code: 0 },
  ];
  expect(summary(results)).toEqual({ good: true, line: "123 passed, 0 failed" });
});

test.each<[string, Result]>([
  ["a test failed", { passed: 5, failed: 2, code: 1 }],
  ["a command failed", { passed: 5, failed: 0, code: 1 }],
])("the suite fails if %s", (_, result) => {
  const { good, line } = summary([verified, result]);
  expect({ good, line }).toEqual({ good: false, line: `5 passed, ${result.failed} failed` });
});

test("a test file that does not load counts as a failure", () => {
  writeFileSync(
    report,
    JSON.stringify({ numPassedTests: 4, numFailedTests: 1, numRuntimeErrorTestSuites: 2 }),
  );
  expect(counts(report)).toEqual({ passed: 4, failed: 3 });
});

test("jest without a report counts as a failure", () => {
  expect(counts(join(directory, "none.json"))).toEqual({ passed: 0, failed: 1 });
});

test("a contract suite counts as its checks; without a report it has failed", () => {
  writeFileSync(report, JSON.stringify({ passed: 57, failed: 1 }));
  expect(contractCounts(report)).toEqual({ passed: 57, failed: 1 });
  expect(contractCounts(join(directory, "none.json"))).toEqual({ passed: 0, failed: 1 });
});
