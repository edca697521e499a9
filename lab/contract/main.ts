/** `npm run contract -- k0s`: compares a program with the contract that this project relies on. */
import "../../compileCache";
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { say } from "../progress";
import { k0sSuite, type SuiteOptions } from "./k0s/suite";
import { kubernetesSuite, type KubernetesOptions } from "./kubernetes/suite";
import { Record } from "./record";
import { Report } from "./report";

const USAGE = `usage: npm run contract -- k0s [--binary PATH] [--bin-dir DIR] [--json FILE]
  --binary PATH   a real k0s. Default: the lab's stand-in
  --bin-dir DIR   etcd and the kube-* programs, for a binary that does not contain them
  --json FILE     writes {"passed": N, "failed": N}
       npm run contract -- kubernetes [--plugin PATH] [--json FILE]
  --plugin PATH   the official pulumi-resource-kubernetes. Default: the lab's stand-in`;

const SUITES = { k0s: k0sSuite, kubernetes: kubernetesSuite } as const;

interface Options extends SuiteOptions, KubernetesOptions {
  suite: keyof typeof SUITES;
  json?: string;
}

function parse(): Options | undefined {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      binary: { type: "string" },
      "bin-dir": { type: "string" },
      plugin: { type: "string" },
      json: { type: "string" },
    },
  });
  const [suite, ...more] = positionals;
  if ((suite !== "k0s" && suite !== "kubernetes") || more.length > 0) return undefined;
  const directory = values["bin-dir"];
  return {
    suite,
    ...(values.plugin !== undefined && { plugin: resolve(values.plugin) }),
    ...(values.binary !== undefined && { binary: resolve(values.binary) }),
    ...(directory !== undefined && { binDirectory: resolve(directory) }),
    ...(values.json !== undefined && { json: resolve(values.json) }),
  };
}

async function main(): Promise<number> {
  const options = parse();
  if (options === undefined) {
    say(USAGE);
    return 2;
  }
  if (options.suite === "k0s" && process.getuid?.() !== 0)
    throw new Error("the suite needs root: run it with sudo");
  const report = new Report();
  await Record.sweep();
  const record = Record.create();
  const end = (): void => {
    void record.remove(false).finally(() => process.exit(130));
  };
  process.once("SIGINT", end);
  process.once("SIGTERM", end);
  try {
    await SUITES[options.suite](report, record, options);
  } catch (error) {
    // The report has failed checks. Anything else is a fault of the suite or of the machine.
    if (report.counts.failed === 0) throw error;
  } finally {
    const failed = report.counts.failed > 0;
    await record.remove(failed);
    if (failed) say(`the logs are in ${record.directory}`);
  }
  if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(report.counts));
  process.stdout.write(`${report.summary}\n`);
  return report.counts.failed === 0 ? 0 : 1;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    say(`contract: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  },
);
