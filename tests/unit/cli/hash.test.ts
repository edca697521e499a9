/** The hash of a plan: what it covers, and what it does not. */
import { planDifference } from "../../../cli/preview/hash";
import { END, UNKNOWN, build, plain, planOf, refresh, said, secret, step, urnOf } from "./eventLog";

describe("the hash", () => {
  const hashOf = (events: object[], key?: string): string | undefined =>
    build([...events, END], {}, key).hash?.hash;
  const update = (value: unknown, more: object = {}): object =>
    step("MicroVm", "kw1", { old: { a: 0 }, new: { a: value }, diff: { a: "input" }, ...more });
  const same = step("MicroVm", "kw9", { op: "same" });

  test("does not depend on order, on what does not change, on messages or on drift", () => {
    const other = step("Volume", "v", { op: "create", new: { b: 1, a: 2 } });
    const reordered = step("Volume", "v", { op: "create", new: { a: 2, b: 1 } });
    const drift = step("NixClosure", "c", { diff: { paths: "output" } });
    const read = refresh("MicroVm", "kw1", { oldOutputs: { a: 1 }, newOutputs: { a: 2 } });
    expect(hashOf([update(1), other])).toBe(
      hashOf([read, said("warning", "now"), same, reordered, drift, update(1)]),
    );
  });

  test("does not cover the old values: another change may have been merged before", () => {
    expect(hashOf([update(1, { old: { a: 7 } })])).toBe(hashOf([update(1)]));
  });

  test("does not cover the commit and the place of a checkout, but its content", () => {
    const diff = { commit: "input", content: "input", directory: "input" } as const;
    const seed = (inputs: Record<string, unknown>, op: string): object =>
      step("GitSeed", "gitops", { op, old: {}, new: inputs, diff });
    const here = { commit: "a", content: "t", directory: "/here" };
    const there = { commit: "b", content: "t", directory: "/there" };
    const other = { ...here, content: "u" };
    for (const op of ["update", "create"]) {
      expect(hashOf([seed(here, op)])).toBe(hashOf([seed(there, op)]));
      expect(hashOf([seed(here, op)])).not.toBe(hashOf([seed(other, op)]));
    }
  });

  const cases: [string, object[], object[]][] = [
    ["a value", [update(1)], [update(2)]],
    ["the type of a value", [update(1)], [update("1")]],
    ["a value that is not known", [update(1)], [update(UNKNOWN)]],
    ["an operation", [update(1)], [step("MicroVm", "kw1", { op: "delete", new: null })]],
    ["a further path", [update(1)], [update(1, { diff: { a: "input", b: "input" } })]],
    ["a further resource", [update(1)], [update(1), step("Volume", "v", { op: "create" })]],
    [
      "an input of something new",
      [step("Volume", "v", { op: "create", new: { sizeMiB: 1 } })],
      [step("Volume", "v", { op: "create", new: { sizeMiB: 2 } })],
    ],
  ];
  test.each(cases)("changes with %s", (_, a, b) => {
    expect(hashOf(a)).not.toBe(hashOf(b));
  });

  test("covers secrets by a keyed hash", () => {
    const urn = urnOf("MicroVm", "kw1");
    const hashWith = (value: unknown, key?: string): string | undefined =>
      build([update([secret()]), END], { plan: planOf({ [urn]: { a: [plain(value)] } }) }, key).hash
        ?.hash;
    expect(hashWith("one", "key")).toBe(hashWith("one", "key"));
    expect(hashWith("one", "key")).not.toBe(hashWith("two", "key"));
    expect(hashWith("one", "key")).not.toBe(hashWith("one", "other key"));
    expect(hashWith("one")).toBe(hashWith("two"));
  });

  test("a difference names what is new, changed and gone", () => {
    const create = step("Volume", "v", { op: "create" });
    const reviewed = build([update(1), create, END]).hash;
    const now = build([update(2), step("NixClosure", "c", { op: "create" }), END]).hash;
    if (reviewed === undefined || now === undefined) throw new Error("no hash");
    const known = [urnOf("MicroVm", "kw1"), urnOf("NixClosure", "c"), urnOf("Volume", "v")];
    expect(planDifference(reviewed.entries, now, known)).toEqual({
      added: [urnOf("NixClosure", "c")],
      changed: [urnOf("MicroVm", "kw1")],
      removed: [urnOf("Volume", "v")],
    });
  });
});
