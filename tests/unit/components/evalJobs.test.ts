/** The number of evaluation workers, and the parser for the output of nix-eval-jobs. */
import { parseEvalJobs, workerCount } from "../../../components/evaluation/evalJobs";

test.each([
  ["one machine", [1, 64, 256 * 1024], 1],
  ["as many as cores", [100, 8, 256 * 1024], 8],
  ["as many as fit into memory", [100, 64, 16 * 1024], 4],
  ["one on a small machine", [100, 2, 2048], 1],
  ["no machine", [0, 2, 8192], 1],
])("workers: %s", (_, [machines = 0, cores = 0, memoryMiB = 0], expected) => {
  expect(workerCount(machines, cores, memoryMiB)).toBe(expected);
});

const job = (kind: string, name: string, rest: object): string =>
  JSON.stringify({ attr: `${kind}.${name}`, attrPath: [kind, name], ...rest });

test("lines may come in any order and contain unknown fields", () => {
  const value = (name: string): object => ({
    drvPath: "x",
    extraValue: { version: 1, value: { name } },
  });
  const text = [job("hypervisors", "hv1", value("h")), job("machines", "kw1", value("m")), ""].join(
    "\n",
  );
  expect(parseEvalJobs(text)).toEqual({
    json: JSON.stringify({
      version: 1,
      machines: { kw1: { name: "m" } },
      hypervisors: { hv1: { name: "h" } },
    }),
  });
});

test("an error above the machines is reported with its path", () => {
  const error = (attrPath: string[], error: string): string =>
    JSON.stringify({ attr: attrPath.join("."), attrPath, error });
  const text = [error(["machines"], "a"), error([], "b"), error(["machines", "kw1"], "c")];
  expect(parseEvalJobs(text.join("\n"))).toEqual({
    faults: ["machines: a", "pulumiMicrovm: b", "machines.kw1: c"],
  });
});

test.each([
  "warning: something",
  '{"attr":"machines"}',
  '{"attrPath":["others","x"],"extraValue":{"version":1,"value":{}}}',
  '{"attrPath":["machines","x"],"drvPath":"y"}',
])("%s is not a valid line", (text) => {
  expect(parseEvalJobs(text)).toEqual({
    faults: ["nix-eval-jobs printed what it does not document"],
  });
});
