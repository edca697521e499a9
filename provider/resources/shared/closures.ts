/** Getting closures to a host: built here and copied, or as derivations that the host builds. */
import { build, copy } from "../../hosts/nix/nix";
import { within } from "../../hosts/wait/wait";
import type { Context } from "../../resource";
import { inTurn } from "./turn";

export interface Closure {
  drvPath: string;
  outPath: string;
}

/** For which host, what errors call it, and how long each build and each copy may take. */
export interface Target {
  host: string;
  name: string;
  seconds: number;
}

/** Builds on this machine, a few at a time. A build's time starts when it is its turn. */
export async function buildHere(
  context: Context,
  to: Target,
  derivations: string[],
): Promise<void> {
  await inTurn(context, context.pool.builds, to.host, to.name, () =>
    build(within(context, to.seconds), to.name, derivations),
  );
}

/** What is missing gets to the host; nothing there is disturbed. `name` is what errors call it. */
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
  await inTurn(context, pool.limitsOf(to.host).copies, to.host, to.name, () =>
    copy(within(context, to.seconds), to.name, target, paths, what),
  );
}
