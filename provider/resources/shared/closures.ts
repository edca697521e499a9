/** Getting closures to a host: built here and copied, or as derivations that the host builds. */
import { build, copy } from "../../hosts/nix/nix";
import { Wait } from "../../hosts/operations/wait";
import type { Context } from "../../resource";

export interface Closure {
  drvPath: string;
  outPath: string;
}

/** Builds on this machine, a few at a time. `to`: whom it is for, and what errors call it. */
export async function buildHere(
  context: Context,
  to: { host: string; name: string },
  derivations: string[],
): Promise<void> {
  const wait = new Wait(to.host, context);
  await context.pool.builds.run(wait, () => build(context, to.name, derivations));
}

/** What is missing gets to the host; nothing there is disturbed. `name` is what errors call it. */
export async function bring(
  context: Context,
  to: { host: string; name: string; build: "operator" | "host" },
  closures: Closure[],
): Promise<void> {
  const { pool } = context;
  if (to.build === "operator") {
    const derivations = closures.map(({ drvPath }) => drvPath);
    await buildHere(context, to, derivations);
  }
  const wait = new Wait(to.host, context);
  const target = { name: to.host, hop: pool.get(to.host).config, config: pool.config };
  const paths = closures.map(({ drvPath, outPath }) =>
    to.build === "operator" ? outPath : drvPath,
  );
  const what = to.build === "operator" ? "outputs" : "derivations";
  await pool.copiesTo(to.host).run(wait, () => copy(context, to.name, target, paths, what));
}
