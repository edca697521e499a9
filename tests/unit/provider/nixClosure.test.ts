/** What a preview says of a changed closure. */
import { nixClosure } from "../../../provider/resources/machines/nixClosure";

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
const explain = (...given: Parameters<NonNullable<typeof nixClosure.explain>>) =>
  nixClosure.explain?.(...given);
const closure = `kw1: closure ${path("runner1")} -> ${path("runner2")}`;

test("the runner's change, with the packages", () => {
  expect(explain(wanted, state("runner1"), before)).toBe(
    `${closure}; packages: hello 2.12 -> 2.13`,
  );
});

test("without packages where none changed, or where one side does not know them", () => {
  expect(explain(wanted, state("runner1"), wanted)).toBe(closure);
  expect(explain(wanted, state("runner1"), { ...before, packages: {} })).toBe(closure);
  expect(explain(wanted, state("runner1"), undefined)).toBe(closure);
  expect(explain({ ...wanted, packages: {} }, state("runner1"), before)).toBe(closure);
});

test("another root, where the runner stays; nothing, where the host has all of them", () => {
  const without = {
    ...state("runner2"),
    paths: { ...state("runner2").paths, toplevel: path("system1") },
  };
  expect(explain(wanted, without, before)).toContain(`${path("system1")} -> ${path("system2")};`);
  expect(explain(wanted, state("runner2"), before)).toBeUndefined();
});

test("what is not on the host at all", () => {
  expect(explain(wanted, undefined, before)).toContain(`closure none -> ${path("runner2")};`);
});
