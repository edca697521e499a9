/** Copies use OpenSSH with the same pins. Every line that ensures this must remain. */
import { homedir } from "node:os";
import * as fc from "fast-check";
import { configSchema } from "../../../provider/hosts/transport/config";
import { sshFiles } from "../../../provider/hosts/transport/sshConfig";

const key = (name: string): string => `ssh-ed25519 ${Buffer.from(name).toString("base64")}`;
const hop = (address: string, user: string, port = 22) => ({
  address,
  user,
  port,
  hostKey: key(address),
});
const config = { hosts: {}, agent: false, identityFiles: [], privateKey: undefined };
const jumped = {
  ...hop("hv1.example", "ops", 2222),
  jump: { ...hop("192.0.2.2", "inner"), jump: hop("192.0.2.1", "outer") },
};

/** Alias -> its lines. All lines of a stanza except the first are indented. */
function stanzas(text = ""): Map<string, string[]> {
  return new Map(
    text
      .trimEnd()
      .split("\n\n")
      .map((stanza) => {
        const [head = "", ...lines] = stanza.split("\n");
        return [head, lines.map((line) => line.trim())];
      }),
  );
}

const PINNED = [
  "BatchMode yes",
  "StrictHostKeyChecking yes",
  'UserKnownHostsFile "/run/private/known_hosts"',
  "GlobalKnownHostsFile /dev/null",
  "UpdateHostKeys no",
  "ControlPath none",
];

test("each hop is checked strictly against its own pin, under a unique name", () => {
  const files = sshFiles("/run/private", { hop: jumped, config });
  expect(files.get("known_hosts")).toBe(
    `pulumi-microvm-host ${key("hv1.example")}\n` +
      `pulumi-microvm-jump1 ${key("192.0.2.2")}\n` +
      `pulumi-microvm-jump2 ${key("192.0.2.1")}\n`,
  );
  const found = stanzas(files.get("config"));
  expect([...found.keys()]).toEqual([
    "Host pulumi-microvm-host",
    "Host pulumi-microvm-jump1",
    "Host pulumi-microvm-jump2",
  ]);
  for (const [head, lines] of found) {
    expect(lines).toEqual(expect.arrayContaining(PINNED));
    expect(lines).toContain(`HostKeyAlias ${head.slice("Host ".length)}`);
  }
  expect(found.get("Host pulumi-microvm-host")).toEqual(
    expect.arrayContaining([
      "HostName hv1.example",
      "Port 2222",
      "User ops",
      "ProxyJump pulumi-microvm-jump1",
    ]),
  );
  expect(found.get("Host pulumi-microvm-jump1")).toEqual(
    expect.arrayContaining(["User inner", "ProxyJump pulumi-microvm-jump2"]),
  );
  expect(files.get("config")?.match(/Proxy/g)).toHaveLength(2);
});

test("without the agent, only the configured keys are offered, the secret first", () => {
  const files = sshFiles("/run/private", {
    hop: hop("192.0.2.1", "root"),
    config: { ...config, identityFiles: ["/home/a b/100%"], privateKey: "\nSECRET\n\n" },
  });
  const [lines = []] = stanzas(files.get("config")).values();
  expect(lines.filter((line) => line.startsWith("Identit"))).toEqual([
    'IdentityFile "/run/private/identity"',
    'IdentityFile "/home/a b/100%%"',
    "IdentityAgent none",
    "IdentitiesOnly yes",
  ]);
  expect(files.get("identity")).toBe("SECRET\n");
  expect(files.get("config")).not.toContain("SECRET");
});

test("with the agent, its keys are offered too; without a secret, no file is named for it", () => {
  const files = sshFiles("/run/private", {
    hop: hop("192.0.2.1", "root"),
    config: { ...config, agent: true },
  });
  expect(files.get("config")).not.toMatch(/Identit/);
  expect([...files.keys()].sort()).toEqual(["config", "known_hosts"]);
});

/** Each of them is alone on its line and unchanged: OpenSSH expands `%` and `${`. */
const LINES: Record<string, (value: string) => string> = {
  address: (value) => `HostName ${value.replaceAll("%", "%%")}`,
  user: (value) => `User ${value}`,
  identityFiles: (value) =>
    `IdentityFile "${value.replace(/^~(?=\/)/, homedir()).replaceAll("%", "%%")}"`,
};
const hostile = fc.oneof(
  fc.constantFrom(
    "a\nProxyCommand id",
    "a ProxyCommand",
    "-oX=y",
    '"',
    "fe80::1%eth0",
    "~/a b",
    "$(id)",
  ),
  fc.string({ unit: "grapheme", maxLength: 20 }),
);

test("any address, user or file name is refused or appears unchanged on one line", () => {
  const of = (more: object, files: string[]): unknown => ({
    hosts: { hv1: { ...hop("192.0.2.1", "root"), ...more } },
    agent: false,
    identityFiles: files,
  });
  const config = (given: unknown): string[] | undefined => {
    const { data } = configSchema.safeParse(given);
    const hv1 = data?.hosts["hv1"];
    if (data === undefined || hv1 === undefined) return undefined;
    return (sshFiles("/run/private", { hop: hv1, config: data }).get("config") ?? "")
      .split("\n")
      .map((line) => line.trim());
  };
  const plain = config(of({}, ["/id"]))?.length;
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(LINES)), hostile, (key, value) => {
      const lines = config(
        key === "identityFiles" ? of({}, [value]) : of({ [key]: value }, ["/id"]),
      );
      if (lines === undefined) return;
      expect(lines).toHaveLength(plain ?? 0);
      expect(lines).toContain(LINES[key]?.(value));
    }),
    { numRuns: 500 },
  );
});
