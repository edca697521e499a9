/** What a preview's events mean. */
import { buildPreview } from "../../../cli/preview/build";
import type { Preview } from "../../../cli/preview/build";
import { END, build, logOf, refresh, said, step, urnOf } from "./eventLog";
import type { Notice } from "../../../contract/notices";

const noticesOf = (...notices: Notice[]): string =>
  notices.map((notice) => `${JSON.stringify(notice)}\n`).join("");

const vm = (name: string, host = "hv1"): Record<string, unknown> => ({ name, host });

describe("what is read", () => {
  test("events and notices of another version, and a cut off line, are ignored", () => {
    const events = logOf({ futureEvent: { a: 1 } }, step("MicroVm", "kw1", { op: "same" }), END);
    const notices = `{"kind":"future","urn":"x"}\n{"kind":"plan"`;
    const { model } = buildPreview(
      {
        events: `${events}not json\n{"resourcePreEvent":{"meta`,
        notices,
        plan: "x",
        stderr: "",
        exitCode: 0,
      },
      undefined,
    );
    expect(model).toMatchObject({ stack: "site/prod", isWhole: true, counts: { same: 1 } });
  });

  test("without an end the plan is not whole, and has no hash", () => {
    const { model, hash } = build([step("MicroVm", "kw1", { op: "same" })]);
    expect(model.isWhole).toBe(false);
    expect(hash).toBeUndefined();
  });

  test("a preview that failed before its first event shows what Pulumi wrote", () => {
    const { model } = build([], { exitCode: 255, stderr: "error: the stack is locked\n" });
    expect(model.problems).toEqual([
      { resource: "", text: "error: the stack is locked", remedy: "", others: 0 },
    ]);
  });

  test("a failed exit alone makes the plan not whole", () => {
    expect(build([END], { exitCode: 1 }).hash).toBeUndefined();
  });
});

describe("machines", () => {
  const effectOf = (preview: Preview, name = "kw1"): unknown => {
    const machine = preview.model.machines.find((one) => one.name === name);
    return machine && { effect: machine.effect, reason: machine.reason };
  };
  const change = step("MicroVm", "kw1", { old: vm("kw1"), new: vm("kw1"), diff: { a: "input" } });

  test.each([
    ["create", { effect: "create", reason: "it is new in the site" }],
    ["import", { effect: "import", reason: "it is taken over as it runs" }],
    ["same", { effect: "nothing", reason: "" }],
  ])("%s", (op, expected) => {
    expect(effectOf(build([step("MicroVm", "kw1", { op, new: vm("kw1") }), END]))).toEqual(
      expected,
    );
  });

  test("delete", () => {
    const gone = step("MicroVm", "kw1", { op: "delete", old: vm("kw1"), new: null });
    expect(effectOf(build([gone, END]))).toMatchObject({ effect: "remove" });
  });

  test("an update does what the provider plans, with the packages of the closure", () => {
    const urn = urnOf("MicroVm", "kw1");
    const packages = [{ name: "hello", from: "1", to: "2" }];
    const notices = noticesOf(
      { kind: "plan", urn, effect: "live", reason: "because", packages: [] },
      { kind: "plan", urn: urnOf("NixClosure", "kw1"), effect: "nothing", reason: "", packages },
    );
    const closure = step("NixClosure", "kw1", { new: vm("kw1"), diff: { a: "input" } });
    expect(build([change, closure, END], { notices }).model.machines).toEqual([
      { name: "kw1", kind: "VM", host: "hv1", effect: "live", reason: "because", packages },
    ]);
  });

  test("an update without a plan depends on unknown values", () => {
    expect(effectOf(build([change, END]))).toMatchObject({ effect: "unknown" });
  });

  test("a growing volume is named at its VM", () => {
    const same = step("MicroVm", "kw1", { op: "same", new: vm("kw1") });
    const volume = { vm: "kw1", name: "var", host: "hv1" };
    const grows = step("Volume", "kw1-var", {
      old: { ...volume, sizeMiB: 64 },
      new: { ...volume, sizeMiB: 128 },
      diff: { sizeMiB: "input" },
    });
    const preview = build([same, grows, END]);
    const reason = "volume var: grows from 64 MiB to 128 MiB";
    expect(effectOf(preview)).toEqual({ effect: "nothing", reason });
    expect(preview.model.volumes).toMatchObject([{ volume: "kw1.var", losesData: false }]);
  });

  test("an error blocks its machine, and the others are unknown", () => {
    const other = refresh("MicroVm", "kw2", { old: vm("kw2"), new: vm("kw2") });
    const error = said("error", "Preview failed: no\nmore", urnOf("MicroVm", "kw1"));
    const preview = build([other, change, error, said("error", "preview failed"), END], {
      exitCode: 1,
      notices: noticesOf({
        kind: "failure",
        urn: urnOf("MicroVm", "kw1"),
        host: "hv1",
        cause: "foreign",
        what: "it is another's",
        remedy: "Leave it.",
      }),
    });
    expect(effectOf(preview)).toEqual({ effect: "blocked", reason: "it is another's" });
    expect(effectOf(preview, "kw2")).toMatchObject({ effect: "unknown" });
    expect(preview.model.problems).toEqual([
      { resource: "MicroVm kw1", text: "it is another's", remedy: "Leave it.", others: 0 },
    ]);
  });

  test("a renamed VM is one machine", () => {
    const read = refresh("MicroVm", "kw0", { old: vm("kw0"), new: vm("kw0") });
    const oldUrn = urnOf("MicroVm", "kw0");
    const renamed = step("MicroVm", "kw1", { new: vm("kw1"), diff: { name: "input" }, oldUrn });
    expect(build([read, renamed, END]).model.machines.map(({ name }) => name)).toEqual(["kw1"]);
  });

  test("the most disruptive stand first", () => {
    const plan = (name: string, effect: "restart" | "live"): Notice => {
      return { kind: "plan", urn: urnOf("MicroVm", name), effect, reason: "x", packages: [] };
    };
    const update = (name: string): object =>
      step("MicroVm", name, { old: vm(name), new: vm(name), diff: { a: "input" } });
    const notices = noticesOf(plan("a", "live"), plan("b", "restart"));
    const { machines } = build([update("a"), update("b"), END], { notices }).model;
    expect(machines.map(({ name }) => name)).toEqual(["b", "a"]);
  });
});

describe("deletions", () => {
  const volume = (onDelete: string): object =>
    step("Volume", "kw1-var", {
      op: "delete",
      old: { vm: "kw1", name: "var", host: "hv1", image: "/i", onDelete },
      new: null,
    });
  test.each([
    ["retain", "the image /i stays on the host", false],
    ["trash", "the image /i moves to the trash", false],
    ["delete", "the image /i is deleted with its data", true],
  ])("a volume with onDelete: %s", (onDelete, fate, losesData) => {
    const { deletions, volumes } = build([volume(onDelete), END]).model;
    expect(deletions).toEqual([{ resource: "Volume kw1-var", fate, losesData }]);
    expect(volumes).toMatchObject([{ isDeleted: true, losesData }]);
  });

  test("what loses data comes first", () => {
    const vm = step("MicroVm", "a", { op: "delete", new: null });
    const { deletions } = build([vm, volume("delete"), END]).model;
    expect(deletions.map(({ resource }) => resource)).toEqual(["Volume kw1-var", "MicroVm a"]);
  });
});

describe("drift", () => {
  const read = refresh("MicroVm", "kw1", {
    old: vm("kw1"),
    new: vm("kw1"),
    oldOutputs: { running: true, deep: { a: 1, b: 2 } },
    newOutputs: { running: false, deep: { a: 1, b: 3 } },
  });

  const isOf = (path: string): object => ({
    resource: "MicroVm kw1",
    path,
    isConsequence: false,
  });

  test("is what the refresh read, leaf by leaf", () => {
    const { drift } = build([read, step("MicroVm", "kw1", { op: "same" }), END]).model;
    expect(drift).toEqual([
      { ...isOf("deep.b"), recorded: "2", observed: "3", isRepaired: false },
      { ...isOf("running"), recorded: "true", observed: "false", isRepaired: false },
    ]);
  });

  test("what changed with a property that the provider names is a consequence", () => {
    const drifted = refresh("MicroVm", "kw1", {
      oldOutputs: { running: true, taps: ["br0"], tapsHere: 1 },
      newOutputs: { running: false, taps: [""], tapsHere: 0 },
    });
    const other = refresh("MicroVm", "kw2", {
      oldOutputs: { running: true },
      newOutputs: { running: false },
    });
    const consequencesOf = (diff: Record<string, "input" | "output">): string[] =>
      build([drifted, other, step("MicroVm", "kw1", { diff }), END])
        .model.drift.filter(({ isConsequence }) => isConsequence)
        .map(({ resource, path }) => `${resource} ${path}`);
    expect(consequencesOf({ running: "output" })).toEqual([
      "MicroVm kw1 tapsHere",
      "MicroVm kw1 taps[0]",
    ]);
    expect(consequencesOf({ taps: "output" })).toEqual([
      "MicroVm kw1 running",
      "MicroVm kw1 tapsHere",
    ]);
    expect(consequencesOf({ memory: "input" })).toEqual([]);
  });

  test("an update puts it back, unless the preview failed", () => {
    const update = step("MicroVm", "kw1", { diff: { running: "output" } });
    const repaired = (events: object[]): boolean[] =>
      build(events).model.drift.map(({ isRepaired }) => isRepaired);
    expect(repaired([read, update, END])).toEqual([true, true]);
    expect(repaired([read, update])).toEqual([false, false]);
  });

  test("that an earlier refresh has recorded", () => {
    const update = step("MicroVm", "kw1", {
      new: { running: true },
      oldOutputs: { running: false },
      diff: { running: "output" },
    });
    expect(build([update, END]).model.drift).toEqual([
      { ...isOf("running"), recorded: "true", observed: "false", isRepaired: true },
    ]);
  });

  test("a resource that is gone", () => {
    const gone = refresh("Volume", "v", { old: {}, new: null });
    expect(build([gone, END]).model.drift).toMatchObject([{ path: "", observed: "gone" }]);
  });
});

test("a host that can't be read names what is unknown, with one problem for all of it", () => {
  const failure = (type: string): Notice => ({
    kind: "failure",
    urn: urnOf(type, "x"),
    host: "hv2",
    cause: "unreachable",
    what: "hv2: can't be reached",
    remedy: "Look.",
  });
  const { model } = build(
    [
      refresh("NixClosure", "x", { new: { host: "hv2" }, initErrors: ["hv2: short"] }),
      said("warning", "unhealthy", urnOf("NixClosure", "x")),
      said("error", "a", urnOf("MicroVm", "x")),
      said("error", "b", urnOf("Volume", "x")),
    ],
    { notices: noticesOf(failure("MicroVm"), failure("Volume")) },
  );
  expect(model.unread).toEqual([
    {
      host: "hv2",
      text: "hv2: can't be reached",
      remedy: "Look.",
      resources: ["MicroVm x", "NixClosure x", "Volume x"],
    },
  ]);
  expect(model.problems).toMatchObject([{ resource: "MicroVm x", others: 1 }]);
  expect(model.warnings).toEqual([]);
});
