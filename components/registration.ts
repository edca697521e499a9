/** Waiting for resources without depending on them. */
import * as pulumi from "./pulumi";

/**
 * Resolves when the engine has answered the registration of each resource: created, unchanged,
 * failed or skipped. It never rejects.
 *
 * A urn is known in a preview too, and rejects if the registration failed. `recover` marks that as
 * handled for the urn alone, so the failure of the resource is still reported. If the engine goes
 * away, the SDK settles nothing any more and ends the program.
 */
export async function allRegistered(resources: pulumi.Resource[]): Promise<void> {
  await Promise.all(resources.map(registered));
}

/** A plain promise, since an output would make the resource a dependency. */
function registered({ urn }: pulumi.Resource): Promise<void> {
  return new Promise((resolve) => {
    pulumi.recover(urn, () => "").apply(() => resolve());
  });
}
