import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const lockSchema = z.object({
  packages: z.record(
    z.string(),
    z.object({
      resolved: z.string().optional(),
      optionalDependencies: z.record(z.string(), z.string()).optional(),
    }),
  ),
});

const lock = lockSchema.parse(
  JSON.parse(readFileSync(join(__dirname, "../../package-lock.json"), "utf8")),
);

/** Where npm looks for `name` from `at`: its own node_modules, then those of each parent. */
function* places(at: string, name: string): Iterable<string> {
  for (let base = at; base !== ""; base = base.slice(0, Math.max(0, base.lastIndexOf("/")))) {
    yield `${base}/node_modules/${name}`;
  }
  yield `node_modules/${name}`;
}

// A lock written where a registry lacks some platforms' packages makes `npm ci` fail everywhere.
test("the lock file names the optional packages of every platform", () => {
  const missing = Object.entries(lock.packages).flatMap(([at, locked]) =>
    Object.keys(locked.optionalDependencies ?? {}).filter(
      (name) => ![...places(at, name)].some((place) => place in lock.packages),
    ),
  );
  expect(missing).toEqual([]);
});

test("the lock file names no registry", () => {
  expect(Object.values(lock.packages).filter((locked) => locked.resolved !== undefined)).toEqual(
    [],
  );
});
