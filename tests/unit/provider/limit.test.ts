import { Limiter } from "../../../provider/hosts/wait/limit";
import { Wait, pause, within } from "../../../provider/hosts/wait/wait";

const signal = new AbortController().signal;
const wait = (milliseconds = 5_000): Wait =>
  new Wait("hv1", { deadline: Date.now() + milliseconds, signal });

test("a waiting task reports the limit, the running tasks and its position", async () => {
  const limiter = new Limiter(2, "a slot for VMs on hv1");
  const lines: string[] = [];
  let open = (): void => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  const run = (name: string): Promise<void> =>
    limiter.run(
      wait(),
      () => gate,
      name,
      (line) => lines.push(`${name}: ${line}`),
    );
  const all = ["kw1", "kw2", "kw3", "kw4"].map(run);
  await pause(1, signal);
  open();
  await Promise.all(all);
  expect(lines).toEqual([
    "kw3: waiting for a slot for VMs on hv1 (in use by kw1, kw2), 0 before it",
    "kw4: waiting for a slot for VMs on hv1 (in use by kw1, kw2), 1 before it",
  ]);
});

test("a wait that times out in the queue names its reason, and the task never starts", async () => {
  const limiter = new Limiter(1, "a slot for VMs on hv1");
  let open = (): void => undefined;
  const first = limiter.run(wait(), () => new Promise<void>((resolve) => (open = resolve)), "kw1");
  let started = false;
  const second = limiter.run(wait(20), () => Promise.resolve((started = true)), "kw2");
  await expect(second).rejects.toThrow(
    "hv1: timed out while waiting for a slot for VMs on hv1 (in use by kw1)",
  );
  open();
  await first;
  expect(started).toBe(false);
});

test("as many tasks run at once as the limit allows, also after a failure", async () => {
  const limiter = new Limiter(2);
  let running = 0;
  let most = 0;
  const task = async (fails: boolean): Promise<void> => {
    most = Math.max(most, ++running);
    await pause(2, signal);
    running -= 1;
    if (fails) throw new Error("no");
  };
  const runs = Array.from({ length: 9 }, (_, index) =>
    limiter.run(wait(), () => task(index === 1)),
  );
  const results = await Promise.allSettled(runs);
  expect(most).toBe(2);
  expect(results.filter(({ status }) => status === "rejected")).toHaveLength(1);
});

test("a stage with its own limit replaces the deadline", async () => {
  const limited = wait(30);
  limited.extend(Date.now() + 5_000);
  await expect(limited.until(pause(60, signal))).resolves.toBeUndefined();
  limited.extend(Date.now() + 10);
  await expect(limited.until(pause(1_000, signal))).rejects.toThrow("timed out");
});

test("the limits of a step do not change those of the call", () => {
  const call = { deadline: 5, signal, urn: "x" };
  expect(within(call, 10)).toMatchObject({ urn: "x" });
  expect(call.deadline).toBe(5);
});
