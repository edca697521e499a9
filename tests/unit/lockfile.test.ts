import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const locked = z.looseObject({
  resolved: z.string().optional(),
  optionalDependencies: z.record(z.string(), z.string()).optional(),
});
const { packages } = z
  .looseObject({ packages: z.record(z.string(), locked) })
  .parse(JSON.parse(readFileSync(join(__dirname, "../../package-lock.json"), "utf8")));

/** The paths where npm looks for `name` from `at`: its node_modules, then those of each parent. */
function* places(at: string, name: string): Iterable<string> {
  for (let base = at; base !== ""; base = base.slice(0, Math.max(0, base.lastIndexOf("/")))) {
    yield `${base}/node_modules/${name}`;
  }
  yield `node_modules/${name}`;
}

// If a registry lacks packages of some platforms, npm writes a lock with which `npm ci` fails
// there.
test("the lock file contains the optional packages of every platform", () => {
  const missing = Object.entries(packages).flatMap(([at, entry]) =>
    Object.keys(entry.optionalDependencies ?? {}).filter(
      (name) => ![...places(at, name)].some((place) => place in packages),
    ),
  );
  expect(missing).toEqual([]);
});

test("the lock file contains no registry", () => {
  expect(Object.values(packages).filter(({ resolved }) => resolved !== undefined)).toEqual([]);
});
