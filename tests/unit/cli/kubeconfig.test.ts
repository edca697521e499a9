/** `pulumi-microvm kubeconfig`: a file that nobody else can read, at any time. */
import {
  chmodSync,
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { calls, place, run, useStandIns } from "./standIns";

useStandIns();

const outputs = (value: object): void => writeFileSync(place("outputs"), JSON.stringify(value));
const file = (): string => place("kubeconfig");
beforeEach(() => rmSync(file(), { force: true }));

test("writes the secret output with mode 0600, and prints no part of it", async () => {
  outputs({ vms: {}, kubeconfig: "apiVersion: v1\nhunter2\n" });
  const { code, out } = await run("-s", "prod", "kubeconfig", file());
  expect(code).toBe(0);
  expect(readFileSync(file(), "utf8")).toBe("apiVersion: v1\nhunter2\n");
  expect(statSync(file()).mode & 0o777).toBe(0o600);
  expect(out).toBe(`${file()} is written. Use it: export KUBECONFIG=${file()}`);
  expect(calls().at(-1)).toMatch(/^stack output --json --show-secrets --stack=prod/);
});

test("a file that others could read is replaced, not filled", async () => {
  writeFileSync(file(), "old");
  chmodSync(file(), 0o644);
  const { ino } = statSync(file());
  outputs({ kubeconfig: "new" });
  expect(await run("kubeconfig", file())).toMatchObject({ code: 0 });
  expect(statSync(file()).ino).not.toBe(ino);
  expect(statSync(file()).mode & 0o777).toBe(0o600);
});

test.each([[{ vms: {} }], [{ kubeconfig: "" }], [{ kubeconfig: null }]])(
  "a stack without one: %j",
  async (value) => {
    outputs(value);
    const { failure } = await run("kubeconfig", file());
    expect(String(failure)).toContain("the stack has no output kubeconfig");
    expect(existsSync(file())).toBe(false);
  },
);

test("a directory that does not exist is an error, and leaves no part", async () => {
  outputs({ kubeconfig: "hunter2" });
  const before = readdirSync(place(".")).filter((name) => name !== "calls");
  const { failure } = await run("kubeconfig", place("missing/file"));
  expect(String(failure)).toContain("can't write");
  expect(String(failure)).not.toContain("hunter2");
  expect(readdirSync(place(".")).filter((name) => name !== "calls")).toEqual(before);
});
