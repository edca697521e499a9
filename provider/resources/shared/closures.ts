/**
 * Brings closures to a host: built here and copied, or copied as derivations that the host builds.
 */
import { build, copy } from "../../hosts/nix/nix";
import { within } from "../../hosts/wait/wait";
import type { Context } from "../../resource";
import { withLimit } from "./turn";

export interface Closure {
  drvPath: string;
  outPath: string;
}

/** The host, the name for errors, and the time limit of each build and each copy. */
export interface Target {
  host: string;
  name: string;
  seconds: number;
}

/** Builds on this machine, a few at a time. The time limit starts when the build starts. */
export async function buildHere(
  context: Context,
  to: Target,
  derivations: string[],
): Promise<void> {
  await withLimit(context, context.pool.builds, to.host, to.name, () =>
    build(within(context, to.seconds), to.name, derivations),
  );
}

/** Copies what the host does not have yet. Does not affect running VMs. */
export async function bring(
  context: Context,
  to: Target & { build: "operator" | "host" },
  closures: Closure[],
): Promise<void> {
  const { pool } = context;
  if (to.build === "operator") {
    const derivations = closures.map(({ drvPath }) => drvPath);
    await buildHere(context, to, derivations);
  }
  const target = { name: to.host, hop: pool.configOf(to.host), config: pool.config };
  const paths = closures.map(({ drvPath, outPath }) =>
    to.build === "operator" ? outPath : drvPath,
  );
  const what = to.build === "operator" ? "outputs" : "derivations";
  await withLimit(context, pool.limitsOf(to.host).copies, to.host, to.name, () =>
    copy(within(context, to.seconds), to.name, target, paths, what),
  );
}
