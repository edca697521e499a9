/** `lab/run lab [COMMAND]`: the lab's commands. */
import "../compileCache";
import { readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { CommandError, attempt, handOver, run } from "./command";
import { ensureDirectories, labEnvironment } from "./environment";
import { ensureEngine } from "./engine";
import { ensureHosts, isUp, rebootHost, stopHosts } from "./hosts";
import { writeGitOpsTree } from "./gitops";
import { linkPrograms, writeKubeconfig } from "./kubeconfig";
import type { GiteaProgram } from "./guestPrograms";
import { awaitAddOn, awaitK0s, beginK0s, isK0sMade, stopMakingK0s } from "./kubernetes/background";
import { HOSTS, ensureNetwork, inOperator, removeNetwork, type LabHost } from "./network";
import { serveObjects } from "./objectStore";
import { cacheDirectory, checkout, labStack, stateDirectory } from "./paths";
import { ensurePlugins } from "./plugins";
import { ensureSystemPackages, requireMachine } from "./prerequisites";
import { say, step } from "./progress";
import { generateSdks } from "./sdk";
import { ensureAgent, sshCommand, sshTarget, writeSshConfig } from "./ssh";
import { stopProcess } from "./state";
import { statusText } from "./status";
import { testAll, testQuick, testSoak } from "./suite";
import { verify } from "./verify";

const USAGE = `usage: npm run lab                     starts it and runs \`pulumi up\` of stack lab
       npm run lab -- hosts-up [--gitea]         the same without \`pulumi up\`;
                                       Gitea is a stand-in without --gitea
       npm run lab -- status           lists hosts and VMs
       npm run --silent lab -- exec CMD...       a command in the lab's environment
       npm run --silent lab -- ssh HOST CMD...   a command on a host or guest, or a shell
       npm run lab -- reboot [--hard] HOST       --hard: as in a power failure
       npm run lab -- k0s              waits until k0s and Kubernetes are built
       npm run lab -- flux             waits until Flux's controllers are built
       npm run lab -- gitea            waits until Gitea is built
       npm run lab -- gitops DIRECTORY           writes the lab's GitOps tree
       npm run lab -- object-store DIRECTORY     an S3-compatible store, until it is interrupted
       npm run lab -- sdk DIRECTORY MODULE       SDKs for Go and Python of the schema on stdin
       npm run lab -- down             removes everything except caches and system packages`;

async function up(): Promise<number> {
  await hostsUp("gitea");
  say(`Bringing up stack ${labStack}`);
  const select = await pulumi("stack", "select", "--create", labStack);
  if (select !== 0) return select;
  if (!isK0sMade()) {
    const code = await pulumiUp(...WITHOUT_CLUSTER);
    if (code !== 0) return code;
    process.stdout.write(`\n${await statusText()}\n`);
    say("The VMs are up. Their cluster needs k0s and Kubernetes, which are still being made.");
    await awaitK0s();
  }
  const code = await pulumiUp();
  if (code !== 0) return code;
  process.stdout.write(`\n${await statusText()}\n`);
  if (await writeKubeconfig()) await execute(["kubectl", "get", "nodes"]);
  process.stdout.write(`${NEXT}\n`);
  return 0;
}

/** A newcomer sees the VMs first. */
const WITHOUT_CLUSTER = ["--exclude", "**microvm:index:K0s*::*", "--exclude-dependents"];

const pulumiUp = (...more: string[]): Promise<number> =>
  pulumi("up", "--yes", "--stack", labStack, ...more);

const NEXT = `
What to try next:
  npm run --silent lab -- exec pulumi preview          nothing to do
  npm run --silent lab -- exec kubectl get nodes
  npm run --silent lab -- ssh hv1 systemctl list-units 'microvm@*'
  edit stacks/lab.yaml, then: npm run --silent lab -- exec pulumi up
  npm run lab -- reboot hv1                            its VMs come back
  npm run lab -- down`;

async function hostsUp(gitea: GiteaProgram): Promise<void> {
  say("Preparing the lab");
  await requireMachine();
  await ensureSystemPackages();
  ensureDirectories();
  linkPrograms();
  beginK0s(["stand-in", "flux", ...(gitea === "gitea" ? ([gitea] as const) : [])]);
  await ensureEngine();
  await ensurePlugins();
  await ensureNetwork();
  await ensureAgent();
  writeSshConfig();
  await ensureHosts(gitea);
  say(`  up: ${HOSTS.map((host) => `${host.name} ${host.address}`).join(", ")}`);
}

async function down(): Promise<void> {
  await step("stopping the lab", async () => {
    await stopMakingK0s();
    await stopHosts();
    await stopProcess("ssh-agent", 5);
    await removeNetwork();
    await run(["rm", "-rf", "--one-file-system", stateDirectory]);
    await removeStackFiles();
  });
  say(`  kept: system packages, the Nix store, and the cache ${cacheDirectory}`);
}

/** Files in the checkout that Pulumi and the program wrote for the lab's stack, unless in git. */
async function removeStackFiles(): Promise<void> {
  rmSync(join(checkout, ".site", labStack), { recursive: true, force: true });
  const settings = `Pulumi.${labStack}.yaml`;
  const tracked = await attempt(["git", "ls-files", "--error-unmatch", settings], {
    cwd: checkout,
  });
  if (tracked.code !== 0) rmSync(join(checkout, settings), { force: true });
}

function pulumi(...words: string[]): Promise<number> {
  return execute(["pulumi", ...words]);
}

function execute(command: string[]): Promise<number> {
  if (command.length === 0) throw new Error(USAGE);
  return handOver(inOperator(command), { cwd: checkout, env: labEnvironment() });
}

/** kubectl gets the kubeconfig of the stack as it is now. */
async function executeGiven(command: string[]): Promise<number> {
  requireUp();
  if (command[0] === "kubectl" && !(await writeKubeconfig())) {
    say(`lab: stack ${labStack} has no cluster: it has no output kubeconfig`);
  }
  return execute(command);
}

async function ssh([name, ...command]: string[]): Promise<number> {
  requireUp();
  if (name === undefined) throw new Error(USAGE);
  const terminal = command.length === 0 && process.stdin.isTTY ? ["-t"] : [];
  return handOver(sshCommand(...terminal, ...(await sshTarget(name)), ...command));
}

async function reboot(words: string[]): Promise<void> {
  const name = words.find((word) => word !== "--hard");
  const host = HOSTS.find((candidate) => candidate.name === name);
  if (host === undefined) throw new Error(`no host ${name ?? ""}\n${USAGE}`);
  await rebootHost(host, words.includes("--hard"));
}

function objectStore([directory]: string[]): Promise<number> {
  requireUp();
  if (directory === undefined) throw new Error(USAGE);
  return serveObjects(resolve(directory));
}

async function gitOps([directory]: string[]): Promise<void> {
  if (directory === undefined) throw new Error(USAGE);
  await writeGitOpsTree(resolve(directory));
}

/** The schema is the standard input. */
async function sdk([directory, goModule]: string[]): Promise<number> {
  if (directory === undefined || goModule === undefined) throw new Error(USAGE);
  await generateSdks(readFileSync(0, "utf8"), resolve(directory), goModule);
  return 0;
}

function requireUp(): void {
  const stopped: LabHost[] = HOSTS.filter((host) => !isUp(host));
  if (stopped.length > 0) {
    const names = stopped.map((host) => host.name).join(" and ");
    throw new Error(`the lab is not up (${names} stopped). Start it: npm run lab`);
  }
}

async function dispatch([command, ...rest]: string[]): Promise<number> {
  switch (command) {
    case undefined:
      return up();
    case "hosts-up":
      return hostsUp(rest.includes("--gitea") ? "gitea" : "stand-in").then(() => 0);
    case "exec":
      return executeGiven(rest);
    case "ssh":
      return ssh(rest);
    case "status":
      process.stdout.write(await statusText());
      return 0;
    case "reboot":
      return reboot(rest).then(() => 0);
    case "k0s":
      return awaitK0s().then(() => 0);
    case "flux":
    case "gitea":
      return awaitAddOn(command).then(() => 0);
    case "gitops":
      return gitOps(rest).then(() => 0);
    case "object-store":
      return objectStore(rest);
    case "sdk":
      return sdk(rest);
    case "down":
      return down().then(() => 0);
    case "verify":
      return verify();
    case "quick":
      return testQuick();
    case "test":
      return testAll();
    case "soak":
      return testSoak();
    default:
      say(USAGE);
      return 2;
  }
}

dispatch(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const known = error instanceof CommandError || error instanceof Error;
    say(`lab: ${known ? error.message : String(error)}`);
    process.exitCode = 1;
  },
);
