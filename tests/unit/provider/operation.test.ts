/** Re-attachment to an operation after a lost connection, and the limits of a silent operation. */
import { ProviderError } from "../../../provider/errors";
import { operate } from "../../../provider/hosts/operations/operation";
import type { Operation } from "../../../provider/hosts/operations/operation";
import type { Run, Stage } from "../../../provider/hosts/transport/exec";

const WAIT_SECONDS = 3_600;
const WORK_SECONDS = 10;
/** The time that the provider adds for the operation's report and its probe. */
const REPORT_SECONDS = 60;

type Attempt = (run: Run) => Promise<string[]>;

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

const fails = (reason: "outcome-unknown" | "unreachable") => (): Promise<string[]> =>
  Promise.reject(new ProviderError(reason, `kw1: ${reason}`));
const lost = fails("outcome-unknown");
const unreachable = fails("unreachable");
const hangs = (...stages: Stage[]): Attempt => {
  return ({ wait, onSent, onStage }) => {
    onSent?.();
    for (const stage of stages) onStage?.(stage);
    return wait.until(new Promise(() => undefined));
  };
};

/** Runs an operation. Returns its result, the seconds that it took, and the sent ids. */
async function run(
  attempts: Attempt[],
  more: Partial<Operation> = {},
): Promise<{ result: string[] | ProviderError; seconds: number; sent: (string | undefined)[] }> {
  const sent: (string | undefined)[] = [];
  const transport = {
    name: "kw1",
    run: (one: Run) => {
      sent.push(one.parameters["operation"]);
      const attempt = attempts[Math.min(sent.length, attempts.length) - 1] ?? lost;
      return attempt(one);
    },
  };
  const call = {
    urn: "",
    status: () => undefined,
    deadline: Infinity,
    signal: new AbortController().signal,
  };
  const operation = {
    script: "guest-switch",
    machineId: "a",
    parameters: {},
    seconds: WORK_SECONDS,
    ...more,
  };
  const operator = { transport, probe: "guest-probe", waitSeconds: WAIT_SECONDS };
  const started = Date.now();
  let seconds = 0;
  const result = operate(operator, call, operation)
    .catch((error: unknown) => {
      if (error instanceof ProviderError) return error;
      throw error;
    })
    .finally(() => (seconds = Math.round((Date.now() - started) / 1000)));
  await jest.runAllTimersAsync();
  return { result: await result, seconds, sent };
}

const done: Attempt = () => Promise.resolve(["probed"]);

test("after a lost connection, the provider attaches with the same id", async () => {
  const { result, sent } = await run([lost, unreachable, done]);
  expect(result).toEqual(["probed"]);
  expect(sent).toHaveLength(3);
  expect(new Set(sent).size).toBe(1);
});

test("an operation that was never sent is an error at once", async () => {
  const { result, sent } = await run([unreachable, done]);
  expect(result).toMatchObject({ reason: "unreachable" });
  expect(sent).toHaveLength(1);
});

test("an unreachable host is an error after a few attempts", async () => {
  const { result, sent } = await run([lost, unreachable]);
  expect(result).toMatchObject({ reason: "outcome-unknown" });
  expect(sent).toHaveLength(5);
});

test("reconnectSeconds limits the wait for an unreachable machine", async () => {
  const away = { seconds: 600, reconnectSeconds: 120 };
  const { result, seconds } = await run([lost, unreachable], away);
  expect(result).toMatchObject({ reason: "outcome-unknown" });
  expect(seconds).toBeGreaterThanOrEqual(120);
  expect(seconds).toBeLessThan(126);
  const late = [lost, ...Array.from({ length: 20 }, () => unreachable), done];
  expect((await run(late, away)).result).toEqual(["probed"]);
});

test("an operation that reports no stage ends long before the limit of waits", async () => {
  const { result, seconds } = await run([hangs()], { seconds: 600 });
  expect(result).toMatchObject({ reason: "deadline" });
  expect(seconds).toBe(REPORT_SECONDS);
  // A shorter work limit applies too.
  expect((await run([hangs()], { seconds: 10 })).seconds).toBe(10);
});

test.each<[Stage[], number]>([
  [["waiting"], WAIT_SECONDS + REPORT_SECONDS],
  [["working"], WORK_SECONDS + REPORT_SECONDS],
  [["waiting", "working"], WORK_SECONDS + REPORT_SECONDS],
])("after %j the limit of that stage applies", async (stages, limit) => {
  expect((await run([hangs(...stages)])).seconds).toBe(limit);
});

test("a repeated stage after a new attachment does not extend the limit", async () => {
  const losing: Attempt = async ({ onSent, onStage, wait }) => {
    onSent?.();
    onStage?.("waiting");
    onStage?.("working");
    await new Promise((resolve) => setTimeout(resolve, 20_000));
    if (wait.signal.aborted) throw wait.over();
    throw new ProviderError("outcome-unknown", "kw1: lost");
  };
  const { result, seconds } = await run([losing], { reconnectSeconds: 1_000 });
  expect(result).toMatchObject({ reason: "deadline" });
  expect(seconds).toBeLessThan(WORK_SECONDS + REPORT_SECONDS + 30);
});
