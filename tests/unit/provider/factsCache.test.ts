/** If probes overlap, the cache keeps the facts that were read last. */
import { FactsCache } from "../../../provider/hosts/facts/cache";
import type { Taken } from "../../../provider/hosts/facts/cache";
import { Transport } from "../../../provider/hosts/transport/transport";
import { Wait } from "../../../provider/hosts/wait/wait";

interface Facts extends Taken {
  name: string;
}

const parse = (_: string, [line = ""]: string[]): Facts => {
  const [bootId = "", takenAt = "", name = ""] = line.split(" ");
  return { bootId, takenAt: Number(takenAt), name };
};

function cache(): { keep(line: string): Facts; read(): Promise<string>; forget(): void } {
  const transport = new Transport("hv1", "root", () => Promise.reject(new Error("no host here")));
  const facts = new FactsCache<Facts>(transport, { script: "probe", parse });
  const limits = { deadline: Date.now() + 5_000, signal: new AbortController().signal };
  return {
    keep: (line) => facts.keep([line]),
    read: async () => (await facts.read(new Wait("hv1", limits))).name,
    forget: () => facts.forget(),
  };
}

test("an older probe that ends later replaces nothing", async () => {
  const facts = cache();
  facts.keep("boot1 200 newer");
  // Its own caller still gets its result.
  expect(facts.keep("boot1 100 older").name).toBe("older");
  expect(await facts.read()).toBe("newer");
  facts.keep("boot1 300 newest");
  expect(await facts.read()).toBe("newest");
});

test("a probe after a reboot is newer, although its uptime is shorter", async () => {
  const facts = cache();
  facts.keep("boot1 900 before");
  facts.keep("boot2 10 after");
  expect(await facts.read()).toBe("after");
});

test("removed facts are read again", async () => {
  const facts = cache();
  facts.keep("boot1 1 x");
  facts.forget();
  await expect(facts.read()).rejects.toThrow("no host here");
});
