/** What the machine itself has to bring, and the system packages. */
import { arch, platform } from "node:os";
import { attempt, failure, isOnPath, run } from "./command";
import { engineIsPossible } from "./engine";
import { say, step } from "./progress";

const PACKAGES = [
  ...["mmdebstrap", "debian-archive-keyring", "systemd-container", "iproute2", "e2fsprogs"],
  ...["openssh-client", "nix-bin", "shellcheck", "curl", "ca-certificates"],
];

const APT = ["apt-get", "-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=3", "-q"];

/** Everything that is missing and that the lab can't bring itself, at once. */
export async function requireMachine(): Promise<void> {
  const faults: string[] = [];
  if (platform() !== "linux") faults.push("the lab needs Linux: a virtual machine will do");
  if (arch() !== "x64") faults.push(`the lab needs an x86_64 machine; this one is ${arch()}`);
  if (process.getuid?.() !== 0) faults.push("the lab needs root: run it with sudo");
  if (!isOnPath("apt-get")) faults.push("the lab needs Debian or Ubuntu: there is no apt-get");
  if (!(await engineIsPossible())) {
    faults.push(
      "there is no pulumi on PATH, its installer can't be reached, and there is no Go to build it " +
        "with: install either, https://www.pulumi.com/docs/install/ or https://go.dev/doc/install",
    );
  }
  if (faults.length > 0) {
    throw new Error(`this machine can't run the lab:\n${faults.map((f) => `  - ${f}`).join("\n")}`);
  }
}

/** Installs the system packages that are missing, by their names. */
export async function ensureSystemPackages(): Promise<void> {
  const missing = await missingPackages();
  if (missing.length === 0) return;
  say(`  installing system packages with apt-get: ${missing.join(" ")}`);
  await step("apt-get install", async () => {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    const install = [...APT, "install", "-y", "--no-install-recommends", ...missing];
    if ((await attempt(install, { env })).code === 0) return;
    // A fresh machine has no package lists yet, an old one has old ones.
    await run([...APT, "update"], { env });
    await run(install, { env });
  });
}

async function missingPackages(): Promise<string[]> {
  const query = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n", ...PACKAGES];
  const result = await attempt(query);
  // 1: some of them are unknown to dpkg.
  if (result.code > 1) throw new Error(failure(query, result));
  const installed = new Set(result.stdout.split("\n"));
  return PACKAGES.filter((name) => !installed.has(`installed ${name}`));
}
