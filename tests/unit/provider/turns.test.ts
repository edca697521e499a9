/** One host's system at a time, and none behind one that failed. */
import { Turns } from "../../../provider/hosts/operations/trials";
import { Wait } from "../../../provider/hosts/operations/wait";

const wait = (): Wait =>
  new Wait("hv", { deadline: Date.now() + 5_000, signal: new AbortController().signal });
const tick = (): Promise<void> => new Promise((done) => setTimeout(done, 5));

test("one after the other", async () => {
  const turns = new Turns();
  let running = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    most = Math.max(most, ++running);
    await tick();
    running -= 1;
  };
  await Promise.all(["hv1", "hv2", "hv3"].map((host) => turns.run(host, wait(), work)));
  expect(most).toBe(1);
});

test("none behind one that failed, and the error names it", async () => {
  const turns = new Turns();
  let began = 0;
  const first = turns.run("hv1", wait(), async () => {
    await tick();
    throw new Error("it went back");
  });
  const second = turns.run("hv2", wait(), () => Promise.resolve((began += 1)));
  await expect(first).rejects.toThrow("it went back");
  await expect(second).rejects.toThrow(/hv2: its system was left as it is.*hv1 failed/);
  expect(began).toBe(0);
});
