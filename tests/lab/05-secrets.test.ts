/** Searches a canary secret in all places where it could leak, and proves that the search works. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SiteCopy, expectNoChanges, lab, on, pulumi, start, until, up, STACK } from "./lab";

const site = new SiteCopy();
const HOSTS = ["hv1", "hv2"] as const;
const directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-canary-"));
const keyFile = join(directory, "key");

/** The canary: a line from the middle of a private key. The test passes it only by stdin. */
let privateKey: string;
let canary: string;

beforeAll(async () => {
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "canary", "-f", keyFile]);
  privateKey = readFileSync(keyFile, "utf8");
  canary = privateKey.split("\n")[3] ?? "";
  expect(canary.length).toBeGreaterThan(40);
  const publicKey = readFileSync(`${keyFile}.pub`, "utf8");
  for (const host of HOSTS) {
    await lab(["ssh", host, "cat >> /root/.ssh/authorized_keys"], publicKey);
  }
  await site.use();
});

afterAll(async () => {
  for (const host of HOSTS) await on(host, "sed -i '/ canary$/d' /root/.ssh/authorized_keys");
  await pulumi("config", "rm", "sshPrivateKey", STACK);
  await site.release();
  await up();
  rmSync(directory, { recursive: true, force: true });
});

/**
 * Command lines and environments of all processes of this machine, including the hosts. Excludes
 * PULUMI_CONFIG of the program, because the engine passes the configuration to every program in it.
 */
function processes(): string {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const words = entriesOf(pid, "cmdline");
      const isProgram = words.some((word) => word.includes("@pulumi/pulumi/cmd/run"));
      const environment = entriesOf(pid, "environ");
      const handed = (entry: string): boolean => isProgram && entry.startsWith("PULUMI_CONFIG=");
      return [...words, ...environment.filter((entry) => !handed(entry))];
    })
    .join("\n");
}

function entriesOf(pid: string, file: "cmdline" | "environ"): string[] {
  try {
    return readFileSync(join("/proc", pid, file), "utf8").split("\0");
  } catch {
    return [];
  }
}

/** Searches a host. The pattern goes by stdin, so that the search does not find itself. */
async function searchHost(host: string): Promise<string> {
  const command =
    "umask 077; cat > /run/canary; " +
    "{ journalctl -q -o export -n all; cat /var/log/*.log 2>/dev/null; } | " +
    "grep -aFf /run/canary | sed 's/^/journal: /'; " +
    "grep -raFlf /run/canary /nix /run/pulumi-microvm /var/lib/pulumi-microvm " +
    "/var/lib/microvms --exclude='*.img' 2>/dev/null; rm /run/canary; true";
  return (await lab(["ssh", host, command], canary)).text.trim();
}

/**
 * Searches the operator's machine: the plain state, the Nix store, and the directories for
 * temporary files. Excludes the test's own key and the pattern.
 */
async function searchOperator(): Promise<string> {
  const script =
    "umask 077; f=$(mktemp); cat > $f; " +
    'grep -raFlf $f "${PULUMI_BACKEND_URL#file://}" "$PULUMI_HOME" /nix/store .site 2>/dev/null; ' +
    'find "${XDG_RUNTIME_DIR:-${TMPDIR:-/tmp}}" "${TMPDIR:-/tmp}" -xdev -type f -size -1024k ' +
    '! -path "$f" ' +
    "! -path '*/pulumi-microvm-canary-*' -exec grep -aFlf $f {} + 2>/dev/null; rm $f";
  return (await lab(["exec", "sh", "-c", script], canary)).text.trim();
}

/** The text before each occurrence of the canary. It shows the place of a leak, not the secret. */
function leaks(text: string): string[] {
  return text
    .split(canary)
    .slice(0, -1)
    .map((before) => before.slice(-200));
}

/**
 * Runs pulumi and samples all processes. Returns everything that could show the canary. Uses log
 * level 8: from level 9 on the engine logs all values, also secrets, as Pulumi's documentation
 * warns.
 */
async function watched(...args: string[]): Promise<{ code: number; seen: string }> {
  const running = start([
    ...["exec", "env", "PULUMI_MICROVM_DEBUG=true"],
    "pulumi",
    ...args,
    STACK,
    "--non-interactive",
    "--logtostderr",
    "-v=8",
  ]);
  const samples: string[] = [];
  const sampling = setInterval(() => samples.push(processes()), 100);
  const { code, text } = await running.ended.finally(() => clearInterval(sampling));
  return { code, seen: [text, ...samples].join("\n") };
}

test("a config secret is used for a change, and is found nowhere", async () => {
  const { code, text } = await lab(
    ["exec", "pulumi", "config", "set", "--secret", "sshPrivateKey", STACK],
    privateKey,
  );
  if (code !== 0) throw new Error(text);
  // Only the secret can log in. A new memory size copies a closure and restarts a VM.
  await site.set({
    "ssh.agent": false,
    "profiles.controller.memory": "272MiB",
    "vms.kw2.memory": "224MiB",
  });
  const run = await watched("up", "--yes", "--skip-preview", "--debug");
  expect(run.code).toBe(0);
  // Proves that the samples and the log of the engine were collected.
  expect(run.seen).toContain("provider/main.js");
  expect(run.seen).toMatch(/"msg":"Provider\[/);
  expect(leaks(run.seen)).toEqual([]);
  expect(await searchOperator()).toBe("");
  for (const host of HOSTS) expect(await searchHost(host)).toBe("");
  await expectNoChanges();
}, 300_000);

test("an error about the secret does not show it", async () => {
  const broken = privateKey.replace("OPENSSH", "OPENSHH");
  await lab(["exec", "pulumi", "config", "set", "--secret", "sshPrivateKey", STACK], broken);
  await site.set({ "ssh.agent": false, "vms.kw1.restart": "with a broken key" });
  const run = await watched("up", "--yes", "--skip-preview");
  expect(run.code).not.toBe(0);
  expect(run.seen).toMatch(/is not a usable private key/);
  expect(leaks(run.seen)).toEqual([]);
});

describe("the search would find a canary", () => {
  test("in the samples of a run", () => {
    expect(leaks(`before ${canary} after`)).toEqual(["before "]);
  });

  test.each([
    ["arguments", 'read -r x; sh -c "sleep 2; :" "$x"'],
    ["environment", "read -r X; export X; sleep 2; :"],
  ])("in a process's %s", async (_, script) => {
    const sleeper = start(["exec", "sh", "-c", script], `${canary}\n`);
    await until("it is seen", 5, () =>
      Promise.resolve(leaks(processes()).length > 0 ? true : undefined),
    );
    await sleeper.ended;
  });

  test("in a host's journal", async () => {
    await lab(["ssh", "hv1", "logger -t planted"], canary);
    expect(await searchHost("hv1")).toMatch(/^journal: /);
    await on("hv1", "journalctl --rotate -q; journalctl -q --vacuum-time=1s");
  });

  test("in a host's Nix store and in its state", async () => {
    for (const place of ["/nix/store/planted", "/var/lib/pulumi-microvm/planted"]) {
      await lab(["ssh", "hv1", `cat > ${place}`], canary);
      expect(await searchHost("hv1")).toContain(place);
      await on("hv1", `rm ${place}`);
    }
  });

  test("in plain state", async () => {
    await lab(["exec", "sh", "-c", 'cat > "${PULUMI_BACKEND_URL#file://}/planted"'], canary);
    expect(await searchOperator()).toContain("planted");
    await lab(["exec", "sh", "-c", 'rm "${PULUMI_BACKEND_URL#file://}/planted"']);
  });

  test("in the operator's directory for temporary files", async () => {
    await lab(["exec", "sh", "-c", 'cat > "${TMPDIR:-/tmp}/planted"'], canary);
    expect(await searchOperator()).toContain("/planted");
    await lab(["exec", "sh", "-c", 'rm "${TMPDIR:-/tmp}/planted"']);
  });
});
