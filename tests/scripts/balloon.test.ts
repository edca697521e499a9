/** Root runs a program of a VM's runner only if the program is in the Nix store. */
import * as fs from "node:fs";
import { join } from "node:path";
import { vm } from "./operations";
import { Sandbox } from "./sandbox";
import type { Ran } from "./sandbox";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
  expect(box.run("microvm-apply", vm())).toMatchObject({ code: 0 });
  expect(box.run("microvm-settle", vm({ outcome: "confirmed" }))).toMatchObject({ code: 0 });
  const words = ["cloud-hypervisor", "--api-socket", "kc1.sock", "--memory", "size=256M"];
  box.write("vmm/cmdline", `${words.join("\0")}\0`);
});
afterEach(() => box.remove());

const target = (): Ran =>
  box.run("microvm-apply", vm({ known: "yes", update: "nothing", memory_target: "192" }));

/** Starts the VM with this runner. Its microvm-balloon writes a file. */
function startWith(runner: string): void {
  const bin = box.path(runner, "bin");
  fs.mkdirSync(bin, { recursive: true });
  fs.writeFileSync(join(bin, "microvm-balloon"), '#!/bin/sh\necho "$1" >"$BOX/ran"\n', {
    mode: 0o755,
  });
  fs.rmSync(box.path("microvms/kc1/booted"), { force: true });
  fs.symlinkSync(box.path(runner), box.path("microvms/kc1/booted"));
}

test("the runner's program receives the size of the balloon", () => {
  startWith("store/runner");
  expect(target()).toMatchObject({ code: 0 });
  expect(fs.readFileSync(box.path("ran"), "utf8")).toBe("64\n");
});

test("a program outside the store is not run", () => {
  startWith("microvms/kc1/other");
  const { code, output } = target();
  expect(code).toBe(1);
  expect(output).toMatch(/fail operation\tthe memory target of kc1 /);
  expect(fs.existsSync(box.path("ran"))).toBe(false);
});

test("a link from the store to a program outside is not followed", () => {
  startWith("microvms/kc1/other");
  const link = box.path("store", "led");
  fs.mkdirSync(link);
  fs.symlinkSync(box.path("microvms/kc1/other/bin"), join(link, "bin"));
  fs.rmSync(box.path("microvms/kc1/booted"));
  fs.symlinkSync(link, box.path("microvms/kc1/booted"));
  expect(target()).toMatchObject({ code: 1 });
  expect(fs.existsSync(box.path("ran"))).toBe(false);
});
