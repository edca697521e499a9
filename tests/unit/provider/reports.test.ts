/** Messages that a pass reports once: failures of a whole host, and log lines. */
import { ProviderError } from "../../../provider/errors";
import { parseFacts } from "../../../provider/hosts/facts/hostFacts";
import { HostFailures } from "../../../provider/hosts/failures";
import { onceEach, silentLog } from "../../../provider/log";
import { nixClosure } from "../../../provider/resources/machines/nixClosure";
import { volume } from "../../../provider/resources/machines/volume";
import { bind } from "../../../provider/lifecycle";
import { contextOf } from "./context";

const LINES = ["hostname\th", "clock\t1", "memory-kib\t1", "disk-free-kib\t1", "probed"];
const FACTS = parseFacts("h", [`machine-id\t${"0".repeat(32)}`, ...LINES], 1);
const urn = (type: string, name: string): string =>
  `urn:pulumi:s::p::a:b:C$microvm:index:${type}::${name}`;

test("an unreachable host is reported once in full, and the other errors refer to it", () => {
  const failures = new HostFailures();
  const make = (host: string) =>
    new ProviderError(
      "unreachable",
      `${host} (192.0.2.11:22): can't be reached: timeout`,
      "Check it.",
    );
  const first = make("hv1");
  expect(failures.shorten(urn("Hypervisor", "hv1"), first)).toBe(first);
  expect(failures.shorten(urn("MicroVm", "kw1"), make("hv1"))).toHaveProperty(
    "message",
    "hv1 can't be reached: see the error of Hypervisor hv1",
  );
  const again = make("hv1");
  expect(failures.shorten(urn("Hypervisor", "hv1"), again)).toBe(again);
  const other = make("hv2");
  expect(failures.shorten(urn("MicroVm", "kw1"), other)).toBe(other);
});

test("an error of one resource is always reported in full", () => {
  const failures = new HostFailures();
  for (const name of ["kw1", "kw2"]) {
    const error = new ProviderError("operation", "hv1: doing: no space");
    expect(failures.shorten(urn("MicroVm", name), error)).toBe(error);
  }
});

test("all calls of one process share the report, also a refresh and a removal", async () => {
  const context = contextOf(urn("NixClosure", "kw1"));
  // A cancelled call would fail with another error.
  const unreachable = () =>
    Promise.reject(new ProviderError("unreachable", "h (192.0.2.1:22): can't be reached: timeout"));
  jest.spyOn(context.pool.get("h"), "read").mockImplementation(unreachable);
  jest.spyOn(context.pool.get("h"), "operate").mockImplementation(unreachable);
  const machineId = "0".repeat(32);
  const closure = { host: "h", machineId, name: "kw1", roots: {} };
  const image = {
    host: "h",
    machineId,
    vm: "kw1",
    name: "var",
    image: "/i",
    sizeMiB: 1,
    label: "l",
  };
  const read = bind(nixClosure).read(context, "h/kw1", closure, {});
  await expect(read).rejects.toMatchObject({
    reasons: ["h (192.0.2.1:22): can't be reached: timeout"],
  });
  const other = { ...context, urn: urn("Volume", "kw1-var") };
  await expect(bind(volume).read(other, "h/kw1.var", image, {})).rejects.toMatchObject({
    reasons: ["h can't be reached: see the error of NixClosure kw1"],
  });
  await expect(bind(volume).remove(other, image, {})).rejects.toThrow(
    "see the error of NixClosure",
  );
});

test("a line is logged once for each resource", () => {
  const lines: string[] = [];
  const log = onceEach({
    ...silentLog,
    warning: (of, text) => lines.push(`warning ${of} ${text}`),
    info: (of, text) => lines.push(`info ${of} ${text}`),
  });
  for (const name of ["a", "b", "a"]) {
    log.warning(name, "skew");
    log.info(name, "restarts");
  }
  expect(lines).toEqual(["warning a skew", "info a restarts", "warning b skew", "info b restarts"]);
});

test.each([
  ["retain", "kept"],
  ["trash", "moved to the trash"],
  ["delete", "deleted"],
])(
  "the removal of a volume with onDelete %s says that the image was %s",
  async (onDelete, fate) => {
    const lines: string[] = [];
    const context = contextOf("u", { info: (_, text) => lines.push(text) });
    jest.spyOn(context.pool.get("h"), "read").mockResolvedValue(FACTS);
    jest.spyOn(context.pool.get("h"), "operate").mockResolvedValue(FACTS);
    const inputs = { host: "h", machineId: "0".repeat(32), vm: "kw1", name: "var", image: "/i" };
    await bind(volume).remove(context, { ...inputs, sizeMiB: 1, label: "l", onDelete }, {});
    expect(lines).toEqual([`h: the image /i of kw1.var was ${fate} (onDelete: ${onDelete})`]);
  },
);
