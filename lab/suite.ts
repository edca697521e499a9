/** `lab/run test`: every check and test there is, and one line that sums them up. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { handOver } from "./command";
import { isUp } from "./hosts";
import { HOSTS } from "./network";
import { checkout } from "./paths";
import { verify } from "./verify";

const report = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numFailedTestSuites: z.number(),
});

export async function testAll(): Promise<number> {
  const scratch = mkdtempSync(join(tmpdir(), "pulumi-microvm-test-"));
  try {
    const verified = await verify();
    const quick = await jest(scratch, ["unit", "scripts", "grpc"]);
    const lab = await scenarios(scratch);
    const failed = quick.failed + lab.failed + verified;
    process.stdout.write(`${quick.passed + lab.passed} passed, ${failed} failed\n`);
    return failed === 0 && quick.code === 0 && lab.code === 0 ? 0 : 1;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The lab's scenarios, and what needs the Nix that the lab installs; a lab that was not up before is not left up. */
async function scenarios(scratch: string): Promise<Awaited<ReturnType<typeof jest>>> {
  const wasUp = HOSTS.every((host) => isUp(host));
  const up = await handOver(["lab/run", "lab", "hosts-up"], { cwd: checkout });
  const result =
    up === 0 ? await jest(scratch, ["nix", "lab"]) : { passed: 0, failed: 1, code: up };
  if (!wasUp) await handOver(["lab/run", "lab", "down"], { cwd: checkout });
  return result;
}

async function jest(
  scratch: string,
  projects: string[],
): Promise<{ passed: number; failed: number; code: number }> {
  const output = join(scratch, `${projects.join("-")}.json`);
  // There is one lab. The others wait more than they compute, so they run side by side on two cores too.
  const workers = projects.includes("lab") ? "--runInBand" : "--maxWorkers=2";
  const code = await handOver(
    ["jest", "--passWithNoTests", "--selectProjects", ...projects, workers].concat([
      "--json",
      `--outputFile=${output}`,
    ]),
    { cwd: checkout },
  );
  const result = report.parse(JSON.parse(readFileSync(output, "utf8")));
  // A suite that does not even load has no tests to fail.
  const failed = Math.max(result.numFailedTests, result.numFailedTestSuites > 0 ? 1 : 0);
  return { passed: result.numPassedTests, failed, code };
}
