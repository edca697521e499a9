/**
 * e2fsck and resize2fs are never interrupted. They continue after the provider stops waiting or is
 * killed. The next call attaches to the operation, and the next run waits for its lock.
 */
import { readFileSync } from "node:fs";
import { appears, operate, runText, sent, startUnitsApart, wrap } from "./background";
import { volume } from "./operations";
import { Sandbox } from "./sandbox";

jest.setTimeout(60_000);

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
  expect(box.run("volume-apply", volume(box))).toMatchObject({ code: 0 });
});
afterEach(() => box.remove());

const lines = (file: string): string[] => readFileSync(box.path(file), "utf8").trim().split("\n");

test.each(["e2fsck", "resize2fs"])("%s continues without its caller", async (tool) => {
  startUnitsApart(box);
  const wait = 'while [ -d "$BOX" ] && [ ! -e "$BOX/go-on" ]; do /bin/sleep 0.02; done';
  wrap(box, tool, `echo begun >>"$BOX/runs"\n${wait}\necho ended >>"$BOX/runs"\nexec "$STUB" "$@"`);
  const larger = volume(box, { bytes: "131072", known: "yes" });
  const { text, parameters, payload } = sent(box, "volume-apply", "growth", larger);

  const call = runText(box, `echo $$ >"$BOX/caller"\n${text}`, parameters, payload);
  await appears(box, "runs");
  process.kill(Number(lines("caller")[0]), "SIGKILL");

  // Another run cannot work on the image and reports the reason.
  const early = await operate(box, "volume-apply", larger, 1);
  expect(early.code).toBe(1);
  expect(early.output).toContain(
    "n0nce status waiting for the lock of volume.kc1.var (held by volume-apply)",
  );

  // The same call attaches again. Another run waits.
  const attached = runText(box, text, parameters);
  const next = operate(box, "volume-apply", larger);
  expect(lines("runs")).toEqual(["begun"]);
  box.write("go-on", "");
  const { code, output } = await attached;
  expect(`${code ?? "killed"} ${output}`).toMatch(/^0 [^]*\nouter done\n$/);
  expect(await next).toMatchObject({ code: 0 });
  expect(await call).toMatchObject({ code: null });
  expect(lines("runs")).toEqual(["begun", "ended"]);
  expect(readFileSync(box.path("state/volumes/kc1.var.json"), "utf8")).toContain(
    '"phase":"ready","bytes":131072',
  );
});
