/**
 * Each host receives one copy at a time, because closures share paths. Copies to several hosts run
 * in parallel.
 */
import { configSchema } from "../../../provider/hosts/transport/config";
import { HostPool } from "../../../provider/hosts/pool";
import { Wait } from "../../../provider/hosts/wait/wait";

test("one copy at a time runs to a host, and copies to several hosts run in parallel", async () => {
  const hop = { address: "192.0.2.1", user: "root", hostKey: "ssh-ed25519 AAAA" };
  const pool = new HostPool(configSchema.parse({ hosts: { hv1: hop, hv2: hop } }));
  const running = new Map<string, number>();
  let mostOfOne = 0;
  let mostOfAll = 0;
  const copy = (host: string): Promise<void> => {
    const wait = new Wait(host, {
      deadline: Date.now() + 5_000,
      signal: new AbortController().signal,
    });
    return pool.limitsOf(host).copies.run(wait, async () => {
      running.set(host, (running.get(host) ?? 0) + 1);
      mostOfOne = Math.max(mostOfOne, ...running.values());
      mostOfAll = Math.max(
        mostOfAll,
        [...running.values()].reduce((sum, one) => sum + one, 0),
      );
      await new Promise((done) => setTimeout(done, 5));
      running.set(host, (running.get(host) ?? 0) - 1);
    });
  };
  await Promise.all(["hv1", "hv1", "hv1", "hv2", "hv2"].map(copy));
  expect(mostOfOne).toBe(1);
  expect(mostOfAll).toBe(2);
});

test("a renamed host is one host under both names", () => {
  const hop = { address: "192.0.2.1", user: "root", hostKey: "ssh-ed25519 AAAA" };
  const hosts = { hv9: { ...hop, renamedFrom: "hv1", maintenance: true }, hv2: hop };
  const pool = new HostPool(configSchema.parse({ hosts }));
  expect(pool.get("hv1")).toBe(pool.get("hv9"));
  expect(pool.get("hv1").name).toBe("hv9");
  expect(pool.limitsOf("hv1")).toBe(pool.limitsOf("hv9"));
  expect([pool.closed("hv1"), pool.closed("hv2")]).toEqual(["in maintenance", undefined]);
  expect(pool.sameMachine("hv1", "m")).toBeUndefined();
  expect(pool.sameMachine("hv9", "m")).toBeUndefined();
  expect(pool.sameMachine("hv2", "m")).toBe("hv9");
  expect(() => pool.get("hv3")).toThrow("hv3: this host is not in the provider's configuration");
});
