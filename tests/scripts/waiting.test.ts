/**
 * The processes that waiting operations start on a host. The operations run in a separate process
 * namespace, whose next process number shows how many were started. Requires root.
 */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { encodeParameters, script } from "../../provider/hosts/transport/script";
import { sent, startUnitsApart } from "./background";
import type { Sent } from "./background";
import { vm } from "./operations";
import { MACHINE, NONCE, Sandbox } from "./sandbox";

jest.setTimeout(60_000);

const SECONDS = 3;

let box: Sandbox;
/** Processes that the measurement itself starts. */
let idle: number;
beforeAll(async () => {
  box = new Sandbox();
  idle = await processes([]);
  box.remove();
});
beforeEach(() => (box = new Sandbox()));
afterEach(() => box.remove());

/** An operation as it runs on the host. */
function apply(name: string, more: Record<string, string> = {}): Sent {
  const common = { operation: `op-${name}`, doing: "microvm-apply", machine_id: MACHINE };
  const parameters = { nonce: NONCE, ...common, wait_seconds: "60", ...vm({ name, ...more }) };
  return { text: script("microvm-apply"), parameters, payload: "" };
}

/** Starts the operations while the lock of VM `held` is taken, and waits until all of them wait. */
const DRIVER = `
number() { /bin/sh -c 'echo $$'; }
mkdir -p run/locks run/operations
exec 5>>run/locks/vm.held
flock 5
for waiter in waiter-*; do
  [ -e "$waiter" ] || continue
  output=output-\${waiter#waiter-}
  : >"$output"
  /bin/sh "$waiter" <"input-\${waiter#waiter-}" >"$output" 2>&1 5>&- &
done
for waiter in waiter-*; do
  [ -e "$waiter" ] || continue
  output=output-\${waiter#waiter-}
  until grep -q ' waiting for ' "$output" || grep -q ' waiting$' "$output"; do
    /bin/sleep 0.1
  done
done
/bin/sleep 1
before=$(number)
/bin/sleep ${SECONDS}
after=$(number)
echo $((after - before))
`;

/** The number of processes that are started in some seconds while all operations wait. */
function processes(waiters: readonly Sent[]): Promise<number> {
  waiters.forEach(({ text, parameters, payload }, index) => {
    fs.writeFileSync(box.path(`waiter-${index}`), box.moved(text));
    fs.writeFileSync(box.path(`input-${index}`), encodeParameters(parameters) + payload);
  });
  fs.writeFileSync(box.path("count"), "0");
  fs.writeFileSync(box.path("driver"), DRIVER);
  return new Promise((resolve, reject) => {
    const words = ["--pid", "--fork", "--kill-child", "/bin/sh", box.path("driver")];
    const child = spawn("unshare", words, { cwd: box.root, env: box.environment(0) });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.on("error", reject);
    child.on("close", () => {
      if (/^\d+\n$/.test(output)) resolve(Number(output));
      else reject(new Error(output));
    });
  });
}

const names = Array.from({ length: 10 }, (_, index) => `kw${index}`);
test("waiting for a lock starts no process", async () => {
  const waiters = names.map(() => apply("held"));
  expect(await processes(waiters)).toBe(idle);
});

test("of the operations that wait for a slot, only the first checks, once a second", async () => {
  fs.mkdirSync(box.path("run/slots"), { recursive: true });
  const uptime = Number(fs.readFileSync("/proc/uptime", "utf8").split(".")[0]);
  box.write("run/slots/other", `${uptime + 600}\n`);
  const waiters = names.map((name) => apply(name, { parallelism: "1" }));
  const started = (await processes(waiters)) - idle;
  expect(started).toBeGreaterThanOrEqual(SECONDS - 1);
  expect(started).toBeLessThanOrEqual(SECONDS + 1);
});

test("an operation that waits for another operation to end starts no process", async () => {
  startUnitsApart(box);
  const call = sent(box, "microvm-apply", "op", vm({ name: "held" }));
  expect(await processes([call])).toBe(idle);
});
