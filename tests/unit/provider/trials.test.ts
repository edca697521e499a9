/** Hosts switch their systems one at a time, and no further host after a failure. */
import { Trials } from "../../../provider/hosts/operations/trials";
import { Wait } from "../../../provider/hosts/wait/wait";

const wait = (): Wait =>
  new Wait("hv", { deadline: Date.now() + 5_000, signal: new AbortController().signal });
const tick = (): Promise<void> => new Promise((done) => setTimeout(done, 5));

test("one host at a time", async () => {
  const trials = new Trials();
  let running = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    most = Math.max(most, ++running);
    await tick();
    running -= 1;
  };
  await Promise.all(["hv1", "hv2", "hv3"].map((host) => trials.run(host, wait(), work)));
  expect(most).toBe(1);
});

test("no host after a failure, and the error names the failed host", async () => {
  const trials = new Trials();
  let began = 0;
  const first = trials.run("hv1", wait(), async () => {
    await tick();
    throw new Error("it went back");
  });
  const second = trials.run("hv2", wait(), () => Promise.resolve((began += 1)));
  await expect(first).rejects.toThrow("it went back");
  await expect(second).rejects.toThrow(/hv2: skipped: the switch of hv1 failed/);
  expect(began).toBe(0);
});
