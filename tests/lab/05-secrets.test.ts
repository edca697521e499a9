/** Searches a canary secret in all places where it could leak, and proves that the search works. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SiteCopy, expectNoChanges, lab, on, pulumi, start, until, up, STACK } from "./lab";
import { leaks, processes, searchHost, searchOperator, watched } from "./secretSearch";

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
  expect(leaks(run.seen, [canary])).toEqual([]);
  expect(await searchOperator([canary])).toBe("");
  for (const host of HOSTS) expect(await searchHost(host, [canary])).toBe("");
  await expectNoChanges();
}, 300_000);

test("an error about the secret does not show it", async () => {
  const broken = privateKey.replace("OPENSSH", "OPENSHH");
  await lab(["exec", "pulumi", "config", "set", "--secret", "sshPrivateKey", STACK], broken);
  await site.set({ "ssh.agent": false, "vms.kw1.restart": "with a broken key" });
  const run = await watched("up", "--yes", "--skip-preview");
  expect(run.code).not.toBe(0);
  expect(run.seen).toMatch(/is not a usable private key/);
  expect(leaks(run.seen, [canary])).toEqual([]);
});

describe("the search would find a canary", () => {
  test("in the samples of a run", () => {
    expect(leaks(`before ${canary} after`, [canary])).toEqual(["before "]);
  });

  test.each([
    ["arguments", 'read -r x; sh -c "sleep 2; :" "$x"'],
    ["environment", "read -r X; export X; sleep 2; :"],
  ])("in a process's %s", async (_, script) => {
    const sleeper = start(["exec", "sh", "-c", script], `${canary}\n`);
    await until("it is seen", 5, () =>
      Promise.resolve(leaks(processes(), [canary]).length > 0 ? true : undefined),
    );
    await sleeper.ended;
  });

  test("in a host's journal", async () => {
    await lab(["ssh", "hv1", "logger -t planted"], canary);
    expect(await searchHost("hv1", [canary])).toMatch(/^journal: /);
    await on("hv1", "journalctl --rotate -q; journalctl -q --vacuum-time=1s");
  });

  test("in a host's Nix store and in its state", async () => {
    for (const place of ["/nix/store/planted", "/var/lib/pulumi-microvm/planted"]) {
      await lab(["ssh", "hv1", `cat > ${place}`], canary);
      expect(await searchHost("hv1", [canary])).toContain(place);
      await on("hv1", `rm ${place}`);
    }
  });

  test("in plain state", async () => {
    await lab(["exec", "sh", "-c", 'cat > "${PULUMI_BACKEND_URL#file://}/planted"'], canary);
    expect(await searchOperator([canary])).toContain("planted");
    await lab(["exec", "sh", "-c", 'rm "${PULUMI_BACKEND_URL#file://}/planted"']);
  });

  test("in the operator's directory for temporary files", async () => {
    await lab(["exec", "sh", "-c", 'cat > "${TMPDIR:-/tmp}/planted"'], canary);
    expect(await searchOperator([canary])).toContain("/planted");
    await lab(["exec", "sh", "-c", 'rm "${TMPDIR:-/tmp}/planted"']);
  });
});
