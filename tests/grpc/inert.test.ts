/** Each input of a program is either refused or reaches the script on the host unchanged. */
import * as fc from "fast-check";
import { Secret } from "../../provider/wire";
import type { ValueMap } from "../../provider/wire";
import { closure, hypervisor, storePath, vm, volume } from "./inputs";
import { ProviderProcess, failure } from "./providerProcess";
import { keyPair, startScriptedHost } from "./scriptedHost";

const RESOURCES: Record<string, ValueMap> = {
  Volume: volume,
  MicroVm: { ...vm, running: false },
  NixClosure: { ...closure, build: "host" },
  NixosSystem: {
    host: "hv1",
    drvPath: storePath("b.drv"),
    toplevel: storePath("b"),
    build: "host",
  },
  Hypervisor: { ...hypervisor, endpoint: "" },
};

const hostile = fc.oneof(
  fc.constantFrom(
    "$(id)",
    "`id`",
    "';id;'",
    '"',
    "-rf",
    "../..",
    "*",
    "a b",
    "é\u202e",
    "\0",
    "\n",
  ),
  fc.string({ unit: "grapheme", maxLength: 30 }),
);
const field = fc.constantFrom(
  ...Object.entries(RESOURCES).flatMap(([type, inputs]) =>
    Object.keys(inputs).map((key) => [type, key] as const),
  ),
);
/**
 * The inputs that pass the schema have these shapes. `restart` and `endpoint` are free text;
 * `endpoint` is sent nowhere.
 */
const PLAIN = /^[A-Za-z0-9/._+?=@-]*$/;

test("each input is refused by name or arrives unchanged", async () => {
  const operator = keyPair();
  const host = await startScriptedHost(operator.publicKey);
  const provider = await ProviderProcess.start();
  const hv1 = { address: "127.0.0.1", port: host.port, user: "root", hostKey: host.hostKey };
  const hosts = JSON.stringify({ hv1 });
  const privateKey = new Secret(operator.privateKey);
  await provider.configure({ hosts, agent: "false", privateKey });
  let arrived = "";
  host.onExec = (exec) => {
    if (exec.operation !== undefined) arrived = exec.stdin;
    exec.answer([...host.facts, `${exec.nonce} done`], 0);
  };
  try {
    await fc.assert(
      fc.asyncProperty(field, hostile, async ([type, key], value) => {
        const { inputs, failures } = await provider.check(type, {
          ...RESOURCES[type],
          [key]: value,
        });
        if (failures.length > 0) {
          expect(failures.every((one) => one.startsWith(`${key}:`))).toBe(true);
        } else if (key !== "restart") {
          if (key !== "endpoint") expect(value).toMatch(PLAIN);
        } else {
          // The scripted host creates nothing, so the call fails. The test checks what was sent.
          arrived = "";
          const { message } = await failure(provider.create(type, inputs));
          if (message.includes("control characters are not allowed")) return;
          const line = arrived.split("\n").find((one) => one.startsWith('restart="'));
          expect(line).toBe(`restart="restart":${JSON.stringify(value)}`);
        }
      }),
      { numRuns: 300, examples: [[["MicroVm", "restart"], "$(id)`id`;'\"\n\0*"]] },
    );
  } finally {
    await provider.stop();
    await host.stop();
  }
});

const hosts = (more: ValueMap): string => {
  const hv1 = { address: "192.0.2.1", user: "root", hostKey: "ssh-ed25519 AAAA" };
  return JSON.stringify({ hv1: { ...hv1, ...more } });
};

test("each field of the configuration is refused by name or contains only plain text", async () => {
  const provider = await ProviderProcess.start();
  const key = fc.constantFrom("address", "user", "identityFiles");
  try {
    await fc.assert(
      fc.asyncProperty(key, hostile, async (name, value) => {
        const isFile = name === "identityFiles";
        const config = {
          hosts: hosts(isFile ? {} : { [name]: value }),
          agent: "false",
          identityFiles: JSON.stringify(isFile ? [value] : []),
        };
        const refused = await provider.configure(config).then(
          () => undefined,
          (error: unknown) => String(error),
        );
        if (refused !== undefined) expect(refused).toContain(isFile ? name : `hosts.hv1.${name}: `);
        else if (isFile) expect(value).toMatch(/^[^\p{Cc}"]+$/u);
        else expect(value).toMatch(/^[A-Za-z0-9_][A-Za-z0-9._:%-]*$/);
      }),
      { numRuns: 150 },
    );
  } finally {
    await provider.stop();
  }
});
