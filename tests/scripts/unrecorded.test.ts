/** Objects without a record are not removed. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { vm, volume } from "./operations";
import { Sandbox } from "./sandbox";

let box: Sandbox;
beforeEach(() => (box = new Sandbox()));
afterEach(() => box.remove());

test("a VM without a record is not stopped or removed; with a record it is removed", () => {
  expect(box.run("microvm-apply", vm())).toMatchObject({ code: 0 });
  const file = box.path("state", "vms", "kc1.json");
  const record = readFileSync(file, "utf8");
  rmSync(file);
  const before = box.contents();
  expect(box.run("microvm-remove", vm()).output).toMatch(
    /^n0nce fail foreign\tVM kc1 has no ownership record; nothing was changed\tAdd it to the site/,
  );
  expect(box.contents()).toEqual(before);

  writeFileSync(file, record);
  for (let run = 1; run <= 2; run++) {
    expect(box.run("microvm-remove", vm())).toMatchObject({ code: 0 });
  }
});

test("an image is removed, but not the administrator's directory that contained it", () => {
  const directory = box.path("srv");
  mkdirSync(directory);
  const own = { image: `${directory}/var.img`, on_delete: "delete" };
  expect(box.run("volume-apply", volume(box, own))).toMatchObject({ code: 0 });
  expect(box.run("volume-remove", volume(box, own))).toMatchObject({ code: 0 });
  expect(existsSync(own.image)).toBe(false);
  expect(existsSync(directory)).toBe(true);
});
