/** Which lines of an evaluation are warnings, and to which machine they belong. */
import { parseOutput } from "../../../components/evaluation/output";
import type { FlakeOutput } from "../../../components/evaluation/output";
import {
  parseWarnings,
  secretLines,
  warningsOf,
  withoutSecrets,
} from "../../../components/evaluation/warnings";

test.each([
  ["evaluation warning: old option", ["old option"]],
  ["trace: evaluation warning: old option", ["old option"]],
  ["trace: warning: old option", ["old option"]],
  ["trace: \u001b[1;31mwarning: old option\u001b[0m", ["old option"]],
  ["trace: QEMU hangs with 2 GiB", ["QEMU hangs with 2 GiB"]],
])("a warning of Nix code is shown without its prefix: %j", (stderr, warnings) => {
  expect(parseWarnings(`${stderr}\n`)).toEqual(warnings);
});

test.each([
  "warning: Git tree '/srv/site' is dirty",
  "warning: not writing modified lock file of flake 'path:/srv/site'",
  "copying path '/nix/store/x' from 'https://cache.example.org'...",
  "these 2 derivations will be built:\n  /nix/store/a.drv\n  /nix/store/b.drv",
  "",
])("a message of Nix about its own work is not shown: %j", (stderr) => {
  expect(parseWarnings(stderr)).toEqual([]);
});

test("a warning of several lines remains complete, and is shown once", () => {
  const one = "evaluation warning: The option `a'\n  is now `b'.\n";
  const other = "trace: warning: last\n";
  const noise = "warning: Git tree '/srv/site' is dirty\n";
  expect(
    parseWarnings(`${noise}${one}${noise}${one}${other}building '/nix/store/x.drv'...\n`),
  ).toEqual(["The option `a'\n  is now `b'.", "last"]);
});

const paths = { drvPath: "/nix/store/x.drv", outputs: { out: "/nix/store/x" } };
const machine = { ...paths, toplevel: paths, closureInfo: paths, hardware: "" };

function output(extra: object): FlakeOutput {
  const parsed = parseOutput(JSON.stringify({ version: 1, machines: {}, ...extra }));
  if ("fault" in parsed) throw new Error(parsed.fault);
  return parsed;
}

test("each warning is shown once, with all machines that have it", () => {
  const shown = warningsOf(
    output({
      machines: {
        kw1: { ...machine, warnings: ["old\noption", "of kw1"] },
        kw2: { ...machine, warnings: ["old\noption"] },
      },
      hypervisors: { hv1: { ...paths, warnings: ["of hv1"] } },
      // Nix prints the first warning like this.
      warnings: ["old\n      option", "mkSite: modules.machines.kw9 is not used"],
    }),
  );
  expect(shown).toEqual([
    "hv1: of hv1",
    "kw1, kw2: old\noption",
    "kw1: of kw1",
    "mkSite: modules.machines.kw9 is not used",
  ]);
});

test("a flake without warnings is valid", () => {
  expect(warningsOf(output({ machines: { kw1: machine } }))).toEqual([]);
});

test("secrets of the stack's configuration are replaced, also single lines of a key", () => {
  const environment = {
    PULUMI_CONFIG: JSON.stringify({
      "pulumi-microvm:sshPrivateKey": "-----BEGIN KEY-----\nc2VjcmV0\n-----END KEY-----\n",
      "pulumi-microvm:site": "stacks/lab.yaml",
    }),
    PULUMI_CONFIG_SECRET_KEYS: '["pulumi-microvm:sshPrivateKey"]',
  };
  const secrets = secretLines(environment);
  expect(withoutSecrets("stacks/lab.yaml has\n  c2VjcmV0 in it", secrets)).toBe(
    "stacks/lab.yaml has\n  [secret] in it",
  );
  expect(secretLines({})).toEqual([]);
});
