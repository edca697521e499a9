/** Copies: each host gets one at a time, for what closures share is sent once; hosts don't wait for each other. */
import { HostPool } from "../../../provider/hosts/pool";
import { Wait } from "../../../provider/hosts/operations/wait";

test("one copy at a time to a host, side by side to several", async () => {
  const pool = new HostPool({ hosts: {}, agent: false, identityFiles: [] });
  const running = new Map<string, number>();
  let mostOfOne = 0;
  let mostOfAll = 0;
  const copy = (host: string): Promise<void> => {
    const wait = new Wait(host, {
      deadline: Date.now() + 5_000,
      signal: new AbortController().signal,
    });
    return pool.copiesTo(host).run(wait, async () => {
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
