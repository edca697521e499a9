/** What a run says about its site file. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import * as pulumi from "../../../components/pulumi";
import { readSite } from "../../../components/readSite";

const EXAMPLE = readFileSync(resolve(__dirname, "../../../stacks/example-production.yaml"), "utf8");
const directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-site-"));
const file = join(directory, "site.yaml");
let logged: jest.SpiedFunction<typeof pulumi.log.warn>;

beforeEach(() => {
  logged = jest.spyOn(pulumi.log, "warn").mockResolvedValue();
});
afterEach(() => logged.mockRestore());
afterAll(() => {
  rmSync(directory, { recursive: true });
});

const read = (text: string) => {
  writeFileSync(file, text);
  return readSite(file);
};

test("a right site is read in silence", () => {
  expect(read(EXAMPLE).cluster?.name).toBe("production");
  expect(logged).not.toHaveBeenCalled();
});

test("a warning of the site is shown once, with its place, and stops nothing", () => {
  const risky = EXAMPLE.replace("hypervisor: rack1-hv3", "hypervisor: rack1-hv2");
  expect(read(risky).vms.length).toBeGreaterThan(2);
  expect(logged).toHaveBeenCalledTimes(1);
  expect(logged).toHaveBeenCalledWith(
    expect.stringMatching(/site\.yaml:\d+:\d+ cluster: without rack1-hv2, the cluster has no quo/),
  );
});

test("a fault ends the run, without warnings", () => {
  const wrong = EXAMPLE.replace("hypervisor: rack1-hv3", "hypervisor: rack1-hv2");
  expect(() => read(wrong.replace('"1.36"', '"1.30"'))).toThrow(pulumi.RunError);
  expect(logged).not.toHaveBeenCalled();
});
