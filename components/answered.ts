/** Waiting for resources without depending on them. */
import * as pulumi from "./pulumi";

/**
 * Resolves when the engine has answered for each of them, be it made, unchanged, failed or skipped; never
 * rejects. The urn is known also in a preview, and rejects for what failed: `recover` marks that as handled
 * for the urn alone, so the resource's own failure is told as ever. If the engine goes away the SDK settles
 * nothing any more, and ends the program.
 */
export async function answered(resources: pulumi.Resource[]): Promise<void> {
  await Promise.all(resources.map(one));
}

/** A promise of the callback's, so that no output carries the resource on as a dependency. */
function one({ urn }: pulumi.Resource): Promise<void> {
  return new Promise((resolve) => {
    pulumi.recover(urn, () => "").apply(() => resolve());
  });
}
