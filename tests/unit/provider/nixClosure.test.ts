/** The line of a preview for a changed closure. */
import { explainChange as explain } from "../../../provider/resources/machines/nixClosure";

const path = (name: string): string => `/nix/store/${"0".repeat(32)}-${name}`;
const root = (name: string) => ({ drvPath: path(`${name}.drv`), outPath: path(name) });
const wanted = {
  host: "hv1",
  machineId: "0".repeat(32),
  name: "kw1",
  roots: { closureInfo: root("info2"), runner: root("runner2"), toplevel: root("system2") },
  build: "operator" as const,
  packages: { hello: "2.13" },
};
const before = { ...wanted, packages: { hello: "2.12" } };
const state = (runner: string) => ({
  paths: { closureInfo: path("info2"), runner: path(runner), toplevel: path("system2") },
  ownership: "owned",
});
const closure = `kw1: closure ${path("runner1")} -> ${path("runner2")}`;

test("shows the change of the runner with the packages", () => {
  expect(explain(wanted, state("runner1"), before)).toBe(
    `${closure}; packages: hello 2.12 -> 2.13`,
  );
});

test("shows no packages if none changed, or if one side has none recorded", () => {
  expect(explain(wanted, state("runner1"), wanted)).toBe(closure);
  expect(explain(wanted, state("runner1"), { ...before, packages: {} })).toBe(closure);
  expect(explain(wanted, state("runner1"), undefined)).toBe(closure);
  expect(explain({ ...wanted, packages: {} }, state("runner1"), before)).toBe(closure);
});

test("shows another root if the runner is unchanged, and nothing without changes", () => {
  const without = {
    ...state("runner2"),
    paths: { ...state("runner2").paths, toplevel: path("system1") },
  };
  expect(explain(wanted, without, before)).toContain(`${path("system1")} -> ${path("system2")};`);
  expect(explain(wanted, state("runner2"), before)).toBeUndefined();
});

test("shows a closure that is not on the host", () => {
  expect(explain(wanted, undefined, before)).toContain(`closure none -> ${path("runner2")};`);
});
