/** Whatever a program puts into an input is refused, or gets to the script on the host as it is. */
import * as fc from "fast-check";
import { Secret } from "../../provider/wire";
import type { ValueMap } from "../../provider/wire";
import { vm, volume } from "./inputs";
import { ProviderProcess, failure } from "./providerProcess";
import { keyPair, startScriptedHost } from "./scriptedHost";

const RESOURCES: Record<string, ValueMap> = { Volume: volume, MicroVm: { ...vm, running: false } };

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
/** What the schema lets through is one of these, or is the free text of `restart`. */
const PLAIN = /^[A-Za-z0-9/._+?=@-]*$/;

test("each input is refused by its name, or arrives as it is", async () => {
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
          expect(value).toMatch(PLAIN);
        } else {
          // The scripted host makes nothing, so the call itself fails: what was sent is what counts.
          arrived = "";
          const { message } = await failure(provider.create(type, inputs));
          if (message.includes("control characters are not allowed")) return;
          const line = arrived.split("\n").find((one) => one.startsWith('restart="'));
          expect(line).toBe(`restart="restart":${JSON.stringify(value)}`);
        }
      }),
      { numRuns: 150, examples: [[["MicroVm", "restart"], "$(id)`id`;'\"\n\0*"]] },
    );
  } finally {
    await provider.stop();
    await host.stop();
  }
});
