/** Requirements on the machine, and the system packages. */
import { arch, platform } from "node:os";
import { attempt, failure, isOnPath, run } from "./command";
import { engineIsPossible } from "./engine";
import { say, step } from "./progress";

const PACKAGES = [
  ...["mmdebstrap", "debian-archive-keyring", "systemd-container", "iproute2", "e2fsprogs"],
  ...["openssh-client", "nix-bin", "shellcheck", "curl", "ca-certificates"],
];

const APT = ["apt-get", "-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=3", "-q"];

/** Reports all requirements at once that the machine does not meet and the lab cannot install. */
export async function requireMachine(): Promise<void> {
  const faults: string[] = [];
  if (platform() !== "linux") faults.push("the lab needs Linux: use a virtual machine");
  if (arch() !== "x64") faults.push(`the lab needs an x86_64 machine; this one is ${arch()}`);
  if (process.getuid?.() !== 0) faults.push("the lab needs root: run it with sudo");
  if (!isOnPath("apt-get")) faults.push("the lab needs Debian or Ubuntu: there is no apt-get");
  if (!(await engineIsPossible())) {
    faults.push(
      "there is no pulumi on PATH, its installer is unreachable, and there is no Go to build it: " +
        "install one of them, https://www.pulumi.com/docs/install/ or https://go.dev/doc/install",
    );
  }
  if (faults.length > 0) {
    throw new Error(`this machine can't run the lab:\n${faults.map((f) => `  - ${f}`).join("\n")}`);
  }
}

/** Installs the missing system packages. */
export async function ensureSystemPackages(): Promise<void> {
  const missing = await missingPackages();
  if (missing.length === 0) return;
  say(`  installing system packages with apt-get: ${missing.join(" ")}`);
  await step("apt-get install", async () => {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    const install = [...APT, "install", "-y", "--no-install-recommends", ...missing];
    if ((await attempt(install, { env })).code === 0) return;
    // A fresh machine has no package lists, and another one may have stale lists.
    await run([...APT, "update"], { env });
    await run(install, { env });
  });
}

async function missingPackages(): Promise<string[]> {
  const query = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n", ...PACKAGES];
  const result = await attempt(query);
  // 1: dpkg does not know some of them.
  if (result.code > 1) throw new Error(failure(query, result));
  const installed = new Set(result.stdout.split("\n"));
  return PACKAGES.filter((name) => !installed.has(`installed ${name}`));
}
